"""Declarations of constraint triggers and derived writes, which installed/triggers.py turns into SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint as DjangoExclusionConstraint
from django.core.exceptions import NON_FIELD_ERRORS
from django.db import models
from django.utils.translation import gettext_lazy as _

from policytracker.records.access import Publication, Visibility
from policytracker.sql.moment import CHANGES

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class _ReportedOnField:
    """A constraint whose violation is reported on `field`. The error code is the name of the constraint."""

    django_path: ClassVar[str]

    def __init__(self, *args: Any, name: str, field: str = NON_FIELD_ERRORS, **kwargs: Any):
        super().__init__(*args, **kwargs | {"name": name, "violation_error_code": name})
        self.field = field

    def deconstruct(self) -> tuple[str, Any, dict[str, Any]]:
        """As Django's own class and without `field`, so that migrations do not depend on these classes."""
        _, args, kwargs = super().deconstruct()  # type: ignore[misc]
        return self.django_path, args, kwargs

    def clone(self) -> Any:
        _, args, kwargs = self.deconstruct()
        return self.__class__(*args, field=self.field, **kwargs)


class CheckConstraint(_ReportedOnField, models.CheckConstraint):
    django_path = "django.db.models.CheckConstraint"


class UniqueConstraint(_ReportedOnField, models.UniqueConstraint):
    django_path = "django.db.models.UniqueConstraint"


class ExclusionConstraint(_ReportedOnField, DjangoExclusionConstraint):
    django_path = "django.contrib.postgres.constraints.ExclusionConstraint"


@dataclass(frozen=True)
class RuleLock:
    """The lock of a rule for one record, which a write takes before the rule is checked.

    Concurrent transactions do not see each other's rows, so two of them could violate a rule together. Every write that can do so
    takes the lock `name` of the same record: of each id that `column` has before and after the write, or of the whole rule if
    `column` is empty. Writes that can only violate it together with other kinds of writes take it `shared`. The lock is declared for
    one event, with `when` as in a trigger. It is taken at the end of the transaction (`lock_rules()` in installed/triggers.py).
    """

    name: str
    event: str
    when: str = ""
    column: str = ""
    shared: bool = False


def differs(*columns: str) -> str:
    """SQL: an update changes one of these columns."""
    new, old = (", ".join(f"{row}.{column}" for column in columns) for row in ("NEW", "OLD"))
    return f"({new}) IS DISTINCT FROM ({old})"


MAX_LEVELS = 100  # ancestors of a record that are looked at one by one; of more, all records are checked together


@dataclass(frozen=True)
class TriggerConstraint:
    """A constraint that compares several rows, or the old and the new row; a trigger enforces it.

    `violated_when` is an SQL condition on NEW (and OLD) that is true if the row violates the constraint. A constraint that reads
    other rows is `deferred`: it is checked at the end of the transaction on the final row, so rows can be written in any order.
    `locks` make concurrent transactions wait that could violate it together. `when` is an SQL condition for the rows to check; empty:
    all. An update is checked only if it changes one of the columns `changed`, if there are any.
    `field` is the field that the error is reported on, `code` the API's error code. With `in_loads=False`, loads of data sets are exempt.
    """

    name: str
    message: StrOrPromise
    violated_when: str
    field: str = ""
    code: str = ""
    events: str = "INSERT OR UPDATE"
    when: str = ""
    changed: tuple[str, ...] = ()
    deferred: bool = False
    locks: tuple[RuleLock, ...] = ()
    in_loads: bool = True

    @classmethod
    def no_circle(cls, name: str, message: StrOrPromise, table: str, field: str, lock: str = "", scope: str = "") -> TriggerConstraint:
        """A record cannot be its own ancestor through the foreign key `field`.

        `lock` names the lock if other rules share it. `scope` is a column with the same value in all records of a circle, if there is
        one. Only updates take the lock: no other transaction can refer to a record that is being inserted, so it closes no circle of
        two transactions.
        """
        column = f"{field}_id"
        # Looking at all ancestors of each written record of a long chain would take a time that grows with the square of its length.
        violated_when = f"""(WITH RECURSIVE above (id, level) AS (SELECT NEW.{column}, 1 UNION ALL
            SELECT t.{column}, level + 1 FROM {table} t JOIN above ON t.id = above.id WHERE above.id <> NEW.id AND level < {MAX_LEVELS})
            SELECT CASE WHEN bool_or(id = NEW.id) THEN true WHEN max(level) = {MAX_LEVELS} THEN has_circle('{table}', '{column}') END
            FROM above)"""
        return cls(
            name,
            message,
            violated_when,
            field=field,
            when=f"NEW.{column} IS NOT NULL",
            changed=(column,),
            deferred=True,
            locks=(RuleLock(lock or name, "UPDATE", f"NEW.{column} IS NOT NULL AND {differs(column)}", scope),),
        )


@dataclass(frozen=True)
class DerivedWrite:
    """PL/pgSQL statements that run after each write of a row, or before it to set columns of NEW.

    If `inserted` is given, rows that one statement inserts are processed together: these statements run once for all of them, and find
    them in the table `written`.
    """

    name: str
    sql: str
    before: bool = False
    inserted: str = ""


@dataclass(frozen=True)
class OwnTrigger:
    """A trigger that a model that is not a record declares in `own_triggers`, and its function, which has the same name.

    `when` is as in "AFTER UPDATE", `sql` are the PL/pgSQL statements. `links` is the many-to-many field whose link table has the trigger.
    """

    name: str
    when: str
    sql: str
    condition: str = ""
    links: str = ""
    for_each_row: bool = True


# An SQL condition on a history row: the current transaction wrote it. The transaction ID is not enough: on a server that a dump was
# restored to, IDs can repeat those stored in the history, but those rows are older than the transaction.
IN_THIS_TRANSACTION = "txid = pg_current_xact_id() AND at >= now()"
LINKED_IS_PROTECTED = "linked_record_is_protected"
# Also a message of rules in the apps.
ARCHIVED_IS_CLOSED = _("This record (or its parent) is archived. Restore it before editing.")
NOT_LOADING = "coalesce(actor() ->> 'channel', '') <> 'data set'"
WITHOUT_REASON = "coalesce(actor() ->> 'reason', '') = ''"


@dataclass(frozen=True)
class ReservedChange:
    """A change of a code field that only reviewers and administrators may make, and only with a change reason.

    `changes` are the pairs (old code, new code). With `of_published`, draft records are exempt. `publishing.py` checks the user's
    role, and the database checks the reason (`constraint`). `denied` and `reason_missing` are the two messages.
    """

    name: str
    field: str
    changes: frozenset[tuple[str, str]]
    denied: StrOrPromise
    reason_missing: StrOrPromise
    of_published: bool = False

    def applies(self, record: models.Model, value: str) -> bool:
        """Whether changing the stored record's field to `value` is such a change."""
        exempt = self.of_published and getattr(record, "publication", None) == Publication.DRAFT
        return not exempt and (getattr(record, self.field), value) in self.changes

    @property
    def constraint(self) -> TriggerConstraint:
        pairs = ", ".join(f"('{old}', '{new}')" for old, new in sorted(self.changes))
        published = " AND OLD.publication <> 'draft'" if self.of_published else ""
        violated = f"(OLD.{self.field}, NEW.{self.field}) IN ({pairs}){published} AND {WITHOUT_REASON}"
        return TriggerConstraint(self.name, self.reason_missing, violated, field=self.field, code="reason_required", events="UPDATE")


def steps_down(codes: list[str], *from_codes: str) -> frozenset[tuple[str, str]]:
    """The pairs (old, new) from each of `from_codes` to a lower code; `codes` is ordered from highest to lowest."""
    return frozenset((old, new) for old in from_codes for new in codes[codes.index(old) + 1 :])


ARCHIVING = ReservedChange(
    "archiving_has_a_reason",
    "publication",
    frozenset((a, b) for a in Publication.values for b in Publication.values if a != b and Publication.ARCHIVED in (a, b)),
    denied=_("Only reviewers and administrators can archive or restore records."),
    reason_missing=_("Enter a change reason. It is required to archive or restore a record."),
)
UNPUBLISHING = ReservedChange(
    "unpublishing_has_a_reason",
    "publication",
    frozenset({(Publication.PUBLISHED.value, Publication.DRAFT.value)}),
    denied=_("Only reviewers and administrators can change a published record back to draft."),
    reason_missing=_("Enter a change reason. It is required to change a published record back to draft."),
)
NARROWING = ReservedChange(
    "narrowing_has_a_reason",
    "visibility",
    steps_down(Visibility.values, Visibility.PUBLIC, Visibility.INTERNAL),
    denied=_("Only reviewers and administrators can restrict the visibility of a published record."),
    reason_missing=_("Enter a change reason. It is required to restrict the visibility of a published record."),
    of_published=True,
)
PUBLISHED_RECORD_STAYS = TriggerConstraint(
    "published_record_stays",
    _("A record that is or was published cannot be deleted. Archive it instead."),
    f"""OLD.publication <> 'draft' OR EXISTS (SELECT FROM {CHANGES} c
        WHERE c.tbl = tg_table_name AND c.row_id = OLD.id AND c.op = 'update' AND c.changed ? 'publication')""",
    code="archive_instead",
    events="DELETE",
)
MOVED_DEADLINE_HAS_A_REASON = TriggerConstraint(
    "moved_deadline_has_a_reason",
    _("Enter a change reason. It is required to change a due date."),
    f"OLD.due_on NOT IN ('', NEW.due_on) AND {WITHOUT_REASON}",
    field="due_on",
    code="reason_required",
    events="UPDATE",
)

"""Rules that PostgreSQL enforces by triggers, and what it writes because a row was written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint as DjangoExclusionConstraint
from django.core.exceptions import NON_FIELD_ERRORS
from django.db import models
from django.utils.translation import gettext_lazy as _

from policytracker.records.access import Publication, Visibility

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from policytracker.records.models import Record


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
class TriggerConstraint:
    """A rule over more than one row or moment, kept by a trigger.

    `broken` is an SQL condition on NEW (and OLD) that is true where the rule is broken. A guard that looks at other rows is
    `deferred`: it is asked when the act ends, of the row as it then is, so that rows may come in any order; of two acts that
    ask at once, the second waits for the first. `when` says on which rows it need not be asked at all. `field` is where a
    person mends it, `code` how the API names the refusal.
    """

    name: str
    sentence: StrOrPromise
    broken: str
    field: str = ""
    code: str = ""
    events: str = "INSERT OR UPDATE"
    when: str = ""
    deferred: bool = False

    @classmethod
    def no_circle(cls, name: str, sentence: StrOrPromise, table: str, field: str) -> TriggerConstraint:
        """Nobody stands above itself, by however many steps along the column of `field`."""
        column = f"{field}_id"
        broken = f"""EXISTS (WITH RECURSIVE above AS (SELECT NEW.{column} AS id UNION
            SELECT t.{column} FROM {table} t JOIN above ON t.id = above.id) SELECT FROM above WHERE id = NEW.id)"""
        return cls(name, sentence, broken, field=field, when=f"NEW.{column} IS NOT NULL", deferred=True)


@dataclass(frozen=True)
class DerivedWrite:
    """What PostgreSQL writes because a row was written: statements of PL/pgSQL, run after the write, or before it on NEW."""

    name: str
    does: str
    before: bool = False


# A condition on a row of the history: it was written in the present transaction. Its number alone does not prove that, since a register
# that was restored into another server meets numbers that its history holds already; but those rows are older than the transaction.
IN_THIS_TRANSACTION = "txid = pg_current_xact_id() AND at >= now()"
# The message for every write to an archived record, or to a record below one. Here, so that guards and functions share it.
ARCHIVED_IS_CLOSED = _("This record (or its parent) is archived. Restore it before editing.")
WITHOUT_REASON = "coalesce(actor() ->> 'reason', '') = ''"


@dataclass(frozen=True)
class ReservedChange:
    """A change of a code field that only reviewers and administrators may make, and only with a change reason.

    `changes` are the pairs (code before, code after). With `of_published`, drafts are free. Python checks who makes the change
    (publishing.py), and the database that there is a reason (`guard`).
    """

    name: str
    field: str
    changes: frozenset[tuple[str, str]]
    denied: str
    reason_missing: str
    of_published: bool = False

    def applies(self, record: Record, value: str) -> bool:
        """Whether the stored record would be changed in this way by the new value of the field."""
        free = self.of_published and getattr(record, "publication", None) == Publication.DRAFT
        return not free and (getattr(record, self.field), value) in self.changes

    @property
    def guard(self) -> TriggerConstraint:
        pairs = ", ".join(f"('{before}', '{after}')" for before, after in sorted(self.changes))
        published = " AND OLD.publication <> 'draft'" if self.of_published else ""
        violated = f"(OLD.{self.field}, NEW.{self.field}) IN ({pairs}){published} AND {WITHOUT_REASON}"
        return TriggerConstraint(self.name, self.reason_missing, violated, field=self.field, code="reason_required", events="UPDATE")


def steps_down(codes: list[str], *from_codes: str) -> frozenset[tuple[str, str]]:
    """The pairs of one of `from_codes` and each code that stands below it; `codes` begins with the highest."""
    return frozenset((before, after) for before in from_codes for after in codes[codes.index(before) + 1 :])


ARCHIVING = ReservedChange(
    "archiving_has_a_reason",
    "publication",
    frozenset((a, b) for a in Publication.values for b in Publication.values if a != b and Publication.ARCHIVED in (a, b)),
    denied="Only reviewers and administrators archive and restore records.",
    reason_missing="Enter a change reason: the record is archived or restored.",
)
UNPUBLISHING = ReservedChange(
    "unpublishing_has_a_reason",
    "publication",
    frozenset({(Publication.PUBLISHED.value, Publication.DRAFT.value)}),
    denied="Only reviewers and administrators take a published record back to draft.",
    reason_missing="Enter a change reason: a published record goes back to draft.",
)
NARROWING = ReservedChange(
    "narrowing_has_a_reason",
    "visibility",
    steps_down(Visibility.values, Visibility.PUBLIC, Visibility.INTERNAL),
    denied="Only reviewers and administrators narrow the visibility of a published record.",
    reason_missing="Enter a change reason: fewer people will see a published record.",
    of_published=True,
)
PUBLISHED_RECORD_STAYS = TriggerConstraint(
    "published_record_stays",
    "A record that is or was published cannot be deleted. Archive it instead.",
    """OLD.publication <> 'draft' OR EXISTS (SELECT FROM policytracker_change c
        WHERE c.tbl = tg_table_name AND c.row_id = OLD.id AND c.op = 'update' AND c.changed ? 'publication')""",
    code="archive_instead",
    events="DELETE",
)
MOVED_DEADLINE_HAS_A_REASON = TriggerConstraint(
    "moved_deadline_has_a_reason",
    "Say why the due day changes.",
    f"OLD.due_on NOT IN ('', NEW.due_on) AND {WITHOUT_REASON}",
    field="due_on",
    code="reason_required",
    events="UPDATE",
)

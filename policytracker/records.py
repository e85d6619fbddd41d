"""The base of every record: what PostgreSQL counts and dates, who acts, and the guards that rows keep."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.db import connection, models, transaction
from django.db.models import Q
from django.db.models.functions import Now, Upper
from django.utils.translation import gettext_lazy as _

from policytracker.edtf import EdtfField, FirstDay, LastDay
from policytracker.visibility import Publication, Reader, Visibility, readable, would_read

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True)
class Guard:
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
    def no_circle(cls, name: str, sentence: str, table: str, field: str) -> Guard:
        """Nobody stands above itself, by however many steps along the column of `field`."""
        column = f"{field}_id"
        broken = f"""EXISTS (WITH RECURSIVE above AS (SELECT NEW.{column} AS id UNION
            SELECT t.{column} FROM {table} t JOIN above ON t.id = above.id) SELECT FROM above WHERE id = NEW.id)"""
        return cls(name, sentence, broken, field=field, when=f"NEW.{column} IS NOT NULL", deferred=True)


@dataclass(frozen=True)
class Consequence:
    """What PostgreSQL writes because a row was written: statements of PL/pgSQL, run after the write, or before it on NEW."""

    name: str
    does: str
    before: bool = False


# A condition on a row of the history: it was written in the present transaction. Its number alone does not prove that, since a register
# that was restored into another server meets numbers that its history holds already; but those rows are older than the transaction.
IN_THIS_TRANSACTION = "txid = pg_current_xact_id() AND at >= now()"
MAX_REASON = 2000  # characters
REASON_TOO_LONG = f"A change reason has at most {MAX_REASON} characters."
# The message for every write to an archived record, or to a record below one. Here, so that guards and functions share it.
ARCHIVED_IS_CLOSED = _("This record (or its parent) is archived. Restore it before editing.")
NO_REASON = "coalesce(actor() ->> 'reason', '') = ''"


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
    def guard(self) -> Guard:
        pairs = ", ".join(f"('{before}', '{after}')" for before, after in sorted(self.changes))
        published = " AND OLD.publication <> 'draft'" if self.of_published else ""
        violated = f"(OLD.{self.field}, NEW.{self.field}) IN ({pairs}){published} AND {NO_REASON}"
        return Guard(self.name, self.reason_missing, violated, field=self.field, code="reason_required", events="UPDATE")


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
PUBLISHED_RECORD_STAYS = Guard(
    "published_record_stays",
    "A record that is or was published cannot be deleted. Archive it instead.",
    """OLD.publication <> 'draft' OR EXISTS (SELECT FROM policytracker_change c
        WHERE c.tbl = tg_table_name AND c.row_id = OLD.id AND c.op = 'update' AND c.changed ? 'publication')""",
    code="archive_instead",
    events="DELETE",
)
MOVED_DEADLINE_HAS_A_REASON = Guard(
    "moved_deadline_has_a_reason",
    "Say why the due day changes.",
    f"OLD.due_on NOT IN ('', NEW.due_on) AND {NO_REASON}",
    field="due_on",
    code="reason_required",
    events="UPDATE",
)


def words_within(field: str, name: str) -> GinIndex:
    """The index by which `field__icontains` finds words at register size."""
    return GinIndex(OpClass(Upper(field), name="gin_trgm_ops"), name=name)


class RecordQuerySet(models.QuerySet):
    """Rows of one model; what a person may read of them is asked here and nowhere else."""

    def get_by_natural_key(self, key: str) -> Any:
        return self.get(**{self.model.key: key})

    def readable_by(self, reader: Reader) -> Q:
        """As readable as every record that this one hangs on."""
        rule = Q()
        for name in self.model.hangs_on:
            field = self.model._meta.get_field(name)
            parent = Q(**{f"{name}__in": field.related_model.objects.visible_to(reader).values("pk")})
            rule &= parent | Q(**{f"{name}__isnull": True}) if field.null else parent
        return rule

    def on_day(self, day: Any) -> Self:
        """The rows as they were on a past day, according to today's data. Most records do not depend on the day."""
        return self.all()

    def visible_to(self, user: Any) -> Self:
        """The rows that exist for this user (DESIGN 10)."""
        reader = Reader.of(user)
        if reader.sees_all:
            return self.all()
        return self.filter(self.readable_by(reader)) if reader.roles else self.none()


class PublishedQuerySet(RecordQuerySet):
    """Rows of a register."""

    def belonging(self, reader: Reader) -> tuple[Q, Q]:
        """What is an officer's own, and what is open to a member of the team although restricted."""
        return Q(pk__in=[]), Q(pk__in=[])

    def readable_by(self, reader):
        return super().readable_by(reader) & readable(reader, *self.belonging(reader))


class Text(models.TextField):
    """Prose, of at most 100,000 characters, "" where there is none."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"max_length": 100_000, "blank": True, "default": ""} | kwargs)
        self.validators.append(MaxLengthValidator(self.max_length))

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, kwargs


class Record(models.Model):
    """What every record has. `version`, `created_at` and `updated_at` are written by PostgreSQL alone."""

    key: ClassVar[str]
    hangs_on: ClassVar[tuple[str, ...]] = ()
    guards: ClassVar[tuple[Guard, ...]] = ()
    reserved: ClassVar[tuple[ReservedChange, ...]] = ()
    consequences: ClassVar[tuple[Consequence, ...]] = ()
    follows: ClassVar[tuple[str, ...]] = ()  # columns that only a consequence of other records writes, and counts
    named_with: ClassVar[tuple[str, ...]] = ()  # references whose names are part of its own name, and readable by all who may read
    counts_for: ClassVar[str] = ""  # the record inside which it is shown, whose version moves with it

    version = models.PositiveIntegerField(db_default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = RecordQuerySet.as_manager()

    class Meta:
        abstract = True

    @classmethod
    def was_readable(cls, row: dict[str, Any], reader: Reader, own: bool, team: bool) -> bool:
        """Whether the reader could have read the row when it was like this, as far as the row itself decides."""
        return True

    def natural_key(self) -> tuple[str]:
        return (str(getattr(self, self.key)),)


class Coded(Record):
    """A record that the field knows by a short code."""

    key = "code"
    code = models.SlugField(max_length=60, unique=True)

    class Meta:
        abstract = True


class Slugged(Record):
    """A record known by a readable name of its own."""

    key = "slug"
    slug = models.SlugField(max_length=120, unique=True)

    class Meta:
        abstract = True


class Identified(Record):
    """A record without a name of its own; its uid is key, reference and address, `line_parts` what tells it apart."""

    line_parts: ClassVar[tuple[str, ...]] = ("uid",)

    key = "uid"
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)

    class Meta:
        abstract = True


class Published(Slugged):
    """A register: its rows are drafted, published, archived, and may be kept from some readers."""

    visibility = models.CharField(max_length=10, choices=Visibility, default=Visibility.PUBLIC)
    publication = models.CharField(max_length=10, choices=Publication, default=Publication.DRAFT)

    objects = PublishedQuerySet.as_manager()

    guards: ClassVar[tuple[Guard, ...]] = (PUBLISHED_RECORD_STAYS,)
    reserved: ClassVar[tuple[ReservedChange, ...]] = (ARCHIVING, UNPUBLISHING, NARROWING)

    class Meta:
        abstract = True

    @classmethod
    def was_readable(cls, row, reader, own, team):
        return would_read(reader, row, own, team)


class Due(models.Model):
    """A record that is to be done by a day. The first due day that was ever set stays beside the present one."""

    due_on = EdtfField(verbose_name="due on", help_text="The day by which it is to be done.")
    due_on_first = FirstDay("due_on")
    due_on_last = LastDay("due_on")
    original_due_on = EdtfField(editable=False, help_text="The first due day that was set; never changed.")
    original_due_on_first = FirstDay("original_due_on")

    class Meta:
        abstract = True


def shortened(reason: str) -> str:
    """The text as a change reason; the rest is cut where it is longer than one may be."""
    return reason if len(reason) <= MAX_REASON else f"{reason[: MAX_REASON - 1]}…"


@contextmanager
def acting(user: Any = None, reason: str = "", door: str = "") -> Iterator[None]:
    """One act in one transaction: history keeps who did it, why and by which door. An act within an act adds to it.

    What several rows must keep together is checked before it ends, so a broken rule is raised here, as IntegrityError.
    Raises ValidationError for a reason of more than 2,000 characters.
    """
    reason = reason.strip()
    if len(reason) > MAX_REASON:
        raise ValidationError({"change_reason": ValidationError(REASON_TOO_LONG, "max_length")})
    actor = {"reason": reason, "door": door}
    if user is not None and user.is_authenticated:
        actor |= {"id": user.pk, "user": user.get_username()}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(current_setting('policytracker.actor', true), '')")
        outer = cursor.fetchone()[0]
        actor = (json.loads(outer) if outer else {"door": "shell"}) | {k: v for k, v in actor.items() if v}
        cursor.execute("SELECT set_config('policytracker.actor', %s, true)", [json.dumps(actor)])
        yield
        cursor.execute(
            "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; SELECT set_config('policytracker.actor', %s, true)",
            [outer],
        )

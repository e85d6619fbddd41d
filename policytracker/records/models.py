"""The base classes of records and their querysets."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import models
from django.db.models import F, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from policytracker.edtf import EdtfField, FirstDay, LastDay
from policytracker.records.access import Grant, Publication, Reader, Visibility, granted, registry_grants
from policytracker.records.constraints import (
    ARCHIVING,
    NARROWING,
    PUBLISHED_RECORD_STAYS,
    UNPUBLISHING,
    DerivedWrite,
    ReservedChange,
    TriggerConstraint,
)
from policytracker.sql.moment import ExistsToday, IsAsAccessible, WasDeleted
from policytracker.sql.parameters import CompiledCondition, ExistsForRow, Parameter, Statement

if TYPE_CHECKING:
    from policytracker.records.reasons import Opens, Reason

Row = TypeVar("Row", bound=models.Model)
RecordRow = TypeVar("RecordRow", bound="Record")
MAX_COUNT = 10_000  # results of a list that are counted


def key_of(model: Any) -> str:
    """The name of the field by which a record is referred to: its natural key, or the user name of a person."""
    return getattr(model, "key", None) or model.USERNAME_FIELD


def read_rule(rows: RecordQuerySet, shape: tuple[frozenset[str], bool]) -> Q:
    """The rule of `visible_to` for readers with these roles, in the present or as of a past moment. The user is a Parameter."""
    roles, as_of = shape
    reader = Reader(roles, Parameter("user"), as_of)
    return rows.readable_by(reader) & rows.readable_today(reader) if as_of else rows.readable_by(reader)


class RecordQuerySet(models.QuerySet):
    """The base queryset of records. `visible_to` is the only implementation of read access."""

    model: Any

    def get_by_natural_key(self, key: str) -> Any:
        return self.get(**{self.model.key: key})

    def readable_by(self, reader: Reader) -> Q:
        """The rows that one of the grants includes, and whose access parents the reader may read."""
        rule = granted(self.model.grants(reader), self.model, reader)
        for name in self.model.access_parents:
            field = self.model._meta.get_field(name)
            parents = field.related_model.objects.visible_to(reader)
            if field.null:  # PostgreSQL would read all parents for a condition with OR
                rule &= Q(**{f"{name}__isnull": True}) | Q(ExistsForRow(parents.filter(pk=OuterRef(name))))
            else:
                rule &= Q(**{f"{name}__in": parents.values("pk")})
        return rule

    def on_day(self, day: Any) -> Self:
        """The rows with the values that were true on `day`. Most records do not depend on the date."""
        return self.all()

    def visible_to(self, user: Any) -> Self:
        """The rows that the user may read (docs/records.md)."""
        reader = Reader.of(user)
        if reader.sees_all:
            return self.all()
        if not reader.roles:
            return self.none()
        return self.filter(CompiledCondition(read_rule, self.model, (reader.roles, reader.as_of), reader.id))

    def at_most(self, limit: int, user: Any) -> models.QuerySet:
        """The ids of at most so many of these rows, which were selected by `visible_to(user)`; for counting them."""
        return self.order_by().values("pk")[:limit]

    def readable_today(self, reader: Reader) -> Q:
        """The rows of a past moment that the reader may read today too. Reviewers may also read those that were deleted since."""
        rows = self.model.objects.visible_to(replace(reader, as_of=False)).filter(pk=OuterRef("pk"))
        rule = Q(ExistsToday(rows))
        return rule | Q(WasDeleted(F("pk"), table=self.model._meta.db_table)) if reader.sees_unapproved else rule


def count_rows(rows: models.QuerySet, user: Any) -> int:
    """The number of rows, at most MAX_COUNT + 1. The rows of records are those that `visible_to(user)` selected."""
    found = rows.at_most(MAX_COUNT + 1, user) if isinstance(rows, RecordQuerySet) else rows.order_by().values("pk")[: MAX_COUNT + 1]
    return found.count()


def lock_for_change(rows: models.QuerySet[Row]) -> models.QuerySet[Row]:
    """These rows, locked until the end of the transaction. Every change of a record locks it like this first.

    NO KEY lets others insert references to the records meanwhile. Otherwise two writers of records that refer to each other would
    deadlock. Give several rows an order (`order_by("pk")`), so that two lists cannot deadlock either.
    """
    return rows.select_for_update(of=("self",), no_key=True)


def get_record(model: type[RecordRow], path: str, value: Any, reader: Any, *, lock: bool = False) -> RecordRow:
    """The record whose unique field at the lookup `path` has this value, optionally locked for a change. Raises DoesNotExist.

    Like `get()` of the rows that the reader may read, with a statement that is compiled and planned once: building the query takes
    longer than running it. With `lock`, it waits for concurrent changes of the record, and returns what they have written.
    """
    reader = Reader.of(reader)
    statement = statement_of_record(model, path, reader.roles, lock)
    row = statement and statement.row({"user": reader.id, "value": value})
    if not row:
        raise model.DoesNotExist
    return model.from_db("default", [field.attname for field in model._meta.concrete_fields], row)


@lru_cache(1024)
def statement_of_record(model: type[Record], path: str, roles: frozenset[str], lock: bool) -> Statement | None:
    """The statement of `get_record`; None for readers who may read no record."""
    readable = model.objects.visible_to(Reader(roles, Parameter("user"), as_of=False)).order_by()
    rows: Any = readable.filter(**{path: Parameter("value", models.TextField())})
    if lock:  # by id: PostgreSQL would compare a row that changed meanwhile with its former parents again, and lose a moved record
        rows = lock_for_change(model._base_manager.filter(pk=models.Subquery(rows.values("pk"))))
    with suppress(EmptyResultSet):
        return Statement.of(rows.values_list(*(field.attname for field in model._meta.concrete_fields)))
    return None


class RegistryQuerySet(RecordQuerySet):
    """The base queryset of registry records."""

    def at_most(self, limit, user):
        # Rows whose own fields make them readable come first: they are usually enough, and need no other table.
        rows, reader = self.order_by().values("pk"), Reader.of(user)
        if reader.sees_all or self.model.access_parents:
            return rows[:limit]
        simple = granted((grant for grant in self.model.grants(reader) if not grant.reason), self.model, reader)
        if reader.as_of:
            simple &= Q(IsAsAccessible(F("pk"), table=self.model._meta.db_table))
        return rows.without_rule().filter(simple).union(rows.exclude(simple), all=True)[:limit]

    def without_rule(self) -> Self:
        """These rows without the rule of `visible_to()`. The caller must add a stricter one."""
        rows = self.all()
        where = rows.query.where
        where.children = [child for child in where.children if not isinstance(getattr(child, "lhs", None), CompiledCondition)]
        return rows


class Record(models.Model):
    """The base class of all records. Only database triggers write `version`, `created_at` and `updated_at`."""

    key: ClassVar[str]  # the field that holds the natural key
    access_parents: ClassVar[tuple[str, ...]] = ()  # foreign keys to records that the reader must be able to read too
    reasons: ClassVar[Mapping[str, Reason]] = {}  # why users may read records: OWN and TEAM of registry records
    opens: ClassVar[tuple[Opens, ...]] = ()  # the drafts that readers of the record may read too
    trigger_constraints: ClassVar[tuple[TriggerConstraint, ...]] = ()
    reserved: ClassVar[tuple[ReservedChange, ...]] = ()
    derived_writes: ClassVar[tuple[DerivedWrite, ...]] = ()
    derived_fields: ClassVar[tuple[str, ...]] = ()  # fields that only derived writes set
    facts: ClassVar[tuple[str, ...]] = ()  # stored to find records fast: no change of the record, and without history
    label_parts: ClassVar[tuple[str, ...]] = ("title",)  # the field paths of the text by which people recognise the record
    first_values: ClassVar[dict[str, str]] = {}  # fields that a trigger sets to the first value of another field
    label_relations: ClassVar[tuple[str, ...]] = ()  # foreign keys whose names are part of the label
    version_parent: ClassVar[str] = ""  # the foreign key to the record whose version counts changes of this one

    version = models.PositiveIntegerField(db_default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = RecordQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        """Save the record. The key of a stored record is left out unless it was changed, which the database refuses.

        PostgreSQL locks a row as for a deletion if the statement names its key: it would wait for all who refer to the record.
        """
        stored = getattr(self, "_stored_key", None)
        if update_fields is None and not args and not kwargs and stored is not None and stored == getattr(self, self.key):
            left_out = {self.key, *(f.name for f in self._meta.fields if f.attname in self.get_deferred_fields())}
            fields = (f for f in self._meta.concrete_fields if not (f.primary_key or f.generated))
            update_fields = [f.name for f in fields if f.name not in left_out]
        super().save(*args, update_fields=update_fields, **kwargs)

    @classmethod
    def from_db(cls, db, field_names, values):
        record = super().from_db(db, field_names, values)
        record._stored_key = record.__dict__.get(cls.key)
        return record

    @classmethod
    def grants(cls, reader: Reader) -> Iterable[Grant]:
        """What the reader may read, without regard to the access parents. Administrators and users without a role are no such readers."""
        return [Grant({})]

    @classmethod
    def identifying_fields(cls, values: dict[str, Any]) -> tuple[str, ...]:
        """The fields that identify a record with these values besides its key, as declared by a unique constraint; otherwise ()."""
        constraints = (c for c in cls._meta.constraints if isinstance(c, models.UniqueConstraint) and len(c.fields) > 1)
        return next((tuple(constraint.fields) for constraint in constraints), ())

    @classmethod
    def complete_data_set(cls, values: dict[str, Any], is_new: bool) -> None:
        """Add what a data set may leave out to the values of a new or stored record in it, by attribute."""

    def natural_key(self) -> tuple[str]:
        return (str(getattr(self, self.key)),)

    def full_label(self) -> str:
        """The label of the record where nothing else says what it belongs to, such as the title of its page."""
        return str(self)


class CodedRecord(Record):
    """A record whose natural key is a short code."""

    key = "code"
    label_parts = ("name",)
    code = models.SlugField(
        max_length=60, unique=True, help_text=_("A short code of letters, digits and hyphens. It cannot be changed later.")
    )

    class Meta:
        abstract = True


class SluggedRecord(Record):
    """A record whose natural key is a slug."""

    key = "slug"
    slug = models.SlugField(_("key"), max_length=120, unique=True)

    class Meta:
        abstract = True


class UidRecord(Record):
    """A record whose natural key is a UUID."""

    key = "uid"
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)

    class Meta:
        abstract = True

    def full_label(self):
        label = str(self)
        parents = [str(parent) for name in self.access_parents if (parent := getattr(self, name)) is not None]
        return ", ".join([label, *[parent for parent in parents if parent not in label][:1]])


class RegistryRecord(SluggedRecord):
    """A record with visibility and publication."""

    visibility = models.CharField(max_length=10, choices=Visibility, default=Visibility.PUBLIC)
    publication = models.CharField(max_length=10, choices=Publication, default=Publication.DRAFT)

    objects = RegistryQuerySet.as_manager()

    trigger_constraints: ClassVar[tuple[TriggerConstraint, ...]] = (PUBLISHED_RECORD_STAYS,)
    reserved: ClassVar[tuple[ReservedChange, ...]] = (ARCHIVING, UNPUBLISHING, NARROWING)

    class Meta:
        abstract = True

    @classmethod
    def grants(cls, reader):
        records = [(r.related_model, r.field.name) for r in cls._meta.related_objects if issubclass(r.related_model, Record)]
        opened = (opens.grant(model) for model, name in records for opens in model.opens if opens.name == name)
        return registry_grants(reader, cls.reasons, opened)


class DeadlineFields(models.Model):
    """The due date of a record, and the first due date that was set for it."""

    first_values: ClassVar[dict[str, str]] = {"original_due_on": "due_on"}

    due_on = EdtfField(verbose_name=_("due date"), help_text=_("The date by which this must be completed."))
    due_on_first = FirstDay("due_on")
    due_on_last = LastDay("due_on")
    original_due_on = EdtfField(
        verbose_name=_("original due date"), editable=False, help_text=_("The first due date that was set. It never changes.")
    )
    original_due_on_first = FirstDay("original_due_on")

    class Meta:
        abstract = True

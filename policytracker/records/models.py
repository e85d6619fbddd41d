"""The base classes of records and their querysets."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from policytracker.edtf import EdtfField, FirstDay, LastDay
from policytracker.records.access import Publication, Reader, Visibility, can_read_snapshot, readable

if TYPE_CHECKING:
    pass
from policytracker.records.constraints import (
    ARCHIVING,
    NARROWING,
    PUBLISHED_RECORD_STAYS,
    UNPUBLISHING,
    DerivedWrite,
    ReservedChange,
    TriggerConstraint,
)


class RecordQuerySet(models.QuerySet):
    """Rows of one model; what a person may read of them is asked here and nowhere else."""

    def get_by_natural_key(self, key: str) -> Any:
        return self.get(**{self.model.key: key})

    def readable_by(self, reader: Reader) -> Q:
        """As readable as every record that this one hangs on."""
        rule = Q()
        for name in self.model.access_parents:
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


class RegistryQuerySet(RecordQuerySet):
    """Rows of a register."""

    def own_and_team(self, reader: Reader) -> tuple[Q, Q]:
        """What is an officer's own, and what is open to a member of the team although restricted."""
        return Q(pk__in=[]), Q(pk__in=[])

    def readable_by(self, reader):
        return super().readable_by(reader) & readable(reader, *self.own_and_team(reader))


class Record(models.Model):
    """What every record has. `version`, `created_at` and `updated_at` are written by PostgreSQL alone."""

    key: ClassVar[str]
    access_parents: ClassVar[tuple[str, ...]] = ()
    trigger_constraints: ClassVar[tuple[TriggerConstraint, ...]] = ()
    reserved: ClassVar[tuple[ReservedChange, ...]] = ()
    derived_writes: ClassVar[tuple[DerivedWrite, ...]] = ()
    derived_fields: ClassVar[tuple[str, ...]] = ()  # columns that only a consequence of other records writes, and counts
    label_relations: ClassVar[tuple[str, ...]] = ()  # references whose names are part of its own name, and readable by all who may read
    version_parent: ClassVar[str] = ""  # the record inside which it is shown, whose version moves with it

    version = models.PositiveIntegerField(db_default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = RecordQuerySet.as_manager()

    class Meta:
        abstract = True

    @classmethod
    def snapshot_readable(cls, row: dict[str, Any], reader: Reader, own: bool, team: bool) -> bool:
        """Whether the reader could have read the row when it was like this, as far as the row itself decides."""
        return True

    def natural_key(self) -> tuple[str]:
        return (str(getattr(self, self.key)),)


class CodedRecord(Record):
    """A record that the field knows by a short code."""

    key = "code"
    code = models.SlugField(max_length=60, unique=True)

    class Meta:
        abstract = True


class SluggedRecord(Record):
    """A record known by a readable name of its own."""

    key = "slug"
    slug = models.SlugField(max_length=120, unique=True)

    class Meta:
        abstract = True


class UidRecord(Record):
    """A record without a name of its own; its uid is key, reference and address, `line_parts` what tells it apart."""

    label_parts: ClassVar[tuple[str, ...]] = ("uid",)

    key = "uid"
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)

    class Meta:
        abstract = True


class RegistryRecord(SluggedRecord):
    """A register: its rows are drafted, published, archived, and may be kept from some readers."""

    visibility = models.CharField(max_length=10, choices=Visibility, default=Visibility.PUBLIC)
    publication = models.CharField(max_length=10, choices=Publication, default=Publication.DRAFT)

    objects = RegistryQuerySet.as_manager()

    trigger_constraints: ClassVar[tuple[TriggerConstraint, ...]] = (PUBLISHED_RECORD_STAYS,)
    reserved: ClassVar[tuple[ReservedChange, ...]] = (ARCHIVING, UNPUBLISHING, NARROWING)

    class Meta:
        abstract = True

    @classmethod
    def snapshot_readable(cls, row, reader, own, team):
        return can_read_snapshot(reader, row, own, team)


class DeadlineFields(models.Model):
    """A record that is to be done by a day. The first due day that was ever set stays beside the present one."""

    due_on = EdtfField(verbose_name="due on", help_text="The day by which it is to be done.")
    due_on_first = FirstDay("due_on")
    due_on_last = LastDay("due_on")
    original_due_on = EdtfField(editable=False, help_text="The first due day that was set; never changed.")
    original_due_on_first = FirstDay("original_due_on")

    class Meta:
        abstract = True

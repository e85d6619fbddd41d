"""Why a reader may read a record although its own fields do not allow it. Each reason holds at present, and for periods of the past."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db.models import Exists, OuterRef, Q

from policytracker.records.access import Grant, Reader
from policytracker.records.past_access import (
    PastAccess,
    PastRow,
    PeriodsOf,
    link_periods,
    past_rows,
    periods_of_children,
    references,
    targets,
    through,
)
from policytracker.records.periods import Period, intersection, union
from policytracker.sql.parameters import ExistsForRow


class Reason(ABC):
    """A reason for which a reader may read records of a model."""

    reads_rows: ClassVar[bool] = True  # whether `periods` needs the past states of the records, or only their ids

    @abstractmethod
    def condition(self, model: Any, reader: Reader, column: str = "pk") -> Q:
        """The condition for rows for which the reason holds, at the moment that is read. `column` refers to the record of the model."""

    @abstractmethod
    def periods(self, model: Any, access: PastAccess, rows: Mapping[int, PastRow]) -> PeriodsOf:
        """The periods in which the reason held for these records. Users and offices are those of today."""

    def columns(self, model: Any) -> tuple[str, ...]:
        """The columns of `rows` that `periods` reads."""
        return ()


@dataclass(frozen=True)
class NamesReader(Reason):
    """The field refers to the user."""

    name: str

    def condition(self, model, reader, column="pk"):
        field = model._meta.get_field(self.name)
        if reader.id is None:  # otherwise records without a user would match
            return Q(pk__in=[])
        if not field.many_to_many:
            return Q(**{self.name: reader.id})
        return linked(field, column, Q(**{field.m2m_reverse_field_name(): reader.id}))

    def periods(self, model, access, rows):
        field, user = model._meta.get_field(self.name), access.reader.id
        if user is None:
            return {}
        found = link_periods(model, self.name, rows, target=user) if field.many_to_many else references(rows, field.column)
        return {pk: union(of_users.get(user, [])) for pk, of_users in found.items()}

    def columns(self, model):
        return columns_of(model, self.name)


@dataclass(frozen=True)
class Through(Reason):
    """The reason holds for a record to which the field refers."""

    name: str
    reason: Reason

    def condition(self, model, reader, column="pk"):
        field = model._meta.get_field(self.name)
        if not field.many_to_many:
            return self.reason.condition(field.related_model, reader, self.name)
        return linked(field, column, self.reason.condition(field.related_model, reader, field.m2m_reverse_field_name()))

    def periods(self, model, access, rows):
        field = model._meta.get_field(self.name)
        links = link_periods(model, self.name, rows) if field.many_to_many else references(rows, field.column)
        target, ids = field.related_model, targets(links)
        states = past_rows(target, ids, self.reason.columns(target)) if self.reason.reads_rows else dict.fromkeys(ids, PastRow())
        return through(links, self.reason.periods(target, access, states))

    def columns(self, model):
        return columns_of(model, self.name)


@dataclass(frozen=True)
class Either(Reason):
    """One of two reasons holds."""

    first: Reason
    second: Reason

    def condition(self, model, reader, column="pk"):
        return self.first.condition(model, reader, column) | self.second.condition(model, reader, column)

    def periods(self, model, access, rows):
        both = [reason.periods(model, access, rows) for reason in (self.first, self.second)]
        return {pk: union(period for periods in both for period in periods.get(pk, [])) for pk in rows}

    def columns(self, model):
        return (*self.first.columns(model), *self.second.columns(model))


def linked(field: Any, column: str, condition: Q) -> Q:
    """The condition that the many-to-many field of the record in `column` has a link that meets `condition`."""
    links = field.remote_field.through._default_manager.filter(**{field.m2m_field_name(): OuterRef(column)})
    return Q(ExistsForRow(links.filter(condition)))


def columns_of(model: Any, name: str) -> tuple[str, ...]:
    """The column of a foreign key; none for a many-to-many field."""
    field = model._meta.get_field(name)
    return () if field.many_to_many else (field.column,)


# ---- records that open drafts


@dataclass(frozen=True)
class Opens:
    """Who can read the record in the field `readers_of` can read the record in the field `name` too, while that has these codes."""

    name: str
    readers_of: str
    codes: Mapping[str, Sequence[str]]

    def grant(self, model: Any) -> Grant:
        """The grant for the opened records. `model` declares this."""
        return Grant(self.codes, OpenedBy(model, self.name, self.readers_of))


@dataclass(frozen=True)
class OpenedBy(Reason):
    """A record of `opener` refers to the record, and to another one that the reader can read (`Opens`)."""

    opener: Any
    name: str
    readers_of: str

    def condition(self, model, reader, column="pk"):
        readable = self.opener._meta.get_field(self.readers_of).related_model.objects.visible_to(reader).values("pk")
        return Q(Exists(self.opener._default_manager.filter(**{self.name: OuterRef(column), f"{self.readers_of}__in": readable})))

    def periods(self, model, access, rows):
        other = self.opener._meta.get_field(self.readers_of)
        referring = periods_of_children(self.opener, self.name, rows, other.column)
        readable = access.periods(other.related_model, {row[other.column] for *_rest, row in referring})
        periods: dict[int, list[Period]] = defaultdict(list)
        for pk, period, _opener, row in referring:
            periods[pk] += intersection([period], readable[row[other.column]])
        return {pk: union(of_record) for pk, of_record in periods.items()}

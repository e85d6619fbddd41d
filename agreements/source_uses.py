"""What rests on which source: every record that states something on the authority of a source, in words.

Which record types do so, and how they are worded, is declared with `states` of each `Resource`. The overview of an agreement lists the
uses of its sources, and each source mark shows some of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from operator import or_
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import F, Func, Model, Q, TextField, Value
from django.db.models.functions import Cast, Coalesce

from agreements.models import Agreement, Citation, Measurement, Source
from agreements.models.sources import CITABLE, Confidence, Stance
from policytracker.records.access import Reader
from policytracker.records.fields import SourceContent
from policytracker.records.models import Record
from policytracker.resources import Resource, registry
from policytracker.sql.parameters import InIds, Parameter, bind_parameters

MAX_TITLE = 200  # characters


@dataclass(frozen=True)
class Use:
    """A record that states something on the authority of a source."""

    resource: Resource
    pk: int
    source: Source
    locator: str
    quote: str
    confidence: str
    stance: str
    parts: Sequence[str]

    @property
    def name(self) -> str:
        return model_name(self.resource)

    @property
    def title(self) -> str:
        assert self.resource.states
        title = str(self.resource.states.format_title(*self.parts))
        return title if len(title) <= MAX_TITLE else f"{title[: MAX_TITLE - 1]}…"

    @property
    def stated(self) -> tuple[str, int]:
        """The record about which something is stated, by the name of its model and its id: for a citation, the record that it cites."""
        if self.resource.model is not Citation:
            return self.name, self.pk
        return next((name, int(pk)) for name, pk in zip(CITABLE, self.parts[1 : 1 + len(CITABLE)], strict=True) if pk)

    @property
    def about(self) -> tuple[type[Model], int]:
        """The record about which something is stated, by its model and id: for evidence, the record whose state it proves."""
        states = self.resource.states
        if states and states.about:
            return states.about, int(self.parts[-1])
        name, pk = self.stated
        return self.resource.model if name == self.name else Citation._meta.get_field(name).related_model, pk  # type: ignore[return-value]

    @property
    def field(self) -> str:
        """The field that a citation cites; "" for the whole record."""
        return self.parts[0] if self.resource.model is Citation else ""

    @property
    def whose(self) -> str:
        """The key of the party whose participation a citation cites, and of the indicator that was measured; otherwise ""."""
        return self.parts[-1] if self.resource.model in (Citation, Measurement) else ""

    @property
    def judgement(self) -> str:
        """The confidence, and that the source contradicts what is stated, in words; "" for a type that has neither."""
        labels = [Confidence(self.confidence).label] if self.confidence else []
        return ", ".join(map(str, [*labels, *([Stance.CONTRADICTS.label] if self.stance == Stance.CONTRADICTS else [])]))


@cache
def kinds() -> dict[str, Resource]:
    """The record types that state something on the authority of a source, by the name of their model."""
    return {model_name(resource): resource for resource in registry if resource.states}


def model_name(resource: Resource) -> str:
    return str(resource.model._meta.model_name)


def select(resource: Resource, reader: Reader, which: Q, source: str) -> tuple[str, tuple]:
    """SQL and values that select those rows of a type that rest on the source in a field, without regard to who may read the source."""
    model, states = resource.model, resource.states
    assert states
    names = {field.name for field in model._meta.concrete_fields if source == states.sources[0] or not isinstance(field, SourceContent)}
    parts = [Coalesce(Cast(part, TextField()), Value(""), output_field=TextField()) for part in states.parts]
    columns: list[Any] = [
        Value(model_name(resource), TextField()),
        F("pk"),
        F(f"{source}_id"),
        *(F(name) if name in names else Value("", TextField()) for name in ("locator", "quote", "confidence", "stance")),
        Func(*parts, template="ARRAY[%(expressions)s]", output_field=ArrayField(TextField())),
    ]
    rows = model.objects.visible_to(reader).filter(which, **{f"{source}__isnull": False}).order_by()
    return rows.values_list(*columns).query.sql_with_params()


def union(conditions: Mapping[Resource, Q], reader: Reader) -> tuple[str, list[Any]]:
    """SQL and values that select the rows of each type that match its condition; "" if there can be none."""
    selects = []
    for resource, which in conditions.items():
        for source in resource.states.sources if resource.states else ():
            with suppress(EmptyResultSet):
                selects.append(select(resource, reader, which, source))
    return " UNION ALL ".join(sql for sql, _values in selects), [value for _sql, values in selects for value in values]


AGREEMENT = Parameter("agreement")


@lru_cache(100)
def statement_of_agreement(roles: frozenset[str], as_of: bool) -> tuple[str, list[Any]]:
    """SQL and values that select all uses of an agreement for these roles. Compiling it takes longer than running it."""
    rows = {resource: resource.belonging_to(AGREEMENT) & states.condition for resource in registry if (states := resource.states)}
    return union(rows, Reader(roles, Parameter("user"), as_of))


def read(sql: str, values: Iterable[Any], user: Any, limit: int | None = None) -> list[Use]:
    """The selected uses whose source the user may read, ordered by type and id, in two queries."""
    if not sql:
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} ORDER BY 1, 2{'' if limit is None else f' LIMIT {limit}'}", list(values))
        rows = cursor.fetchall()
    wanted = {source for _name, _pk, source, *_rest in rows}
    readable: Any = Source.objects.visible_to(user).filter(InIds("pk", wanted)).order_by()
    sources = {source.pk: source for source in readable.defer("notes")} if wanted else {}
    return [Use(kinds()[name], pk, sources[source], *rest) for name, pk, source, *rest in rows if source in sources]


def uses_of_agreement(agreement: Agreement, user: Any) -> list[Use]:
    """Everything of the agreement that rests on a source, as far as the user may read both. Drafts and what was voided do not count."""
    reader = Reader.of(user)
    sql, values = statement_of_agreement(reader.roles, reader.as_of)
    return read(sql, bind_parameters(values, user=reader.id, agreement=agreement.pk), user)


def uses_of_records(ids: Mapping[str, Iterable[int]], user: Any) -> list[Use]:
    """The uses by these records, given by the name of their model."""
    return read(*union({kinds()[name]: Q(pk__in=list(pks)) for name, pks in ids.items() if name in kinds()}, Reader.of(user)), user)


def uses_about(record: Record, user: Any) -> list[Use]:
    """The uses by records that say something about this one, such as its citations, and by the record itself."""
    conditions: dict[Resource, Q] = {}
    for resource in kinds().values():
        fields = resource.model._meta.concrete_fields
        about = [Q(**{field.name: record.pk}) for field in fields if field.is_relation and field.related_model is type(record)]
        if isinstance(record, resource.model):
            conditions[resource] = Q(pk=record.pk)
        elif about:
            conditions[resource] = reduce(or_, about)
    return read(*union(conditions, Reader.of(user)), user)


def quotes_of(source: Source, user: Any, limit: int) -> list[Use]:
    """The first uses of a source that quote it."""
    sql, values = union({resource: Q(source=source.pk) & ~Q(quote="") for resource in kinds().values()}, Reader.of(user))
    return [use for use in read(sql, values, user, limit) if use.source == source]


def by_source(uses: Iterable[Use]) -> dict[Source, list[Use]]:
    """The uses of each source, the most used source first."""
    found: dict[Source, list[Use]] = defaultdict(list)
    for use in uses:
        found[use.source].append(use)
    return dict(sorted(found.items(), key=lambda source: (-len(source[1]), str(source[0]).casefold())))

"""Filters of lists: every stored field gets filters according to its type.

A filter parameter is `field` (any of the values), or `field__lookup` with the lookup `not`, `empty`, `from`, `to` or `contains`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from rest_framework import serializers

from policytracker import edtf
from policytracker.records.models import Record
from policytracker.representation import search_query as query
from policytracker.representation.json_sql import SourceContentField
from policytracker.representation.parameters import reported_as
from policytracker.representation.references import KeyField, KeyListField, referable
from policytracker.representation.values import (
    Parse,
    boolean,
    check_length,
    code,
    end_timestamp,
    first_day,
    integer_between,
    iso_date,
    last_day,
    number,
    partial_date,
    reference,
    text,
    timestamp,
    uid,
)
from policytracker.resources import ReadContext, Resource, registry

TEXT_FIELDS = (models.CharField, models.TextField, models.FileField)  # "" means unknown
MAX_VALUES = 100

FilterRows = Callable[[Any, list[Any], ReadContext], QuerySet]


@dataclass(frozen=True)
class Filter:
    """One query parameter of a list.

    `parse` reads one value, which is hashable, and raises ValueError with a message for the user. `filter_rows` filters the queryset by
    the values; if it `reads` the database for that, its SQL is different each time. Only users who may see people can use a filter with
    `of_people`.
    """

    parse: Parse
    filter_rows: FilterRows
    schema: dict[str, Any] = dataclasses.field(default_factory=lambda: {"type": "string"})
    help: str = ""
    many: bool = True
    of_people: bool = False
    reads: bool = False

    def apply(self, rows: QuerySet, texts: list[str], context: ReadContext) -> QuerySet:
        """Filter the rows by the values of the query parameter. Raises ValueError with a message for the user."""
        return self.filter_rows(rows, self.read(texts, context), context)

    def read(self, texts: list[str], context: ReadContext) -> list[Any]:
        """The values of the query parameter. Raises ValueError with a message for the user."""
        if self.of_people and not context.reader.sees_people:
            raise ValueError(_("Sign in to filter by people."))
        if len(texts) > (MAX_VALUES if self.many else 1):
            raise ValueError(_("Enter at most {max} values.").format(max=MAX_VALUES) if self.many else _("May be given only once."))
        for value in texts:
            check_length(value)
        return [self.parse(value, context) for value in texts]


# ---- filtering rows


def any_of(path: str) -> FilterRows:
    return lambda rows, values, context: rows.filter(**{f"{path}__in": values})


def none_of(path: str) -> FilterRows:
    # The second condition keeps rows with null if the path is an annotation.
    return lambda rows, values, context: rows.exclude(**{f"{path}__in": values, f"{path}__isnull": False})


def matching(condition: Callable[[Any], Q]) -> FilterRows:
    """Rows that match the condition of any of the values."""

    def filter_rows(rows: QuerySet, values: list[Any], context: ReadContext) -> QuerySet:
        any_value = Q()
        for value in values:
            any_value |= condition(value)
        return rows.filter(any_value)

    return filter_rows


def is_empty(unknown: Callable[[ReadContext], Q]) -> Filter:
    """A true/false filter; `unknown` is the condition of rows in which the user sees no value."""

    def filter_rows(rows: QuerySet, values: list[bool], context: ReadContext) -> QuerySet:
        return rows.filter(unknown(context) if values[0] else ~unknown(context))

    return Filter(boolean, filter_rows, {"type": "boolean"}, many=False)


def linked(name: str, model: type[models.Model]) -> Callable[[Any], Exists]:
    """Whether the many-to-many field of a row contains any of the ids. A semi-join returns each row once."""
    m2m: Any = model._meta.get_field(name)
    through = m2m.remote_field.through._default_manager
    return lambda ids: Exists(through.filter(**{m2m.m2m_field_name(): OuterRef("pk"), f"{m2m.m2m_reverse_field_name()}__in": ids}))


@dataclass(frozen=True)
class FieldKind:
    """How a type of field is filtered. `path` is compared with the values of `parse_from` and `parse_to`; `empty` matches no value."""

    parse: Parse
    schema: dict[str, Any]
    parse_from: Parse | None = None
    parse_to: Parse | None = None
    path: str = ""
    empty: Q | None = None


def field_kind(model_field: models.Field, path: str) -> FieldKind:
    null = Q(**{f"{path}__isnull": True}) if model_field.null else None
    blank = Q(**{path: ""}) if model_field.blank and isinstance(model_field, TEXT_FIELDS) else None
    match model_field:
        case edtf.EdtfField():
            return FieldKind(partial_date, {"type": "string"}, first_day, last_day, f"{path}_first", blank)
        case models.BooleanField():
            return FieldKind(boolean, {"type": "boolean"})
        case models.DateTimeField():
            return FieldKind(timestamp, {"type": "string"}, timestamp, end_timestamp, path, null)
        case models.DateField():
            return FieldKind(iso_date, {"type": "string", "format": "date"}, iso_date, iso_date, path, null)
        case models.DecimalField():
            return FieldKind(number, {"type": "number"}, number, number, path, null)
        case models.IntegerField():
            parse = integer_between(-(2**31), 2**31 - 1)
            return FieldKind(parse, {"type": "integer"}, parse, parse, path, null)
        case models.UUIDField():
            return FieldKind(uid, {"type": "string", "format": "uuid"})
    if model_field.choices:
        codes = [code for code, _ in model_field.choices]
        return FieldKind(code(codes), {"type": "string", "enum": codes}, empty=blank)
    return FieldKind(text, {"type": "string"}, empty=blank)


def filter_set(serializer_class: type[serializers.ModelSerializer]) -> dict[str, Filter]:
    """The filters of every stored field of the resource, by parameter name."""
    serializer = serializer_class()
    model: Any = serializer.Meta.model
    fields: Mapping[str, Any] = serializer.fields
    result: dict[str, Filter] = {}
    for name, field in fields.items():
        if isinstance(field, KeyListField):
            result |= _links_filters(name, field, model)
        elif isinstance(field, KeyField):
            result |= _reference_filters(name, field, model._meta.get_field(field.source).null)
        elif isinstance(field, serializers.ListField):
            result |= _list_filters(name, field.source or name)
        elif isinstance(field, SourceContentField):
            path = f"readable_{name}"
            filters = _value_filters(name, path, field_kind(model._meta.get_field(field.source), path))
            result |= {parameter: _source_content_filter(filter, path, field) for parameter, filter in filters.items()}
        elif field.source in {f.name for f in model._meta.concrete_fields}:
            stored = model._meta.get_field(field.source)
            result |= _value_filters(name, field.source, field_kind(stored, field.source))
            if is_name(stored, model):
                result[f"{name}__contains"] = Filter(text, matching(partial(contains, field.source)))
    people = {name for name, field in fields.items() if names_people(field)}
    return {
        parameter: replace(filter, help=filter.help or _help(parameter), of_people=parameter.partition("__")[0] in people)
        for parameter, filter in result.items()
    }


def contains(path: str, value: str) -> Q:
    """The condition that a field contains the text, ignoring case."""
    return Q(**{f"{path}__icontains": value})


def _links_filters(name: str, field: KeyListField, model: type[models.Model]) -> dict[str, Filter]:
    target, has = field.child_relation.model, linked(field.source, model)
    return {
        name: Filter(reference(target), lambda rows, ids, context: rows.filter(has(ids))),
        f"{name}__not": Filter(reference(target), lambda rows, ids, context: rows.exclude(has(ids))),
        f"{name}__empty": is_empty(lambda context: ~Q(has(referable(target, context.reader).values("pk")))),
    }


def _reference_filters(name: str, field: KeyField, nullable: bool) -> dict[str, Filter]:
    parse = reference(field.model)
    result = {name: Filter(parse, any_of(field.source)), f"{name}__not": Filter(parse, none_of(field.source))}
    if nullable:
        result[f"{name}__empty"] = is_empty(lambda context: field.unknown(context.reader))
    return result


def _list_filters(name: str, path: str) -> dict[str, Filter]:
    return {
        name: Filter(text, lambda rows, values, context: rows.filter(**{f"{path}__overlap": values})),
        f"{name}__not": Filter(text, lambda rows, values, context: rows.exclude(**{f"{path}__overlap": values})),
        f"{name}__empty": is_empty(lambda context: Q(**{path: []})),
    }


def is_name(field: models.Field, model: type[Record]) -> bool:
    """Whether the field is a short text by which people find the record: its key, title or name."""
    label = model.label_parts if len(model.label_parts) == 1 else ()
    return isinstance(field, models.CharField) and field.name in {model.key, "name", "title", "short_title", *label}


@cache
def resource_filters(resource: Resource) -> dict[str, Filter]:
    """All filters of a list by parameter name: those of the fields, of the words, of the scope, and the named ones."""
    scope = registry.scope_name
    fields = {**filter_set(resource.serializer), **({"q": words_of(resource)} if resource.search else {})}
    if not resource.scope_paths or resource is registry.scope or resource.scope_paths == (scope,):
        return {**fields, **resource.filters}
    limit = Filter(
        reference(registry.scope.model),
        lambda rows, ids, context: rows.filter(resource.belonging_to(ids)),
        help=f"Records that belong to any of these {registry.scope.model._meta.verbose_name_plural}.",
    )
    return {**fields, scope: limit, **resource.filters}


def words_of(resource: Resource) -> Filter:
    """The full-text search of a list."""
    return Filter(
        query.parse,
        lambda rows, values, context: rows.filter(query.matching(resource, values[0], context)),
        {"type": "string", "minLength": 1, "maxLength": query.MAX_LENGTH},
        'Words (all of them, by their beginning), `"phrases"`, `-without`, `or`.',
        many=False,
        reads=True,
    )


def names_people(field: serializers.Field) -> bool:
    """Whether the field refers to users."""
    reference = field.child_relation if isinstance(field, KeyListField) else field
    return isinstance(reference, KeyField) and reference.of_people


def _source_content_filter(filter: Filter, path: str, field: SourceContentField) -> Filter:
    """The filter, applied to the text that the user may read; `path` is the annotation that the filter uses."""

    def filter_rows(rows: QuerySet, values: list[Any], context: ReadContext) -> QuerySet:
        return filter.filter_rows(rows.alias(**{path: field.column(context.reader)}), values, context)

    return replace(filter, filter_rows=filter_rows)


def _value_filters(name: str, path: str, kind: FieldKind) -> dict[str, Filter]:
    result = {name: Filter(kind.parse, any_of(path), kind.schema), f"{name}__not": Filter(kind.parse, none_of(path), kind.schema)}
    if kind.parse_from and kind.parse_to:
        # A timestamp may be given as a date and a date as a year or month, so their schema has no format.
        schema = {"type": "string"} if kind.schema["type"] == "string" else kind.schema
        result[f"{name}__from"] = Filter(
            kind.parse_from, lambda rows, values, context: rows.filter(**{f"{kind.path}__gte": values[0]}), schema, many=False
        )
        result[f"{name}__to"] = Filter(
            kind.parse_to, lambda rows, values, context: rows.filter(**{f"{kind.path}__lte": values[0]}), schema, many=False
        )
    if (empty := kind.empty) is not None:
        result[f"{name}__empty"] = is_empty(lambda context: empty)
    return result


def _help(parameter: str) -> str:
    field, _, lookup = parameter.partition("__")
    return {
        "": f"{field} is any of these values.",
        "not": f"{field} is none of these values.",
        "empty": f"true: {field} has no value. false: {field} has a value.",
        "from": f"{field} is this value or later, or greater.",
        "to": f"{field} is this value or earlier, or less.",
        "contains": f"{field} contains this text, ignoring case.",
    }[lookup]


def on(filter_rows: FilterRows) -> Filter:
    """The parameter `on`: the view passes its date to all filters; `filter_rows` restores the rows themselves to that date."""
    help = "Show the values of this date, based on current knowledge. With a future date only deadline states and the like change."
    return Filter(iso_date, filter_rows, {"type": "string", "format": "date"}, help, many=False)


# ---- the parameters of a list

Values = tuple[tuple[str, tuple[Any, ...]], ...]  # the values of each filter parameter of a list


def read_values(parameters: MultiValueDict, filter_set: Mapping[str, Filter], context: ReadContext) -> Values:
    """The values of the filter parameters. Raises InvalidParameter."""
    result = []
    # `on` first: it restores the rows to that date, and the other filters apply to the result.
    for name, texts in sorted(parameters.lists(), key=lambda parameter: parameter[0] != "on"):
        if name in filter_set:
            with reported_as(name):
                result.append((name, tuple(filter_set[name].read(texts, context))))
    return tuple(result)


def filtered(rows: QuerySet, filter_set: Mapping[str, Filter], values: Values, context: ReadContext) -> QuerySet:
    """The rows that match all of the values. Raises InvalidParameter."""
    for name, of_parameter in values:
        with reported_as(name):
            rows = filter_set[name].filter_rows(rows, list(of_parameter), context)
    return rows

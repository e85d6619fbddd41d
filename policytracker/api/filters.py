"""One grammar of questions for every list: each stored field can be asked for, by what kind of field it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import NullIf
from django.utils.dateparse import parse_datetime
from rest_framework import serializers

from policytracker import edtf
from policytracker.api.json_sql import said, source_text_fields
from policytracker.api.pagination import Column
from policytracker.api.serializers import KeyField, KeyListField
from policytracker.codes import invalid_choice
from policytracker.records.access import Reader

TEXTS = (models.CharField, models.TextField, models.FileField)  # where "" is unknown
INDEXED_TEXTS = {"title", "name", "short_title", "key_action", "slug", "code"}
MAX_VALUES = 100
MAX_LENGTH = 500


@dataclass(frozen=True)
class FilterContext:
    """Who asks, and of which day; `by` is that day too where it is gone by, and so only what was reported by then counts."""

    user: Any
    on: date
    by: date | None = None


Parse = Callable[[str, FilterContext], Any]
Narrow = Callable[[QuerySet, list[Any], FilterContext], QuerySet]


@dataclass(frozen=True)
class Filter:
    """One query parameter: how its values are read, and how they narrow the rows. `read` raises ValueError with a sentence."""

    read: Parse
    narrow: Narrow
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})
    help: str = ""
    many: bool = True
    of_people: bool = False

    def apply(self, rows: QuerySet, texts: list[str], context: FilterContext) -> QuerySet:
        if self.of_people and not Reader.of(context.user).sees_people:
            raise ValueError("Sign in to ask about people.")
        if len(texts) > (MAX_VALUES if self.many else 1):
            raise ValueError("Give one value." if not self.many else f"Give at most {MAX_VALUES} values.")
        for text in texts:
            if len(text) > MAX_LENGTH or "\0" in text:
                raise ValueError(f"A value has at most {MAX_LENGTH} characters, and no NUL.")
        return self.narrow(rows, [self.read(text, context) for text in texts], context)


# ---- how values are read


def text(value: str, context: FilterContext) -> str:
    return value


def truth(value: str, context: FilterContext) -> bool:
    if value not in ("true", "false"):
        raise ValueError("Say true or false.")
    return value == "true"


def code(codes: Iterable[str]) -> Parse:
    known = list(codes)

    def read(value: str, context: FilterContext) -> str:
        if value not in known:
            raise ValueError(invalid_choice(value, known))
        return value

    return read


def day(value: str, context: FilterContext) -> date:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        raise ValueError("Write a day as 2025-10-20.")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError("There is no such day.") from error


def moment(value: str, context: FilterContext) -> datetime:
    sentence = "Write a time with its zone, as 2026-11-24T10:35:00Z, or a day, as 2026-11-24."
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        found = parse_datetime(value.replace(" ", "+"))  # a + that was not escaped arrives as a blank
        if found is not None and found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError) as error:  # the first and the last day of the calendar are days of another year elsewhere
        raise ValueError(sentence) from error
    raise ValueError(sentence)


def end_of(value: str, context: FilterContext) -> datetime:
    found = moment(value, context)
    return found.replace(hour=23, minute=59, second=59, microsecond=999999) if len(value) == 10 else found


def whole(low: int, high: int) -> Parse:
    def read(value: str, context: FilterContext) -> int:
        if not re.fullmatch(r"-?\d{1,18}", value, re.ASCII) or not low <= int(value) <= high:
            raise ValueError(f"Give a whole number from {low} to {high}.")
        return int(value)

    return read


def number(value: str, context: FilterContext) -> Decimal:
    try:
        found = Decimal(value)
    except InvalidOperation as error:
        raise ValueError("Give a number.") from error
    # The place of its first digit is read off; a comparison would compute, and overflow.
    if not found.is_finite() or not -100 <= found.adjusted() < 20:
        raise ValueError("Give a number.")
    return found


def uid(value: str, context: FilterContext) -> UUID:
    try:
        return UUID(value)
    except ValueError as error:
        raise ValueError("Give a UUID.") from error


def mixed_day(value: str, context: FilterContext) -> str:
    edtf.first_day(value)
    return value


def first_of(value: str, context: FilterContext) -> date | None:
    if not value:
        raise ValueError(edtf.EXAMPLES)
    return edtf.first_day(value)


def last_of(value: str, context: FilterContext) -> date | None:
    if not value:
        raise ValueError(edtf.EXAMPLES)
    return edtf.last_day(value)


def on(narrow: Narrow) -> Filter:
    """The question of another day, which the view hands to all others; `narrow` says what it does to the rows themselves."""
    help = "What was true on that day, by what is known today; only states of deadlines, and what follows, move with a day to come."
    return Filter(day, narrow, {"type": "string", "format": "date"}, help, many=False)


def key(model: type[models.Model], context: FilterContext) -> KeyField:
    """By which the asker refers to the records of a model."""
    found = KeyField(model)
    found._context = {"request": context}
    return found


def reference(model: type[models.Model]) -> Parse:
    """A record by its key, or a person by user name: what the asker may not read is unknown."""

    def read(value: str, context: FilterContext) -> Any:
        by = key(model, context)
        if not (found := by.find([value])):
            raise ValueError(by.missing(value))
        return next(iter(found.values())).pk

    return read


# ---- what is asked of rows


def any_of(path: str) -> Narrow:
    return lambda rows, values, context: rows.filter(**{f"{path}__in": values})


def none_of(path: str) -> Narrow:
    # Without the second condition, rows without a value would be left out where the path is an annotation.
    return lambda rows, values, context: rows.exclude(**{f"{path}__in": values, f"{path}__isnull": False})


def matching(condition: Callable[[Any], Q]) -> Narrow:
    """Rows for which the condition of any of the values holds."""

    def narrow(rows: QuerySet, values: list[Any], context: FilterContext) -> QuerySet:
        either = Q()
        for value in values:
            either |= condition(value)
        return rows.filter(either)

    return narrow


def is_empty(unknown: Callable[[FilterContext], Q]) -> Filter:
    """Whether the condition holds, which says of which rows the asker sees nothing there."""

    def narrow(rows: QuerySet, values: list[bool], context: FilterContext) -> QuerySet:
        return rows.filter(unknown(context) if values[0] else ~unknown(context))

    return Filter(truth, narrow, {"type": "boolean"}, many=False)


def linked(name: str, model: type[models.Model]) -> Callable[[list[int]], Exists]:
    """Whether a row has a link of the many-to-many field to any of the ids; as a semi-join, so that no row comes twice."""
    m2m = model._meta.get_field(name)
    through = m2m.remote_field.through._default_manager
    return lambda ids: Exists(through.filter(**{m2m.m2m_field_name(): OuterRef("pk"), f"{m2m.m2m_reverse_field_name()}__in": ids}))


@dataclass(frozen=True)
class Kind:
    """How one kind of field is read, and whether it has an order, a form without value, and words within."""

    read: Parse
    schema: dict[str, Any]
    low: Parse | None = None
    high: Parse | None = None
    path: str = ""
    empty: Q | None = None


def kind(model_field: models.Field, path: str) -> Kind:
    null = Q(**{f"{path}__isnull": True}) if model_field.null else None
    blank = Q(**{path: ""}) if model_field.blank and isinstance(model_field, TEXTS) else None
    match model_field:
        case edtf.EdtfField():
            return Kind(mixed_day, {"type": "string"}, first_of, last_of, f"{path}_first", blank)
        case models.BooleanField():
            return Kind(truth, {"type": "boolean"})
        case models.DateTimeField():
            return Kind(moment, {"type": "string"}, moment, end_of, path, null)
        case models.DateField():
            return Kind(day, {"type": "string", "format": "date"}, day, day, path, null)
        case models.DecimalField():
            return Kind(number, {"type": "number"}, number, number, path, null)
        case models.IntegerField():
            read = whole(-(2**31), 2**31 - 1)
            return Kind(read, {"type": "integer"}, read, read, path, null)
        case models.UUIDField():
            return Kind(uid, {"type": "string", "format": "uuid"})
    if model_field.choices:
        codes = [code for code, _ in model_field.choices]
        return Kind(code(codes), {"type": "string", "enum": codes}, empty=blank)
    return Kind(text, {"type": "string"}, empty=blank)


def filter_set(serializer_class: type[serializers.ModelSerializer]) -> dict[str, Filter]:
    """The questions that can be asked of every stored field of the resource."""
    serializer, asked = serializer_class(), {}
    model = serializer.Meta.model
    for name, shown in serializer.fields.items():
        if isinstance(shown, KeyListField):
            far = shown.child_relation.model
            has = linked(shown.source, model)
            asked[name] = Filter(reference(far), lambda rows, values, context, has=has: rows.filter(has(values)))
            asked[f"{name}__not"] = Filter(reference(far), lambda rows, values, context, has=has: rows.exclude(has(values)))
            asked[f"{name}__empty"] = is_empty(lambda context, has=has, far=far: ~Q(has(key(far, context).rows().values("pk"))))
        elif isinstance(shown, KeyField):
            read = reference(shown.model)
            asked[name], asked[f"{name}__not"] = Filter(read, any_of(shown.source)), Filter(read, none_of(shown.source))
            if model._meta.get_field(shown.source).null:
                asked[f"{name}__empty"] = is_empty(lambda context, shown=shown: shown.unknown(Reader.of(context.user)))
        elif isinstance(shown, serializers.ListField):
            asked[name] = Filter(text, lambda rows, values, context, path=shown.source: rows.filter(**{f"{path}__overlap": values}))
            asked[f"{name}__not"] = Filter(
                text, lambda rows, values, context, path=shown.source: rows.exclude(**{f"{path}__overlap": values})
            )
            asked[f"{name}__empty"] = is_empty(lambda context, path=shown.source: Q(**{path: []}))
        elif name in source_text_fields(model, serializer.fields):
            path = f"said_{name}"
            questions = _of_a_value(name, path, kind(model._meta.get_field(name), path))
            asked |= {form: _of_what_is_said(question, path, name, serializer) for form, question in questions.items()}
        elif shown.source in {f.name for f in model._meta.concrete_fields}:
            asked |= _of_a_value(name, shown.source, kind(model._meta.get_field(shown.source), shown.source))
    people = {name for name, shown in serializer.fields.items() if names_people(shown)}
    return {
        name: replace(question, help=question.help or _help(name), of_people=name.partition("__")[0] in people)
        for name, question in asked.items()
    }


def names_people(shown: serializers.Field) -> bool:
    """Whether the field of a record is one person or several."""
    reference = shown.child_relation if isinstance(shown, KeyListField) else shown
    return isinstance(reference, KeyField) and reference.of_people


def _of_what_is_said(question: Filter, path: str, name: str, serializer: serializers.ModelSerializer) -> Filter:
    """The question, of the words as the asker sees them."""

    def narrow(rows: QuerySet, values: list[Any], context: FilterContext) -> QuerySet:
        return question.narrow(rows.alias(**{path: said(name, serializer, Reader.of(context.user))}), values, context)

    return replace(question, narrow=narrow)


def _of_a_value(name: str, path: str, kind: Kind) -> dict[str, Filter]:
    asked = {name: Filter(kind.read, any_of(path), kind.schema), f"{name}__not": Filter(kind.read, none_of(path), kind.schema)}
    if kind.low and kind.high:
        text_day = {"type": "string"}
        plain = kind.schema if kind.schema["type"] != "string" else text_day
        asked[f"{name}__from"] = Filter(
            kind.low, lambda rows, values, context: rows.filter(**{f"{kind.path}__gte": values[0]}), plain, many=False
        )
        asked[f"{name}__to"] = Filter(
            kind.high, lambda rows, values, context: rows.filter(**{f"{kind.path}__lte": values[0]}), plain, many=False
        )
    if kind.empty is not None:
        asked[f"{name}__empty"] = is_empty(lambda context: kind.empty)
    if name in INDEXED_TEXTS:
        asked[f"{name}__contains"] = Filter(text, matching(lambda value: Q(**{f"{path}__icontains": value})))
    return asked


def _help(name: str) -> str:
    field, _, form = name.partition("__")
    return {
        "": f"{field} is any of the values.",
        "not": f"{field} is none of the values.",
        "empty": f"Whether {field} is unknown.",
        "from": f"{field} is this or later, or more.",
        "to": f"{field} is this or earlier, or less.",
        "contains": f"{field} has the value within, in capitals or not.",
    }[form]


# ---- order


def orders(serializer_class: type[serializers.ModelSerializer]) -> dict[str, tuple[Column, Callable[[Reader], Any] | None]]:
    """By which fields the list can be ordered: the column, and the expression behind it where it is no plain column."""
    serializer, found = serializer_class(), {}
    model = serializer.Meta.model
    for name, shown in serializer.fields.items():
        alias = f"order_{name}"
        if isinstance(shown, KeyField):
            found[name] = (Column(alias, nullable=True), lambda reader, shown=shown: _key_of(shown, reader))
            continue
        stored = next((f for f in model._meta.concrete_fields if f.name == shown.source), None)
        if stored is None or isinstance(shown, serializers.ListField):
            continue
        if name in source_text_fields(model, serializer.fields):
            found[name] = (
                Column(alias, nullable=True),
                lambda reader, name=name: NullIf(said(name, serializer, reader), Value(""), output_field=models.TextField()),
            )
        elif isinstance(stored, edtf.EdtfField):
            found[name] = (Column(f"{shown.source}_first", nullable=True), None)
        elif stored.blank and isinstance(stored, TEXTS):
            found[name] = (
                Column(alias, nullable=True),
                lambda reader, path=shown.source: NullIf(F(path), Value(""), output_field=models.TextField()),
            )
        else:
            found[name] = (Column(shown.source, nullable=stored.null), None)
    return found


def _key_of(shown: KeyField, reader: Reader) -> Any:
    expression = shown.column(reader)
    return expression if isinstance(expression, Subquery) else F(expression.name)

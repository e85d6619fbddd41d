"""Sheets for people: the columns of a record type in words, with labels for codes and titles for keys.

Nothing is declared here: the columns are the fields of the serializer, and those that the `Resource` adds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum, auto
from typing import Any

from django.db.models import TextField, Value
from django.db.models.functions import Cast
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import serializers

from policytracker.edtf import DURATION, EdtfField, date_in_words, duration_in_words
from policytracker.records.access import Reader
from policytracker.records.fields import Text
from policytracker.records.models import Record
from policytracker.representation.cells import JoinedTexts, SafeText, is_nested
from policytracker.representation.json_sql import ComputedField, stored_value
from policytracker.representation.meanings import meaning_of
from policytracker.representation.references import KeyField, KeyListField
from policytracker.representation.serializers import HEAD, declared_fields
from policytracker.resources import Resource, registry

KEY = gettext_lazy("Key")
BEFORE_KEY = ("visibility", "publication")


class Kind(Enum):
    """What the cells of a column hold."""

    TITLE = auto()
    LINE = auto()
    TEXT = auto()
    KEY = auto()
    REFERENCE = auto()
    LIST = auto()
    CODE = auto()
    NUMBER = auto()
    DECIMAL = auto()
    DAY = auto()
    DATE = auto()
    TIME = auto()
    DURATION = auto()
    YES_OR_NO = auto()


IN_WORDS = {
    Kind.LIST: gettext_lazy("Texts, separated by semicolons"),
    Kind.NUMBER: gettext_lazy("Number"),
    Kind.DECIMAL: gettext_lazy("Number"),
    Kind.DAY: gettext_lazy("Date"),
    Kind.DATE: gettext_lazy("Date. A year, a month or an approximate date is a text, as precise as its source"),
    Kind.TIME: gettext_lazy("Date and time in UTC"),
    Kind.DURATION: gettext_lazy("Duration, such as 6 months or 30 days"),
    Kind.YES_OR_NO: gettext_lazy("Yes or No"),
}


@dataclass(frozen=True)
class Column:
    """A column of a sheet for people. `expression(reader)` is the SQL of its cells as texts, null for an unknown value.

    `codes` are label and definition of each code that its cells can have, and `refers_to` is the type of the records whose titles
    they are.
    """

    name: str
    label: str
    meaning: str
    kind: Kind
    expression: Callable[[Reader], Any]
    codes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    refers_to: str = ""

    def text(self, stored: str | None) -> str:
        """The cell as people read it."""
        if not stored:
            return ""
        if stored in self.codes:
            return self.codes[stored][0]
        if self.kind is Kind.YES_OR_NO:
            return _("Yes") if stored == "true" else _("No")
        if self.kind is Kind.DURATION:
            return duration_in_words(stored)
        if self.kind is Kind.DATE:
            return date_in_words(stored)
        return f"{stored[:10]} {stored[11:16]}" if self.kind is Kind.TIME else stored

    def day(self, stored: str) -> date | datetime | None:
        """The date or time in the cell; None if it has another content, or is less precise than a day."""
        if self.kind is Kind.TIME:
            return datetime.fromisoformat(stored).replace(tzinfo=None)
        return date.fromisoformat(stored) if self.kind in (Kind.DAY, Kind.DATE) and len(stored) == 10 else None

    @property
    def values(self) -> str:
        """What its cells hold, in words."""
        if self.codes:
            return "\n".join(f"{label}: {definition}" if definition else label for label, definition in self.codes.values())
        if self.refers_to:
            many = self.kind is Kind.LIST
            template = _("Titles of {records}, separated by semicolons") if many else _("Title of the {records}")
            return template.format(records=self.refers_to)
        return str(IN_WORDS.get(self.kind, _("Text")))


# ---- the columns of a record type


def sheet_columns(resource: Resource, chosen: Sequence[str] | None = None) -> list[Column]:
    """The columns of a sheet in order, with the key last: those of the chosen fields, or else all that people read."""
    fields, key = table_fields(resource), resource.model.key
    names = [name for name in chosen if name in fields] if chosen is not None else ordered(resource, fields)
    names = [*(name for name in names if name != key), *([key] if key in names else [])]
    return [column(resource, name, fields.get(name) or resource.sheet_columns[name]) for name in names]


def table_fields(resource: Resource) -> dict[str, serializers.Field]:
    """The fields that fit into a cell."""
    return {name: declared for name, declared in declared_fields(resource.serializer).items() if not is_nested(declared)}


def ordered(resource: Resource, fields: Iterable[str]) -> list[str]:
    """The names of the columns as people read them: the first ones, those that the resource adds, the others."""
    begin = resource.sheet_begins.split() or [name for name in fields if name in resource.model.label_parts]
    others = [name for name in fields if name not in HEAD and name not in BEFORE_KEY]
    return list(dict.fromkeys([*begin, *resource.sheet_columns, *others, *(name for name in BEFORE_KEY if name in fields)]))


def column(resource: Resource, name: str, declared: Any) -> Column:
    """The column of a field of the record, or of a field that the resource adds."""
    model, stored = resource.model, stored_field(resource.model, declared)
    many = isinstance(declared, KeyListField)
    reference = declared.child_relation if many else declared
    refers_to = ""
    if isinstance(reference, KeyField) and not reference.of_people:
        options = reference.model._meta
        refers_to = str(options.verbose_name_plural if many else options.verbose_name)
    codes: Any = getattr(stored, "codes", None) or registry.code_lists.get(name, ())
    kind = Kind.CODE if codes else kind_of(model, name, declared, stored)
    return Column(
        name,
        field_label(model, name, declared),
        str(declared.help_text or getattr(stored, "help_text", "") or meaning_of(resource.address, name)),
        kind,
        lambda reader: cell(declared, stored, kind, reader),
        {code.value: (str(code.label), str(getattr(code, "definition", ""))) for code in codes},
        refers_to,
    )


def stored_field(model: type[Record], declared: serializers.Field) -> Any:
    """The field of the model; None for a computed one."""
    stored = (*model._meta.concrete_fields, *model._meta.many_to_many)
    return next((each for each in stored if each.name == declared.source), None)


def field_label(model: type[Record], name: str, declared: serializers.Field) -> str:
    """The label of a field as in the admin. That of each key is *Key*."""
    stored = stored_field(model, declared)
    return str(KEY if name == model.key else capfirst(declared.label if stored is None else stored.verbose_name))


def fields_by_label(resource: Resource) -> dict[str, str]:
    """The names of the fields by their label in lower case."""
    return {field_label(resource.model, name, declared).lower(): name for name, declared in table_fields(resource).items()}


def added_labels(resource: Resource) -> set[str]:
    """The labels, in lower case, of the columns that are no fields of the record."""
    return {str(declared.label).lower() for declared in resource.sheet_columns.values()}


def kind_of(model: type[Record], name: str, declared: serializers.Field, stored: Any) -> Kind:
    """What the cells of a column hold that has no codes."""
    schema = declared.schema if isinstance(declared, ComputedField) else {}
    kinds = {
        Kind.KEY: name == model.key,
        Kind.LIST: isinstance(declared, KeyListField | serializers.ListField) or schema.get("type") == "array",
        Kind.REFERENCE: isinstance(declared, KeyField),
        Kind.DATE: isinstance(stored, EdtfField),
        Kind.TIME: isinstance(declared, serializers.DateTimeField),
        Kind.DAY: isinstance(declared, serializers.DateField) or schema.get("format") == "date",
        Kind.NUMBER: isinstance(declared, serializers.IntegerField),
        Kind.DECIMAL: isinstance(declared, serializers.DecimalField),
        Kind.YES_OR_NO: isinstance(declared, serializers.BooleanField),
        Kind.DURATION: DURATION in getattr(stored, "validators", ()),
        Kind.TITLE: name in model.label_parts,
        Kind.TEXT: isinstance(stored, Text),
    }
    return next((kind for kind, matches in kinds.items() if matches), Kind.LINE)


PLAIN = (
    Kind.CODE,
    Kind.NUMBER,
    Kind.DECIMAL,
    Kind.DAY,
    Kind.DATE,
    Kind.TIME,
    Kind.DURATION,
    Kind.YES_OR_NO,
)  # nothing that a user wrote as a text


def cell(declared: Any, stored: Any, kind: Kind, reader: Reader) -> Any:
    """The expression of a cell: a text that is safe in a spreadsheet; null for an unknown value."""
    if isinstance(declared, KeyField | KeyListField):
        expression = declared.title_column(reader)
        if isinstance(expression, Cast):  # people that the reader may not see
            return Cast(Value(None), TextField())
    elif hasattr(declared, "column"):
        expression = declared.column(reader)
    else:
        expression = stored_value(stored, declared.source)
    if kind is Kind.LIST:
        return SafeText(JoinedTexts(expression, separator="; "))
    text = Cast(expression, TextField())
    return text if kind in PLAIN else SafeText(text)

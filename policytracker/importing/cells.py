"""Cells of a table as values of fields: lists, dates in common forms, codes and names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.text import slugify
from django.utils.translation import gettext as _
from rest_framework import serializers

from policytracker import date_forms
from policytracker.codes import ForeignCode, code_of, invalid_choice
from policytracker.edtf import EdtfField
from policytracker.importing.context import ImportContext
from policytracker.importing.mapping import RecordMapping
from policytracker.importing.names import without_footnotes
from policytracker.importing.tables import Place, TableError, items_at, steps
from policytracker.records.models import SluggedRecord
from policytracker.representation.references import KeyField, KeyListField
from policytracker.writing.writer import UNSTORABLE

ITEM = "."  # the header of an item that is not an object
SEPARATOR = re.compile(r"(?<!\\);")
TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)[T ]\d\d:\d\d\S*", re.ASCII)
DATE_IN_TEXT = re.compile(
    r"\d{4}-\d\d(?:-\d\d)?~?|\d{1,2}([./-])\d{1,2}\1\d{4}|(?:\d{1,2} )?[A-Za-z]{3,9}\.? (?:\d{1,2},? )?\d{4}|\d{4}", re.ASCII
)
MAX_SLUG = 120


class CellError(Exception):
    """A cell cannot be imported. `name` is the name that no record has, if that is the reason."""

    def __init__(self, code: str, message: str, place: Place | None = None, name: str = ""):
        super().__init__(message)
        self.code, self.message, self.place, self.name = code, message, place, name


@dataclass(frozen=True)
class Cells:
    """The cells of a row that a record is made of. In JSON, an item of a list within the row comes before the row itself."""

    context: ImportContext
    row: int
    scopes: tuple[dict[str, Any], ...]

    def get(self, header: str) -> Any:
        """The content of a cell, or of a path in a JSON item, without the words that mean that a cell is empty. "" if there is none."""
        value, empty = next(self.values_of(header), ""), self.context.mapping.empty
        if isinstance(value, list):
            return [item for item in value if not isinstance(item, str) or item.strip() not in empty]
        return "" if isinstance(value, str) and empty and value.strip() in empty else value

    def values_of(self, header: str) -> Iterator[Any]:
        """The values of a header, those of the innermost item first."""
        for scope in self.scopes:
            if header in scope:
                yield scope[header]
            elif self.context.table.is_json and (path := steps(header)):
                try:
                    values = list(items_at(scope, path))
                except TableError:
                    continue
                yield values if "*" in header else values[0]

    def has(self, header: str) -> bool:
        return any(True for _value in self.values_of(header))

    def is_filled(self, header: str) -> bool:
        return not is_empty(self.get(header))

    def items(self, path: Sequence[str]) -> list[Cells]:
        """The cells of each item of a list within the row."""
        if not path:
            return [self]
        value = self.get(".".join(path))
        items = value if isinstance(value, list) else [] if is_empty(value) else [value]
        return [self.within(item if isinstance(item, dict) else {ITEM: item}) for item in items]

    def split(self, header: str, separator: str) -> list[Cells]:
        """The cells for each item of the list in a cell."""
        return [self.within({header: item}) for item in split_text(self.get(header), separator)]

    def within(self, scope: dict[str, Any]) -> Cells:
        """These cells, with others that come before them."""
        return replace(self, scopes=(scope, *self.scopes))

    def date(self, header: str) -> str:
        """The partial date in a cell. Raises CellError."""
        try:
            return parse_date(as_text(self.get(header)), self.context.mapping.dates)
        except CellError as error:
            raise CellError(error.code, error.message, self.place(header)) from error

    def place(self, header: str = "") -> Place:
        return self.context.table.place(self.row, header)


def is_empty(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def as_text(value: Any) -> str:
    """A value as text. Raises CellError for a list or an object."""
    if isinstance(value, list | dict):
        raise CellError("not_a_text", _("The value is a list or an object. Enter the path of a part of it in the mapping."))
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    if UNSTORABLE.search(text):
        raise CellError("invalid", _("The text contains a character that cannot be stored."))
    return text


def as_list(value: Any) -> list[str]:
    """The items of a list. In a cell they are separated by semicolons; `\\;` is a semicolon within an item."""
    if isinstance(value, list):
        return [as_text(item) for item in value if not is_empty(item)]
    parts = (part.replace("\\;", ";").strip() for part in SEPARATOR.split(as_text(value)))
    return [part for part in parts if part]


def split_text(value: Any, separator: str) -> list[str]:
    """The items of a list in a cell, with this separator."""
    parts = [as_text(item) for item in value] if isinstance(value, list) else as_text(value).split(separator)
    return [part.strip() for part in parts if part.strip()]


def parse_date(text: str, order: str = "") -> str:
    """The partial date in a cell. `order` is one of `date_forms.ORDERS`, where day and month can be exchanged. Raises CellError."""
    text = text.strip()
    if match := TIMESTAMP.fullmatch(text):
        text = match[1]
    try:
        return date_forms.parse(text, order)
    except ValidationError as error:
        raise CellError(error.code or "invalid_date", error.messages[0]) from error


def split_date(text: str) -> tuple[str, str]:
    """The date and the other words of a cell such as `3 Oct 2016 a` or `Accession: 16 January 1978`."""
    text = without_footnotes(text.rstrip())
    match = DATE_IN_TEXT.search(text)
    if not match:
        return text, ""
    rest = f"{text[: match.start()]} {text[match.end() :]}"
    return match[0].replace(".", "") if match[0][0].isalpha() else match[0], rest.strip(" ,;:()[]")


def as_slug(text: str) -> str:
    """A slug made of a text. A long one is cut and ends with a checksum, so that different texts have different slugs."""
    text = text.strip()
    if re.fullmatch(r"[-\w]+", text, re.ASCII):
        slug = text
    else:
        slug = slugify(re.sub(r"[^\w\s]+", "-", re.sub(r"^https?://(www\.)?", "", text))).strip("-")
    return slug if len(slug) <= MAX_SLUG else f"{slug[: MAX_SLUG - 9]}-{crc32(text.encode()):08x}"


class FieldReader:
    """Reads the cells of one field of a record.

    If the field has a column in the mapping, that is another register's: its identifiers are made into slugs, with the prefix of the
    mapping before those of records that the file makes. Its terms are compared with those of the mapping without case.
    """

    def __init__(self, context: ImportContext, record: RecordMapping, model: type[models.Model], name: str, field: Any):
        self.context, self.model, self.name, self.field = context, model, name, field
        self.prefix, self.is_mapped = context.mapping.key_prefix, name in record.columns
        self.codes = record.codes.get(name, {})
        self.codes_in_any_case = {term.strip().casefold(): code for term, code in reversed(self.codes.items())}
        self.other_code = record.other.get(name)
        self.is_list = isinstance(field, KeyListField | serializers.ListField)
        self.reference = field.child_relation if isinstance(field, KeyListField) else field
        stored = {f.name: f for f in (*model._meta.concrete_fields, *model._meta.many_to_many)}
        self.stored: Any = stored.get(field.source or name)
        self.is_key = name == getattr(model, "key", "")
        self.is_date = isinstance(self.stored, EdtfField | models.DateField) and not isinstance(self.stored, models.DateTimeField)

    def value(self, raw: Any, separator: str = "") -> Any:
        """The value of the field in the body of a request; `separator` is that of the items of a list. Raises CellError."""
        if self.is_list:
            return [self.single(item) for item in (split_text(raw, separator) if separator else as_list(raw))]
        return self.single(as_text(raw))

    def joined(self, values: Sequence[Any]) -> Any:
        """The content of several cells in one value: items of a list, parts of a key, or paragraphs of a text."""
        if self.is_list:
            return [item for value in values for item in as_list(value)]
        separator = "-" if self.is_key or isinstance(self.reference, KeyField) else "\n\n"
        return separator.join(text for value in values if (text := as_text(value)))

    def single(self, text: str) -> Any:
        """The value for a text: that of our code for it, or what the text itself means."""
        code = self.code_of_term(text.strip())
        text = text if code is None else code
        if not text.strip():
            return ""
        if isinstance(self.reference, KeyField):
            return self.key(text.strip(), self.is_mapped and code is None)
        if self.is_key and self.is_mapped and code is None and self.name != "uid":
            return self.prefix + (as_slug(text) if issubclass(self.model, SluggedRecord) else text.strip())
        if self.is_date:
            return parse_date(text, self.context.mapping.dates)
        if getattr(self.stored, "choices", None) and isinstance(self.field, serializers.ChoiceField):
            return self.code(text)
        if isinstance(self.stored, ForeignCode) and self.stored.read:
            return self.stored.read(text)
        if isinstance(self.field, serializers.ChoiceField | serializers.IntegerField | serializers.DecimalField | serializers.UUIDField):
            text = text.strip()
        if isinstance(self.field, serializers.IntegerField) and re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
            return int(text)
        if isinstance(self.field, serializers.BooleanField):
            return {"true": True, "false": False}.get(text.strip().lower(), text)
        if isinstance(self.field, serializers.FileField):
            return urlsplit(text).path  # the URL of the stored file; an import cannot upload one
        return text

    def code_of_term(self, term: str) -> str | None:
        """Our code for a term. None if the mapping does not translate it."""
        code = self.codes.get(term, self.codes_in_any_case.get(term.casefold()))
        return self.other_code if code is None and term else code

    def code(self, text: str) -> str:
        """The code of a code or label. Raises CellError."""
        code = code_of(self.stored, text)
        if code is None:
            raise CellError("invalid_choice", invalid_choice(text.strip(), self.field.choices), name=text.strip())
        return code

    def key(self, text: str, theirs: bool) -> str:
        """The key of the record that a cell refers to; `theirs` are identifiers and names of another register.

        Raises CellError if no record, or more than one, has this name.
        """
        model = self.reference.model
        prefix = self.prefix if theirs and model in self.context.made else ""
        index = self.context.names(model)
        if index is None:
            return prefix + (as_slug(text) if theirs and issubclass(model, SluggedRecord) else text)
        keys = (index.find(prefix + text) if prefix else []) or index.find(text)
        if len(keys) == 1:
            return keys[0]
        kind = model._meta.verbose_name
        if keys:
            message = _("There are several records of type %(kind)s with the name “%(name)s”: %(keys)s. Enter the key.")
            raise CellError("ambiguous", message % {"kind": kind, "name": text[:100], "keys": ", ".join(keys)}, name=text)
        raise CellError("does_not_exist", _("There is no %(kind)s “%(name)s”.") % {"kind": kind, "name": text[:100]}, name=text)

"""Reading the files of a data set, record by record: a file may be larger than the memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from django.core.exceptions import NON_FIELD_ERRORS
from django.db.models import Field, Model
from django.utils.translation import gettext as _

from policytracker.dataset import layout
from policytracker.records.models import key_of
from policytracker.strict_json import refuse_constant, unique_names

FORM = '{"model": …, "fields": {…}}'
WHITESPACE = re.compile(r"[ \t\n\r]*")
CHUNK = 256 * 1024  # bytes read at a time
MAX_ITEM = 16_000_000  # characters; an item that is not complete by then is invalid JSON

Ignore = Callable[[type[Model], str], bool]
Progress = Callable[[int], None]  # is called with the number of bytes that were read


class DatasetError(Exception):
    """The files cannot be loaded. The message names the file and the record."""


@dataclass(slots=True)
class Entry:
    """One record of a file. `key` is its natural key as the file gives it; `values` are the JSON values by field name."""

    file: str
    model: type[Model]
    key: str
    values: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.file}, {self.model._meta.label_lower} {self.key}"

    def refuse(self, field: Field, message: str) -> DatasetError:
        return DatasetError(located(self.name, field.name, message))


def located(name: str, field: str, message: str) -> str:
    template = _("{place}: {message}") if field == NON_FIELD_ERRORS else _("{place}, {field}: {message}")
    return template.format(place=name, field=field, message=message)


def in_line(file: str, line: int, message: str) -> DatasetError:
    return DatasetError(_("{file}, line {line}: {message}").format(file=file, line=line, message=message))


def in_file(file: str, message: str) -> DatasetError:
    return DatasetError(located(file, NON_FIELD_ERRORS, message))


def ignore_nothing(model: type[Model], name: str) -> bool:
    return False


def no_progress(size: int) -> None:
    pass


# ---- records


def read(folder: Path, progress: Progress = no_progress) -> Iterable[Entry]:
    """The entries of all files, with the dates that the files contain. Raises DatasetError."""
    if not folder.is_dir():
        raise DatasetError(_("{folder} is not a folder.").format(folder=folder))
    return (entry for file, models in layout.files().items() for entry in entries(file, parse(folder / file, progress), models))


def entries(file: str, rows: Iterable[Any], models: Iterable[type[Model]], ignore: Ignore = ignore_nothing) -> Iterator[Entry]:
    """The entries of one file. `models` may occur in it; fields for which `ignore(model, name)` is true are skipped."""
    known = {model._meta.label_lower: (model, key_of(model), {f.name for f in layout.fields(model)}) for model in models}
    for number, row in enumerate(rows, 1):
        yield parse_entry(file, number, row, known, ignore)


def parse_entry(file: str, number: int, row: Any, known: dict, ignore: Ignore) -> Entry:
    """The entry for one row of a file."""
    if not isinstance(row, dict) or row.keys() != {"model", "fields"} or not isinstance(row["fields"], dict):
        raise in_record(file, number, _("A record must have the form {form}, without other names.").format(form=FORM))
    if not isinstance(row["model"], str) or row["model"].lower() not in known:
        message = _("“{model}” is not a model of this file. Expected: {models}.")
        raise in_record(file, number, message.format(model=row["model"], models=", ".join(known)))
    model, key, names = known[row["model"].lower()]
    given = row["fields"]
    if ignore is not ignore_nothing:
        given = {name: value for name, value in given.items() if not ignore(model, name)}
    if not isinstance(given.get(key), str) or not given[key]:
        message = _("A record of {model} requires its {field}.")
        raise in_record(file, number, message.format(model=model._meta.label_lower, field=key))
    if not given.keys() <= names:
        place = f"{model._meta.label_lower} {given[key]}"
        raise in_record(file, number, _("Unknown field “{field}”.").format(field=min(given.keys() - names)), place)
    return Entry(file, model, given[key], given)


def in_record(file: str, number: int, message: str, record: str = "") -> DatasetError:
    place = _("{file}, record {number}").format(file=file, number=number)
    return in_file(f"{place}, {record}" if record else place, message)


# ---- JSON


def parse(path: Path, progress: Progress = no_progress) -> Iterator[Any]:
    """The items of the list in a JSON file, one after the other. Raises DatasetError."""
    try:
        with path.open("rb") as file:
            yield from Items(path.name, file, progress)
    except FileNotFoundError:
        raise DatasetError(_("{file} is missing in {folder}.").format(file=path.name, folder=path.parent)) from None
    except OSError as error:
        raise DatasetError(_("{file} cannot be read: {reason}.").format(file=path, reason=error.strerror)) from error


class Items:
    """The items of a list in a JSON file. Of the text, only the part is kept that begins with the current item."""

    def __init__(self, name: str, file: BinaryIO, progress: Progress):
        self.name, self.file, self.progress = name, file, progress
        self.decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self.text, self.position, self.ended = "", 0, False
        self.lines = 0  # before `text`

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self.items()
        except UnicodeDecodeError as error:
            line = self.line(len(self.text)) + error.object.count(b"\n", 0, error.start)
            raise in_line(self.name, line, _("The file is not UTF-8.")) from error
        except json.JSONDecodeError as error:
            raise in_line(self.name, self.line(error.pos), _("Invalid JSON. {reason}.").format(reason=error.msg)) from error
        except RecursionError:
            raise in_file(self.name, _("Lists are nested too deeply.")) from None
        except ValueError as error:
            raise in_file(self.name, _("Invalid JSON. {reason}.").format(reason=error)) from error

    def items(self) -> Iterator[Any]:
        first = self.next_character()
        if first not in ("", "["):
            raise in_file(self.name, _("The file must contain a list of records."))
        if not first:
            raise self.invalid("Expecting value")
        self.position += 1
        separator = ","
        if self.next_character() == "]":
            separator = "]"
            self.position += 1
        while separator == ",":
            self.next_character()
            yield self.item()
            if (separator := self.next_character()) not in (",", "]"):
                raise self.invalid("Expecting ',' delimiter")
            self.position += 1
        if self.next_character():
            raise self.invalid("Extra data")

    def item(self) -> Any:
        """The value at the position. More of the file is read until it is complete."""
        size = CHUNK
        while True:
            try:
                value, end = DECODER.raw_decode(self.text, self.position)
                if end < len(self.text) or self.ended:  # otherwise a number could go on
                    self.position = end
                    return value
            except json.JSONDecodeError:
                if self.ended or len(self.text) - self.position > MAX_ITEM:
                    raise
            self.read(size)
            size *= 2

    def next_character(self) -> str:
        """The next character that is not white space; "" at the end of the file."""
        while True:
            self.position = WHITESPACE.match(self.text, self.position).end()  # type: ignore[union-attr]
            if self.position < len(self.text) or self.ended:
                return self.text[self.position : self.position + 1]
            self.read(CHUNK)

    def read(self, size: int) -> None:
        """Read more of the file, and forget what is before the position."""
        data = self.file.read(size)
        self.progress(len(data))
        self.ended = not data
        self.lines += self.text.count("\n", 0, self.position)
        self.text, self.position = self.text[self.position :], 0
        self.text += self.decode(data, self.ended)

    def line(self, position: int) -> int:
        return self.lines + self.text.count("\n", 0, position) + 1

    def invalid(self, reason: str) -> json.JSONDecodeError:
        return json.JSONDecodeError(reason, self.text, self.position)


DECODER = json.JSONDecoder(object_pairs_hook=unique_names, parse_constant=refuse_constant)

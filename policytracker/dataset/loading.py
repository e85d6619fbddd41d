"""Loading a data set: parses the files, resolves references and writes the records that differ."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.serializers.base import ProgressBar
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Field, Model
from django.utils.translation import gettext as _

from policytracker.dataset import layout, relative_dates, writer
from policytracker.dataset.layout import is_user_reference
from policytracker.records.constraints import TriggerConstraint
from policytracker.records.models import Record, key_of
from policytracker.records.triggers import records, trigger_constraints
from policytracker.records.violations import by_field, violated_constraint
from policytracker.resources import registry

BATCH = 1000  # records
FORM = '{"model": …, "fields": {…}}'
UNSTORABLE = re.compile("[\0\ud800-\udfff]")

Ignore = Callable[[type[Model], str], bool]


class DatasetError(Exception):
    """The files cannot be loaded. The message names the file and the record."""


@dataclass
class Entry:
    """One record of a file. `key` is its natural key as a Python value; `values` are the JSON values by field."""

    file: str
    model: type[Model]
    key: Any
    values: dict[Field, Any]

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


# ---- parse


def read(folder: Path) -> list[Entry]:
    """The entries of all files, with their dates as of today if these are relative. Raises DatasetError."""
    if not folder.is_dir():
        raise DatasetError(_("{folder} is not a folder.").format(folder=folder))
    found = [entry for file, models in layout.files().items() for entry in entries(file, parse(folder / file), models)]
    return relative_dates.shift(folder, found)


def ignore_nothing(model: type[Model], name: str) -> bool:
    return False


def entries(file: str, rows: Iterable[Any], models: Iterable[type[Model]], ignore: Ignore = ignore_nothing) -> Iterator[Entry]:
    """The entries of one file. `models` may occur in it; fields for which `ignore(model, name)` is true are skipped."""
    known = {model._meta.label_lower: (model, {f.name: f for f in layout.fields(model)}) for model in models}
    for number, row in enumerate(rows, 1):
        yield parse_entry(file, number, row, known, ignore)


def parse(path: Path) -> list:
    """The list in a JSON file. Raises DatasetError."""
    try:
        data = path.read_bytes()
        content = json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique_names, parse_constant=refuse_constant)
    except FileNotFoundError:
        raise DatasetError(_("{file} is missing in {folder}.").format(file=path.name, folder=path.parent)) from None
    except OSError as error:
        raise DatasetError(_("{file} cannot be read: {reason}.").format(file=path, reason=error.strerror)) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise in_line(path.name, line, _("The file is not UTF-8.")) from error
    except json.JSONDecodeError as error:
        raise in_line(path.name, error.lineno, _("Invalid JSON. {reason}.").format(reason=error.msg)) from error
    except RecursionError:
        raise in_file(path.name, _("Lists are nested too deeply.")) from None
    except ValueError as error:
        raise in_file(path.name, _("Invalid JSON. {reason}.").format(reason=error)) from error
    if not isinstance(content, list):
        raise in_file(path.name, _("The file must contain a list of records."))
    return content


def unique_names(pairs: list[tuple[str, Any]]) -> dict:
    """The object as a dict. Raises ValueError if a name occurs twice."""
    result = dict(pairs)
    if len(result) < len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(_("An object contains “{name}” twice").format(name=name))
    return result


def refuse_constant(name: str) -> None:
    raise ValueError(_("{value} is not a number").format(value=name))


def parse_entry(file: str, number: int, row: Any, known: dict, ignore: Ignore) -> Entry:
    """The entry for one row of a file."""
    place = _("{file}, record {number}").format(file=file, number=number)
    if not isinstance(row, dict) or row.keys() != {"model", "fields"} or not isinstance(row["fields"], dict):
        raise in_file(place, _("A record must have the form {form}, without other names.").format(form=FORM))
    if not isinstance(row["model"], str) or row["model"].lower() not in known:
        message = _("“{model}” is not a model of this file. Expected: {models}.")
        raise in_file(place, message.format(model=row["model"], models=", ".join(known)))
    model, fields = known[row["model"].lower()]
    key, given = fields[key_of(model)], {name: value for name, value in row["fields"].items() if not ignore(model, name)}
    if not isinstance(given.get(key.name), str) or not given[key.name]:
        raise in_file(place, _("A record of {model} requires its {field}.").format(model=model._meta.label_lower, field=key.name))
    if unknown := sorted(given.keys() - fields):
        place = f"{place}, {model._meta.label_lower} {given[key.name]}"
        raise in_file(place, _("Unknown field “{field}”.").format(field=unknown[0]))
    entry = Entry(file, model, given[key.name], {fields[name]: value for name, value in given.items()})
    entry.key = value(entry, key, entry.key)
    return entry


def value(entry: Entry, field: Field, given: Any) -> Any:
    """The Python value of a field that is not a relation. Raises DatasetError."""
    if given is None and not field.null:
        raise entry.refuse(field, _("This field cannot be null."))
    texts = given if isinstance(field, ArrayField) and isinstance(given, list) else [given]
    for text in texts:
        if isinstance(text, list | dict):
            raise entry.refuse(field, _("Lists and objects are not valid here."))
        if isinstance(text, str) and (bad := UNSTORABLE.search(text)):
            raise entry.refuse(field, _("The character {character} cannot be stored.").format(character=f"U+{ord(bad[0]):04X}"))
    try:
        return field.to_python(given)
    except ValidationError as error:
        raise entry.refuse(field, " ".join(error.messages)) from error
    except ValueError as error:
        raise entry.refuse(
            field, _("“{value}” is not a valid value.").format(value=f"{given:.100}" if isinstance(given, str) else f"{given!r:.100}")
        ) from error


# ---- write


class Loader:
    """Loads entries. All records get their ids before any is written, so they can refer to each other in any order."""

    def __init__(self, entries: Iterable[Entry]):
        self.entries: dict[type[Model], list[Entry]] = defaultdict(list)
        seen = set()
        for entry in entries:
            if (entry.model, entry.key) in seen:
                raise in_file(entry.name, _("The record occurs twice."))
            seen.add((entry.model, entry.key))
            self.entries[entry.model].append(entry)
        self.ids: dict[type[Model], dict[Any, int]] = {}

    def load(self) -> dict[str, Counter]:
        """Write the records that differ. Returns the numbers of created, changed and unchanged records by file. Raises DatasetError."""
        counts: dict[str, Counter] = defaultdict(Counter)
        written = set()
        for model, entries in self.entries.items():
            self.assign_ids(model, entries)
        total = sum(map(len, self.entries.values()))
        bar, done = ProgressBar(sys.stderr if sys.stderr.isatty() else None, total), 0
        for model, entries in self.entries.items():
            for start in range(0, len(entries), BATCH):
                batch = entries[start : start + BATCH]
                rows = self.rows(batch)
                writer.write(rows, error_of=lambda record: None, check_deferred=False)
                for entry, row in zip(batch, rows, strict=True):
                    if row.error:
                        raise refusal(entry, row.error) from row.error
                    counts[entry.file][row.outcome] += 1
                    if row.outcome != writer.Outcome.UNCHANGED:
                        written.add(model)
                done += len(batch)
                bar.update(done)
        check_deferred_constraints({model: entries[0].file for model, entries in self.entries.items()})
        layout.finish(written)
        return counts

    def assign_ids(self, model: type[Model], entries: list[Entry]) -> None:
        """Look up the ids of the stored records, and reserve an id for each new one."""
        ids = self.ids_of(model)
        new = [entry.key for entry in entries if entry.key not in ids]
        with connection.cursor() as cursor:
            cursor.execute(writer.RESERVE_IDS, [model._meta.db_table, len(new)])
            ids.update(zip(new, (number for (number,) in cursor), strict=True))

    def ids_of(self, model: type[Model]) -> dict[Any, int]:
        """The ids of all records of a model by natural key, read once."""
        if model not in self.ids:
            self.ids[model] = dict(model._base_manager.values_list(key_of(model), "pk"))
        return self.ids[model]

    def rows(self, entries: list[Entry]) -> list[writer.Row]:
        """The rows to write for entries of one model."""
        model = entries[0].model
        ids = [self.ids[model][entry.key] for entry in entries]
        stored = model._base_manager.select_for_update().in_bulk(ids)
        return [self.row(entry, stored.get(pk) or model(pk=pk)) for pk, entry in zip(ids, entries, strict=True)]

    def row(self, entry: Entry, record: Model) -> writer.Row:
        row = writer.Row(record)
        for field, given in entry.values.items():
            if not row.is_new and layout.is_kept(field):
                continue
            if field.many_to_many:
                row.links[field.name] = self.references(entry, field, given)
            elif field.is_relation and given is not None:
                row.values[field.attname] = self.reference(entry, field, given)
            else:
                row.values[field.attname] = value(entry, field, given)
        if row.is_new:
            self.require(entry, row)
        return row

    def references(self, entry: Entry, field: Field, given: Any) -> set[int]:
        if not isinstance(given, list):
            raise entry.refuse(field, _("Enter references as {form}.").format(form='[["key"], ["key"]]'))
        ids = (self.reference(entry, field, item) for item in given)
        return {pk for pk in ids if pk is not None}

    def reference(self, entry: Entry, field: Any, given: Any) -> int | None:
        """The id of the referenced record; None for an unknown user. Raises DatasetError for any other unknown key."""
        if not (isinstance(given, list) and len(given) == 1 and isinstance(given[0], str)):
            raise entry.refuse(field, _("Enter a reference as {form}.").format(form='["key"]'))
        model = field.related_model
        pk = self.ids_of(model).get(value(entry, model._meta.get_field(key_of(model)), given[0]))
        if pk is None and not is_user_reference(field):
            raise entry.refuse(field, _("There is no {type} “{key}”.").format(type=model._meta.verbose_name, key=given[0]))
        return pk

    def require(self, entry: Entry, row: writer.Row) -> None:
        """Raises DatasetError if a required reference is missing."""
        for field in layout.fields(entry.model):
            if field.is_relation and not field.many_to_many and not field.null and row.values.get(field.attname) is None:
                raise entry.refuse(field, _("This field is required."))


def refusal(entry: Entry, error: Exception) -> Exception:
    """The error with the name of the entry."""
    if isinstance(error, ValidationError):
        errors = by_field(error, entry.model)
        return DatasetError("; ".join(located(entry.name, field, item.messages[0]) for field, items in errors.items() for item in items))
    if isinstance(error, DatabaseError) and (rule := violated_constraint(error)):
        return DatasetError(located(entry.name, rule.field, rule.message))
    return error


def check_deferred_constraints(files: dict[type[Model], str]) -> None:
    """Check the deferred constraints. Raises DatasetError with the name of a record that violates one."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    except IntegrityError as error:
        name = error.__cause__.diag.constraint_name  # type: ignore[union-attr]
        for model in records():
            for constraint in trigger_constraints(model):
                if constraint.name == name and "OLD." not in constraint.violated_when and (key := violating_key(model, constraint)):
                    name = f"{files.get(model, registry.of(model).file)}, {model._meta.label_lower} {key}"
                    raise DatasetError(located(name, constraint.field or NON_FIELD_ERRORS, str(constraint.message))) from error
        raise


def violating_key(model: type[Record], constraint: TriggerConstraint) -> str:
    """The key of one record that violates the constraint; "" if there is none."""
    condition = f"({constraint.when or 'true'}) AND ({constraint.violated_when})"  # it calls the row NEW
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {model.key} FROM {model._meta.db_table} AS new WHERE {condition} LIMIT 1")
        return str((cursor.fetchone() or [""])[0])

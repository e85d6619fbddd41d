"""The files of a data set read: what each entry says, which records it refers to, and what of it is new."""

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

from policytracker.dataset import layout, writer
from policytracker.dataset.layout import is_person, key_of
from policytracker.records.constraints import TriggerConstraint
from policytracker.records.models import Record
from policytracker.records.triggers import records, trigger_constraints
from policytracker.records.violations import by_field, violated_constraint

AT_A_TIME = 1000
UNSTORABLE = re.compile("[\0\ud800-\udfff]")

Ignore = Callable[[type[Model], str], bool]


class DatasetError(Exception):
    """Why the files cannot be loaded, as a sentence that names the file and the record."""


@dataclass
class Entry:
    """One record as its file states it. `key` is as the model holds it."""

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
    return f"{name}: {message}" if field == NON_FIELD_ERRORS else f"{name}, {field}: {message}"


# ---- from the files


def read(folder: Path) -> list[Entry]:
    """Every entry of the five files. Raises DatasetError for what cannot be one."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder.")
    return [entry for file in layout.FILES for entry in entries(file, parse(folder / file), layout.models_of(file))]


def ignore_nothing(model: type[Model], name: str) -> bool:
    return False


def entries(file: str, rows: Iterable[Any], models: Iterable[type[Model]], ignore: Ignore = ignore_nothing) -> Iterator[Entry]:
    """The entries of one file, which may hold records of these models. `ignore(model, name)` says which fields are passed over."""
    known = {model._meta.label_lower: (model, {f.name: f for f in layout.fields(model)}) for model in models}
    for number, row in enumerate(rows, 1):
        yield shape(file, number, row, known, ignore)


def parse(path: Path) -> list:
    """The list that a file holds."""
    try:
        data = path.read_bytes()
        found = json.loads(data.decode("utf-8-sig"), object_pairs_hook=once, parse_constant=no_number)
    except FileNotFoundError:
        raise DatasetError(f"{path.name} is missing in {path.parent}.") from None
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DatasetError(f"{path.name}, line {line}: This is not UTF-8.") from error
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path.name}, line {error.lineno}: This is not JSON. {error.msg}.") from error
    except RecursionError:
        raise DatasetError(f"{path.name}: Lists are nested too deeply.") from None
    except ValueError as error:
        raise DatasetError(f"{path.name}: This is not JSON. {error}.") from error
    if not isinstance(found, list):
        raise DatasetError(f"{path.name}: The file must hold a list of records.")
    return found


def once(pairs: list[tuple[str, Any]]) -> dict:
    """An object, in which no name stands twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"One object has {name!r} twice")
    return found


def no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def shape(file: str, number: int, row: Any, known: dict, ignore: Ignore) -> Entry:
    """The entry that a row of the file is."""
    place = f"{file}, record {number}"
    if not isinstance(row, dict) or row.keys() != {"model", "fields"} or not isinstance(row["fields"], dict):
        raise DatasetError(f'{place}: A record is written {{"model": …, "fields": {{…}}}}, with nothing else.')
    if not isinstance(row["model"], str) or row["model"].lower() not in known:
        raise DatasetError(f"{place}: {row['model']!r} is none of {', '.join(known)}, which this file holds.")
    model, fields = known[row["model"].lower()]
    key, given = fields[key_of(model)], {name: value for name, value in row["fields"].items() if not ignore(model, name)}
    if not isinstance(given.get(key.name), str) or not given[key.name]:
        raise DatasetError(f"{place}: A record of {model._meta.label_lower} needs its {key.name}.")
    if unknown := sorted(given.keys() - fields):
        raise DatasetError(f"{place}, {model._meta.label_lower} {given[key.name]}: It has no field {unknown[0]!r} in the files.")
    entry = Entry(file, model, given[key.name], {fields[name]: value for name, value in given.items()})
    entry.key = value(entry, key, entry.key)
    return entry


def value(entry: Entry, field: Field, given: Any) -> Any:
    """What the file states for a field that refers to nothing, as the model holds it."""
    if given is None and not field.null:
        raise entry.refuse(field, "It cannot be null.")
    texts = given if isinstance(field, ArrayField) and isinstance(given, list) else [given]
    for text in texts:
        if isinstance(text, list | dict):
            raise entry.refuse(field, "A list or an object has no place here.")
        if isinstance(text, str) and (bad := UNSTORABLE.search(text)):
            raise entry.refuse(field, f"PostgreSQL keeps no character U+{ord(bad[0]):04X}.")
    try:
        return field.to_python(given)
    except ValidationError as error:
        raise entry.refuse(field, " ".join(error.messages)) from error
    except ValueError as error:
        raise entry.refuse(field, f"{given!r:.100} is none of its values.") from error


# ---- into the database


class Loader:
    """One load. Records get their ids before any is written, so that they may refer to one another in any order."""

    def __init__(self, entries: Iterable[Entry]):
        self.entries: dict[type[Model], list[Entry]] = defaultdict(list)
        seen = set()
        for entry in entries:
            if (entry.model, entry.key) in seen:
                raise DatasetError(f"{entry.name}: It is in the file twice.")
            seen.add((entry.model, entry.key))
            self.entries[entry.model].append(entry)
        self.ids: dict[type[Model], dict[Any, int]] = {}

    def load(self) -> dict[str, Counter]:
        """Write what differs. Returns how many records of each file were created, changed and unchanged. Raises DatasetError."""
        counts: dict[str, Counter] = defaultdict(Counter)
        written = set()
        for model, entries in self.entries.items():
            self.number(model, entries)
        total = sum(map(len, self.entries.values()))
        bar, done = ProgressBar(sys.stderr if sys.stderr.isatty() else None, total), 0
        for model, entries in self.entries.items():
            for start in range(0, len(entries), AT_A_TIME):
                some = entries[start : start + AT_A_TIME]
                rows = self.rows(some)
                writer.write(rows, judge=lambda record: None, ask_guards=False)
                for entry, row in zip(some, rows, strict=True):
                    if row.error:
                        raise refusal(entry, row.error) from row.error
                    counts[entry.file][row.outcome] += 1
                    if row.outcome != writer.Outcome.UNCHANGED:
                        written.add(model)
                done += len(some)
                bar.update(done)
        check_guards({model: entries[0].file for model, entries in self.entries.items()})
        layout.finish(written)
        return counts

    def number(self, model: type[Model], entries: list[Entry]) -> None:
        """Find the ids of records that are there, and draw one for each that is new."""
        ids = self.ids_of(model)
        new = [entry.key for entry in entries if entry.key not in ids]
        with connection.cursor() as cursor:
            draw = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"
            cursor.execute(draw, [model._meta.db_table, len(new)])
            ids.update(zip(new, (number for (number,) in cursor), strict=True))

    def ids_of(self, model: type[Model]) -> dict[Any, int]:
        """The ids of a model's records by their keys, read once."""
        if model not in self.ids:
            self.ids[model] = dict(model._base_manager.values_list(key_of(model), "pk"))
        return self.ids[model]

    def rows(self, entries: list[Entry]) -> list[writer.Row]:
        """The entries of one model, as rows to write."""
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
            raise entry.refuse(field, 'References are written [["key"], ["key"]].')
        found = (self.reference(entry, field, one) for one in given)
        return {far for far in found if far is not None}

    def reference(self, entry: Entry, field: Any, given: Any) -> int | None:
        """The id of what is referred to. A person who is unknown here is nobody."""
        if not (isinstance(given, list) and len(given) == 1 and isinstance(given[0], str)):
            raise entry.refuse(field, 'A reference is written ["key"].')
        model = field.related_model
        found = self.ids_of(model).get(value(entry, model._meta.get_field(key_of(model)), given[0]))
        if found is None and not is_person(field):
            raise entry.refuse(field, f"There is no {model._meta.verbose_name} {given[0]!r}.")
        return found

    def require(self, entry: Entry, row: writer.Row) -> None:
        """Raises DatasetError where a reference is missing that every record of the model has."""
        for field in layout.fields(entry.model):
            if field.is_relation and not field.many_to_many and not field.null and row.values.get(field.attname) is None:
                raise entry.refuse(field, "It cannot be missing.")


def refusal(entry: Entry, error: Exception) -> Exception:
    """Why an entry is refused, with its name."""
    if isinstance(error, ValidationError):
        found = by_field(error, entry.model)
        return DatasetError("; ".join(located(entry.name, field, one.messages[0]) for field, reasons in found.items() for one in reasons))
    if isinstance(error, DatabaseError) and (rule := violated_constraint(error)):
        return DatasetError(located(entry.name, rule.field, rule.message))
    return error


def check_guards(files: dict[type[Model], str]) -> None:
    """Ask what is asked only when all records are in. Raises DatasetError with the name of a record that breaks a rule."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    except IntegrityError as error:
        name = error.__cause__.diag.constraint_name  # type: ignore[union-attr]
        for model in records():
            for guard in trigger_constraints(model):
                if guard.name == name and "OLD." not in guard.violated_when and (key := offender(model, guard)):
                    name = f"{files.get(model, layout.file_of(model))}, {model._meta.label_lower} {key}"
                    raise DatasetError(located(name, guard.field, guard.message)) from error
        raise


def offender(model: type[Record], guard: TriggerConstraint) -> str:
    """The key of one record that breaks the guard; its condition speaks of the row as NEW."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {model.key} FROM {model._meta.db_table} AS new WHERE ({guard.when or 'true'}) AND ({guard.violated_when}) LIMIT 1")
        return str((cursor.fetchone() or [""])[0])

"""`manage.py load_dataset`: the five files of a data set into the database, all or nothing, and only what differs."""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.base import ProgressBar
from django.db import DatabaseError, DataError, IntegrityError, connection, transaction
from django.db.models import Field, Model

from policytracker import dataset
from policytracker.dataset import DatasetError, is_person, key_of
from policytracker.errors import broken
from policytracker.records import Guard, Record, acting
from policytracker.triggers import guards, records

AT_A_TIME = 1000


class Command(BaseCommand):
    help = "Loads the five files that dump_dataset writes: all of them or, where anything is wrong, nothing. Writes only what differs."

    def add_arguments(self, parser):
        parser.add_argument("folder", type=Path, metavar="DIR", help="where parties.json and the other four files are")
        parser.add_argument("--if-empty", action="store_true", help="do nothing where the register has agreements")

    def handle(self, *args, folder, if_empty, **options):
        if if_empty and apps.get_model("agreements.agreement")._base_manager.exists():
            self.stdout.write("The register has agreements: nothing was loaded.")
            return
        try:
            with acting(None, "data set", "data set"):
                counts = Loader(folder).load()
        except DatasetError as error:
            raise CommandError(f"Nothing was loaded. {error}") from error
        except DatabaseError as error:
            if not (rule := broken(error)):
                raise
            raise CommandError(f"Nothing was loaded. {rule.sentence}") from error
        for file, count in counts.items():
            self.stdout.write(f"{file}: " + ", ".join(f"{count[how]:,} {how}" for how in ("created", "changed", "unchanged")))


@dataclass
class Row:
    """One record as its file says it. `key` is as the model holds it."""

    file: str
    model: type[Model]
    key: Any
    said: dict[Field, Any]

    @property
    def name(self) -> str:
        return f"{self.file}, {self.model._meta.label_lower} {self.key}"

    def refuse(self, field: Field, sentence: str) -> DatasetError:
        return DatasetError(dataset.sentence(self.name, field.name, sentence))


# ---- from the files


def read(folder: Path) -> Iterator[Row]:
    """Every row of the five files. Raises DatasetError for what cannot be one."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder.")
    seen = set()
    for file in dataset.FILES:
        known = {model._meta.label_lower: (model, {f.name: f for f in dataset.fields(model)}) for model in dataset.models_of(file)}
        for number, entry in enumerate(parse(folder / file), 1):
            row = shape(file, number, entry, known)
            if (row.model, row.key) in seen:
                raise DatasetError(f"{row.name}: It is in the file twice.")
            seen.add((row.model, row.key))
            yield row


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


def shape(file: str, number: int, entry: Any, known: dict) -> Row:
    """The row that an entry of the file is."""
    place = f"{file}, record {number}"
    if not isinstance(entry, dict) or entry.keys() != {"model", "fields"} or not isinstance(entry["fields"], dict):
        raise DatasetError(f'{place}: A record is written {{"model": …, "fields": {{…}}}}, with nothing else.')
    if not isinstance(entry["model"], str) or entry["model"].lower() not in known:
        raise DatasetError(f"{place}: {entry['model']!r} is none of {', '.join(known)}, which this file holds.")
    model, fields = known[entry["model"].lower()]
    key = fields[key_of(model)]
    if not isinstance(entry["fields"].get(key.name), str) or not entry["fields"][key.name]:
        raise DatasetError(f"{place}: A record of {model._meta.label_lower} needs its {key.name}.")
    if unknown := sorted(entry["fields"].keys() - fields):
        raise DatasetError(f"{place}, {model._meta.label_lower} {entry['fields'][key.name]}: It has no field {unknown[0]!r} in the files.")
    row = Row(file, model, entry["fields"][key.name], {fields[name]: said for name, said in entry["fields"].items()})
    row.key = value(row, key, row.key)
    return row


def value(row: Row, field: Field, said: Any) -> Any:
    """What the file says of a field that refers to nothing, as the model holds it."""
    if said is None and not field.null:
        raise row.refuse(field, "It cannot be null.")
    in_list = isinstance(field, ArrayField) and isinstance(said, list)
    if any(isinstance(one, list | dict) for one in (said if in_list else [said])):
        raise row.refuse(field, "A list or an object has no place here.")
    try:
        return field.to_python(said)
    except ValidationError as error:
        raise row.refuse(field, " ".join(error.messages)) from error
    except ValueError as error:
        raise row.refuse(field, f"{said!r:.100} is none of its values.") from error


# ---- into the database


class Loader:
    """One load. Rows get their ids before any is written, so that they may refer to one another in any order."""

    def __init__(self, folder: Path):
        self.rows: dict[type[Model], list[Row]] = defaultdict(list)
        for row in read(folder):
            self.rows[row.model].append(row)
        self.ids: dict[type[Model], dict[Any, int]] = {}

    def load(self) -> dict[str, Counter]:
        """Write what differs, and say how many rows of each file were created, changed and unchanged."""
        counts: dict[str, Counter] = {file: Counter() for file in dataset.FILES}
        written = set()
        for model, rows in self.rows.items():
            self.number(model, rows)
        total = sum(map(len, self.rows.values()))
        bar, done = ProgressBar(sys.stderr if sys.stderr.isatty() else None, total), 0
        for model, rows in self.rows.items():
            for start in range(0, len(rows), AT_A_TIME):
                some = rows[start : start + AT_A_TIME]
                count = self.write_or_name(some)
                counts[some[0].file] += count
                if count["created"] or count["changed"]:
                    written.add(model)
                done += len(some)
                bar.update(done)
        check_guards()
        dataset.finish(written)
        return counts

    def number(self, model: type[Model], rows: list[Row]) -> None:
        """Find the ids of rows that are there, and draw one for each row that is new."""
        ids = self.ids_of(model)
        new = [row.key for row in rows if row.key not in ids]
        with connection.cursor() as cursor:
            draw = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"
            cursor.execute(draw, [model._meta.db_table, len(new)])
            ids.update(zip(new, (number for (number,) in cursor), strict=True))

    def ids_of(self, model: type[Model]) -> dict[Any, int]:
        """The ids of a model's rows by their keys, read once."""
        if model not in self.ids:
            self.ids[model] = dict(model._base_manager.values_list(key_of(model), "pk"))
        return self.ids[model]

    def write_or_name(self, rows: list[Row]) -> Counter:
        """Write the rows together. Where the database refuses, each alone tells which it is."""
        try:
            with transaction.atomic():
                return self.write(rows)
        except (DataError, IntegrityError):
            if len(rows) > 1:
                return sum((self.write_or_name([row]) for row in rows), Counter())
            with dataset.named(rows[0].name):
                raise

    def write(self, rows: list[Row]) -> Counter:
        """Write those of a model's rows that are new or differ."""
        model = rows[0].model
        ids = {row.key: self.ids[model][row.key] for row in rows}
        old = model._base_manager.select_for_update().in_bulk(ids.values())
        new, changed, names = [], {}, set()
        links: dict[Field, set[tuple[int, int]]] = defaultdict(set)
        owners: dict[Field, list[int]] = defaultdict(list)
        for row in rows:
            record = old.get(ids[row.key]) or model(pk=ids[row.key])
            is_new = record.pk not in old
            differs = set()
            for field, said in row.said.items():
                if not is_new and dataset.is_kept(field):
                    continue
                if field.many_to_many:
                    owners[field].append(record.pk)
                    links[field] |= {(record.pk, far) for far in self.references(row, field, said)}
                elif (is_now := self.value(row, field, said)) != field.value_from_object(record):
                    setattr(record, field.attname, is_now)
                    differs.add(field.name)
            if is_new:
                self.require(row, record)
                new.append(record)
            elif differs:
                changed[record.pk] = record
                names |= differs
            if is_new or differs:
                dataset.judge(record, row.name)
        model._base_manager.bulk_create(new)
        if changed:
            model._base_manager.bulk_update(changed.values(), names, batch_size=200)
        touched = set(changed).union(*(self.link(field, owners[field], links[field]) & old.keys() for field in owners))
        return Counter(created=len(new), changed=len(touched), unchanged=len(rows) - len(new) - len(touched))

    def link(self, field: Any, owners: list[int], wanted: set[tuple[int, int]]) -> set[int]:
        """Give the owners the links that are wanted and no others. Returns the owners whose links differed."""
        through = field.remote_field.through
        near, far = (through._meta.get_field(name).attname for name in (field.m2m_field_name(), field.m2m_reverse_field_name()))
        there = {(a, b): pk for pk, a, b in through._base_manager.filter(**{f"{near}__in": owners}).values_list("pk", near, far)}
        gone, missing = there.keys() - wanted, wanted - there.keys()
        if gone:
            through._base_manager.filter(pk__in=[there[pair] for pair in gone]).delete()
        through._base_manager.bulk_create(through(**{near: a, far: b}) for a, b in sorted(missing))
        return {owner for owner, _ in gone | missing}

    def value(self, row: Row, field: Field, said: Any) -> Any:
        """What the file says of a field, as the model holds it: of a reference, the id."""
        if said is None or not field.is_relation:
            return value(row, field, said)
        return self.reference(row, field, said)

    def references(self, row: Row, field: Field, said: Any) -> set[int]:
        if not isinstance(said, list):
            raise row.refuse(field, 'References are written [["key"], ["key"]].')
        found = (self.reference(row, field, one) for one in said)
        return {far for far in found if far is not None}

    def reference(self, row: Row, field: Any, said: Any) -> int | None:
        """The id of what is referred to. A person who is unknown here is nobody."""
        if not (isinstance(said, list) and len(said) == 1 and isinstance(said[0], str)):
            raise row.refuse(field, 'A reference is written ["key"].')
        model = field.related_model
        found = self.ids_of(model).get(value(row, model._meta.get_field(key_of(model)), said[0]))
        if found is None and not is_person(field):
            raise row.refuse(field, f"There is no {model._meta.verbose_name} {said[0]!r}.")
        return found

    def require(self, row: Row, record: Model) -> None:
        """Raises DatasetError where a reference is missing that every record of the model has."""
        for field in dataset.fields(row.model):
            if field.is_relation and not field.many_to_many and not field.null and getattr(record, field.attname) is None:
                raise row.refuse(field, "It cannot be missing.")


def check_guards() -> None:
    """Ask what is asked only when all rows are in. Raises DatasetError with the name of a record that breaks a rule."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    except IntegrityError as error:
        name = error.__cause__.diag.constraint_name  # type: ignore[union-attr]
        for model in records():
            for guard in guards(model):
                if guard.name == name and "OLD." not in guard.broken and (key := offender(model, guard)):
                    name = f"{dataset.file_of(model)}, {model._meta.label_lower} {key}"
                    raise DatasetError(dataset.sentence(name, guard.field, guard.sentence)) from error
        raise


def offender(model: type[Record], guard: Guard) -> str:
    """The key of one row that breaks the guard; its condition speaks of the row as NEW."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {model.key} FROM {model._meta.db_table} AS new WHERE ({guard.when or 'true'}) AND ({guard.broken}) LIMIT 1")
        return str((cursor.fetchone() or [""])[0])

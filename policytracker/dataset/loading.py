"""Loading a data set: converts the values of its records, resolves their references and writes the records that differ."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Field, Model, UUIDField
from django.db.models.base import ModelState
from django.utils.translation import gettext as _

from policytracker.dataset import layout
from policytracker.dataset.layout import is_user_reference
from policytracker.dataset.reading import DatasetError, Entry, in_file, located
from policytracker.records.constraints import TriggerConstraint
from policytracker.records.context import check_constraints
from policytracker.records.declarations import records, trigger_constraints
from policytracker.records.models import Record, key_of, lock_for_change
from policytracker.records.violations import by_field, violated_constraint
from policytracker.resources import registry
from policytracker.writing import writer
from policytracker.writing.writer import UNSTORABLE

BATCH = 1000  # records
IDS = 10_000  # reserved at a time: to reserve them, a load waits for the batch that PostgreSQL inserts
REMEMBERED, REMEMBERED_LENGTH = 5000, 40  # values of one field, and characters of a value
CANONICAL_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def to_python(entry: Entry, field: Field, given: Any) -> Any:
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


class Column:
    """Converts and validates the values of one field. Most fields have few different values, so valid ones are remembered."""

    def __init__(self, field: Field):
        self.field, self.attname = field, getattr(field, "attname", "")
        self.is_link, self.is_relation, self.is_kept = field.many_to_many, field.is_relation, layout.is_kept(field)
        self.known: dict[tuple[type, Any], Any] = {}

    def value(self, entry: Entry, given: Any) -> tuple[Any, bool]:
        """The Python value, and whether it is valid. Raises DatasetError if it has none."""
        try:
            return self.known[type(given), given], True
        except (KeyError, TypeError):  # TypeError for a list
            value, is_valid = self.convert(entry, given)
        is_short = len(given) <= REMEMBERED_LENGTH if isinstance(given, str) else not isinstance(given, list)
        if is_valid and is_short and not self.field.unique and len(self.known) < REMEMBERED:
            self.known[type(given), given] = value
        return value, is_valid

    def convert(self, entry: Entry, given: Any) -> tuple[Any, bool]:
        if isinstance(given, str) and not UNSTORABLE.search(given):
            try:
                return self.field.clean(given, None), True  # which converts it too
            except (ValidationError, ValueError):
                pass  # either it has no value, or one that is not valid
        value = to_python(entry, self.field, given)
        try:
            return self.field.clean(value, None), True
        except ValidationError:
            return value, False


class Columns:
    """The fields of a model that the files contain, and the default values of new records."""

    def __init__(self, model: type[Model]):
        self.model = model
        self.by_name = {field.name: Column(field) for field in layout.fields(model)}
        self.required = [f for f in layout.fields(model) if f.is_relation and not f.many_to_many and not f.null]
        fields = [field for field in model._meta.concrete_fields if not field.generated]
        self.functions = [(f.attname, f.default) for f in fields if f.has_default() and callable(f.default)]
        called = {name for name, _default in self.functions}
        self.defaults = {f.attname: f.get_default() for f in fields if f.attname not in called}

    def new_record(self, pk: int, given: dict[str, Any]) -> Model:
        """A new record with these attributes. Model.__init__() would take several times as long."""
        record = self.model.__new__(self.model)
        record.__dict__.update(self.defaults, _state=ModelState(), **given)
        record.pk = pk
        for name, default in self.functions:
            if name not in given:
                setattr(record, name, default())
        return record


class Keys:
    """The ids of the records of one model by natural key: those that are only stored, those that are loaded, and those expected.

    A record is expected if another one refers to it before it is loaded. It has its id already, so that records can refer to each
    other in any order.
    """

    def __init__(self, model: type[Model], reserve_ids: Callable[[type[Model]], list[int]]):
        self.model, self.reserve_ids = model, reserve_ids
        self.field: Any = model._meta.get_field(key_of(model))
        self.stored = {str(key): pk for key, pk in model._base_manager.values_list(self.field.name, "pk").iterator()}
        self.loaded: dict[str, int] = {}
        self.expected: dict[str, int] = {}
        self.references: dict[str, tuple[Entry, Field]] = {}  # the first one to each expected record
        self.reserved: list[int] = []

    @cached_property
    def is_uuid(self) -> bool:
        return isinstance(self.field, UUIDField)

    def canonical(self, entry: Entry, key: str) -> str:
        """The key in the form in which it is stored."""
        if not self.is_uuid or CANONICAL_UUID.fullmatch(key):
            return key
        return str(to_python(entry, self.field, key))

    def find(self, entry: Entry, key: str) -> int | None:
        """The id of the record with this key; None if it is neither stored nor loaded nor expected."""
        if pk := self.loaded.get(key):  # the usual case
            return pk
        key = self.canonical(entry, key)
        return self.loaded.get(key) or self.stored.get(key) or self.expected.get(key)

    def expect(self, entry: Entry, field: Field, key: str) -> int:
        key = self.canonical(entry, key)
        self.references[key] = entry, field
        self.expected[key] = pk = self.new_id()
        return pk

    def load(self, entry: Entry) -> tuple[int, bool]:
        """The id of the record of the entry, and whether it is stored already. Raises DatasetError if it was loaded before."""
        key = self.canonical(entry, entry.key)
        if key in self.loaded:
            raise in_file(entry.name, _("The record occurs twice."))
        is_stored = key in self.stored
        pk = self.stored.pop(key) if is_stored else self.expected.pop(key, None) or self.new_id()
        self.loaded[key] = pk
        return pk, is_stored

    def new_id(self) -> int:
        if not self.reserved:
            self.reserved = self.reserve_ids(self.model)
        return self.reserved.pop()


class Loader:
    """Loads entries in batches of one model. In memory are one batch of each model, and the keys of all records."""

    def __init__(self) -> None:
        self.waiting: dict[type[Model], list[Entry]] = {resource.model: [] for resource in registry}
        self.columns = {model: Columns(model) for model in self.waiting}
        self.keys: dict[type[Model], Keys] = {}
        self.counts: dict[str, Counter] = defaultdict(Counter)
        self.files: dict[type[Model], str] = {}
        self.written: Counter[type[Model]] = Counter()  # rows
        self.analyse_at: dict[type[Model], int] = defaultdict(lambda: BATCH)  # rows written
        self.unfinished: tuple[Iterator[None], list[Entry], list[writer.Row]] | None = None  # the batch that PostgreSQL inserts

    def load(self, entries: Iterable[Entry]) -> dict[str, Counter]:
        """Write the records that differ. Returns the numbers of created, changed and unchanged records by file. Raises DatasetError."""
        try:
            for entry in entries:
                waiting = self.waiting[entry.model]
                waiting.append(entry)
                if len(waiting) == BATCH:
                    self.write_waiting()
            self.write_waiting()
        finally:
            self.end_batch()  # its error, if it has one, is about an earlier record
        self.refuse_expected()
        analyse(self.written)
        check_deferred_constraints(self.files)
        recalculate(self.written)
        return self.counts

    def write_waiting(self) -> None:
        """Write the entries that wait, in the order of the models."""
        for model, entries in self.waiting.items():
            if entries:
                self.waiting[model] = []
                self.start_batch(model, entries)

    def start_batch(self, model: type[Model], entries: list[Entry]) -> None:
        """Begin to write entries of one model. PostgreSQL inserts them while the next ones are read and validated."""
        self.files.setdefault(model, entries[0].file)
        rows = self.rows(model, entries)
        self.end_batch()
        steps = writer.write_in_steps(rows, error_of=lambda record: None, check_deferred=False)
        next(steps, None)
        self.unfinished = steps, entries, rows

    def end_batch(self) -> None:
        """Wait until the batch is written. Raises DatasetError if a row is refused.

        It is called before every statement of the loader: until then, the connection can execute none.
        """
        if not self.unfinished:
            return
        (steps, entries, rows), self.unfinished = self.unfinished, None
        for _step in steps:
            pass
        for entry, row in zip(entries, rows, strict=True):
            if row.error:
                raise refusal(entry, row.error) from row.error
            self.counts[entry.file][row.outcome] += 1
        model = entries[0].model
        if written := sum(row.outcome != writer.Outcome.UNCHANGED for row in rows):
            self.written[model] += written
            if self.written[model] >= self.analyse_at[model]:
                self.analyse_at[model] = 10 * self.written[model]
                analyse([model])

    def rows(self, model: type[Model], entries: Sequence[Entry]) -> list[writer.Row]:
        """The rows to write for entries of one model."""
        keys = self.keys_of(model)
        ids = [keys.load(entry) for entry in entries]
        stored: dict[int, Model] = {}
        if known := [pk for pk, is_stored in ids if is_stored]:
            self.end_batch()
            stored = lock_for_change(model._base_manager.order_by("pk")).in_bulk(known)
        return [self.row(entry, pk, stored.get(pk)) for entry, (pk, _is_stored) in zip(entries, ids, strict=True)]

    def row(self, entry: Entry, pk: int, record: Model | None) -> writer.Row:
        """The row to write for an entry. `record` is the stored record, if there is one."""
        columns = self.columns[entry.model]
        values: dict[str, Any] = {}
        links: dict[str, set[int]] = {}
        valid = len(entry.values) == len(columns.by_name)
        for name, given in entry.values.items():
            column = columns.by_name[name]
            if record and column.is_kept:
                continue
            if column.is_link:
                links[name] = self.references(entry, column.field, given)
            elif column.is_relation:
                values[column.attname] = self.reference(entry, column.field, given)
            else:
                values[column.attname], is_valid = column.value(entry, given)
                valid = valid and is_valid
        model: Any = entry.model
        model.complete_data_set(values, is_new=record is None)
        if record:
            return writer.Row(record, values, links, validated=valid)
        for field in columns.required:
            if values.get(field.attname) is None:
                raise entry.refuse(field, _("This field is required."))
        return writer.Row(columns.new_record(pk, values), links=links, validated=valid)

    def keys_of(self, model: type[Model]) -> Keys:
        if model not in self.keys:
            self.end_batch()
            self.keys[model] = Keys(model, self.reserve_ids)
        return self.keys[model]

    def reserve_ids(self, model: type[Model]) -> list[int]:
        self.end_batch()
        return writer.reserve_ids(model, IDS)[::-1]

    def references(self, entry: Entry, field: Field, given: Any) -> set[int]:
        if not isinstance(given, list):
            raise entry.refuse(field, _("Enter references as {form}.").format(form='[["key"], ["key"]]'))
        ids = (self.reference(entry, field, item) for item in given)
        return {pk for pk in ids if pk is not None}

    def reference(self, entry: Entry, field: Any, given: Any) -> int | None:
        """The id of the referenced record; None for an unknown user."""
        if given is None and field.null:
            return None
        if given is None and not field.many_to_many:
            return to_python(entry, field, given)
        if not (isinstance(given, list) and len(given) == 1 and isinstance(given[0], str)):
            raise entry.refuse(field, _("Enter a reference as {form}.").format(form='["key"]'))
        keys = self.keys_of(field.related_model)
        if pk := keys.find(entry, given[0]):
            return pk
        return None if is_user_reference(field) else keys.expect(entry, field, given[0])

    def refuse_expected(self) -> None:
        """Raises DatasetError if a record refers to one that is neither stored nor loaded."""
        for keys in self.keys.values():
            for key in keys.expected:
                entry, field = keys.references[key]
                raise entry.refuse(field, _("There is no {type} “{key}”.").format(type=keys.model._meta.verbose_name, key=key))


def refusal(entry: Entry, error: Exception) -> Exception:
    """The error with the name of the entry."""
    if isinstance(error, ValidationError):
        errors = by_field(error, entry.model)
        return DatasetError("; ".join(located(entry.name, field, item.messages[0]) for field, items in errors.items() for item in items))
    if isinstance(error, DatabaseError) and (rule := violated_constraint(error)):
        return DatasetError(located(entry.name, rule.field, str(rule.message)))
    return error


def recalculate(loaded: Iterable[type[Model]]) -> None:
    """Recalculate the derived values of the loaded models."""
    models = set(loaded)
    files_loaded = {resource.file for resource in registry if resource.model in models}
    for resource in registry:
        if resource.recalculate and resource.file in files_loaded:
            resource.recalculate()


def analyse(models: Iterable[type[Model]]) -> None:
    """Update the statistics of the tables of these models.

    Those of an empty table, as a load that was rolled back leaves behind, would make PostgreSQL read whole tables for each row.
    """
    if tables := ", ".join(sorted(model._meta.db_table for model in models)):
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {tables}")


def check_deferred_constraints(files: dict[type[Model], str]) -> None:
    """Check the deferred constraints. Raises DatasetError with the name of a record that violates one."""
    try:
        with transaction.atomic():
            check_constraints()
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

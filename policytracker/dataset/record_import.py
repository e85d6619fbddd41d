"""Importing the records of one resource: cells become the bodies of requests, and the bulk engine writes them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError
from django.utils.translation import gettext as _
from rest_framework import serializers

from policytracker.api import bulk, json_sql
from policytracker.api.errors import domain_response, validation_body
from policytracker.api.serializers import HEAD, RecordSerializer
from policytracker.dataset.cells import CellError, Cells, FieldReader, as_text, is_empty, split_date
from policytracker.dataset.identity import Identities
from policytracker.dataset.mapping import RecordMapping, RecordType
from policytracker.dataset.tables import Place
from policytracker.dataset.writer import Outcome
from policytracker.history.diffs import display_text
from policytracker.records import publishing
from policytracker.records.context import MAX_REASON, REASON_TOO_LONG
from policytracker.records.exceptions import EntriesRefused, NotPermitted, Stale
from policytracker.records.models import Record
from policytracker.records.violations import violated_constraint
from policytracker.resources import Resource, registry

if TYPE_CHECKING:
    from policytracker.dataset.importing import Importer

NOT_A_FIELD = {"version", "change_reason"}  # columns that concern the change, not the record


def mapping_types() -> dict[str, RecordType]:
    """What a mapping must know about each type whose records a request body can create."""
    return {
        resource.address: RecordType(frozenset({*resource.serializer().fields, *NOT_A_FIELD}), resource.import_sections)
        for resource in registry.addressed
        if is_importable(resource)
    }


def is_importable(resource: Resource) -> bool:
    """Whether a request body, and so a row of a table, can create records of this type."""
    return bool(resource.address) and resource.serializer.example is not None


@dataclass
class Line:
    """What an import does with one record of a row: the outcome, (old, new) of each changed field, and the errors, each with its place."""

    row: int
    place: Place
    resource: str
    key: str = ""
    outcome: Outcome = Outcome.UNCHANGED
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    errors: list[tuple[Place | str, str]] = field(default_factory=list)
    needs_reason: bool = False  # whether it is refused because such a change requires a reason

    def refuse(self, place: Place | str, message: str) -> None:
        self.outcome = Outcome.REFUSED
        self.errors.append((place, message))


def display_value(value: Any, length: int) -> str:
    """A value of a changed field, cut to a number of characters."""
    text = display_text(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"


@dataclass
class Draft:
    """A record to write: the cells that it is made of, and the body that the API would get for it."""

    line: Line
    cells: Cells
    body: dict[str, Any] = field(default_factory=dict)
    record: Any = None


class RecordImport:
    """The import of the records of one resource, as one part of a mapping describes them."""

    def __init__(self, importer: Importer, mapping: RecordMapping):
        self.importer, self.mapping = importer, mapping
        self.serializer_class = registry.at(mapping.resource).serializer
        self.model: type[Record] = self.serializer_class.Meta.model
        self.columns = dict(mapping.columns)
        self.identities = Identities(self.model, self.serializer_class, self.model.objects.visible_to(importer.reader))
        self.seen: dict[Any, tuple[int, dict[str, Any]]] = {}  # the row and body of each record, by identity

    @cached_property
    def fields(self) -> dict[str, serializers.Field]:
        return dict(self.serializer_class().fields)

    @cached_property
    def readers(self) -> dict[str, FieldReader]:
        names = [*self.columns, *self.mapping.constants]
        codes = self.mapping.codes
        return {
            name: FieldReader(name, self.fields[name], self.model, codes.get(name, {}), self.importer.names, name in self.mapping.columns)
            for name in names
            if name in self.fields
        }

    def check_permission(self) -> None:
        by, options = self.importer.by, self.model._meta
        if by and not all(by.has_perm(f"{options.app_label}.{verb}_{options.model_name}") for verb in ("add", "change")):
            message = _("%(user)s may not add and change %(records)s.")
            raise NotPermitted(message % {"user": by.get_username(), "records": options.verbose_name_plural})

    # ---- columns

    def headers(self) -> list[str]:
        """The headers that this part of the mapping uses."""
        headers = [header for names in self.columns.values() for header in names]
        headers += [".".join(self.mapping.path)] if self.mapping.path else []
        headers += [self.mapping.when] if self.mapping.when else []
        return headers + [header for section in self.mapping.sections for header in section.headers()]

    def possible_headers(self) -> list[str]:
        return [header for section in self.mapping.sections for header in section.possible_headers()]

    def use_own_names(self, headers: set[str]) -> set[str]:
        """Map the headers that are names of our fields and are used for nothing else. Returns them."""
        known = {*self.fields, *NOT_A_FIELD} - self.columns.keys() - self.mapping.constants.keys()
        self.columns |= {header: (header,) for header in sorted(headers & known)}
        return headers & known

    def is_in_file(self, header: str) -> bool:
        table = self.importer.table
        if not table.is_json or header in table.headers:
            return header in table.headers
        inner = [(), *(section.path for section in self.mapping.sections if header in section.headers())]
        items = (cells for row, item in table.rows for cells in Cells(table, row, (item,)).items(self.mapping.path))
        return any(each.has(header) for cells in items for path in inner for each in cells.items(path))

    @cached_property
    def self_references(self) -> list[str]:
        """The fields with a column that refer to records of the same resource."""
        return [
            name for name, reader in self.readers.items() if getattr(reader.reference, "model", None) is self.model and name in self.columns
        ]

    def own_keys(self, cells: Cells) -> tuple[list[Any], list[Any]]:
        """The keys of the records that a row makes, and those of other records of the resource to which they refer."""
        keys, references = [], []
        for inner in cells.items(self.mapping.path):
            with suppress(CellError):  # reported when the record is made
                keys.append((self.model, self.value(self.model.key, self.columns.get(self.model.key, ()), inner)))
                for name in self.self_references:
                    value = self.value(name, self.columns[name], inner)
                    references += [(self.model, key) for key in (value if isinstance(value, list) else [value]) if key]
        return keys, references

    # ---- rows

    def write(self, rows: Sequence[tuple[int, dict[str, Any]]], *, with_changes: bool) -> list[Line]:
        """Write the records of these rows. Returns a line for each; those of refused records have errors."""
        drafts = [draft for row, values in rows for draft in self.drafts(Cells(self.importer.table, row, (values,)))]
        valid = [draft for draft in drafts if self.fill(draft)]
        keys = self.identities.find([draft.body for draft in valid])
        new, stored = [], []
        for draft, key in zip(valid, keys, strict=True):
            if self.is_repeated(draft, key):
                continue
            if key is None:
                draft.body = {name: value for name, value in draft.body.items() if value not in ("", [])}
                if self.importer.source and "source" in self.fields:
                    draft.body.setdefault("source", self.importer.source)
                new.append(draft)
            else:
                draft.body[self.model.key] = key
                stored.append(draft)
        self.write_drafts(new, bulk.Entries.create, with_changes)
        self.write_drafts(stored, bulk.Entries.change, with_changes)
        self.importer.indexes.pop(self.model, None)
        written = [draft for draft in valid if draft.record is not None]
        for section in self.mapping.sections:
            section.apply(written, self.importer)
        for draft in written:
            if draft.line.outcome == Outcome.UNCHANGED and draft.line.changes:
                draft.line.outcome = Outcome.CHANGED
        return [draft.line for draft in drafts if draft.line.outcome != Outcome.UNCHANGED or draft.record is not None]

    def drafts(self, cells: Cells) -> Iterator[Draft]:
        for inner in cells.items(self.mapping.path):
            if not self.mapping.when or inner.is_filled(self.mapping.when):
                yield Draft(Line(cells.row, cells.place(), self.mapping.resource), inner)

    def fill(self, draft: Draft) -> bool:
        """Fill the body from the cells. Returns whether all cells are valid; otherwise the line has the errors."""
        for name in [*self.columns, *self.mapping.constants]:
            headers = self.columns.get(name, ())
            try:
                draft.body[name] = self.value(name, headers, draft.cells)
            except CellError as error:
                self.refuse_cell(draft, headers[0] if headers else name, error)
        for section in self.mapping.sections:
            try:
                section.amend(draft.body, draft.cells)
            except CellError as error:
                self.refuse_cell(draft, "", error)
        return draft.line.outcome != Outcome.REFUSED

    def value(self, name: str, headers: Sequence[str], cells: Cells) -> Any:
        if not headers:
            raw: Any = self.mapping.constants.get(name, "")
        elif len(headers) == 1:
            raw = self.part_of_cell(name, headers[0], cells.get(headers[0]))
        else:
            raw = self.readers[name].joined([cells.get(header) for header in headers])
        if name in self.readers:
            return self.readers[name].value(raw)
        if len(text := as_text(raw)) > MAX_REASON:
            raise CellError("max_length", REASON_TOO_LONG)
        return text

    def part_of_cell(self, name: str, header: str, value: Any) -> Any:
        """The date or the other words of a cell, if its column is mapped to a date and to a code."""
        if header not in self.split_headers or not isinstance(value, str) or name not in self.readers:
            return value
        day, rest = split_date(value)
        return day if self.readers[name].is_date else rest

    @cached_property
    def split_headers(self) -> set[str]:
        kinds: dict[str, set[str]] = defaultdict(set)
        for name, reader in self.readers.items():
            for header in self.columns.get(name, ()):
                kinds[header].add("date" if reader.is_date else "code" if isinstance(reader.field, serializers.ChoiceField) else "")
        return {header for header, found in kinds.items() if {"date", "code"} <= found}

    def is_repeated(self, draft: Draft, key: str | None) -> bool:
        """Whether an earlier row has the same record. It is refused, unless it is the same part of a row that makes several records."""
        identities = {key, self.identities.of(draft.body)} - {None}
        earlier = next((self.seen[identity] for identity in identities if identity in self.seen), None)
        self.seen |= dict.fromkeys(identities, (draft.line.row, dict(draft.body)))
        if earlier is None:
            return False
        row, body = earlier
        if self.importer.mapping.of_single_record() or body != draft.body:
            place = draft.cells.place(self.columns.get(self.model.key, ("",))[0])
            draft.line.refuse(place, _("This record is already in row %(row)s.") % {"row": row})
        return True

    # ---- the engine

    def write_drafts(self, drafts: list[Draft], operation: Callable[[bulk.Entries], Any], with_changes: bool) -> None:
        if not drafts:
            return
        request, new = SimpleNamespace(user=self.importer.reader), self.model()
        serializer = self.serializer_class(partial=operation is bulk.Entries.change, context={"request": request})
        entries = bulk.Entries(
            [draft.body for draft in drafts],
            serializer,
            readable=self.model.objects.visible_to(self.importer.reader),
            read=self.read,
            check_permission=lambda record, values: publishing.check_changes(self.importer.reader, record or new, values),
            check_version=check_version,
            reason=lambda body: body.get("change_reason") or self.importer.reason,
        )
        with suppress(EntriesRefused):  # the errors are in entries.refusals
            operation(entries)
        changed = [row.record.pk for row in entries.rows.values() if row.outcome == Outcome.CHANGED] if with_changes else []
        new_texts = dict(zip(changed, self.read(changed), strict=True))
        for index, draft in enumerate(drafts):
            draft.line.key = str(draft.body.get(self.model.key, ""))
            if index in entries.refusals.reasons:
                self.refuse(draft, entries.refusals.reasons[index])
                continue
            draft.record = entries.rows[index].record
            draft.line.key = draft.record.natural_key()[0]
            draft.line.outcome = entries.rows[index].outcome
            if draft.line.outcome == Outcome.CREATED:
                draft.line.changes = {
                    name: (None, draft.body[name]) for name in self.fields if name in draft.body and name != self.model.key
                }
            elif draft.record.pk in new_texts:
                draft.line.changes = self.changed_values(entries.old_texts[index], new_texts[draft.record.pk])

    def changed_values(self, old: str, new: str) -> dict[str, tuple[Any, Any]]:
        """The old and new value of each stored field that differs between two JSON texts of a record."""
        before, after = json.loads(old), json.loads(new)
        names = [name for name, field in self.fields.items() if name not in HEAD and not isinstance(field, json_sql.ComputedField)]
        return {name: (before[name], after[name]) for name in names if before[name] != after[name]}

    def read(self, ids: list[int]) -> list[str]:
        reader = self.importer.context.reader
        return json_sql.texts(json_sql.Representation(self.serializer_class, reader.roles), ids, self.importer.context)

    # ---- errors

    def refuse_cell(self, draft: Draft, header: str, error: CellError) -> None:
        draft.line.refuse(error.place or draft.cells.place(header), error.message)
        if error.name:
            reader = next(reader for name, reader in self.readers.items() if header in (*self.columns.get(name, ()), name))
            self.importer.result.unmatched[reader.reference.model, error.name].append(draft.line.row)

    def refuse(self, draft: Draft, error: Exception) -> None:
        """Add the messages of an error to the line, each with its place in the file."""
        rule = violated_constraint(error) if isinstance(error, DatabaseError) else None
        draft.line.needs_reason |= rule is not None and rule.code == "reason_required"
        for name, message in error_messages(error, self.serializer_class):
            header = self.columns.get(name, ("",))[0]
            draft.line.refuse(draft.cells.place(header) if header or not name else f"{draft.cells.place()}, {name}", message)


def check_version(record: Record | None, body: dict[str, Any]) -> None:
    """Raises Stale if the file contains an older version of the record, and ValidationError for a version without a record."""
    version = body.get("version")
    if is_empty(version):
        return
    if record is None:
        message = _("The file has a version, but there is no such record. Remove the version to create the record.")
        raise serializers.ValidationError({"version": [message]}, "stale")
    if str(version) != str(record.version):
        raise Stale(record.version)


def error_messages(error: Exception, serializer: type[RecordSerializer]) -> Iterator[tuple[str, str]]:
    """The messages of an error, each with the field that it concerns; "" if it concerns no single field."""
    if isinstance(error, serializers.ValidationError):
        data = validation_body(error.detail)
    elif (response := domain_response(error, serializer.api_name)) is not None:
        data = response.data
    else:
        raise error
    if "_codes" in data:
        for name in data["_codes"]:
            yield from (("" if name == "non_field_errors" else name, str(message)) for message in data[name])
    elif "unmet" in data:
        yield from (("", unmet["detail"]) for unmet in data["unmet"])
    else:
        yield next((name for name in data if name not in ("code", "detail", "current_version")), ""), data["detail"]

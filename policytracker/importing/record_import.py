"""Importing the records of one resource: cells become the bodies of requests, and the bulk engine writes them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from django.db import DatabaseError
from django.utils.translation import gettext as _
from rest_framework import serializers

from policytracker.importing.cells import CellError, Cells, FieldReader, as_text, is_empty, split_date
from policytracker.importing.context import ImportContext
from policytracker.importing.mapping import NOT_A_FIELD, Column, RecordMapping
from policytracker.importing.summary import ImportLine, Term
from policytracker.importing.tables import Place, Row
from policytracker.records import publishing
from policytracker.records.context import MAX_REASON, REASON_TOO_LONG
from policytracker.records.exceptions import EntriesRefused, NotPermitted, Stale
from policytracker.records.models import Record
from policytracker.records.violations import violated_constraint
from policytracker.representation import json_sql
from policytracker.representation.errors import domain_error, validation_body
from policytracker.representation.references import KeyField
from policytracker.representation.serializers import HEAD, RecordSerializer
from policytracker.resources import registry
from policytracker.writing import entries as bulk
from policytracker.writing.identity import Identities
from policytracker.writing.writer import Outcome


@dataclass
class Draft:
    """A record to write: the cells that it is made of, and the body that the API would get for it.

    `entries` are what the sections of the mapping read from its row, and from other rows that repeat it.
    """

    line: ImportLine
    cells: Cells
    body: dict[str, Any] = field(default_factory=dict)
    entries: list[Any] = field(default_factory=list)
    record: Any = None


class RecordImport:
    """The import of the records of one resource, as one part of a mapping describes them."""

    def __init__(self, context: ImportContext, mapping: RecordMapping):
        self.context, self.mapping = context, mapping
        self.serializer_class = registry.at(mapping.resource).serializer
        self.model: type[Record] = self.serializer_class.Meta.model
        self.columns = {name: replace(column, headers=self.headers_in_file(column)) for name, column in mapping.columns.items()}
        self.when = self.first_in_file(mapping.when)
        self.section_type = type(mapping.sections[0]) if mapping.sections else None
        self.fields = dict(self.serializer_class().fields)
        self.readable = self.model.objects.visible_to(context.reader)
        self.identities = Identities(self.model, self.serializer_class, self.readable)
        self.start()

    def start(self) -> None:
        """Forget the rows of an earlier run, which was rolled back."""
        self.stale: dict[int, int] = {}  # the current version of records of which the file has another one, by id
        self.seen: dict[Any, tuple[Draft, dict[str, Any]]] = {}  # the draft of each record and its body as read, by identity

    @cached_property
    def readers(self) -> dict[str, FieldReader]:
        """The readers of the cells of each field. They are made after the columns are known."""
        names = [name for name in [*self.columns, *self.mapping.constants] if name in self.fields]
        return {name: FieldReader(self.context, self.mapping, self.model, name, self.fields[name]) for name in names}

    def check_permission(self) -> None:
        by, options = self.context.by, self.model._meta
        if by and not all(by.has_perm(f"{options.app_label}.{verb}_{options.model_name}") for verb in ("add", "change")):
            message = _("%(user)s may not add and change %(records)s.")
            raise NotPermitted(message % {"user": by.get_username(), "records": options.verbose_name_plural})

    # ---- columns

    def headers(self) -> list[str]:
        """The headers that this part of the mapping uses."""
        headers = [header for column in self.columns.values() for header in column.headers]
        headers += [".".join(self.mapping.path)] if self.mapping.path else []
        headers += [self.when] if self.when else []
        return headers + [header for section in self.mapping.sections for header in section.headers()]

    def possible_headers(self) -> list[str]:
        return [header for section in self.mapping.sections for header in section.possible_headers()]

    def use_own_names(self, headers: set[str]) -> set[str]:
        """Map the headers that are names of our fields and are used for nothing else. Returns them."""
        known = {*self.fields, *NOT_A_FIELD} - self.columns.keys() - self.mapping.constants.keys()
        self.columns |= {header: Column((header,)) for header in sorted(headers & known)}
        return headers & known

    def is_in_file(self, header: str) -> bool:
        table = self.context.table
        if not table.is_json or header in table.headers:
            return header in table.headers
        inner = [(), *(section.path for section in self.mapping.sections if header in section.headers())]
        items = (cells for row, item in table.rows for cells in Cells(self.context, row, (item,)).items(self.mapping.path))
        return any(each.has(header) for cells in items for path in inner for each in cells.items(path))

    def headers_in_file(self, column: Column) -> tuple[str, ...]:
        """The headers of a column that are used: all that are joined, otherwise the first alternative that the file has."""
        return column.headers if column.join else (self.first_in_file(column.headers),)

    def first_in_file(self, alternatives: Sequence[str]) -> str:
        """The first of these headers that the file has; the first of all if it has none. `Ratification*` is any header that begins so."""
        for header in alternatives:
            if len(alternatives) > 1 and self.is_in_file(header):
                return header
            begun = header.endswith("*") and not self.context.table.is_json
            if begun and (found := next((name for name in self.context.table.headers if name.startswith(header[:-1])), "")):
                return found
        return next(iter(alternatives), "")

    def unused_alternatives(self) -> Iterator[str]:
        """Notes about columns of the file that are alternatives of a used one."""
        for name, column in self.mapping.columns.items():
            used = self.columns[name].headers[0]
            for header in [] if column.join else column.headers:
                if header != used and header in self.context.table.headers:
                    message = _("The column “%(header)s” is not used, because the file has “%(used)s”, which comes before it.")
                    yield message % {"header": header, "used": used}

    @cached_property
    def self_references(self) -> list[str]:
        """The fields with a column that refer to records of the same resource."""
        return [
            name for name, reader in self.readers.items() if getattr(reader.reference, "model", None) is self.model and name in self.columns
        ]

    def own_keys(self, row: int, values: dict[str, Any]) -> tuple[list[Any], list[Any]]:
        """The keys of the records that a row makes, and those of other records of the resource to which they refer."""
        keys, references = [], []
        for inner in Cells(self.context, row, (values,)).items(self.mapping.path):
            with suppress(CellError):  # reported when the record is made
                keys.append((self.model, self.value(self.model.key, inner)))
                for name in self.self_references:
                    value = self.value(name, inner)
                    references += [(self.model, key) for key in (value if isinstance(value, list) else [value]) if key]
        return keys, references

    # ---- rows

    def write(self, rows: Sequence[Row]) -> list[ImportLine]:
        """Write the records of these rows. Returns a line for each; those of refused records have errors."""
        drafts = [draft for row, values in rows for draft in self.drafts(Cells(self.context, row, (values,)))]
        valid = [draft for draft in drafts if self.fill(draft)]
        keys = self.identities.find([draft.body for draft in valid])
        once = [(draft, key) for draft, key in zip(valid, keys, strict=True) if not self.is_repeated(draft, key)]
        if self.section_type:
            self.section_type.prepare([draft for draft, _key in once], self.context)
        new, stored = [], []
        for draft, key in once:
            if draft.line.outcome == Outcome.REFUSED:
                continue
            if key is None:
                draft.body = {name: value for name, value in draft.body.items() if value not in ("", [])}
                if self.context.source and "source" in self.fields:
                    draft.body.setdefault("source", self.context.source)
                new.append(draft)
            else:
                draft.body[self.model.key] = key
                stored.append(draft)
        self.write_drafts(new, bulk.Entries.create)
        self.write_drafts(stored, bulk.Entries.change)
        self.context.indexes.pop(self.model, None)
        written = [draft for draft in valid if draft.record is not None]
        if self.section_type:
            self.section_type.apply(written, self.context)
        for draft in written:
            if draft.line.outcome == Outcome.UNCHANGED and draft.line.changes:
                draft.line.outcome = Outcome.CHANGED
        return [draft.line for draft in drafts if draft.line.outcome != Outcome.UNCHANGED or draft.record is not None]

    def drafts(self, cells: Cells) -> Iterator[Draft]:
        for inner in cells.items(self.mapping.path):
            if not self.when or inner.is_filled(self.when):
                for each in self.split_cells(inner):
                    yield Draft(ImportLine(cells.row, cells.place(), self.mapping.resource), each)

    def split_cells(self, cells: Cells) -> list[Cells]:
        """The cells of each record that a row makes: one for each item of a cell with `split`, unless its field is a list."""
        split = [column for name, column in self.columns.items() if column.split and not self.readers[name].is_list]
        return cells.split(split[0].headers[0], split[0].split) if split else [cells]

    def fill(self, draft: Draft) -> bool:
        """Fill the body from the cells. Returns whether all cells are valid; otherwise the line has the errors."""
        for name in [*self.columns, *self.mapping.constants]:
            try:
                draft.body[name] = self.value(name, draft.cells)
            except CellError as error:
                self.refuse_cell(draft, name, error)
        for section in self.mapping.sections:
            try:
                draft.entries += section.read(draft.cells)
            except CellError as error:
                self.refuse_cell(draft, "", error)
        return draft.line.outcome != Outcome.REFUSED

    def value(self, name: str, cells: Cells) -> Any:
        column = self.columns.get(name)
        if column is None:
            raw: Any = self.mapping.constants.get(name, "")
        elif column.join and name in self.readers:
            raw = self.readers[name].joined([cells.get(header) for header in column.headers])
        else:
            raw = self.part_of_cell(name, column.headers[0], cells.get(column.headers[0]))
        if name in self.readers:
            value = self.readers[name].value(raw, column.split if column else "")
            cut = column.cut if column else 0
            return f"{value[: cut - 1]}…" if isinstance(value, str) and 0 < cut < len(value) else value
        if len(text := as_text(raw)) > MAX_REASON:
            raise CellError("max_length", str(REASON_TOO_LONG))
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
            for header in self.columns[name].headers if name in self.columns else ():
                kinds[header].add("date" if reader.is_date else "code" if isinstance(reader.field, serializers.ChoiceField) else "")
        return {header for header, found in kinds.items() if {"date", "code"} <= found}

    def is_repeated(self, draft: Draft, key: str | None) -> bool:
        """Whether an earlier row has the same record.

        An equal repetition is merged if rows make several records, or assessments of one; otherwise the row is refused.
        """
        identities = {key, self.identities.of(draft.body)} - {None}
        earlier = next((self.seen[identity] for identity in identities if identity in self.seen), None)
        if earlier is None:
            self.seen |= dict.fromkeys(identities, (draft, dict(draft.body)))
            return False
        first, body = earlier
        different = [name for name in draft.body if draft.body[name] != body.get(name)]
        if different:
            message = _("This record is already in row %(row)s, with another value of: %(fields)s.")
            self.refuse_place(draft, different[0], message % {"row": first.line.row, "fields": ", ".join(different)})
        elif self.context.mapping.of_single_record() and not self.section_type and not self.mapping_splits:
            self.refuse_place(draft, self.model.key, _("This record is already in row %(row)s.") % {"row": first.line.row})
        else:
            first.entries += draft.entries
        return True

    @property
    def mapping_splits(self) -> bool:
        return any(column.split for column in self.columns.values())

    # ---- the engine

    def write_drafts(self, drafts: list[Draft], operation: Callable[[bulk.Entries], Any]) -> None:
        if not drafts:
            return
        context, new = self.context, self.model()
        entries = bulk.Entries(
            [draft.body for draft in drafts],
            self.serializer_class(partial=operation is bulk.Entries.change, context={"user": context.reader}),
            readable=self.readable,
            read=self.read,
            check_permission=lambda record, values: publishing.check_changes(context.reader, record or new, values),
            check_version=self.check_version,
            reason=lambda body: body.get("change_reason") or context.reason,
            keep_current=context.with_changes,
        )
        with suppress(EntriesRefused):  # the errors are in entries.refusals
            operation(entries)
        changed = [row.record.pk for row in entries.rows.values() if row.outcome == Outcome.CHANGED] if context.with_changes else []
        after = dict(zip(changed, map(json.loads, self.read(changed)), strict=True))
        for index, draft in enumerate(drafts):
            if error := entries.refusals.reasons.get(index):
                draft.line.key = str(draft.body.get(self.model.key, ""))
                self.refuse(draft, error)
                continue
            draft.record, outcome = entries.rows[index].record, entries.rows[index].outcome
            draft.line.key = draft.record.natural_key()[0]
            if outcome == Outcome.CHANGED and draft.record.pk in self.stale:
                self.refuse(draft, Stale(self.stale[draft.record.pk]))
                continue
            draft.line.outcome = outcome
            if outcome == Outcome.CREATED:
                draft.line.changes = {
                    name: (None, draft.body[name]) for name in self.fields if name in draft.body and name != self.model.key
                }
            elif values := after.get(draft.record.pk):
                before = entries.current[index]
                draft.line.changes = {name: (before[name], values[name]) for name in values if before[name] != values[name]}
        self.refuse_other_sources([draft for draft in drafts if draft.line.outcome == Outcome.CHANGED])

    def refuse_other_sources(self, changed: list[Draft]) -> None:
        """Refuse the changes of records that have sources, but none of the import, unless they are wanted."""
        context = self.context
        if not changed or context.update_others or not (context.source or context.mapping.has_columns):
            return
        sources = registry.of(self.model).sources([draft.record.pk for draft in changed])
        for draft in changed:
            others = sources[draft.record.pk]
            if others and not others & {context.source, draft.body.get("source")}:
                message = _("This changes a record of another source: %(key)s. Import with --update-others if it is the same record.")
                draft.line.refuse(draft.cells.place(), message % {"key": draft.line.key})

    def read(self, ids: list[int]) -> list[str]:
        """The JSON texts of records, with the fields that are stored."""
        names = tuple(name for name, f in self.fields.items() if name not in HEAD and not isinstance(f, json_sql.ComputedField))
        representation = json_sql.Representation(self.serializer_class, self.context.read_context.reader.roles, names)
        return json_sql.read_many(representation, ids, self.context.read_context)

    def check_version(self, record: Record | None, body: dict[str, Any]) -> None:
        """Note a record of which the file has an older version: it may not be changed, but may have the values of the file already.

        Raises ValidationError for a version without a record.
        """
        version = body.get("version")
        if is_empty(version):
            return
        if record is None:
            message = _("The file has a version, but there is no such record. Remove the version to create the record.")
            raise serializers.ValidationError({"version": [message]}, "stale")
        if str(version) != str(record.version):
            self.stale[record.pk] = record.version

    # ---- errors

    def refuse_cell(self, draft: Draft, name: str, error: CellError) -> None:
        reference = self.readers[name].reference if name in self.readers else None
        term = Term(name, error.name, reference.model if isinstance(reference, KeyField) else None) if error.name and name else None
        self.refuse_place(draft, name, error.message, term, error.place)

    def refuse_place(self, draft: Draft, name: str, message: str, term: Term | None = None, place: Place | None = None) -> None:
        """Refuse a record because of this field, at the place of its column."""
        header = self.columns[name].headers[0] if name in self.columns else ""
        place = place or draft.cells.place(header)
        draft.line.refuse(place if header else replace(place, field=name), message, term)

    def refuse(self, draft: Draft, error: Exception) -> None:
        """Add the messages of an error to the line, each with its place in the file."""
        rule = violated_constraint(error) if isinstance(error, DatabaseError) else None
        draft.line.needs_reason |= rule is not None and rule.code == "reason_required"
        for name, message in error_messages(error, self.serializer_class):
            self.refuse_place(draft, name, message)


def error_messages(error: Exception, serializer: type[RecordSerializer]) -> Iterator[tuple[str, str]]:
    """The messages of an error, each with the field that it concerns; "" if it concerns no single field."""
    if isinstance(error, serializers.ValidationError):
        data = validation_body(error.detail)
    elif rejection := domain_error(error, serializer.api_name):
        data = rejection.body
    else:
        raise error
    if "_codes" in data:
        for name in data["_codes"]:
            yield from (("" if name == "non_field_errors" else name, str(message)) for message in data[name])
    elif "unmet" in data:
        yield from (("", unmet["detail"]) for unmet in data["unmet"])
    else:
        yield next((name for name in data if name not in ("code", "detail", "current_version")), ""), data["detail"]

"""A table that is uploaded to the admin: the form, and the preview of its import."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from django import forms
from django.contrib import admin
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import serializers

from policytracker.admin.forms import Reference
from policytracker.admin.querysets import visible
from policytracker.admin.theme import apply_theme
from policytracker.importing import formats, mapping, table_files
from policytracker.importing.encodings import ENCODINGS
from policytracker.importing.importer import Import
from policytracker.importing.summary import Group, ImportLine, Summary, display_value, row_numbers
from policytracker.importing.tables import MEMORY, SECONDS, Limits, TableError, TooLarge
from policytracker.records.context import MAX_REASON
from policytracker.resources import Resource
from policytracker.writing.writer import Outcome

MAX_FILE = 5_000_000  # bytes
MAX_MAPPING = 50_000  # bytes
MAX_ROWS = 5_000
TOO_LARGE = gettext_lazy("The file is too large. Use at most %(limit)s MB.")
SHOWN_LINES = 200
SHOWN_NAMES = 50  # names without a match; the search for similar names takes time
SHOWN_LENGTH = 120  # characters of a value


class FileInput(forms.FileInput):
    """The browser's own field for a file: unlike that of the theme, it shows the chosen name without scripts.

    A script refuses a file of more than `limit` bytes before it is sent, so that the rest of the form is kept.
    """

    template_name = "admin/file_input.html"

    def __init__(self, types: Iterable[str], limit: int):
        super().__init__({"accept": ",".join(types), "data-limit": limit})

    def get_context(self, name, value, attrs):
        limit = {"data-too-large": TOO_LARGE % {"limit": megabytes(self.attrs["data-limit"])}}
        return super().get_context(name, value, limit | (attrs or {}))


def megabytes(size: int) -> str:
    return f"{size / 1e6:g}"


@dataclass(frozen=True)
class Column:
    """A column that a table without a mapping can have: a field that can be written."""

    name: str
    field: serializers.Field

    @property
    def codes(self) -> list[str]:
        return list(filter(None, self.field.choices)) if isinstance(self.field, serializers.ChoiceField) else []


def columns(resource: Resource) -> list[Column]:
    """The columns of a table with records of this type. A table cannot hold files."""
    fields = resource.serializer().fields.items()
    return [Column(name, field) for name, field in fields if not (field.read_only or isinstance(field, serializers.FileField))]


def empty_table(resource: Resource) -> str:
    """The URL of a table with all columns and no rows, which contains the table itself."""
    return f"data:text/csv,{quote(','.join(column.name for column in columns(resource)))}%0D%0A"


class ImportForm(forms.Form):
    """The table to import, and how its columns become fields. `cleaned_data["upload"]` is the result."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy(
            "CSV, TSV, XLSX, ODS, JSON or JSON lines. At most 5 MB and 5,000 rows. "
            "For larger files use the command import_table on the server."
        ),
        widget=FileInput(formats.FORMATS, MAX_FILE),
    )
    mapping = forms.ChoiceField(
        label=gettext_lazy("Layout of the file"),
        required=False,
        help_text=gettext_lazy("Select the register that the file comes from."),
    )
    mapping_file = forms.FileField(
        label=gettext_lazy("Mapping file"),
        required=False,
        help_text=gettext_lazy("Your own mapping (.toml). Without a mapping, the headers must be those listed under Columns."),
        widget=FileInput([".toml"], MAX_MAPPING),
    )
    encoding = forms.ChoiceField(
        label=gettext_lazy("Encoding"),
        required=False,
        choices=[("", gettext_lazy("Find out")), *((name, name) for name in ENCODINGS)],
        help_text=gettext_lazy("For a text file in which the preview shows wrong letters. Excel on Windows writes CSV as windows-1252."),
    )
    source = forms.ModelChoiceField(
        None,
        label=gettext_lazy("Source"),
        required=False,
        help_text=gettext_lazy("For new records without a source."),
        error_messages={"invalid_choice": gettext_lazy("This source does not exist, or you may not read it.")},
    )
    update_others = forms.BooleanField(
        label=gettext_lazy("Update records of other sources"),
        required=False,
        help_text=gettext_lazy("Otherwise rows that would change records whose sources are all others are refused."),
    )

    reason = forms.CharField(
        label=gettext_lazy("Change reason"),
        required=False,
        max_length=MAX_REASON,
        help_text=gettext_lazy(
            "Required if the file changes a due date, archives or restores a record, narrows its visibility or lowers a high priority. "
            "Readers of the history see it."
        ),
        widget=forms.TextInput,
    )

    def __init__(self, resource: Resource, user: Any, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["mapping"].choices = [("", _("The columns listed below")), *mapping.shipped(resource.address).items()]
        apply_theme(self)
        if len(self.fields["mapping"].choices) == 1:
            del self.fields["mapping"]
        reference = next((field for field in resource.model._meta.fields if field.name == "source"), None)
        if isinstance(reference, models.ForeignKey):
            self.fields["source"].widget = Reference(reference, admin.site)
            self.fields["source"].queryset = visible(reference.related_model, user)
        else:
            del self.fields["source"]

    def clean_file(self) -> Any:
        return self.limited("file", MAX_FILE)

    def clean_mapping_file(self) -> Any:
        return self.limited("mapping_file", MAX_MAPPING)

    def limited(self, field: str, limit: int) -> Any:
        file = self.cleaned_data[field]
        if file and file.size > limit:
            message = _("The file has %(size)s MB. Use at most %(limit)s MB.")
            raise forms.ValidationError(message, "too_large", {"size": f"{file.size / 1e6:,.2f}", "limit": megabytes(limit)})
        return file

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        shipped, own = values.get("mapping"), values.get("mapping_file")
        if shipped and own:
            self.add_error("mapping_file", forms.ValidationError(_("Choose a mapping from the list or upload one, not both."), "conflict"))
        if self.errors:
            return values
        # Opening a file again begins at its start: the view runs twice if it has to wait for its turn.
        mapping_name, mapping_data = (
            (own.name, own.open().read()) if own else (shipped, (mapping.SHIPPED / shipped).read_bytes() if shipped else b"")
        )
        source = values["source"].natural_key()[0] if values.get("source") else ""
        file, options = values["file"], (values[name] for name in ("update_others", "encoding", "reason"))
        upload = Upload(file.name, file.open().read(), mapping_name or "", mapping_data, source, *options)
        return values | {"upload": upload}


def limits() -> Limits:
    """What reading an uploaded file may take."""
    return Limits(rows=MAX_ROWS, cells=1_000_000, characters=20_000_000, unpacked=MAX_ROWS * 5_000, memory=MEMORY, seconds=SECONDS)


@dataclass(frozen=True)
class Upload:
    """A table to import. Without a mapping, `mapping_name` is empty."""

    name: str
    data: bytes
    mapping_name: str
    mapping_data: bytes
    source: str
    update_others: bool
    encoding: str
    reason: str

    def table_import(self, resource: str, user: Any) -> Import:
        """Raises MappingError, TableError and NotPermitted."""
        columns = mapping.own_layout(resource)
        if self.mapping_name:
            columns = mapping.parse(self.mapping_name, self.mapping_data, resource)
        try:
            table = table_files.parse(self.name, self.data, limits(), columns.path, self.encoding or columns.encoding)
        except TooLarge as error:
            raise TableError(_("%(problem)s Import a larger file with the command import_table.") % {"problem": error}) from error
        options = {"source": self.source, "reason": self.reason, "update_others": self.update_others}
        return Import([(self.name, table)], columns, by=user, with_changes=True, **options)


class Preview:
    """What an import of the file with this name does: a summary, and the first refused, changed and created records."""

    def __init__(self, name: str, table_import: Import):
        self.name, self.table_import, self.notes = name, table_import, table_import.notes
        self.summary = Summary(table_import.names, SHOWN_LINES)
        self.hash = hashlib.sha256()
        self.needs_reason = False  # whether a record is refused because its change requires a reason

    def run(self, *, dry_run: bool) -> None:
        self.table_import.run(self.add, dry_run=dry_run)

    def add(self, line: ImportLine) -> None:
        self.summary.add(line)
        self.needs_reason |= line.needs_reason
        key = "" if line.outcome == Outcome.CREATED else line.key  # a new record without a code gets a random key
        problems = [(str(problem.place), problem.message) for problem in line.problems]
        self.hash.update(json.dumps([line.row, line.resource, line.outcome, key, line.changes, problems], default=str).encode())

    @property
    def digest(self) -> str:
        """Equal for two imports that do the same."""
        return self.hash.hexdigest()

    @property
    def counts(self) -> dict[str, int]:
        return {outcome.value: self.summary.counts[outcome] for outcome in Outcome}

    @property
    def refused(self) -> int:
        return self.summary.counts[Outcome.REFUSED]

    @property
    def changes_nothing(self) -> bool:
        counts = self.summary.counts
        return not (counts[Outcome.CREATED] or counts[Outcome.CHANGED])

    @property
    def types(self) -> list[tuple[str, str]]:
        """The outcomes, each with the number of records of each type."""
        titles = {Outcome.CREATED: _("New"), Outcome.CHANGED: _("Changed"), Outcome.REFUSED: _("Refused")}
        return [(title, self.summary.by_type(outcome)) for outcome, title in titles.items() if self.summary.counts[outcome]]

    @property
    def refusals(self) -> list[Group]:
        """The most frequent refusals, if several rows have the same."""
        groups = self.summary.refusals
        return groups[:SHOWN_NAMES] if any(len(group.rows) > 1 for group in groups) else []

    @property
    def codes(self) -> str:
        """The lines of a mapping that translate the names without a match."""
        return "\n".join(self.summary.codes_blocks())

    @cached_property
    def lines(self) -> list[dict[str, Any]]:
        examples = self.summary.examples
        lines = [line for outcome in (Outcome.REFUSED, Outcome.CHANGED, Outcome.CREATED) for line in examples[outcome]]
        return [
            {
                "place": line.place,
                "outcome": line.outcome,
                "resource": line.resource,
                "key": line.key,
                "problems": line.problems,
                "changes": [
                    (name, None if old is None else display_value(old, SHOWN_LENGTH), display_value(new, SHOWN_LENGTH))
                    for name, (old, new) in line.changes.items()
                ],
            }
            for line in lines[:SHOWN_LINES]
        ]

    @property
    def lines_left_out(self) -> int:
        counts = self.summary.counts
        return max(counts[Outcome.REFUSED] + counts[Outcome.CHANGED] + counts[Outcome.CREATED] - SHOWN_LINES, 0)

    @property
    def unmatched(self) -> list[dict[str, Any]]:
        """The names without a match, each with the rows that have it and the most similar names."""
        terms = list(self.summary.terms.items())[:SHOWN_NAMES]
        return [
            {"name": term.text[:SHOWN_LENGTH], "rows": row_numbers(rows), "similar": self.summary.similar(term)} for term, rows in terms
        ]

    @property
    def unmatched_left_out(self) -> int:
        return max(len(self.summary.terms) - SHOWN_NAMES, 0)

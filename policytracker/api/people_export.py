"""Export of a list for people: labels, titles, dates and numbers, and a second sheet that explains the columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from policytracker.api.export import BLOCK, Export
from policytracker.representation.serializers import declared_fields
from policytracker.representation.sheets import Column, sheet_columns
from policytracker.representation.workbooks import RecordSheet, write_about
from policytracker.resources import Resource, registry


@dataclass(frozen=True)
class PeopleExport(Export):
    """The rows of a list as people read them: with the `chosen` fields, or else all that people read.

    `filters` are the parameters of the list, with their values.
    """

    chosen: bool = False
    filters: Mapping[str, str] = field(default_factory=dict)

    @property
    def resource(self) -> Resource:
        return registry.of(self.serializer.Meta.model)

    @cached_property
    def sheet(self) -> list[Column]:
        if self.chosen:
            return sheet_columns(self.resource, self.fields)
        omitted = declared_fields(self.serializer).keys() - set(self.fields)
        return [column for column in sheet_columns(self.resource) if column.name not in omitted]

    def cells(self) -> list[Any]:
        return [column.expression(self.context.reader) for column in self.sheet]

    def csv_lines(self) -> Iterator[bytes]:
        block = io.StringIO()
        writer = csv.writer(block, lineterminator="\n")
        writer.writerow([column.label for column in self.sheet])
        for row in self.table():
            writer.writerow([column.text(text) for column, text in zip(self.sheet, row, strict=True)])
            if block.tell() >= BLOCK:
                yield block.getvalue().encode()
                block.seek(0)
                block.truncate()
        yield block.getvalue().encode()

    def write_workbook(self, workbook, rows):
        begun = datetime.now(UTC)
        sheet = RecordSheet(workbook, self.resource, self.sheet)
        for row in rows:
            sheet.write(row)
        sheet.finish()
        write_about(workbook, self.sheet, self.facts(sheet.rows, begun))

    def facts(self, rows: int, begun: datetime) -> dict[str, str]:
        """What the sheet is, and as of when."""
        options = self.resource.model._meta
        moment = self.context.as_of or begun
        found = {
            _("What this is"): f"{capfirst(options.verbose_name_plural)}. {_(self.resource.definition)}",
            _("As of"): _("{time} UTC").format(time=f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"),
            _("Rows"): f"{rows:,}",
            _("Register"): self.context.base_url,
        }
        if self.context.as_of:
            found[_("Exported")] = _("{time} UTC").format(time=f"{begun:%Y-%m-%d %H:%M}")
        if self.context.on != self.context.today:
            found[_("Values on")] = self.context.on.isoformat()
        if self.filters:
            found[_("Filters")] = "\n".join(f"{name}: {value}" for name, value in self.filters.items())
        return found

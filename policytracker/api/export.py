"""Export of a complete list as CSV, XLSX or JSON lines.

PostgreSQL writes the cells, from the same declaration as the JSON of the API, and sends the rows with COPY. They are collected in a
temporary file, and the response begins when it is complete: a slow client holds no connection of the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from errno import ENOSPC
from tempfile import SpooledTemporaryFile
from time import monotonic
from typing import IO, Any, TypeVar

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.http import FileResponse
from django.utils.translation import gettext as _
from rest_framework import renderers
from rest_framework.request import Request
from xlsxwriter import Workbook

from policytracker.api.errors import APIError
from policytracker.representation.cells import cell, is_nested
from policytracker.representation.json_sql import JsonObject, columns
from policytracker.representation.parameters import InvalidParameter, single
from policytracker.representation.serializers import RecordSerializer, declared_fields
from policytracker.representation.workbooks import TextSheet, TooLongForSheet
from policytracker.resources import ReadContext
from policytracker.sql.parameters import bind_parameters
from policytracker.web.heavy import ClientLeft

BLOCK = 64 * 1024  # bytes of a part of the response
IN_MEMORY = 1024 * 1024  # bytes; a larger export is written to the disk
ROWS_AT_A_TIME = 2000
MAX_SECONDS = 300
MEGABYTE = 1_000_000
# JSON texts contain no control characters, so with these as quote and delimiter COPY sends each text as a line of its own.
Part = TypeVar("Part")
PLAIN_LINES = r"FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02'"


@dataclass(frozen=True)
class Export:
    """The rows of a list, in order, with these fields of the serializer."""

    rows: QuerySet
    serializer: type[RecordSerializer]
    fields: tuple[str, ...]
    expand: frozenset[str]
    context: ReadContext
    name: str
    has_left: Callable[[], bool]

    @property
    def table_fields(self) -> list[str]:
        """The fields that fit into a cell: all except lists of records. Raises InvalidParameter for an expansion, or if there is none."""
        if self.expand:
            raise InvalidParameter("expand", _("References cannot be expanded in this format. Use ndjson."))
        declared = declared_fields(self.serializer)
        names = [name for name in self.fields if not is_nested(declared[name])]
        if not names:
            raise InvalidParameter("fields", _("A table cannot show these fields. Select another one, or use ndjson."))
        return names

    def json_lines(self) -> Iterator[bytes]:
        """Each record as JSON, on a line of its own."""
        return self.copy(self.record, PLAIN_LINES)

    def csv_lines(self) -> Iterator[bytes]:
        """The table as CSV, in blocks."""
        yield f"{','.join(self.table_fields)}\n".encode()
        yield from self.copy(self.cells, "FORMAT csv")

    def write_workbook(self, workbook: Workbook, rows: Iterable[Sequence[str | None]]) -> None:
        """Write these rows of the table. Raises TooLongForSheet."""
        sheet = TextSheet(workbook, self.name, self.table_fields)
        for row in rows:
            sheet.write(row)

    def table(self) -> Iterator[tuple[str | None, ...]]:
        """The cells, row by row."""
        with self.transaction(), connection.chunked_cursor() as cursor:
            cursor.execute(*self.query(self.cells()))
            while rows := cursor.fetchmany(ROWS_AT_A_TIME):
                yield from rows

    def copy(self, make_columns: Callable[[], list[Any]], options: str) -> Iterator[bytes]:
        """What `COPY … TO STDOUT` sends for these columns, in blocks."""
        with self.transaction(), connection.cursor() as cursor:
            sql, values = self.query(make_columns())
            block = bytearray()
            # The values are put into the text, because the cursor of Django that logs queries accepts none here.
            with cursor.copy(cursor.mogrify(f"COPY ({sql}) TO STDOUT WITH ({options})", values)) as copy:
                for data in copy:
                    block += data
                    if len(block) >= BLOCK:
                        yield bytes(block)
                        block.clear()
            yield bytes(block)

    @contextmanager
    def limited(self, parts: Iterator[Part], size_of: Callable[[Part], int]) -> Iterator[Iterator[Part]]:
        """The parts of the export, within the limits of size and time. Raises ClientLeft if nobody waits for it any more.

        The transaction of the parts ends with the block, also after an exception.
        """
        end, maximum = monotonic() + MAX_SECONDS, settings.EXPORT_MAX_MB * MEGABYTE

        def checked() -> Iterator[Part]:
            size = 0
            for part in parts:
                size += size_of(part)
                if size > maximum:
                    message = _("The export is larger than {max} MB. Use filters, or select fewer fields.")
                    raise InvalidParameter("format", message.format(max=settings.EXPORT_MAX_MB))
                if monotonic() > end:
                    raise APIError("timeout", _("The export takes too long. Use filters, or select fewer fields."), 503)
                if self.has_left():
                    raise ClientLeft
                yield part

        with closing(parts):  # type: ignore[type-var]  # a generator
            yield checked()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction with a longer time limit."""
        with transaction.atomic(), self.context.reading():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{MAX_SECONDS}s"])
            yield

    def record(self) -> list[Any]:
        """The JSON text of a record, as the only column."""
        expressions = columns(self.serializer(), self.context.reader, self.expand)
        return [Cast(JsonObject({name: expressions[name] for name in self.fields}), TextField())]

    def cells(self) -> list[Any]:
        expressions, declared = columns(self.serializer(), self.context.reader), declared_fields(self.serializer)
        return [cell(declared[name], expressions[name]) for name in self.table_fields]

    def query(self, expressions: list[Any]) -> tuple[str, list[Any]]:
        """The SQL that selects these columns of the rows, and its values."""
        named = {f"cell_{number}": expression for number, expression in enumerate(expressions)}
        rows = self.rows.annotate(**named).values_list(*named)
        sql, values = rows.query.get_compiler(connection=connection, elide_empty=False).as_sql()  # also if no row can match
        return sql, bind_parameters(values, on=self.context.on, base=self.context.base_url, user=self.context.reader.id)


class ExportRenderer(renderers.BaseRenderer):
    """A format in which a list is exported, with all of its rows. The file is named after the list.

    It is complete before the response begins, so an export that fails is an error, and never half a file.
    """

    def check(self, export: Export) -> None:
        """Raises InvalidParameter if the format cannot have what was asked for."""

    def write(self, export: Export, file: IO[bytes]) -> None:
        raise NotImplementedError

    def response(self, export: Export) -> FileResponse:
        file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - the response closes it
        try:
            self.write(export, file)
        except BaseException as error:
            file.close()
            if isinstance(error, OSError) and error.errno == ENOSPC:
                raise APIError("unavailable", _("The server has no space for this export. Try again later."), 503) from error
            raise
        file.seek(0)
        response = FileResponse(file, as_attachment=True, filename=f"{export.name}.{self.format}", content_type=self.media_type)
        response.block_size = BLOCK
        response.file_to_stream = None  # otherwise the server sends it without blocks, and the time limit would be for all of it
        return response


class NdjsonRenderer(ExportRenderer):
    media_type = "application/x-ndjson"
    format = "ndjson"

    def write(self, export, file):
        with export.limited(export.json_lines(), len) as lines:
            file.writelines(lines)


class CsvRenderer(ExportRenderer):
    media_type = "text/csv; charset=utf-8"
    format = "csv"

    def check(self, export):
        _names = export.table_fields

    def write(self, export, file):
        with export.limited(export.csv_lines(), len) as lines:
            file.writelines(lines)


class XlsxRenderer(ExportRenderer):
    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    format = "xlsx"

    def check(self, export):
        _names = export.table_fields

    def write(self, export, file):
        characters = lambda row: sum(len(text) for text in row if text)  # noqa: E731
        with export.limited(export.table(), characters) as rows, Workbook(file, {"constant_memory": True}) as workbook:
            try:
                export.write_workbook(workbook, rows)
            except TooLongForSheet as error:
                raise InvalidParameter("format", str(error)) from error


EXPORTS = [CsvRenderer, XlsxRenderer, NdjsonRenderer]
TABLES = (CsvRenderer.format, XlsxRenderer.format)
LAYOUTS = MACHINE, PEOPLE = "machine", "people"


def read_layout(request: Request) -> str:
    """The parameter `layout`. Raises InvalidParameter for an unknown one, and for that of people in a format that is no table."""
    layout = single(request.query_params, "layout", MACHINE)
    if layout not in LAYOUTS:
        raise InvalidParameter("layout", _("Use one of: {names}.").format(names=", ".join(LAYOUTS)))
    if layout == PEOPLE and request.accepted_renderer.format not in TABLES:
        raise InvalidParameter("layout", _("Only these formats have this layout: {names}.").format(names=", ".join(TABLES)))
    return layout

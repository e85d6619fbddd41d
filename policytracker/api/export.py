"""Export of a complete list as CSV, XLSX or JSON lines.

PostgreSQL writes the cells, from the same declaration as the JSON of the API, and sends the rows with COPY. Nothing is collected in
memory. The response begins while PostgreSQL still reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Any

from django.db import connection, transaction
from django.db.models import Func, QuerySet, TextField, Value
from django.db.models.functions import Cast
from django.http import FileResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext as _
from rest_framework import renderers, serializers
from xlsxwriter import Workbook

from policytracker.api.json_sql import ComputedField, JsonObject, NestedRecords, columns
from policytracker.api.parameters import InvalidParameter
from policytracker.api.serializers import KeyField, KeyListField, RecordSerializer, declared_fields
from policytracker.records.parameters import bind_parameters
from policytracker.resources import ReadContext

BLOCK = 64 * 1024  # bytes of a part of the response
ROWS_AT_A_TIME = 2000
MAX_TIME = "10min"  # of the statement; the time that a slow client takes counts too
MAX_ROWS, MAX_CELL, MAX_SHEET_NAME = 1_048_576, 32_767, 31  # of a worksheet: rows with the header, characters of a cell and of its name
TOO_LONG = -2  # returned by XlsxWriter
# JSON texts contain no control characters, so with these as quote and delimiter COPY sends each text as a line of its own.
PLAIN_LINES = r"FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02'"


class SafeText(Func):
    """A text that no spreadsheet executes: a leading `'` if it begins with = + - @, tab or CR, or with `'` and one of these."""

    template = r"""regexp_replace(%(expressions)s, E'^(?=''*[-=+@\t\r])', '''')"""
    output_field = TextField()


class JoinedTexts(Func):
    """The texts of an array, separated by semicolons. A semicolon inside a text is written as `\\;`."""

    template = r"""(SELECT string_agg(replace(part, ';', '\;'), ';' ORDER BY number)
        FROM unnest(%(expressions)s::text[]) WITH ORDINALITY AS parts(part, number))"""
    output_field = TextField()


@dataclass(frozen=True)
class Export:
    """The rows of a list, in order, with these fields of the serializer."""

    rows: QuerySet
    serializer: type[RecordSerializer]
    fields: tuple[str, ...]
    expand: frozenset[str]
    context: ReadContext
    name: str

    @property
    def table_fields(self) -> list[str]:
        """The fields that fit into a cell: all except lists of records. Raises InvalidParameter for an expansion."""
        if self.expand:
            raise InvalidParameter("expand", _("References cannot be expanded in this format. Use ndjson."))
        declared = declared_fields(self.serializer)
        return [name for name in self.fields if not is_nested(declared[name])]

    def expressions(self) -> dict[str, Any]:
        return columns(self.serializer(), self.context.reader, self.expand)

    def json_lines(self) -> Iterator[bytes]:
        """Each record as JSON, on a line of its own."""
        return self.copy(self.record, PLAIN_LINES)

    def csv_lines(self) -> Iterator[bytes]:
        """The cells as CSV, without a header."""
        return self.copy(self.cells, "FORMAT csv")

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
    def transaction(self) -> Iterator[None]:
        """A transaction with a longer time limit. A stream runs in it, because the transaction of the request has ended."""
        with transaction.atomic(), self.context.reading():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [MAX_TIME])
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
        sql, values = self.rows.annotate(**named).values_list(*named).query.sql_with_params()
        return sql, bind_parameters(values, on=self.context.on, base=self.context.base_url, user=self.context.reader.id)


def is_nested(field: serializers.Field) -> bool:
    """Whether the field is a list of records or of objects."""
    computed_list = isinstance(field, ComputedField) and field.schema.get("type") == "array"
    return isinstance(field, NestedRecords) or computed_list


def cell(field: serializers.Field, expression: Any) -> Any:
    """The expression of a cell: text that is safe in a spreadsheet; null for an unknown value."""
    reference = field.child_relation if isinstance(field, KeyListField) else field
    if isinstance(reference, KeyField) and isinstance(expression, Cast):  # people that the reader may not see
        return Cast(Value(None), TextField())
    if isinstance(field, KeyListField | serializers.ListField):
        return SafeText(JoinedTexts(expression))
    text = Cast(expression, TextField())
    return text if isinstance(field, serializers.DecimalField | serializers.IntegerField) else SafeText(text)


class ExportRenderer(renderers.BaseRenderer):
    """A format in which a list is exported, with all of its rows. The file is named after the list."""

    def response(self, export: Export) -> HttpResponseBase:
        response = StreamingHttpResponse(self.stream(export), content_type=self.media_type)
        response["Content-Disposition"] = f'attachment; filename="{export.name}.{self.format}"'
        return response

    def stream(self, export: Export) -> Iterator[bytes]:
        raise NotImplementedError


class NdjsonRenderer(ExportRenderer):
    media_type = "application/x-ndjson"
    format = "ndjson"

    def stream(self, export):
        return export.json_lines()


class CsvRenderer(ExportRenderer):
    media_type = "text/csv; charset=utf-8"
    format = "csv"

    def stream(self, export):
        names = export.table_fields  # checked before the response begins
        return chained(f"{','.join(names)}\n".encode(), export.csv_lines())


def chained(head: bytes, body: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from body


class XlsxRenderer(ExportRenderer):
    """A worksheet of texts. It is complete before the response begins, because a text may be too long for a cell."""

    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    format = "xlsx"

    def response(self, export):
        file = TemporaryFile()  # noqa: SIM115 - the response closes it
        write_workbook(export, file)
        file.seek(0)
        return FileResponse(file, as_attachment=True, filename=f"{export.name}.{self.format}", content_type=self.media_type)


def write_workbook(export: Export, file: IO[bytes]) -> None:
    """Write the cells as a worksheet of texts, row by row. Raises InvalidParameter if they do not fit into one."""
    names = export.table_fields
    with Workbook(file, {"constant_memory": True}) as workbook:
        sheet = workbook.add_worksheet(export.name[:MAX_SHEET_NAME])
        sheet.write_row(0, 0, names)
        for number, row in enumerate(export.table(), 1):
            if number == MAX_ROWS:
                message = _("The list has more rows than a worksheet can have ({max}). Use csv.")
                raise InvalidParameter("format", message.format(max=f"{MAX_ROWS:,}"))
            for column, text in enumerate(row):
                if text and sheet.write_string(number, column, text) == TOO_LONG:
                    message = _(
                        "Row {row}, {field}: the text has more characters than a cell can have ({max}). Use csv, or omit the field."
                    )
                    raise InvalidParameter("format", message.format(row=number + 1, field=names[column], max=f"{MAX_CELL:,}"))


EXPORTS = [CsvRenderer, XlsxRenderer, NdjsonRenderer]

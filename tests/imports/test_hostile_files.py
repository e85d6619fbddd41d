"""Files that are made to stop the site, or are damaged: each is refused with a message, in a process with limits."""

import io
import json
import os
import signal
import subprocess
import zipfile
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policytracker.admin import imports
from policytracker.importing import table_files
from policytracker.importing.tables import TableError, TooLarge
from tests.imports.conftest import parse_here
from tests.imports.files import ods, ods_row, xlsx

HEAD_XML = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
LARGE_ROW = (
    '<table:table-row table:number-rows-repeated="{rows}"><table:table-cell office:value-type="string" '
    'table:number-columns-repeated="16384"><text:p>x</text:p></table:table-cell></table:table-row>'
)
SECOND_SHEET = '</table:table><table:table table:name="Two">'
END_OF_LIBREOFFICE = (
    '<table:table-row table:number-rows-repeated="1048570"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
)


def read(name: str, data: bytes, **changed):
    return table_files.parse(name, data, replace(imports.limits(), **changed))


def sheet(*rows: str) -> bytes:
    """An XLSX file with these rows of XML below the header a, b."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(xlsx(["a", "b"]))) as usual, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in usual.namelist():
            header = f'<row r="1">{cell("A1", "a")}{cell("B1", "b")}</row>'
            own = f"{HEAD_XML}{header}{''.join(rows)}</sheetData></worksheet>".encode()
            archive.writestr(name, own if name == "xl/worksheets/sheet1.xml" else usual.read(name))
    return file.getvalue()


def cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


# ---- sizes


@pytest.mark.parametrize(
    "rows",
    [
        ods_row("a") + LARGE_ROW.format(rows=600),
        ods_row("a") + LARGE_ROW.format(rows=6000),
        ods_row("a") + ods_row("1") + SECOND_SHEET + LARGE_ROW.format(rows=6000),
        ods_row("a") + "".join(SECOND_SHEET + LARGE_ROW.format(rows=20) for _ in range(4)),
    ],
    ids=["wide", "long", "second sheet", "sum of sheets"],
)
def test_repeated_cells_of_an_ods_file_are_counted_over_all_sheets_before_they_are_made(rows):
    with pytest.raises(TableError):
        read("a.ods", ods(rows))


def test_the_empty_rows_that_libreoffice_writes_at_the_end_do_not_count():
    table = read("a.ods", ods(ods_row("a") + ods_row("1") + END_OF_LIBREOFFICE))

    assert table.rows == [(2, {"a": "1"})]


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (f'<row r="1000000000000000">{cell("A1000000000000000", "x")}</row>', TooLarge),
        ('<row r="30000000"/>', TooLarge),
        (f'<row r="3">{cell("A3", "x")}</row><row r="2">{cell("A2", "y")}</row>', TableError),
        (f'<row r="3">{cell("B3", "x")}{cell("A3", "y")}</row>', TableError),
        (f'<row r="2">{cell("XFD2", "x")}</row>', TableError),
    ],
    ids=["far row", "far empty row", "row goes back", "cell goes back", "far column"],
)
def test_a_row_or_column_beyond_the_limit_or_out_of_order_is_refused_and_never_cut(row, error):
    with pytest.raises(error):
        read("a.xlsx", sheet(row))


def test_distant_empty_cells_take_no_time():
    rows = [f'<row r="{number}">{cell(f"XFD{number}", "")}</row>' for number in range(2, 5000)]

    assert read("a.xlsx", sheet(*rows), seconds=5).rows == []


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b"a\n" + b"\n" * 6_000),
        ("a.csv", b"a" + b"," * 2_000_000),
        ("a.csv", ",".join(f"h{number}" for number in range(1000)).encode() + (b"\n" + b"," * 999) * 2_000),
        ("a.json", b"[" + b"{}," * 6_000 + b"{}]"),
        ("a.jsonl", b"{}\n" * 6_000),
        ("a.xlsx", sheet(*(f'<row r="{number}"/>' for number in range(2, 6_000)))),
    ],
)
def test_empty_rows_and_cells_count(name, data):
    with pytest.raises(TooLarge):
        read(name, data)


def test_a_text_that_many_cells_of_a_spreadsheet_share_counts_for_each():
    with pytest.raises(TooLarge):
        read("a.xlsx", xlsx(["a"], *(["x" * 1000] for _ in range(100))), characters=50_000)


# ---- the process


def test_reading_that_needs_too_much_memory_is_an_error_of_the_file():
    with pytest.raises(TooLarge):
        read("a.json", b"[" + b"[[]]," * 400_000 + b"[]]", memory=60_000_000)


def test_reading_that_takes_too_long_is_an_error_of_the_file():
    with pytest.raises(TooLarge):
        read("a.json", b"[" + b'{"a":[[]]},' * 400_000 + b"{}]", seconds=1, rows=10**9)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV])
def test_a_process_that_dies_is_an_error_of_the_file(end, monkeypatch):
    start = subprocess.Popen

    def start_and_end(*args, **options):
        process = start(*args, **options)
        os.kill(process.pid, end)
        return process

    monkeypatch.setattr(subprocess, "Popen", start_and_end)

    with pytest.raises(TooLarge):
        read("a.csv", b"a\n1\n")


def test_a_process_that_hangs_is_ended(monkeypatch):
    start = subprocess.Popen

    def start_and_stop(*args, **options):
        process = start(*args, **options)
        os.kill(process.pid, signal.SIGSTOP)
        return process

    monkeypatch.setattr(subprocess, "Popen", start_and_stop)

    with pytest.raises(TooLarge):
        read("a.csv", b"a\n" + b"1\n" * 1000, seconds=1)


def test_the_process_gets_no_secrets(monkeypatch):
    environments = []
    start = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **options: environments.append(options["env"]) or start(*args, **options))
    monkeypatch.setenv("SECRET_KEY", "secret")

    read("a.csv", b"a\n1\n")

    assert "SECRET_KEY" not in environments[0] and "DATABASE_URL" not in environments[0]


def test_an_old_xml_parser_is_reported_at_start(monkeypatch):
    assert table_files.check_expat(None) == []
    monkeypatch.setattr(table_files.expat, "version_info", (2, 3, 0))

    assert [message.id for message in table_files.check_expat(None)] == ["policytracker.E010"]


@pytest.mark.slow
def test_a_large_file_of_an_operator_is_read(tmp_path):
    file = tmp_path / "large.csv"
    file.write_text("a,b,c\n" + "".join(f"{number},Türkiye,{number}\n" for number in range(300_000)))

    assert len(table_files.read(file).rows) == 300_000


# ---- any file

LETTERS = st.text(st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_characters=",;\t|\"'=+-@\x7f"), max_size=20)
TABLES = st.integers(1, 5).flatmap(lambda width: st.lists(st.lists(LETTERS, min_size=width, max_size=width), max_size=5))
VALID = [
    ("a.csv", b"name;note\nT\xfcrkiye;1\n"),
    ("a.json", b'[{"a": {"b": ["c", null, true, 1.5]}}]'),
    ("a.jsonl", b'{"a": 1}\n{"a": 2}\n'),
    ("a.xlsx", xlsx(["a", "b"], ["1", 2.5], ["x", None])),
    ("a.ods", ods(ods_row("a", "b") + ods_row("1", "2"))),
]


@given(TABLES, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
@settings(max_examples=50, deadline=None)
def test_a_csv_file_in_a_unicode_encoding_is_read_as_it_was_written(rows, encoding):
    headers = [f"h{number}" for number in range(len(rows[0]) if rows else 1)]
    text = "\n".join(",".join(f'"{value}"' for value in row) for row in [headers, *rows])
    table = parse_here("a.csv", text.encode(encoding))

    filled = [row for row in rows if any(value.strip() for value in row)]
    assert [list(cells.values()) for _, cells in table.rows] == filled


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
@settings(max_examples=100, deadline=None)
def test_any_json_value_is_a_table_or_refused(value):
    try:
        table = parse_here("a.json", json.dumps(value).encode())
    except TableError:
        return

    assert isinstance(value, list) and len(table.rows) == len(value)


@given(st.sampled_from(VALID), st.integers(0, 5000), st.binary(max_size=8))
@settings(max_examples=150, deadline=None)
def test_a_file_with_changed_bytes_is_read_or_refused(file, place, new):
    name, data = file
    place %= len(data)
    with suppress(TableError):
        parse_here(name, data[:place] + new + data[place + len(new) :])


@given(st.lists(st.tuples(st.integers(1, 10**7), st.integers(1, 10**7), st.booleans()), max_size=6))
@settings(max_examples=50, deadline=None)
def test_repeated_and_distant_cells_are_read_within_the_limits_or_refused(rows):
    xml = "".join(
        f'<table:table-row table:number-rows-repeated="{down}"><table:table-cell table:number-columns-repeated="{right}"/>'
        + ('<table:table-cell office:value-type="string"><text:p>x</text:p></table:table-cell>' if filled else "")
        + "</table:table-row>"
        for down, right, filled in rows
    )
    limits = imports.limits()
    try:
        table = parse_here("a.ods", ods(ods_row("a") + xml), limits=limits)
    except TableError:
        return

    assert not any(filled for _, _, filled in rows) and table.rows == []

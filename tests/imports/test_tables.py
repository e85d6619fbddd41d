"""Reading files of each type, and refusing damaged ones with the place of the error."""

import io
import zipfile
from datetime import date, datetime

import pytest
from openpyxl import Workbook

from policytracker.importing import formats, table_files
from policytracker.importing.tables import TableError, steps
from tests.imports.conftest import parse_here
from tests.imports.files import ods, ods_row, xlsx


def cells(name: str, data: bytes, location=()) -> list[dict]:
    return [row for _, row in parse_here(name, data, location).rows]


def refusal(name: str, data: bytes, location=()) -> str:
    with pytest.raises(TableError) as error:
        parse_here(name, data, location)
    return str(error.value)


# ---- each type


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b'code,name\nAUS,"Australia, the"\n'),
        ("a.csv", b"code;name\r\nAUS;Australia, the\r\n"),
        ("a.tsv", b"code\tname\nAUS\tAustralia, the\n"),
        ("a.xlsx", xlsx(["code", "name"], ["AUS", "Australia, the"])),
        ("a.ods", ods(ods_row("code", "name") + ods_row("AUS", "Australia, the"))),
        ("a.json", b'[{"code": "AUS", "name": "Australia, the"}]'),
        ("a.jsonl", b'{"code": "AUS", "name": "Australia, the"}\n\n'),
    ],
)
def test_each_type_of_file_is_read(name, data):
    assert cells(name, data) == [{"code": "AUS", "name": "Australia, the"}]


def test_rows_are_numbered_like_in_a_spreadsheet():
    table = parse_here("a.csv", b'name\n"two\nlines"\n\nlast\n')

    assert table.rows == [(2, {"name": "two\nlines"}), (4, {"name": "last"})]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("São Tomé", "windows-1252"),
        ("Côte d'Ivoire, Türkiye", "windows-1252"),
        ("Umowa między stronami została podpisana w Łodzi", "windows-1250"),
        ("Япония и Китай подписали договор", "windows-1251"),
        ("日本は条約に署名した", "cp932"),
        ("São Tomé", "utf-16"),
    ],
)
def test_a_common_encoding_is_detected_and_named(text, encoding):
    table = parse_here("a.csv", f"name;note\n{text};1\n".encode(encoding))

    assert table.rows[0][1]["name"] == text
    assert any(encoding in note for note in table.notes)


PARTIES = ["Åland Islands", "Curaçao", "Côte d’Ivoire", "Réunion", "Saint Barthélemy", "Türkiye"]  # the few accents of an export


@pytest.mark.parametrize(
    "texts",
    [
        PARTIES,
        *([name] for name in PARTIES),
        ["Train staff – “now”", "It’s the parties’ duty"],
        ["Décret"] * 10,
        ["La Unión Europea y España; señal, año, niño, acción"],
        ["Åtgärder för ökad säkerhet på Åland"],
        ["Íslenska ríkisstjórnin undirritaði samkomulagið á Þingvöllum"],
    ],
)
def test_few_accents_of_excel_on_windows_are_windows_1252(texts):
    table = parse_here("a.csv", "\n".join(["name", *(f'"{text}"' for text in texts)]).encode("windows-1252"))

    assert [row["name"] for _, row in table.rows] == texts
    assert any("windows-1252" in note for note in table.notes)


@pytest.mark.parametrize(("text", "encoding"), [("Česká republika", "windows-1250"), ("Россия", "koi8-r"), ("Türkiye", "cp850")])
def test_an_encoding_that_is_told_is_used(text, encoding):
    assert parse_here("a.csv", f"name\n{text}\n".encode(encoding), encoding=encoding).rows == [(2, {"name": text})]


def test_a_file_that_is_invalid_in_the_encoding_that_is_told_is_refused_with_line_and_character():
    with pytest.raises(TableError, match="Line 2, character 3: "):
        parse_here("a.csv", b"name\nab\x81\n", encoding="windows-1252")


@pytest.mark.parametrize("byte", [0x81, 0x8D, 0x8F, 0x90, 0x9D])
def test_a_byte_that_no_certain_encoding_has_is_refused_with_its_line_and_character(byte):
    assert "Line 2, character 2: " in refusal("a.csv", b"name\nx" + bytes([byte]) + b"y\n")


def test_utf_8_is_read_without_a_note():
    assert parse_here("a.csv", "\ufeffname\nTürkiye\n".encode()).notes == []


def test_spreadsheet_numbers_and_dates_are_texts_of_the_precision_that_is_shown():
    day = date(2025, 10, 1)
    data = xlsx(
        ["day", "month", "year", "number", "amount", "yes"],
        [day, day, day, 3.0, 0.1, True],
        formats={"B2": "mmm yyyy", "C2": "yyyy"},
    )

    assert cells("a.xlsx", data) == [
        {"day": "2025-10-01", "month": "2025-10", "year": "2025", "number": "3", "amount": "0.1", "yes": "true"}
    ]
    assert cells("a.xlsx", xlsx(["at"], [datetime(2025, 10, 1, 9, 30)])) == [{"at": "2025-10-01T09:30:00"}]


def test_the_sheet_is_named_if_there_are_several():
    workbook = Workbook()
    workbook.active.append(["name"])
    workbook.active.append(["x"])
    workbook.create_sheet("More")
    file = io.BytesIO()
    workbook.save(file)

    assert len(parse_here("a.xlsx", file.getvalue()).notes) == 1


def test_an_apostrophe_before_a_cell_that_a_spreadsheet_would_execute_is_removed():
    texts = ["'=1+1", "'+1", "'-1", "'@a", "'tis so", "''=1"]

    read = [row["text"] for row in cells("a.tsv", "\n".join(["text", *texts]).encode())]

    assert read == ["=1+1", "+1", "-1", "@a", "'tis so", "'=1"]
    assert cells("a.xlsx", xlsx(["text"], ["'=1+1"])) == [{"text": "=1+1"}]


def test_numbers_in_json_keep_their_digits():
    assert cells("a.json", b'[{"amount": 1.50, "count": 3, "open": true, "none": null}]') == [
        {"amount": "1.50", "count": "3", "open": True, "none": None}
    ]


@pytest.mark.parametrize("path", ["data.groups[*].promises", "/data/groups/*/promises", "$.data.groups[*].promises"])
def test_a_path_leads_to_the_lists_in_a_document(path):
    data = b'{"data": {"groups": [{"promises": [{"id": "a"}]}, {"promises": [{"id": "b"}]}]}}'

    assert cells("a.json", data, steps(path)) == [{"id": "a"}, {"id": "b"}]


# ---- bad input


@pytest.mark.parametrize("data", [b"", b" \n \n", b";;\n;;\n"])
def test_an_empty_file_is_refused(data):
    assert "empty" in refusal("a.csv", data)


def test_an_unknown_type_of_file_is_refused():
    assert ".xlsx" in refusal("a.doc", b"x")


@pytest.mark.parametrize("data", [b"na\x00me\n\xff\n", b"name\n" + "Türkiye\n".encode() + b"\xff\xfe\n"])
def test_a_file_in_no_encoding_is_refused(data):
    refusal("a.csv", data)


def test_a_damaged_utf_8_file_is_refused_with_line_and_character():
    assert "Line 3, character 4" in refusal("a.csv", "name\nTürkiye\nabc".encode() + b"\xff\n")


@pytest.mark.parametrize(("data", "place"), [(b'a,b\n1,2\n3,"4', "Row 3"), (b"a,b\n1,2\n3", "Row 3")])
def test_a_truncated_csv_file_is_refused(data, place):
    assert refusal("a.csv", data).startswith(place)


@pytest.mark.parametrize("name", ["a.xlsx", "a.ods"])
def test_a_truncated_spreadsheet_is_refused(name):
    whole = xlsx(["a"], ["1"]) if name == "a.xlsx" else ods(ods_row("a") + ods_row("1"))

    for length in (10, len(whole) // 2, len(whole) - 10):
        refusal(name, whole[:length])


@pytest.mark.parametrize("name", ["a.xlsx", "a.ods"])
def test_a_zip_bomb_is_refused_before_it_is_unpacked(name):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 30_000_000)

    assert "unpacks" in refusal(name, file.getvalue())


def test_a_huge_cell_is_refused_with_row_and_column():
    assert refusal("a.csv", b"a,b\n1," + b"x" * 1_000_000 + b"\n").startswith("Row 2, column B")
    assert refusal("a.json", b'[{"a": "' + b"x" * 1_000_000 + b'"}]').startswith("Item 1")


def test_a_file_that_is_too_large_is_refused_without_reading_it(tmp_path):
    file = tmp_path / "large.csv"
    with file.open("wb") as handle:
        handle.truncate(formats.MAX_FILE + 1)

    with pytest.raises(TableError):
        table_files.read(file)


@pytest.mark.parametrize("text", ["=1+1", '=HYPERLINK("http://x")', "@SUM(1+1)", "-2+3+cmd|' /C calc'!A0", "+cmd|' /C calc'!A0"])
def test_a_formula_in_a_text_file_is_refused_with_row_and_column(text):
    quoted = text.replace('"', '""')

    assert refusal("a.csv", f'a,b\n1,"{quoted}"\n'.encode()).startswith("Row 2, column B")


@pytest.mark.parametrize("text", ["- first point", "+5 degrees", "-12", "@name", "- see annex (b)"])
def test_a_text_that_only_begins_like_a_formula_is_read(text):
    assert cells("a.csv", f"a\n{text}\n".encode()) == [{"a": text}]


def test_a_formula_in_a_spreadsheet_is_refused_with_row_and_column():
    assert refusal("a.xlsx", xlsx(["a", "b"], ["1", "=A2"])).startswith("Row 2, column B")
    formula = '<table:table-cell table:formula="of:=1+1" office:value-type="float" office:value="2"/>'
    row = f"<table:table-row><table:table-cell/>{formula}</table:table-row>"
    assert refusal("a.ods", ods(ods_row("a", "b") + row)).startswith("Row 2, column B")


def test_an_error_value_in_a_spreadsheet_is_refused_with_row_and_column():
    workbook = Workbook()
    workbook.active.append(["a"])
    workbook.active.append(["x"])
    workbook.active["A2"].value, workbook.active["A2"].data_type = "#REF!", "e"
    file = io.BytesIO()
    workbook.save(file)

    assert refusal("a.xlsx", file.getvalue()).startswith("Row 2, column A")


def test_a_header_that_occurs_twice_is_refused():
    assert refusal("a.csv", b"a,b,a\n1,2,3\n").startswith("Row 1, column C")
    assert refusal("a.csv", b"a,b\n1,2\na,b\n3,4\n").startswith("Row 3")


def test_a_cell_without_a_header_is_refused():
    assert refusal("a.csv", b"a,b\n1,2,3\n").startswith("Row 2, column C")
    assert cells("a.csv", b"a,b,\n1,2,\n") == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize(
    ("data", "location"),
    [
        (b'{"a": 1}', ()),
        (b'{"a": 1}', ("b",)),
        (b'{"a": {"b": 1}}', ("a", "b")),
        (b'[{"a": 1]', ()),
        (b'[{"a": NaN}]', ()),
        (b'[{"a": 1, "a": 2}]', ()),
        (b"[1]", ()),
        (b"[" * 100_000, ()),
    ],
)
def test_a_document_without_the_list_is_refused(data, location):
    refusal("a.json", data, location)


def test_an_invalid_json_line_is_refused_with_its_number():
    assert "Line 2" in refusal("a.jsonl", b'{"a": 1}\n{"a"\n')

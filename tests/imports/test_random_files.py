"""Many damaged files: each is a table or is refused with a message, nothing is written, and the site goes on."""

import io
import json
import random
import zipfile
from collections import Counter

import pytest
from django.apps import apps
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.urls import reverse

from policytracker.admin import imports
from policytracker.importing import mapping, table_files
from policytracker.importing.tables import TableError
from tests.imports.conftest import parse_here
from tests.imports.files import ods, ods_row, xlsx

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("stored_records")]
SEED = 20261203
ROWS = [["slug", "key_action", "due_on", "agreements"], ["rec-1", "Open two hübs", "2031-05", "pact"], ["rec-2", "Train", "", "pact;pact"]]
OBJECTS = [dict(zip(ROWS[0], row, strict=True)) for row in ROWS[1:]]
CSV = "".join(",".join(f'"{cell}"' for cell in row) + "\r\n" for row in ROWS)
VALID = {
    "a.csv": CSV.encode(),
    "b.csv": CSV.replace(",", ";").encode("windows-1252"),
    "c.csv": CSV.encode("utf-16"),
    "a.tsv": "".join("\t".join(row) + "\n" for row in ROWS).encode(),
    "a.json": json.dumps(OBJECTS, ensure_ascii=False, indent=1).encode(),
    "a.jsonl": "".join(json.dumps(each) + "\n" for each in OBJECTS).encode(),
    "a.xlsx": xlsx(*ROWS, ["rec-3", 3.5, None, True]),
    "a.ods": ods("".join(ods_row(*row) for row in ROWS)),
}
MAPPINGS = [path.read_bytes() for path in sorted(mapping.SHIPPED.glob("*.toml"))]
PIECES = [
    *(b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3", b"\xed\xa0\x80", b"\r", b"\n\n", b'"', b'""', b"'", b",", b";", b"\t", b"|", b"\\"),
    *(b"=1+1", b"-1", b"1e999", b"NaN", b"9" * 5000, b"[", b"]", b"{", b"}", b"[" * 300, b'{"a":' * 100, b"\\ud800", b"\\u0000", b"null"),
    *(
        b"<",
        b">",
        b"<row/>",
        b'r="9999999"',
        b't="s"',
        b't="d"',
        b"<v>99999</v>",
        b"&#0;",
        b"&#55296;",
        b"]]>",
        b"<!DOCTYPE a>",
        b"Infinity",
    ),
    *(
        b"[columns]\n",
        b"[[records]]\n",
        b"[progress]\n",
        b"path = 1\n",
        b'when = ""\n',
        b'"" = ""\n',
        b"= []",
        b"= {}",
        b"= 1",
        b"= true",
        b"*",
    ),
]


def damaged(chance: random.Random, data: bytes, times: int | None = None) -> bytes:
    """The data with parts that are replaced, removed, repeated, exchanged or cut off."""
    for _ in range(times or chance.randint(1, 6)):
        start = chance.randint(0, len(data))
        end = min(len(data), start + chance.choice([0, 1, 2, 8, 50]))
        part = data[start:end]
        new = chance.choice([b"", part * 2, part[::-1], chance.choice(PIECES), chance.randbytes(chance.randint(1, 4))])
        data = data[:start] + new + data[end:]
        if chance.random() < 0.05:
            data = data[:start]
    return data


def damaged_file(chance: random.Random) -> tuple[str, bytes]:
    """A damaged file with its name. In most spreadsheets a part is damaged, because otherwise the archive itself is refused."""
    name = chance.choice(list(VALID))
    data = VALID[name]
    if name.endswith(("x", "ods")) and chance.random() < 0.8:
        file = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as valid, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            names = valid.namelist()
            tables = [each for each in names if "sheet1" in each or "sharedStrings" in each or each == "content.xml"]
            target = chance.choice(tables if chance.random() < 0.7 else names)
            for part in names:
                if part != target or chance.random() < 0.9:
                    archive.writestr(part, damaged(chance, valid.read(part)) if part == target else valid.read(part))
        return name, file.getvalue()
    return name if chance.random() < 0.95 else chance.choice(list(VALID)), damaged(chance, data)


def outcome(read, *arguments) -> str:
    try:
        read(*arguments)
    except (TableError, mapping.MappingError) as error:
        assert str(error).strip()
        return "refused"
    return "read"


def contents() -> dict[str, int]:
    """The number of rows of each table, except the sessions of the test itself."""
    tables = {model._meta.db_table for model in apps.get_models()} - {"django_session", "django_admin_log"}
    with connection.cursor() as cursor:
        return {name: cursor.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in sorted(tables)}


@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_file_is_a_table_or_refused(seed, db):
    chance, outcomes = random.Random(SEED + seed), Counter()

    for number in range(150):
        name, data = damaged_file(chance)
        try:
            outcomes[outcome(parse_here, name, data, (), "", imports.limits())] += 1
        except Exception as error:
            error.add_note(f"File {number} of seed {seed}, {name}: {data!r}")
            raise

    assert min(outcomes["read"], outcomes["refused"]) > 20, outcomes


def test_a_damaged_file_is_a_table_or_refused_by_the_process_that_reads_files_of_users(db, caplog):
    chance, outcomes = random.Random(SEED + 10), Counter()

    for _ in range(150):
        name, data = damaged_file(chance)
        here = outcome(parse_here, name, data, (), "", imports.limits())
        outcomes[here, outcome(table_files.parse, name, data, imports.limits())] += 1

    assert outcomes.keys() == {("read", "read"), ("refused", "refused")}
    assert caplog.records == []  # no defect, and no process that was ended


def test_a_damaged_mapping_is_a_mapping_or_refused(db):
    chance, outcomes = random.Random(SEED + 20), Counter()

    for number in range(200):
        data = damaged(chance, chance.choice(MAPPINGS), 1)
        try:
            outcomes[outcome(mapping.parse, "own.toml", data)] += 1
        except Exception as error:
            error.add_note(f"Mapping {number}: {data!r}")
            raise

    assert min(outcomes["read"], outcomes["refused"]) > 20, outcomes


def test_previews_of_damaged_files_and_mappings_write_nothing(analyst, client, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    client.force_login(analyst, backend="django.contrib.auth.backends.ModelBackend")
    chance, statuses, page, before = random.Random(SEED + 30), Counter(), reverse("admin:recommendations_recommendation_import"), contents()

    for number in range(60):
        name, data = damaged_file(chance) if number % 2 else ("gao.csv", sample(chance))
        own = damaged(chance, MAPPINGS[1], 2) if number % 4 == 0 else None
        files = {"file": SimpleUploadedFile(name, data)} | ({"mapping_file": SimpleUploadedFile("own.toml", own)} if own else {})
        response = client.post(page, files | ({} if own or number % 2 else {"mapping": "gao.toml"}))
        form, preview = response.context["form"], response.context["preview"]
        statuses[response.status_code, preview is not None] += 1
        assert preview is not None or form.errors

    assert statuses.keys() == {(200, True), (200, False)}
    assert contents() == before


def sample(chance: random.Random) -> bytes:
    return damaged(chance, (settings.BASE_DIR / "mappings/samples/gao.csv").read_bytes(), 1)

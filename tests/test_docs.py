"""The documents are correct: commands run with the documented output; exactly the existing fields, codes and settings are described."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import models
from django.test import override_settings
from rest_framework import serializers

from policytracker.edtf import EdtfField
from policytracker.management.commands.make_demo import Command as MakeDemo
from policytracker.records.fields import Text
from policytracker.records.models import Record, RegistryRecord
from policytracker.representation.references import KeyField, KeyListField
from policytracker.representation.serializers import HEAD, RecordSerializer
from policytracker.resources import registry
from recommendations.serializers import EvidenceRowSerializer, EvidenceSerializer, ProgressUpdateSerializer, ReportSerializer

DOCS = settings.BASE_DIR / "docs"
SITE = "http://127.0.0.1:8000"  # the address in the documents
PASSWORD = "tracker demo"  # the password in the documents
MORE = "…"  # omitted content
SOURCES = ("policytracker", "agreements", "recommendations", "tools", "tests", "benchmarks", "docs")


# ---- commands and their output


def steps(document: Path) -> list[tuple[int, str, str]]:
    """The commands of a document, each with its line number and the documented output, empty if there is none."""
    text = document.read_text()
    commands = []
    for block in re.finditer(r"^```sh\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", text, re.M | re.S):
        commands.append((text.count("\n", 0, block.start()) + 1, block[1], block[2] or ""))
    return commands


def run(steps: list[tuple[int, str, str]], site: str, folder: Path) -> list[tuple[str, list[int]]]:
    """Run the commands in one shell. Returns the output of each, and the HTTP status of each of its requests."""
    # The shell has a clean environment. curl additionally writes the HTTP status to stderr.
    (folder / ".curlrc").write_text('silent\nmax-time = 20\nwrite-out = "%{stderr}%{http_code}\\n"\n')
    script = [f"exec > {n}.out 2> {n}.err\n{command}" for n, (_, command, _) in enumerate(steps)]
    (folder / "script.sh").write_text("\n".join(script).replace(SITE, site))
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "CURL_HOME": str(folder), "LC_ALL": "C.UTF-8"}
    subprocess.run(["bash", "script.sh"], cwd=folder, env=environment, stdin=subprocess.DEVNULL, timeout=60, check=False)
    outputs = []
    for n, (line, _, _) in enumerate(steps):
        errors = (folder / f"{n}.err").read_text().split()
        assert all(word.isdigit() for word in errors), f"line {line}: {' '.join(errors)}"
        outputs.append(((folder / f"{n}.out").read_bytes().decode(), [int(word) for word in errors]))
    return outputs


def parse_abridged(documented: str):
    """Parse abridged JSON. `…` among members or items means that there can be others."""
    containers, tokens = [], []
    for token in re.findall(r'"(?:\\.|[^"\\])*"|[{}\[\]]|…|[^"{}\[\]…]+', documented):
        if token in ("{", "["):
            containers.append(token)
        elif token in ("}", "]"):
            containers.pop()
        elif token == MORE:
            token = f'"{MORE}": true' if containers[-1] == "{" else f'"{MORE}"'
        tokens.append(token)
    return json.loads("".join(tokens))


def differences(expected, actual, path="body"):
    """Describe each difference between a documented value and an actual one."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        if missing := expected.keys() - actual.keys() - {MORE}:
            yield f"{path} has no {sorted(missing)}"
        if MORE not in expected and (extra := actual.keys() - expected.keys()):
            yield f"{path} has {sorted(extra)} besides"
        for name in expected.keys() & actual.keys():
            yield from differences(expected[name], actual[name], f"{path}.{name}")
    elif isinstance(expected, list) and isinstance(actual, list):
        if expected[-1:] == [MORE]:
            expected, actual = expected[:-1], actual[: len(expected) - 1]
        if len(expected) != len(actual):
            yield f"{path} has {len(actual)} items, not {len(expected)}"
        for n, (expected_item, actual_item) in enumerate(zip(expected, actual, strict=False)):
            yield from differences(expected_item, actual_item, f"{path}[{n}]")
    elif isinstance(expected, str) and isinstance(actual, str) and MORE in expected:
        if not re.fullmatch(".*".join(map(re.escape, expected.split(MORE))), actual, re.S):
            yield f"{path} is {actual!r}, not {expected!r}"
    elif expected != actual or type(expected) is not type(actual):
        yield f"{path} is {actual!r}, not {expected!r}"


def compare(expected: str, actual: str, statuses: list[int]):
    """Describe each difference between documented and actual output, in status, headers and body."""
    status, headers, body = 200, [], expected
    if expected.startswith("HTTP/"):
        head, _, body = expected.partition("\n\n")
        first, *headers = head.strip().split("\n")
        status = int(first.split()[1])
        actual_head, _, actual = actual.partition("\r\n\r\n")
        actual_headers = actual_head.lower().split("\r\n")
        yield from (f"there is no header {header!r}" for header in headers if header.lower() not in actual_headers)
    if statuses[-1] != status:
        yield f"the status is {statuses[-1]}, not {status}"
    if bool(body.strip()) != bool(actual.strip()):
        yield f"the body is {actual!r}"
    elif body.strip():
        yield from differences(parse_abridged(body), json.loads(actual))


@pytest.mark.parametrize("document", [DOCS / "api.md", DOCS / "time.md", settings.BASE_DIR / "README.md"], ids=lambda path: path.name)
def test_every_command_has_the_documented_output(document, live_server, tmp_path, monkeypatch):
    monkeypatch.setenv("DEMO_PASSWORD", PASSWORD)
    call_command("load_dataset", "fixtures", verbosity=0)
    MakeDemo().create_users()
    commands = steps(document)

    with override_settings(MEDIA_ROOT=tmp_path / "files"):
        outputs = run(commands, live_server.url, tmp_path)

    errors = []
    for (line, _, expected), (actual, statuses) in zip(commands, outputs, strict=True):
        if expected:
            problems = compare(expected.replace(SITE, live_server.url), actual, statuses)
        else:
            problems = [f"a status is {status}" for status in statuses if status >= 400]
            problems += [f"the output is {actual!r}, not empty"] if actual else []
        errors += [f"{document.name}, line {line}: {difference}" for difference in problems]
    assert any(expected for _, _, expected in commands)
    assert not errors, "\n".join(errors)


# ---- links and images


def anchors(document: Path) -> set[str]:
    """The anchors of the headings of a document, as GitHub generates them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.M)
    return {re.sub(r"[^-\w ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "document",
    [*(settings.BASE_DIR / name for name in ("README.md", "CHANGELOG.md", "benchmarks/README.md")), *DOCS.rglob("*.md")],
    ids=lambda path: str(path.relative_to(settings.BASE_DIR)),
)
def test_every_relative_link_has_a_target(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        file = document.parent / path if path else document
        assert file.is_file(), target
        assert not anchor or anchor in anchors(file), target


def test_the_index_of_the_decisions_lists_every_file():
    listed = re.findall(r"^\| \[([\w.]+)\]", (DOCS / "decisions/README.md").read_text(), re.M)

    assert sorted(listed) == sorted(path.name for path in DOCS.glob("decisions/*.md") if path.name != "README.md")


def test_code_and_documents_mention_only_documents_that_exist():
    files = [*settings.BASE_DIR.glob("*.*"), *(file for folder in SOURCES for file in (settings.BASE_DIR / folder).rglob("*.*"))]

    missing = {
        f"{file.relative_to(settings.BASE_DIR)}: {mention}"
        for file in files
        if file.suffix in {".py", ".toml", ".md", ".html", ".js"}
        for mention in re.findall(r"\bdocs/[\w/-]+\.md\b", file.read_text())
        if not (settings.BASE_DIR / mention).is_file()
    }

    assert missing == set()


def test_images_are_small():
    assert [path.name for path in DOCS.glob("images/*") if path.stat().st_size > 200_000] == []


# ---- records and fields

COMMON_FIELDS = {*HEAD, "visibility", "publication"}
CODE_LISTS = {tuple(codes.choices): name for name, codes in registry.code_lists.items()}
SIMPLE = [  # the first matching class applies
    (EdtfField, "date"),
    (models.DateTimeField, "time"),
    (models.DateField, "day"),
    (models.BooleanField, "yes or no"),
    (models.IntegerField, "number"),
    (models.DecimalField, "decimal"),
    (models.UUIDField, "uid"),
    (models.SlugField, "key"),
    (models.URLField, "web address"),
    (models.FileField, "file"),
    (Text, "text"),
    (models.CharField, "line"),
]


def documented_type(field: serializers.Field, model: type[models.Model]) -> str:
    """The type of a field as written in the tables of docs/records.md."""
    if isinstance(field, KeyField | KeyListField):
        many = isinstance(field, KeyListField)
        target = field.child_relation.model if many else field.model
        if not issubclass(target, Record):
            return "people" if many else "person"
        return f"keys of `{registry.of(target).address}`" if many else f"key of `{registry.of(target).address}`"
    if isinstance(field, serializers.ListSerializer):
        return "list of evidence"
    if isinstance(field, serializers.ListField):
        return "list of lines"
    stored = next((stored for stored in model._meta.concrete_fields if stored.name == field.source), None)
    if stored is None:
        return f"code `{field.field_name}`" if field.field_name in registry.code_lists else "list"
    if stored.choices:
        return f"code `{CODE_LISTS[tuple(stored.choices)]}`"
    return next(name for field_class, name in SIMPLE if isinstance(stored, field_class))


# The input of updates and evidence has its own serializers.
INPUT_SERIALIZERS = {ProgressUpdateSerializer: ReportSerializer, EvidenceSerializer: EvidenceRowSerializer}


def documented_input(name: str, serializer_class: type[RecordSerializer]) -> str:
    """Whether a field is required, optional or read-only, and its default, as written in docs/records.md."""
    field, model = serializer_class().fields[name], serializer_class.Meta.model
    inputs = INPUT_SERIALIZERS[serializer_class]().fields if serializer_class in INPUT_SERIALIZERS else {}
    if (name not in inputs) if inputs else field.read_only:
        return "the system"
    stored = next((stored for stored in model._meta.concrete_fields if stored.name == field.source), None)
    if stored is not None and stored.choices and stored.has_default() and stored.default:
        return f"optional; `{stored.default}`"
    return "required" if field.required and serializer_class is not ProgressUpdateSerializer else "optional"


def rows(text: str) -> list[list[str]]:
    """The rows of the table in a text, without its header. The first cell is a name."""
    lines = [[cell.strip() for cell in line.split("|")] for line in re.findall(r"^\|(.+)\|$", text, re.M)]
    return [[name.strip("`"), *rest] for name, *rest in lines[2:]]


def sections(text: str, heading: str) -> dict[str, str]:
    """The text under each heading, by the group that the pattern captures in the heading."""
    parts = re.split(heading, text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


RECORDS = (DOCS / "records.md").read_text()
DESCRIBED = sections(RECORDS.partition("\n## Code lists")[0], r"^### [\w ]+?(?: \(`([-\w]+)`\))?$")
SERIALIZERS = {resource.address or None: resource.serializer for resource in registry}


def test_exactly_the_existing_resources_are_described():
    assert DESCRIBED.keys() == SERIALIZERS.keys()


@pytest.mark.parametrize("address", SERIALIZERS)
def test_exactly_the_existing_fields_are_described(address):
    serializer_class = SERIALIZERS[address]
    fields = {name: field for name, field in serializer_class().fields.items() if name not in COMMON_FIELDS}
    expected = {
        name: (documented_type(field, serializer_class.Meta.model), documented_input(name, serializer_class))
        for name, field in fields.items()
    }

    described = {name: (kind, entered) for name, meaning, kind, entered in rows(DESCRIBED[address]) if meaning}

    assert described == expected
    assert list(described) == list(expected)


def test_common_fields_are_described():
    described = [row[0] for row in rows(sections(RECORDS, r"^## (.+)$")["What every record has"])]

    assert described == [*HEAD, "visibility", "publication"]
    assert all(set(HEAD) <= set(resource.serializer().fields) for resource in registry.addressed)
    published = [issubclass(resource.model, RegistryRecord) for resource in registry.addressed]
    assert published == ["visibility" in resource.serializer().fields for resource in registry.addressed]


def test_every_code_is_described_with_label_and_definition():
    lists = sections(sections(RECORDS, r"^## (.+)$")["Code lists"], r"^### `([.\w]+)`$")

    listed = {name: [tuple(row) for row in rows(text)] for name, text in lists.items()}

    assert listed == {
        name: [(code.value, str(code.label), getattr(code, "definition", "")) for code in codes]
        for name, codes in registry.code_lists.items()
    }


# ---- settings


def test_exactly_the_existing_environment_variables_are_described():
    read = set()
    for file in [
        "policytracker/settings.py",
        "policytracker/web/logs.py",
        "tools/private_postgres.py",
        "policytracker/wsgi.py",
        "gunicorn.conf.py",
        "Makefile",
    ]:
        text = (settings.BASE_DIR / file).read_text()
        read |= set(re.findall(r"""(?:\benv\.\w+\(|environ\.(?:get|setdefault)\()["'](\w+)["']""", text))
    for file in (settings.BASE_DIR / "policytracker/management/commands").glob("*.py"):
        read |= set(re.findall(r"""environ\.(?:get|setdefault)\(["'](\w+)["']""", file.read_text()))

    described = {
        row[0]
        for part in sections((DOCS / "operator.md").read_text(), r"^## (.+)$").values()
        if "| variable |" in part
        for row in rows(part)
    }

    assert described == read - {"PATH", "DJANGO_SETTINGS_MODULE", "GREETING"}


@pytest.mark.parametrize(
    "page", [settings.BASE_DIR / "README.md", *sorted((settings.BASE_DIR / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_every_command_of_a_guide_runs_in_a_shell_without_settings(page):
    lines = [line for block in re.findall(r"^```(?:sh|console)\n(.*?)^```", page.read_text(), re.M | re.S) for line in block.splitlines()]
    before = lines[: lines.index("export DEBUG=1")] if "export DEBUG=1" in lines else lines

    commands = [line for line in before if line.startswith(".venv/bin/python manage.py ")]

    assert [line for line in commands if line.split()[2] != "pg"] == []  # the private database needs no settings

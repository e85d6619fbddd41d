"""What the documents say is so: their commands run, and answer as they show; every field and setting is told, and no other."""

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

from policytracker.api import urls
from policytracker.api.serializers import ADDRESSES, HEAD, KeyField, KeyListField, RecordSerializer
from policytracker.edtf import EdtfField
from policytracker.management.commands.make_demo import Command as MakeDemo
from policytracker.records.fields import Text
from policytracker.records.models import Record, RegistryRecord
from recommendations.serializers import EvidenceRowSerializer, EvidenceSerializer, ProgressUpdateSerializer, ReportSerializer

DOCS = settings.BASE_DIR / "docs"
SITE = "http://127.0.0.1:8000"  # where the documents say that it is served
PASSWORD = "tracker demo"  # and with which password
MORE = "…"


# ---- commands and their answers


def steps(document: Path) -> list[tuple[int, str, str]]:
    """The commands of a document, each with its line and the answer that is shown right under it, if there is one."""
    text = document.read_text()
    found = []
    for block in re.finditer(r"^```sh\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", text, re.M | re.S):
        found.append((text.count("\n", 0, block.start()) + 1, block[1], block[2] or ""))
    return found


def run(steps: list[tuple[int, str, str]], site: str, folder: Path) -> list[tuple[str, list[int]]]:
    """Paste the commands into one shell. Returns what each answered, and the status of each of its requests."""
    # A shell of the reader's, with nothing of ours in it. Only curl says beside the answer which status it got.
    (folder / ".curlrc").write_text('silent\nmax-time = 20\nwrite-out = "%{stderr}%{http_code}\\n"\n')
    script = [f"exec > {n}.out 2> {n}.err\n{command}" for n, (_, command, _) in enumerate(steps)]
    (folder / "script.sh").write_text("\n".join(script).replace(SITE, site))
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "CURL_HOME": str(folder), "LC_ALL": "C.UTF-8"}
    subprocess.run(["bash", "script.sh"], cwd=folder, env=environment, stdin=subprocess.DEVNULL, timeout=60, check=False)
    answers = []
    for n, (line, _, _) in enumerate(steps):
        said = (folder / f"{n}.err").read_text().split()
        assert all(word.isdigit() for word in said), f"line {line}: {' '.join(said)}"
        answers.append(((folder / f"{n}.out").read_bytes().decode(), [int(word) for word in said]))
    return answers


def in_json(shown: str):
    """An abridged answer as a value: `…` among members or items says that there may be others."""
    inside, told = [], []
    for token in re.findall(r'"(?:\\.|[^"\\])*"|[{}\[\]]|…|[^"{}\[\]…]+', shown):
        if token in ("{", "["):
            inside.append(token)
        elif token in ("}", "]"):
            inside.pop()
        elif token == MORE:
            token = f'"{MORE}": true' if inside[-1] == "{" else f'"{MORE}"'
        told.append(token)
    return json.loads("".join(told))


def differences(shown, told, where="answer"):
    """Where an answer is not as it is shown."""
    if isinstance(shown, dict) and isinstance(told, dict):
        if missing := shown.keys() - told.keys() - {MORE}:
            yield f"{where} has no {sorted(missing)}"
        if MORE not in shown and (more := told.keys() - shown.keys()):
            yield f"{where} has {sorted(more)} besides"
        for name in shown.keys() & told.keys():
            yield from differences(shown[name], told[name], f"{where}.{name}")
    elif isinstance(shown, list) and isinstance(told, list):
        if shown[-1:] == [MORE]:
            shown, told = shown[:-1], told[: len(shown) - 1]
        if len(shown) != len(told):
            yield f"{where} has {len(told)} items, not {len(shown)}"
        for n, (one, other) in enumerate(zip(shown, told, strict=False)):
            yield from differences(one, other, f"{where}[{n}]")
    elif isinstance(shown, str) and isinstance(told, str) and MORE in shown:
        if not re.fullmatch(".*".join(map(re.escape, shown.split(MORE))), told, re.S):
            yield f"{where} is {told!r}, not {shown!r}"
    elif shown != told or type(shown) is not type(told):
        yield f"{where} is {told!r}, not {shown!r}"


def compare(shown: str, told: str, statuses: list[int]):
    """Where an answer differs from the one shown: in its status, its headers, its body."""
    status, headers, body = 200, [], shown
    if shown.startswith("HTTP/"):
        head, _, body = shown.partition("\n\n")
        first, *headers = head.strip().split("\n")
        status = int(first.split()[1])
        told_head, _, told = told.partition("\r\n\r\n")
        told_headers = told_head.lower().split("\r\n")
        yield from (f"there is no header {header!r}" for header in headers if header.lower() not in told_headers)
    if statuses[-1] != status:
        yield f"the status is {statuses[-1]}, not {status}"
    if bool(body.strip()) != bool(told.strip()):
        yield f"the body is {told!r}"
    elif body.strip():
        yield from differences(in_json(body), json.loads(told))


@pytest.mark.parametrize("document", [DOCS / "api.md", settings.BASE_DIR / "README.md"], ids=lambda path: path.name)
def test_every_command_runs_and_answers_as_shown(document, live_server, tmp_path, monkeypatch):
    monkeypatch.setenv("DEMO_PASSWORD", PASSWORD)
    call_command("load_dataset", "fixtures", verbosity=0)
    MakeDemo().make_users()
    told_steps = steps(document)

    with override_settings(MEDIA_ROOT=tmp_path / "files"):
        answers = run(told_steps, live_server.url, tmp_path)

    wrong = []
    for (line, _, shown), (told, statuses) in zip(told_steps, answers, strict=True):
        if shown:
            found = compare(shown.replace(SITE, live_server.url), told, statuses)
        else:
            found = [f"a status is {status}" for status in statuses if status >= 400] + ([f"it says {told!r}"] if told else [])
        wrong += [f"{document.name}, line {line}: {difference}" for difference in found]
    assert any(shown for _, _, shown in told_steps)
    assert not wrong, "\n".join(wrong)


# ---- links and pictures


def anchors(document: Path) -> set[str]:
    """Where a link into a document may lead, by the rule of GitHub."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.M)
    return {re.sub(r"[^-\w ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "document", [settings.BASE_DIR / "README.md", settings.BASE_DIR / "CHANGELOG.md", *DOCS.glob("*.md")], ids=lambda p: p.name
)
def test_every_link_leads_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        found = document.parent / path if path else document
        assert found.is_file(), target
        assert not anchor or anchor in anchors(found), target


def test_pictures_are_small():
    assert [path.name for path in DOCS.glob("images/*") if path.stat().st_size > 200_000] == []


# ---- records and their fields

COMMON_FIELDS = {*HEAD, "visibility", "publication"}
CODE_LISTS = {tuple(codes.choices): name for name, codes in urls.CHOICES.items()}
SIMPLE = [  # the first that fits
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


def kind_of(shown: serializers.Field, model: type[models.Model]) -> str:
    """What the table says of the kind of a field."""
    if isinstance(shown, KeyField | KeyListField):
        many = isinstance(shown, KeyListField)
        far = shown.child_relation.model if many else shown.model
        if not issubclass(far, Record):
            return "people" if many else "person"
        return f"keys of `{ADDRESSES[far]}`" if many else f"key of `{ADDRESSES[far]}`"
    if isinstance(shown, serializers.ListSerializer):
        return "list of evidence"
    if isinstance(shown, serializers.ListField):
        return "list of lines"
    stored = next((f for f in model._meta.concrete_fields if f.name == shown.source), None)
    if stored is None:
        return f"code `{shown.field_name}`" if shown.field_name in urls.CHOICES else "list"
    if stored.choices:
        return f"code `{CODE_LISTS[tuple(stored.choices)]}`"
    return next(name for field_class, name in SIMPLE if isinstance(stored, field_class))


# Updates and their evidence are made of what is reported.
REPORTED_AS = {ProgressUpdateSerializer: ReportSerializer, EvidenceSerializer: EvidenceRowSerializer}


def given(name: str, serializer_class: type[RecordSerializer]) -> str:
    """Who gives a field its value, and which it is where nobody does."""
    shown, model = serializer_class().fields[name], serializer_class.Meta.model
    taken = REPORTED_AS[serializer_class]().fields if serializer_class in REPORTED_AS else {}
    if (name not in taken) if taken else shown.read_only:
        return "the system"
    stored = next((f for f in model._meta.concrete_fields if f.name == shown.source), None)
    if stored is not None and stored.choices and stored.has_default() and stored.default:
        return f"optional; `{stored.default}`"
    return "required" if shown.required and serializer_class is not ProgressUpdateSerializer else "optional"


def rows(text: str) -> list[list[str]]:
    """The rows of the table in a text, without its head; the first cell is a name."""
    found = [[cell.strip() for cell in line.split("|")] for line in re.findall(r"^\|(.+)\|$", text, re.M)]
    return [[name.strip("`"), *rest] for name, *rest in found[2:]]


def sections(text: str, heading: str) -> dict[str, str]:
    """What stands under each heading, by what the only group of the pattern finds in it."""
    parts = re.split(heading, text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


RECORDS = (DOCS / "records.md").read_text()
DESCRIBED = sections(RECORDS.partition("\n## Code lists")[0], r"^### [\w ]+?(?: \(`([-\w]+)`\))?$")
SERIALIZERS = {address: view.serializer_class for address, view in urls.RESOURCES.items()} | {None: EvidenceSerializer}


def test_every_record_is_described_and_no_other():
    assert DESCRIBED.keys() == SERIALIZERS.keys()


@pytest.mark.parametrize("address", SERIALIZERS)
def test_every_field_is_described_as_it_is_and_no_other(address):
    serializer_class = SERIALIZERS[address]
    fields = {name: shown for name, shown in serializer_class().fields.items() if name not in COMMON_FIELDS}
    expected = {name: (kind_of(shown, serializer_class.Meta.model), given(name, serializer_class)) for name, shown in fields.items()}

    described = {name: (kind, by) for name, meaning, kind, by in rows(DESCRIBED[address]) if meaning}

    assert described == expected
    assert list(described) == list(expected)


def test_what_every_record_has_is_described():
    described = [row[0] for row in rows(sections(RECORDS, r"^## (.+)$")["What every record has"])]

    assert described == [*HEAD, "visibility", "publication"]
    assert all(set(HEAD) <= set(SERIALIZERS[address]().fields) for address in urls.RESOURCES)
    published = [issubclass(view.serializer_class.Meta.model, RegistryRecord) for view in urls.RESOURCES.values()]
    assert published == ["visibility" in view.serializer_class().fields for view in urls.RESOURCES.values()]


def test_every_code_is_listed_with_its_label_and_definition():
    lists = sections(sections(RECORDS, r"^## (.+)$")["Code lists"], r"^### `([.\w]+)`$")

    listed = {name: [tuple(row) for row in rows(text)] for name, text in lists.items()}

    assert listed == {
        name: [(code.value, str(code.label), getattr(code, "definition", "")) for code in codes] for name, codes in urls.CHOICES.items()
    }


# ---- settings


def test_every_setting_from_the_environment_is_described_and_no_other():
    read = set()
    for file in [
        "policytracker/settings.py",
        "policytracker/web/logs.py",
        "policytracker/devserver/postgres.py",
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

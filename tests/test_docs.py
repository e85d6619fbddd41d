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
from rest_framework import serializers

from policytracker import api
from policytracker.edtf import EdtfField
from policytracker.management.commands.make_demo import Command as MakeDemo
from policytracker.records import Published, Record, Text
from policytracker.serializers import ADDRESSES, HEAD, Key, Keys, RecordSerializer
from recommendations.serializers import EvidenceSerializer

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

    answers = run(told_steps, live_server.url, tmp_path)

    wrong = []
    for (line, _, shown), (told, statuses) in zip(told_steps, answers, strict=True):
        if shown:
            found = compare(shown.replace(SITE, live_server.url), told, statuses)
        else:
            found = [f"a status is {status}" for status in statuses if status >= 400] + ([f"it says {told!r}"] if told else [])
        wrong += [f"{document.name}, line {line}: {difference}" for difference in found]
    assert len(told_steps) > 2
    assert not wrong, "\n".join(wrong)


# ---- records and their fields

COMMON_FIELDS = {*HEAD, "visibility", "publication"}
CODE_LISTS = {tuple(codes.choices): name for name, codes in api.CHOICES.items()}
SIMPLE = [  # the first that fits
    (EdtfField, "date"),
    (models.DateTimeField, "time"),
    (models.DateField, "day"),
    (models.BooleanField, "yes or no"),
    (models.IntegerField, "number"),
    (models.UUIDField, "uid"),
    (models.SlugField, "key"),
    (models.URLField, "web address"),
    (models.FileField, "file"),
    (Text, "text"),
    (models.CharField, "line"),
]


def kind_of(shown: serializers.Field, model: type[models.Model]) -> str:
    """What the table says of the kind of a field."""
    if isinstance(shown, Key | Keys):
        many = isinstance(shown, Keys)
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
        return f"code `{shown.field_name}`" if shown.field_name in api.CHOICES else "list"
    if stored.choices:
        return f"code `{CODE_LISTS[tuple(stored.choices)]}`"
    return next(name for field_class, name in SIMPLE if isinstance(stored, field_class))


def given(shown: serializers.Field, model: type[models.Model]) -> str:
    """Who gives a field its value, and what it is where nobody does."""
    if shown.required and not shown.read_only:
        return "required"
    stored = next((f for f in model._meta.concrete_fields if f.name == shown.source), None)
    if shown.read_only and not issubclass(model, EvidenceSerializer.Meta.model):
        return "the system"
    if stored is not None and stored.choices and stored.has_default() and stored.default:
        return f"optional; `{stored.default}`"
    return "optional"

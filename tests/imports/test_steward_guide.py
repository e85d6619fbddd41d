"""The commands of docs/steward.md have the documented output."""

import io
import re
import shlex

import pytest
from django.conf import settings
from django.core.management import call_command

from policytracker.records.declarations import records
from tests.conftest import make_user

GUIDE = settings.BASE_DIR / "docs" / "steward.md"
COMMAND = ".venv/bin/python manage.py "


@pytest.mark.usefixtures("loaded_fixtures")
def test_every_command_has_the_documented_output(db, monkeypatch):
    monkeypatch.chdir(settings.BASE_DIR)
    make_user("reviewer", "reviewer")
    blocks = re.findall(r"^```sh\n(.*?)^```\n```text\n(.*?)^```\n", GUIDE.read_text(), re.M | re.S)

    outputs = []
    for commands, _ in blocks:
        output = io.StringIO()
        for command in commands.splitlines():
            assert command.startswith(COMMAND)
            call_command(*shlex.split(command.removeprefix(COMMAND)), stdout=output)
        outputs.append(output.getvalue())

    assert outputs == [expected for _, expected in blocks]
    assert GUIDE.read_text().count("```sh") == len(blocks) >= 8


def test_the_guide_names_the_fields_that_identify_each_record():
    described = dict(re.findall(r"^\| `([a-z-]+)` \| (`.*?`)(?:;.*)? \|$", GUIDE.read_text(), re.M))

    expected = {}
    for model in records():
        if names := model.identifying_fields({}):
            address = str(model._meta.verbose_name_plural).replace(" ", "-")
            expected[address] = ", ".join(f"`{name.removesuffix('_agreement')}`" for name in names)
    assert described == expected

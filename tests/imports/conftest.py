"""Small records to import into, and a runner of the command."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from policytracker.importing.formats import open_table, suffix_of
from policytracker.importing.tables import Limits, Table
from policytracker.resources import today
from recommendations.models import ProgressUpdate, Recommendation
from recommendations.progress import approve
from tests.conftest import make_user
from tests.make import make_agreement, make_party, make_source


@dataclass
class Run:
    """The result of a command: its exit code, and what it printed."""

    code: int
    output: str

    @property
    def summary(self) -> str:
        return self.output.strip().splitlines()[-1] if self.output.strip() else ""


def make_records() -> None:
    make_party("AUS", name="Australia", aliases=["Commonwealth of Australia"])
    make_party("CIV", name="Côte d'Ivoire", aliases=["Ivory Coast"])
    make_party("ROU", name="Romania")
    make_party("COD", name="Democratic Republic of the Congo", aliases=["Congo"])
    make_party("COG", name="Republic of the Congo", aliases=["Congo"])
    make_agreement(slug="pact", legal_force="binding")
    make_source(slug="register")
    Recommendation.objects.create(slug="rec-1", key_action="Open a hub", priority="high", due_on="2030", publication="published")


@pytest.fixture(scope="module")
def stored_records(once_per_module):
    once_per_module(make_records)


@pytest.fixture
def import_table(stored_records, db, tmp_path) -> Callable[..., Run]:
    """Run the command on a file, given as a path (or a list of paths), as bytes with a name, or as text of a CSV file."""

    def run(content, resource="recommendations", *, name="table.csv", mapping=None, **options) -> Run:
        paths = content if isinstance(content, list) else [content]
        if not isinstance(content, Path | list):
            paths = [tmp_path / name]
            paths[0].write_bytes(content if isinstance(content, bytes) else content.encode())
        if isinstance(mapping, str):
            (tmp_path / "map.toml").write_text(mapping)
            mapping = tmp_path / "map.toml"
        output = io.StringIO()
        try:
            call_command("import_table", *paths, resource=resource, map=mapping, stdout=output, **options)
        except CommandError as error:
            return Run(1, output.getvalue() + str(error))
        except SystemExit as error:
            return Run(error.code, output.getvalue())
        return Run(0, output.getvalue())

    return run


def parse_here(name: str, data: bytes, location: Sequence[str] = (), encoding: str = "", limits: Limits | None = None) -> Table:
    """The table in a file, read in the process of the test."""
    read = open_table(suffix_of(name, location), data, location, encoding, limits or Limits.for_size(len(data)))
    return Table(read.headers, list(read.rows), read.notes, read.is_json, read.header_row)


def table(*rows: dict) -> str:
    """The text of a CSV file with these rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def approve_waiting() -> None:
    """A second reviewer approves what the importer may not."""
    second = make_user("second", "reviewer")
    for update in ProgressUpdate.objects.filter(review="submitted").order_by("reported_on"):
        approve(update, by=second, today=today())

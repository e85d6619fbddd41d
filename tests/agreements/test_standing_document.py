"""Every example in docs/standing.md matches the calculation."""

import json
from datetime import date

import pytest
from django.conf import settings

from agreements.standing import PartyStanding, TextStanding, conditions, party_standing, text_standing
from policytracker.edtf import after
from tests.agreements.records import TEXTS

DOCUMENT = (settings.BASE_DIR / "docs" / "standing.md").read_text()


def rows(*head: str) -> list[list[str]]:
    """The rows of all tables with this header, without backticks."""
    table, inside = [], False
    for line in DOCUMENT.splitlines():
        cells = [cell.strip().strip("`*") for cell in line.strip().strip("|").split("|")]
        if cells == list(head):
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("|---"):
            table.append(cells)
    assert table
    return table


@pytest.mark.parametrize(("slug", "day", "who", "code", "sentence"), rows("agreement", "on", "who", "standing", "why"))
def test_standing_examples_match_the_calculation(slug, day, who, code, sentence):
    text, on = TEXTS[slug], date.fromisoformat(day)

    standing = text_standing(text, on) if who == "text" else party_standing(text, who, on)

    assert (standing.code, standing.sentence) == (code, sentence)


@pytest.mark.parametrize(("slug", "day", "kind", "met", "missing"), rows("agreement", "on", "condition", "met", "missing"))
def test_condition_examples_match_the_calculation(slug, day, kind, met, missing):
    [result] = [c for c in conditions(TEXTS[slug], date.fromisoformat(day)) if c.condition.kind == kind]

    assert (result.met_on or "no", ", ".join(result.missing.parties)) == (met, missing)


@pytest.mark.parametrize(("slug", "anchor", "offset", "due_on"), rows("component", "counted from", "after", "due on"))
def test_relative_deadline_examples_match_the_calculation(slug, anchor, offset, due_on):
    files = json.loads((settings.BASE_DIR / "fixtures" / "agreements.json").read_text())
    [part] = [row["fields"] for row in files if row["model"] == "agreements.component" and row["fields"]["slug"] == slug]

    assert (part["due_anchor"], part["due_offset"], part["due_on"]) == (anchor.split()[0], offset, due_on)
    assert after(date.fromisoformat(anchor.split()[1]), offset).isoformat() == due_on


def test_document_lists_every_standing():
    assert {code for code, _ in rows("standing", "since")} == set(TextStanding.values)
    assert {(code, bound == "yes") for code, bound, _ in rows("standing", "bound?", "since")} == {
        (code, code in ("bound", "withdrawing", "suspended")) for code in PartyStanding.values
    }

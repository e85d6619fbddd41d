"""Random histories of recommendations."""

from datetime import date, timedelta

from hypothesis import strategies as st

from policytracker.records.context import change_context
from recommendations.derived_status import recompute_status
from tests.make import agreeing_percent, make_party, make_recommendation, make_source

FIRST = date(2025, 1, 1)


def days(number: int) -> date:
    return FIRST + timedelta(number)


statuses = st.sampled_from(["in_progress", "partly_implemented", "implemented", "stalled", "not_assessed"])


updates = st.fixed_dictionaries({
    "kind": st.sampled_from(["assessment", "assessment", "claim", "note"]),
    "status": statuses,
    "reported_on": st.integers(0, 9).map(days),
    "progress_percent": st.none() | st.integers(0, 100),
    "closes": st.booleans(),
    "review": st.sampled_from(["approved", "approved", "approved", "submitted"]),
    "voided": st.booleans(),
    "party": st.sampled_from(["AUS", "USA"]),
}).map(lambda update: update | {"progress_percent": agreeing_percent(update["status"], update["progress_percent"])})  # fmt: skip


histories = st.lists(st.tuples(st.lists(updates, max_size=6), st.none() | st.integers(-3, 12).map(days)), min_size=3, max_size=8)


def make(register: list, by: date | None = None) -> None:
    """A register with these histories, or with the part of them reported by a date."""
    source = make_source(slug="a-source")
    for number, (history, due) in enumerate(register):
        row = make_recommendation(slug=f"r{number}", due_on=str(due or ""), update_every=4)
        for order, update in enumerate(history):
            if by and update["reported_on"] > by:
                continue
            said = dict(update)
            voided, party = said.pop("voided") and said["review"] == "approved", said.pop("party")
            said |= {"status": ""} if said["kind"] == "note" else {}
            said |= {"party": make_party(party)} if said["kind"] == "claim" else {}
            said |= {"reviewed_at": f"2025-02-01 00:00:{order:02}+00"} if said["review"] == "approved" else {}
            said |= {"voided_at": "2025-03-01 00:00+00", "void_reason": "Wrong."} if voided else {}
            with change_context():
                row.updates.create(**said).evidence.create(source=source)
    recompute_status()

"""Random histories, against a model of DESIGN 5 that knows nothing of the code."""

from datetime import date, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommendations.derived_status import recompute_status
from recommendations.models import DERIVED_FIELDS, Recommendation, Status
from recommendations.progress import EvidenceRow, Refused, Report, approve, report_progress, void
from tests.make import agreeing_percent, make_party, make_recommendation, make_source
from tests.recommendations.test_progress import TERMINAL, is_allowed

FIRST = date(2025, 1, 1)
TODAY = FIRST + timedelta(days=9)
CLOSABLE = ["partly_implemented", "largely_implemented"]

# Few days and few statuses, so that they meet often: late filings, ties and unbroken runs.
statuses = st.one_of(st.sampled_from(["in_progress", "partly_implemented", "implemented"]), st.sampled_from(Status.values))
filings = st.tuples(
    st.sampled_from(["assessment", "assessment", "assessment", "claim", "note"]),
    statuses,
    st.integers(0, 9),
    st.one_of(st.none(), st.integers(0, 100)),
    st.booleans(),
    st.booleans(),
).map(lambda filing: (*filing[:3], agreeing_percent(filing[1], filing[3]), *filing[4:]))
acts = st.lists(st.one_of(filings, filings, st.tuples(st.just("void"), st.integers(0, 20))), max_size=15)


def model(updates: list[dict]) -> dict:
    """What a recommendation owes to its updates, row by row, as DESIGN 5 says it. `updates` are in the order of review."""
    standing = [update for update in updates if update["approved"] and not update["voided"]]
    found = sorted((u for u in standing if u["kind"] == "assessment"), key=lambda u: u["day"])  # stable: by day, then review
    claims = sorted((u for u in standing if u["kind"] == "claim"), key=lambda u: u["day"])
    settled = dict.fromkeys(DERIVED_FIELDS) | {"status": "not_assessed", "claimed_status": ""}
    if claims:
        settled["claimed_status"] = claims[-1]["status"]
    if found:
        newest = found[-1]
        settled |= {"status": newest["status"], "progress_percent": newest["percent"], "last_update_on": newest["day"]}
        for update in reversed(found):
            if update["status"] != newest["status"]:
                break
            settled["status_since"] = update["day"]
        for update in reversed(found):
            closed = update["status"] in TERMINAL or (update["closes"] and update["status"] in CLOSABLE)
            if update["status"] != newest["status"] or not closed:
                break
            settled["closed_on"] = update["day"]
    return settled


def status_on(updates: list[dict], day: date) -> str:
    return model([update for update in updates if update["day"] <= day])["status"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=acts)
def test_a_recommendation_stands_where_its_history_puts_it(history, analyst, reviewer):
    recommendation = make_recommendation(superseded_by=make_recommendation())
    evidence, party, known = (EvidenceRow(source=make_source()),), make_party("USA"), []
    for act in history:
        before = Recommendation.objects.filter(pk=recommendation.pk).values().get()
        if act[0] == "void":
            candidates = [update for update in known if update["approved"] and not update["voided"]]
            if candidates:
                chosen = candidates[act[1] % len(candidates)]
                void(chosen["row"], by=reviewer, reason="Wrong.")
                chosen["voided"] = True
        else:
            kind, status, days, percent, closes, seconded = act
            day, status = FIRST + timedelta(days=days), "" if kind == "note" else status
            fields = {"progress_percent": percent, "narrative": "Found.", "reason": "So.", "closes": closes, "evidence": evidence}
            said = Report(kind=kind, status=status, reported_on=day, party=party if kind == "claim" else None, **fields)
            allowed = kind != "assessment" or is_allowed(status_on(known, day), status)
            try:
                row = report_progress(recommendation, said, by=analyst, today=TODAY)
            except Refused:
                assert not allowed
                assert Recommendation.objects.filter(pk=recommendation.pk).values().get() == before
                continue
            assert allowed
            waits = kind == "assessment" and status in TERMINAL
            assert row.review == ("submitted" if waits else "approved")
            if waits and seconded:
                row = approve(row, by=reviewer, today=TODAY)
            values = {"kind": kind, "status": status, "day": day, "percent": percent, "closes": closes}
            known.append(values | {"row": row, "approved": row.review == "approved", "voided": False})
        after = Recommendation.objects.filter(pk=recommendation.pk).values().get()
        assert {name: after[name] for name in DERIVED_FIELDS} == model(known)
        if all(after[name] == before[name] for name in DERIVED_FIELDS):
            assert after["version"] == before["version"]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories=st.lists(st.lists(st.tuples(filings, st.booleans(), st.booleans()), max_size=8), min_size=1, max_size=5))
def test_recomputing_all_at_once_is_recomputing_each(histories, db):
    expected = {}
    for history in histories:
        recommendation, known = make_recommendation(), []
        for (kind, status, days, percent, closes, _), approved, voided in history:
            status = "" if kind == "note" else status
            day = FIRST + timedelta(days=days)
            known.append(
                {
                    "kind": kind,
                    "status": status,
                    "day": day,
                    "percent": percent,
                    "closes": closes,
                    "approved": approved,
                    "voided": approved and voided,
                }
            )
            values = {"kind": kind, "status": status, "reported_on": day, "progress_percent": percent, "closes": closes}
            recommendation.updates.create(
                **values,
                party=make_party("USA") if kind == "claim" else None,
                review="approved" if approved else "submitted",
                reviewed_at=f"2025-02-01 00:00:{len(known):02}+00",
                voided_at="2025-03-01 00:00+00" if approved and voided else None,
                void_reason="Wrong." if approved and voided else "",
            )
        expected[recommendation.pk] = model(known)

    recompute_status()

    found = {row.pop("pk"): row for row in Recommendation.objects.filter(pk__in=expected).values("pk", *DERIVED_FIELDS)}
    assert found == expected

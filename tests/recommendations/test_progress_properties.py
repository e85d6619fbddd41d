"""Derived status after random updates, compared with an independent model of the rules."""

from datetime import date, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommendations.derived_status import recompute_status
from recommendations.models import DERIVED_FIELDS, Recommendation, Status
from recommendations.progress import EvidenceRow, Refused, Report, approve, report_progress, void
from tests.make import agreeing_percent, make_party, make_recommendation, make_source
from tests.recommendations.statuses import TERMINAL, is_allowed

FIRST = date(2025, 1, 1)
TODAY = FIRST + timedelta(days=9)
CLOSABLE = ["partly_implemented", "largely_implemented"]

# Few dates and few statuses, so that past report dates, equal dates and repeated statuses are frequent.
statuses = st.one_of(st.sampled_from(["in_progress", "partly_implemented", "implemented"]), st.sampled_from(Status.values))
reports = st.tuples(
    st.sampled_from(["assessment", "assessment", "assessment", "claim", "note"]),
    statuses,
    st.integers(0, 9),
    st.one_of(st.none(), st.integers(0, 100)),
    st.booleans(),
    st.booleans(),
).map(lambda report: (*report[:3], agreeing_percent(report[1], report[3]), *report[4:]))
actions = st.lists(st.one_of(reports, reports, st.tuples(st.just("void"), st.integers(0, 20))), max_size=15)


def model(updates: list[dict]) -> dict:
    """The derived values, calculated update by update. `updates` are in the order of review."""
    in_effect = [update for update in updates if update["approved"] and not update["voided"]]
    assessments = sorted(  # stable: by day, then by review
        (update for update in in_effect if update["kind"] == "assessment"), key=lambda update: update["day"]
    )
    claims = sorted((update for update in in_effect if update["kind"] == "claim"), key=lambda update: update["day"])
    derived = dict.fromkeys(DERIVED_FIELDS) | {"status": "not_assessed", "claimed_status": ""}
    if claims:
        derived["claimed_status"] = claims[-1]["status"]
    if assessments:
        newest = assessments[-1]
        derived |= {"status": newest["status"], "progress_percent": newest["percent"], "last_update_on": newest["day"]}
        for update in reversed(assessments):
            if update["status"] != newest["status"]:
                break
            derived["status_since"] = update["day"]
        for update in reversed(assessments):
            closed = update["status"] in TERMINAL or (update["closes"] and update["status"] in CLOSABLE)
            if update["status"] != newest["status"] or not closed:
                break
            derived["closed_on"] = update["day"]
    return derived


def status_on(updates: list[dict], day: date) -> str:
    return model([update for update in updates if update["day"] <= day])["status"]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=actions)
def test_the_derived_values_agree_with_the_model_after_every_action(history, analyst, reviewer):
    recommendation = make_recommendation(superseded_by=make_recommendation())
    evidence, party, known = (EvidenceRow(source=make_source()),), make_party("USA"), []
    for action in history:
        before = Recommendation.objects.filter(pk=recommendation.pk).values().get()
        if action[0] == "void":
            candidates = [update for update in known if update["approved"] and not update["voided"]]
            if candidates:
                chosen = candidates[action[1] % len(candidates)]
                void(chosen["row"], by=reviewer, reason="Wrong.")
                chosen["voided"] = True
        else:
            kind, status, days, percent, closes, reviewed = action
            day, status = FIRST + timedelta(days=days), "" if kind == "note" else status
            fields = {"progress_percent": percent, "narrative": "Checked.", "reason": "New facts.", "closes": closes, "evidence": evidence}
            report = Report(kind=kind, status=status, reported_on=day, party=party if kind == "claim" else None, **fields)
            allowed = kind != "assessment" or is_allowed(status_on(known, day), status)
            try:
                row = report_progress(recommendation, report, by=analyst, today=TODAY)
            except Refused:
                assert not allowed
                assert Recommendation.objects.filter(pk=recommendation.pk).values().get() == before
                continue
            assert allowed
            waits = kind == "assessment" and status in TERMINAL
            assert row.review == ("submitted" if waits else "approved")
            if waits and reviewed:
                row = approve(row, by=reviewer, today=TODAY)
            values = {"kind": kind, "status": status, "day": day, "percent": percent, "closes": closes}
            known.append(values | {"row": row, "approved": row.review == "approved", "voided": False})
        after = Recommendation.objects.filter(pk=recommendation.pk).values().get()
        assert {name: after[name] for name in DERIVED_FIELDS} == model(known)
        if all(after[name] == before[name] for name in DERIVED_FIELDS):
            assert after["version"] == before["version"]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories=st.lists(st.lists(st.tuples(reports, st.booleans(), st.booleans()), max_size=8), min_size=1, max_size=5))
def test_recomputing_all_recommendations_agrees_with_the_model(histories, db):
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

    stored = {row.pop("pk"): row for row in Recommendation.objects.filter(pk__in=expected).values("pk", *DERIVED_FIELDS)}
    assert stored == expected

"""Random actions of users on one recommendation, compared with an independent model of the rules."""

from dataclasses import dataclass, field
from datetime import date, timedelta

from django.core.exceptions import ObjectDoesNotExist
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from agreements.models import PartyOfficer
from policytracker.records.context import change_context
from recommendations import progress
from recommendations.models import ProgressUpdate, Recommendation
from recommendations.progress import EvidenceRow, Refused, Report
from tests.conftest import make_user
from tests.make import agreeing_percent, make_party, make_recommendation, make_source
from tests.recommendations.statuses import TERMINAL, TRANSITIONS, is_allowed

FIRST = date(2025, 1, 1)
TODAY = FIRST + timedelta(days=6)
TOMORROW = TODAY + timedelta(days=1)
PEOPLE = {
    "rita": "reader",
    "olga": "party officer",  # of Australia
    "otto": "party officer",  # of the United Kingdom
    "anna": "analyst",
    "adam": "analyst",
    "vera": "reviewer",
    "vito": "reviewer",
    "root": "administrator",
}
OFFICES = {"olga": "AUS", "otto": "GBR"}
ORDER = [
    *("not_permitted", "closed_record", "status_required", "transition_not_allowed", "superseding_recommendation_required"),
    *("party_required", "future_date", "reason_required", "evidence_required", "narrative_required", "second_person_required"),
    *("append_only", "already_reviewed", "already_voided"),
]
REQUIRED_OF_DRAFT = {"not_permitted", "closed_record", "status_required", "party_required", "future_date"}
CLOSABLE = {"partly_implemented", "largely_implemented"}
NOT_FOUND = ["not_found"]


def ordered(codes) -> list[str]:
    return sorted(set(codes), key=ORDER.index)


@dataclass
class Update:
    """An update in the model. `report` is its content."""

    report: dict
    author: str
    review: str = "draft"
    reviewed: int = 0
    voided: bool = False
    needs_second_person: bool = False  # decided at each submission
    lowered_by: set[str] = field(default_factory=set)  # who has lowered the priority since


@dataclass
class Model:
    """The rules for one recommendation (docs/api.md, "Progress"). Methods for actions return the codes of the refusals."""

    important: bool = False  # priority high or critical
    has_successor: bool = False  # superseded_by is set
    archived: bool = False
    updates: list[Update] = field(default_factory=list)
    clock: int = 0

    # ---- permissions

    def can_report(self, username: str, report: dict) -> bool:
        return PEOPLE[username] in ("analyst", "reviewer", "administrator") or self.is_own_claim(username, report)

    def is_own_claim(self, username: str, report: dict) -> bool:
        return username in OFFICES and report["kind"] == "claim" and report["party"] in (None, OFFICES[username])

    def can_read(self, username: str, update: Update) -> bool:
        if update.review == "approved" or update.author == username or PEOPLE[username] in ("reviewer", "administrator"):
            return True
        return update.review == "submitted" and PEOPLE[username] == "analyst"

    def needs_second_person(self, report: dict) -> bool:
        return report["kind"] == "assessment" and (self.important or report["status"] in TERMINAL)

    # ---- derived values

    def in_effect(self, kind: str) -> list[Update]:
        updates = [u for u in self.updates if u.report["kind"] == kind and u.review == "approved" and not u.voided]
        return sorted(updates, key=lambda update: (update.report["day"], update.reviewed))

    def status_on(self, day: date) -> str:
        statuses = [update.report["status"] for update in self.in_effect("assessment") if update.report["day"] <= day]
        return statuses[-1] if statuses else "not_assessed"

    def derived(self) -> dict:
        claims, assessments = self.in_effect("claim"), self.in_effect("assessment")
        values = dict.fromkeys(["status_since", "progress_percent", "last_update_on", "closed_on"])
        values |= {"status": "not_assessed", "claimed_status": claims[-1].report["status"] if claims else ""}
        for position, update in enumerate(reversed(assessments)):
            report = update.report
            if position == 0:
                closing = True
                values |= {"status": report["status"], "progress_percent": report["percent"], "last_update_on": report["day"]}
            if report["status"] != values["status"]:
                break
            closing = closing and (report["status"] in TERMINAL or (report["closes"] and report["status"] in CLOSABLE))
            values |= {"status_since": report["day"]} | ({"closed_on": report["day"]} if closing else {})
        return values

    # ---- refusals

    def unmet(self, username: str | None, report: dict):
        if username and not self.can_report(username, report):
            yield "not_permitted"
        if self.archived:
            yield "closed_record"
        if report["kind"] != "note" and not report["status"]:
            yield "status_required"
        if report["day"] > TODAY:
            yield "future_date"
        if not report["narrative"]:
            yield "narrative_required"
        if report["kind"] == "claim" and not report["party"]:
            yield "party_required"
        if report["kind"] == "claim" and not report["evidence"] and not (username and self.is_own_claim(username, report)):
            yield "evidence_required"
        if report["kind"] == "assessment" and report["status"]:
            old, new = self.status_on(report["day"]), report["status"]
            if not is_allowed(old, new):
                yield "transition_not_allowed"
            if new == "superseded" and not self.has_successor:
                yield "superseding_recommendation_required"
            if new != old and f"{new}*" in TRANSITIONS[old] and not report["reason"]:
                yield "reason_required"
            if new in ("implemented", "addressed_otherwise") and not report["evidence"]:
                yield "evidence_required"

    def edit_refusals(self, username: str, update: Update):
        if update.author != username or update.review not in ("draft", "returned"):
            yield "append_only"
            if self.archived:
                yield "closed_record"

    def review_refusals(self, username: str, update: Update):
        own_work = PEOPLE[username] == "analyst" and update.author == username
        if PEOPLE[username] not in ("reviewer", "administrator") and not own_work:
            yield "not_permitted"
        if self.archived:
            yield "closed_record"
        if update.review == "draft":
            yield "append_only"
        elif update.review != "submitted":
            yield "already_reviewed"
        elif update.needs_second_person and username in {update.author} | update.lowered_by:
            yield "second_person_required"

    # ---- actions

    def write_report(self, username: str, update: Update, report: dict, submit: bool) -> list[str]:
        codes = ordered(code for code in self.unmet(username, report) if submit or code in REQUIRED_OF_DRAFT)
        if codes:
            return codes
        update.report, update.lowered_by = report, set()
        update.needs_second_person = submit and self.needs_second_person(report)
        if submit and not self.is_own_claim(username, report) and not update.needs_second_person:
            self.set_review(update, "approved")
        elif submit:
            update.review = "submitted"
        return []

    def set_review(self, update: Update, review: str) -> None:
        self.clock += 1
        update.review, update.reviewed = review, self.clock

    def report(self, username: str, report: dict, submit: bool) -> list[str]:
        update = Update(report, username)
        codes = self.write_report(username, update, report, submit)
        if not codes:
            self.updates.append(update)
        return codes

    def revise(self, username: str, update: Update, report: dict) -> list[str]:
        return ordered(self.edit_refusals(username, update)) or self.write_report(username, update, report, submit=False)

    def submit(self, username: str, update: Update) -> list[str]:
        return ordered(self.edit_refusals(username, update)) or self.write_report(username, update, update.report, submit=True)

    def discard(self, username: str, update: Update) -> list[str]:
        codes = [*self.edit_refusals(username, update), *(["closed_record"] if self.archived else [])]
        if not codes:
            self.updates.remove(update)
        return ordered(codes)

    def approve(self, username: str, update: Update) -> list[str]:
        codes = list(self.review_refusals(username, update))
        if update.review == "submitted" and update.report["kind"] == "assessment":
            codes += self.unmet(None, update.report)
        if not codes:
            self.set_review(update, "approved")
        return ordered(codes)

    def send_back(self, username: str, update: Update, note: str) -> list[str]:
        codes = [*self.review_refusals(username, update), *([] if note else ["reason_required"])]
        if not codes:
            self.set_review(update, "returned")
        return ordered(codes)

    def change_priority(self, username: str, important: bool) -> None:
        if self.important and not important:
            for update in self.updates:
                update.lowered_by.add(username)
        self.important = important

    def void(self, username: str, update: Update, reason: str) -> list[str]:
        conditions = {
            "not_permitted": PEOPLE[username] not in ("reviewer", "administrator"),
            "closed_record": self.archived,
            "reason_required": not reason,
            "append_only": update.review != "approved",
            "already_voided": update.voided,
        }
        codes = [code for code, applies in conditions.items() if applies]
        update.voided = update.voided or not codes
        return codes


usernames = st.sampled_from([*PEOPLE, "anna", "anna", "vera", "vera"])
percents = st.sampled_from([None, 0, 40, 100])
reviewers = st.sampled_from([*PEOPLE, "anna", "vera", "vera", "vito", "root", "root"])
reports = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["assessment", "assessment", "assessment", "claim", "note"]),
        # A few statuses are frequent, so that repeated statuses, equal dates and reopenings occur.
        "status": st.one_of(
            st.sampled_from(["in_progress", "partly_implemented", "implemented"]),
            st.sampled_from([*TRANSITIONS]),
            st.sampled_from([*TRANSITIONS, ""]),
        ),
        "day": st.integers(0, 19).map(lambda n: TOMORROW if n == 19 else FIRST + timedelta(days=n % 7)),
        "percent": percents,
        "narrative": st.sampled_from(["Checked.", "Checked.", "Checked.", "Visited.", ""]),
        "reason": st.sampled_from(["", "It was resumed."]),
        "party": st.sampled_from(["AUS", "AUS", "GBR", None]),
        "closes": st.booleans(),
        "evidence": st.sampled_from([True, True, True, False]),
    }
).map(
    lambda report: (
        report | ({"status": ""} if report["kind"] == "note" else {"percent": agreeing_percent(report["status"], report["percent"])})
    )
)
indexes = st.integers(0, 30)
texts = st.sampled_from(["Check again.", "Check again.", "Check again.", ""])
requires_an_update = precondition(lambda self: self.rows)


def machine(users: dict, parties: dict, source, successor: Recommendation) -> type[RuleBasedStateMachine]:
    class Workflow(RuleBasedStateMachine):
        @initialize(important=st.booleans(), has_successor=st.booleans())
        def begin(self, important, has_successor):
            self.model, self.rows = Model(important, has_successor), []
            fields = {"priority": "high" if important else "low", "superseded_by": successor if has_successor else None}
            self.pk = make_recommendation(**fields).pk

        def recommendation(self):
            return Recommendation.objects.filter(pk=self.pk)

        def report_of(self, report: dict) -> Report:
            names = {"kind": "kind", "status": "status", "progress_percent": "percent", "reported_on": "day"}
            names |= {"narrative": "narrative", "reason": "reason", "closes": "closes"}
            evidence = (EvidenceRow(source=source),) if report["evidence"] else ()
            return Report(**{field: report[name] for field, name in names.items()}, party=parties[report["party"]], evidence=evidence)

        def call(self, expected: list[str], function, *args, **kwargs):
            """Call the function and assert that it raises exactly the expected refusals. Returns its result, or None."""
            try:
                result, codes = function(*args, **kwargs), []
            except Refused as refused:
                result, codes = None, [refusal.code for refusal in refused.refusals]
            except ObjectDoesNotExist:
                result, codes = None, NOT_FOUND
            assert codes == expected
            return result

        def apply(self, username: str, index: int, function, expect, *args, **kwargs):
            """Call the function with an update, and apply the same action to the model."""
            index %= len(self.rows)
            update, row = self.model.updates[index], self.rows[index]
            expected = expect(username, update) if self.model.can_read(username, update) else NOT_FOUND
            self.call(expected, function, row, *args, by=users[username], **kwargs)
            if update not in self.model.updates:
                self.rows.pop(index)

        @rule(username=usernames, report=reports, submit=st.sampled_from([True, True, False]))
        def submit_any_report(self, username, report, submit):
            self.report(username, report, submit)

        def report(self, username, report, submit):
            expected = self.model.report(username, report, submit)
            recommendation = self.recommendation().get()
            created = self.call(
                expected, progress.report_progress, recommendation, self.report_of(report), by=users[username], today=TODAY, submit=submit
            )
            if created:
                self.rows.append(created)

        @rule(
            username=st.sampled_from(["anna", "vera"]),
            days=st.integers(0, 6),
            percent=percents,
            closes=st.booleans(),
            in_part=st.booleans(),
        )
        def repeat_a_status(self, username, days, percent, closes, in_part):
            """The most frequent report: a status that is repeated on several dates."""
            day = FIRST + timedelta(days=days)
            status = "partly_implemented" if in_part else self.model.status_on(day)
            report = {"kind": "assessment", "status": status, "day": day, "percent": agreeing_percent(status, percent), "closes": closes}
            self.report(username, report | {"narrative": "Unchanged.", "reason": "It was resumed.", "party": None, "evidence": True}, True)

        @requires_an_update
        @rule(username=usernames, index=indexes, own=st.booleans(), report=reports)
        def revise(self, username, index, own, report):
            username = self.model.updates[index % len(self.rows)].author if own else username
            self.apply(
                username,
                index,
                progress.revise,
                lambda username, update: self.model.revise(username, update, report),
                self.report_of(report),
                today=TODAY,
            )

        @requires_an_update
        @rule(username=usernames, index=indexes, own=st.booleans())
        def submit(self, username, index, own):
            username = self.model.updates[index % len(self.rows)].author if own else username
            self.apply(username, index, progress.submit, self.model.submit, today=TODAY)

        @requires_an_update
        @rule(username=usernames, index=indexes)
        def discard(self, username, index):
            self.apply(username, index, progress.discard, self.model.discard)

        @requires_an_update
        @rule(username=reviewers, index=indexes)
        def approve(self, username, index):
            self.apply(username, index, progress.approve, self.model.approve, today=TODAY)

        @requires_an_update
        @rule(username=reviewers, index=indexes, note=texts)
        def send_back(self, username, index, note):
            self.apply(
                username, index, progress.send_back, lambda username, update: self.model.send_back(username, update, note), note=note
            )

        @requires_an_update
        @rule(username=reviewers, index=indexes, reason=texts)
        def void(self, username, index, reason):
            self.apply(username, index, progress.void, lambda username, update: self.model.void(username, update, reason), reason=reason)

        @rule(username=st.sampled_from(["anna", "vera"]), important=st.booleans(), has_successor=st.booleans())
        def change_recommendation(self, username, important, has_successor):
            if not self.model.archived:
                self.model.change_priority(username, important)
                self.model.has_successor = has_successor
                with change_context(users[username], "New facts."):
                    self.recommendation().update(
                        priority="high" if important else "low", superseded_by=successor if has_successor else None
                    )

        @rule(archived=st.sampled_from([False, False, False, True]))
        def archive(self, archived):
            self.model.archived = archived
            with change_context(reason="New facts."):
                self.recommendation().update(publication="archived" if archived else "published")

        @invariant()
        def the_database_agrees_with_the_model(self):
            if not hasattr(self, "model"):
                return
            reviews = dict(ProgressUpdate.objects.filter(recommendation=self.pk).values_list("pk", "review"))
            derived = self.model.derived()
            assert self.recommendation().values(*derived).get() == derived
            assert reviews == {row.pk: update.review for row, update in zip(self.rows, self.model.updates, strict=True)}

    return Workflow


def test_random_actions_agree_with_the_model(db):
    users = {name: make_user(name, role) for name, role in PEOPLE.items()}
    parties = {None: None} | {code: make_party(code) for code in ("AUS", "GBR")}
    for name, code in OFFICES.items():
        PartyOfficer.objects.create(user=users[name], party=parties[code])
    bounds = settings(max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)

    run_state_machine_as_test(machine(users, parties, make_source(), make_recommendation()), settings=bounds)

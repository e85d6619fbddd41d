"""Random people do random things in random order, and a small model of DESIGN 5 and 10, which knows nothing of the code, follows."""

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
from tests.recommendations.test_progress import TERMINAL, TRANSITIONS, is_allowed

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
OF_A_DRAFT = {"not_permitted", "closed_record", "status_required", "party_required", "future_date"}
CLOSABLE = {"partly_implemented", "largely_implemented"}
MISSING = ["(there is no such record)"]


def ordered(codes) -> list[str]:
    return sorted(set(codes), key=ORDER.index)


@dataclass
class Update:
    """An update as the model knows it; `said` is what was reported."""

    said: dict
    author: str
    review: str = "draft"
    reviewed: int = 0
    voided: bool = False


@dataclass
class Model:
    """The rules, as DESIGN says them."""

    grave: bool = False  # priority high or critical
    replaced: bool = False  # superseded_by is set
    archived: bool = False
    updates: list[Update] = field(default_factory=list)
    clock: int = 0

    # ---- who

    def files(self, who: str, said: dict) -> bool:
        return PEOPLE[who] in ("analyst", "reviewer", "administrator") or self.own_claim(who, said)

    def own_claim(self, who: str, said: dict) -> bool:
        return who in OFFICES and said["kind"] == "claim" and said["party"] in (None, OFFICES[who])

    def reads(self, who: str, update: Update) -> bool:
        if update.review == "approved" or update.author == who or PEOPLE[who] in ("reviewer", "administrator"):
            return True
        return update.review == "submitted" and PEOPLE[who] == "analyst"

    def needs_two(self, said: dict) -> bool:
        return said["kind"] == "assessment" and (self.grave or said["status"] in TERMINAL)

    # ---- what stands

    def standing(self, kind: str) -> list[Update]:
        found = [u for u in self.updates if u.said["kind"] == kind and u.review == "approved" and not u.voided]
        return sorted(found, key=lambda u: (u.said["day"], u.reviewed))

    def status_on(self, day: date) -> str:
        found = [u.said["status"] for u in self.standing("assessment") if u.said["day"] <= day]
        return found[-1] if found else "not_assessed"

    def settled(self) -> dict:
        claims, found = self.standing("claim"), self.standing("assessment")
        told = dict.fromkeys(["status_since", "progress_percent", "last_update_on", "closed_on"])
        told |= {"status": "not_assessed", "claimed_status": claims[-1].said["status"] if claims else ""}
        for newer, update in enumerate(reversed(found)):
            said = update.said
            if newer == 0:
                closing = True
                told |= {"status": said["status"], "progress_percent": said["percent"], "last_update_on": said["day"]}
            if said["status"] != told["status"]:
                break
            closing = closing and (said["status"] in TERMINAL or (said["closes"] and said["status"] in CLOSABLE))
            told |= {"status_since": said["day"]} | ({"closed_on": said["day"]} if closing else {})
        return told

    # ---- what is refused

    def unmet(self, who: str | None, said: dict):
        if who and not self.files(who, said):
            yield "not_permitted"
        if self.archived:
            yield "closed_record"
        if said["kind"] != "note" and not said["status"]:
            yield "status_required"
        if said["day"] > TODAY:
            yield "future_date"
        if not said["narrative"]:
            yield "narrative_required"
        if said["kind"] == "claim" and not said["party"]:
            yield "party_required"
        if said["kind"] == "claim" and not said["evidence"] and not (who and self.own_claim(who, said)):
            yield "evidence_required"
        if said["kind"] == "assessment" and said["status"]:
            old, new = self.status_on(said["day"]), said["status"]
            if not is_allowed(old, new):
                yield "transition_not_allowed"
            if new == "superseded" and not self.replaced:
                yield "superseding_recommendation_required"
            if new != old and f"{new}*" in TRANSITIONS[old] and not said["reason"]:
                yield "reason_required"
            if new in ("implemented", "addressed_otherwise") and not said["evidence"]:
                yield "evidence_required"

    def not_the_authors_to_change(self, who: str, update: Update):
        if update.author != who or update.review not in ("draft", "returned"):
            yield "append_only"
            if self.archived:
                yield "closed_record"

    def not_to_be_reviewed(self, who: str, update: Update):
        own_work = PEOPLE[who] == "analyst" and update.author == who
        if PEOPLE[who] not in ("reviewer", "administrator") and not own_work:
            yield "not_permitted"
        if self.archived:
            yield "closed_record"
        if update.review == "draft":
            yield "append_only"
        elif update.review != "submitted":
            yield "already_reviewed"
        elif update.author == who and self.needs_two(update.said):
            yield "second_person_required"

    # ---- what is done: the codes of the refusal, or none and then it is done

    def hand_in(self, who: str, update: Update, said: dict, submit: bool) -> list[str]:
        codes = ordered(code for code in self.unmet(who, said) if submit or code in OF_A_DRAFT)
        if codes:
            return codes
        update.said = said
        if submit and self.files(who, said) and not self.own_claim(who, said) and not self.needs_two(said):
            self.decide(update, "approved")
        elif submit:
            update.review = "submitted"
        return []

    def decide(self, update: Update, review: str) -> None:
        self.clock += 1
        update.review, update.reviewed = review, self.clock

    def report(self, who: str, said: dict, submit: bool) -> list[str]:
        update = Update(said, who)
        codes = self.hand_in(who, update, said, submit)
        if not codes:
            self.updates.append(update)
        return codes

    def revise(self, who: str, update: Update, said: dict) -> list[str]:
        return ordered(self.not_the_authors_to_change(who, update)) or self.hand_in(who, update, said, submit=False)

    def submit(self, who: str, update: Update) -> list[str]:
        return ordered(self.not_the_authors_to_change(who, update)) or self.hand_in(who, update, update.said, submit=True)

    def discard(self, who: str, update: Update) -> list[str]:
        codes = [*self.not_the_authors_to_change(who, update), *(["closed_record"] if self.archived else [])]
        if not codes:
            self.updates.remove(update)
        return ordered(codes)

    def approve(self, who: str, update: Update) -> list[str]:
        codes = list(self.not_to_be_reviewed(who, update))
        if update.review == "submitted" and update.said["kind"] == "assessment":
            codes += self.unmet(None, update.said)
        if not codes:
            self.decide(update, "approved")
        return ordered(codes)

    def send_back(self, who: str, update: Update, note: str) -> list[str]:
        codes = [*self.not_to_be_reviewed(who, update), *([] if note else ["reason_required"])]
        if not codes:
            self.decide(update, "returned")
        return ordered(codes)

    def void(self, who: str, update: Update, reason: str) -> list[str]:
        conditions = {
            "not_permitted": PEOPLE[who] not in ("reviewer", "administrator"),
            "closed_record": self.archived,
            "reason_required": not reason,
            "append_only": update.review != "approved",
            "already_voided": update.voided,
        }
        codes = [code for code, applies in conditions.items() if applies]
        update.voided = update.voided or not codes
        return codes


people = st.sampled_from([*PEOPLE, "anna", "anna", "vera", "vera"])
percents = st.sampled_from([None, 0, 40, 100])
reviewing = st.sampled_from([*PEOPLE, "anna", "vera", "vera", "vito", "root", "root"])
sayings = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["assessment", "assessment", "assessment", "claim", "note"]),
        # A few statuses come often, so that runs, ties and reopenings come about.
        "status": st.one_of(
            st.sampled_from(["in_progress", "partly_implemented", "implemented"]),
            st.sampled_from([*TRANSITIONS]),
            st.sampled_from([*TRANSITIONS, ""]),
        ),
        "day": st.integers(0, 19).map(lambda n: TOMORROW if n == 19 else FIRST + timedelta(days=n % 7)),
        "percent": percents,
        "narrative": st.sampled_from(["Found.", "Found.", "Found.", "Seen.", ""]),
        "reason": st.sampled_from(["", "It began again."]),
        "party": st.sampled_from(["AUS", "AUS", "GBR", None]),
        "closes": st.booleans(),
        "evidence": st.sampled_from([True, True, True, False]),
    }
).map(lambda said: said | ({"status": ""} if said["kind"] == "note" else {"percent": agreeing_percent(said["status"], said["percent"])}))
whiches = st.integers(0, 30)
texts = st.sampled_from(["Why not?", "Why not?", "Why not?", ""])
THE_UPDATES = precondition(lambda self: self.rows)


def machine(users: dict, parties: dict, source, replacing: Recommendation) -> type[RuleBasedStateMachine]:
    class Office(RuleBasedStateMachine):
        @initialize(grave=st.booleans(), replaced=st.booleans())
        def begin(self, grave, replaced):
            self.model, self.rows = Model(grave, replaced), []
            fields = {"priority": "high" if grave else "low", "superseded_by": replacing if replaced else None}
            self.pk = make_recommendation(**fields).pk

        def recommendation(self):
            return Recommendation.objects.filter(pk=self.pk)

        def spoken(self, said: dict) -> Report:
            names = {"kind": "kind", "status": "status", "progress_percent": "percent", "reported_on": "day"}
            names |= {"narrative": "narrative", "reason": "reason", "closes": "closes"}
            evidence = (EvidenceRow(source=source),) if said["evidence"] else ()
            return Report(**{ours: said[name] for ours, name in names.items()}, party=parties[said["party"]], evidence=evidence)

        def same(self, expected: list[str], act, *args, **kwargs):
            """Do it, and see that it is refused for exactly this, or for nothing."""
            try:
                done, codes = act(*args, **kwargs), []
            except Refused as refused:
                done, codes = None, [refusal.code for refusal in refused.refusals]
            except ObjectDoesNotExist:
                done, codes = None, MISSING
            assert codes == expected
            return done

        def on_an_update(self, who: str, which: int, act, expect, *args, **kwargs):
            which %= len(self.rows)
            update, row = self.model.updates[which], self.rows[which]
            expected = expect(who, update) if self.model.reads(who, update) else MISSING
            self.same(expected, act, row, *args, by=users[who], **kwargs)
            if update not in self.model.updates:
                self.rows.pop(which)

        @rule(who=people, said=sayings, submit=st.sampled_from([True, True, False]))
        def report_anything(self, who, said, submit):
            self.report(who, said, submit)

        def report(self, who, said, submit):
            expected = self.model.report(who, said, submit)
            recommendation = self.recommendation().get()
            done = self.same(
                expected, progress.report_progress, recommendation, self.spoken(said), by=users[who], today=TODAY, submit=submit
            )
            if done:
                self.rows.append(done)

        @rule(who=st.sampled_from(["anna", "vera"]), days=st.integers(0, 6), percent=percents, closes=st.booleans(), work=st.booleans())
        def report_the_same_again(self, who, days, percent, closes, work):
            """The commonest report, in a row with others of its kind."""
            day = FIRST + timedelta(days=days)
            status = "partly_implemented" if work else self.model.status_on(day)
            said = {"kind": "assessment", "status": status, "day": day, "percent": agreeing_percent(status, percent), "closes": closes}
            self.report(who, said | {"narrative": "Still.", "reason": "It began again.", "party": None, "evidence": True}, True)

        @THE_UPDATES
        @rule(who=people, which=whiches, own=st.booleans(), said=sayings)
        def revise(self, who, which, own, said):
            who = self.model.updates[which % len(self.rows)].author if own else who
            self.on_an_update(who, which, progress.revise, lambda who, u: self.model.revise(who, u, said), self.spoken(said), today=TODAY)

        @THE_UPDATES
        @rule(who=people, which=whiches, own=st.booleans())
        def submit(self, who, which, own):
            who = self.model.updates[which % len(self.rows)].author if own else who
            self.on_an_update(who, which, progress.submit, self.model.submit, today=TODAY)

        @THE_UPDATES
        @rule(who=people, which=whiches)
        def discard(self, who, which):
            self.on_an_update(who, which, progress.discard, self.model.discard)

        @THE_UPDATES
        @rule(who=reviewing, which=whiches)
        def approve(self, who, which):
            self.on_an_update(who, which, progress.approve, self.model.approve, today=TODAY)

        @THE_UPDATES
        @rule(who=reviewing, which=whiches, note=texts)
        def send_back(self, who, which, note):
            self.on_an_update(who, which, progress.send_back, lambda who, u: self.model.send_back(who, u, note), note=note)

        @THE_UPDATES
        @rule(who=reviewing, which=whiches, reason=texts)
        def void(self, who, which, reason):
            self.on_an_update(who, which, progress.void, lambda who, u: self.model.void(who, u, reason), reason=reason)

        @rule(grave=st.booleans(), replaced=st.booleans())
        def change_the_ground(self, grave, replaced):
            if not self.model.archived:
                self.model.grave, self.model.replaced = grave, replaced
                with change_context(reason="So it is."):
                    self.recommendation().update(priority="high" if grave else "low", superseded_by=replacing if replaced else None)

        @rule(archived=st.sampled_from([False, False, False, True]))
        def archive(self, archived):
            self.model.archived = archived
            with change_context(reason="So it is."):
                self.recommendation().update(publication="archived" if archived else "published")

        @invariant()
        def everything_is_as_the_rules_say(self):
            if not hasattr(self, "model"):
                return
            reviews = dict(ProgressUpdate.objects.filter(recommendation=self.pk).values_list("pk", "review"))
            settled = self.model.settled()
            assert self.recommendation().values(*settled).get() == settled
            assert reviews == {row.pk: update.review for row, update in zip(self.rows, self.model.updates, strict=True)}

    return Office


def test_whatever_people_do_in_whatever_order_the_register_follows_the_rules(db):
    users = {name: make_user(name, role) for name, role in PEOPLE.items()}
    parties = {None: None} | {code: make_party(code) for code in ("AUS", "GBR")}
    for name, code in OFFICES.items():
        PartyOfficer.objects.create(user=users[name], party=parties[code])
    bounds = settings(max_examples=90, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)

    run_state_machine_as_test(machine(users, parties, make_source(), make_recommendation()), settings=bounds)

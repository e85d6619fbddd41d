"""How a recommendation moves: which status may follow which, who may say so, and what follows from what was said (DESIGN 5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import date
from itertools import chain, count
from typing import TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from agreements.models import Party, Source
from agreements.models.sources import Confidence, SourceKind, Stance
from policytracker.errors import Stale
from policytracker.models import User
from policytracker.records import acting
from policytracker.visibility import Publication, Reader, Role
from recommendations.models import Evidence, Priority, ProgressUpdate, Recommendation, Review, Status, UpdateKind

DONE = {Status.IMPLEMENTED, Status.ADDRESSED_OTHERWISE}
TERMINAL = DONE | {Status.CLOSED_NOT_IMPLEMENTED, Status.WITHDRAWN, Status.SUPERSEDED, Status.NO_LONGER_APPLICABLE}
CLOSABLE = {Status.PARTLY_IMPLEMENTED, Status.LARGELY_IMPLEMENTED}

# The same again is always allowed; what is in neither table is refused.
NEXT = {
    Status.NOT_ASSESSED: set(Status),
    Status.PROPOSED: {Status.PLANNED, Status.IN_PROGRESS, *CLOSABLE, Status.STALLED, Status.NOT_ASSESSED} | TERMINAL,
    Status.PLANNED: {Status.IN_PROGRESS, *CLOSABLE, Status.STALLED, Status.NOT_ASSESSED} | TERMINAL,
    Status.IN_PROGRESS: {*CLOSABLE, Status.STALLED, Status.NOT_ASSESSED} | TERMINAL,
    Status.PARTLY_IMPLEMENTED: {Status.LARGELY_IMPLEMENTED, Status.STALLED} | TERMINAL,
    Status.LARGELY_IMPLEMENTED: {Status.STALLED} | TERMINAL - {Status.WITHDRAWN},
    Status.STALLED: {Status.IN_PROGRESS, *CLOSABLE} | TERMINAL,
    **{end: set() for end in TERMINAL},
}
BACK = {  # steps back and reopenings, which need a reason
    Status.PLANNED: {Status.PROPOSED},
    Status.PARTLY_IMPLEMENTED: {Status.IN_PROGRESS},
    Status.LARGELY_IMPLEMENTED: {Status.PARTLY_IMPLEMENTED},
    **{end: {Status.IN_PROGRESS, Status.PARTLY_IMPLEMENTED, Status.NOT_ASSESSED} for end in TERMINAL},
}
EDITORS = {Role.ANALYST, Role.REVIEWER, Role.ADMINISTRATOR}
REVIEWERS = {Role.REVIEWER, Role.ADMINISTRATOR}

# In the order in which a person should mend them, which API.md promises.
CODES = [
    *("not_permitted", "closed_record", "status_required", "transition_not_allowed", "superseding_recommendation_required"),
    *("party_required", "future_date", "reason_required", "evidence_required", "narrative_required", "second_person_required"),
    *("append_only", "already_reviewed", "already_voided"),
]
# No body can mend these: such a move is not there to be made.
BARRING = {"not_permitted", "closed_record", "transition_not_allowed", "superseding_recommendation_required"}
# The rest may wait until a draft is submitted.
ASKED_OF_A_DRAFT = {"not_permitted", "closed_record", "status_required", "party_required", "future_date"}
WRITTEN_ONLY_HERE = ["status", "claimed_status", "status_since", "progress_percent", "last_update_on", "closed_on"]


@dataclass(frozen=True)
class Refusal:
    """One condition that is not met."""

    code: str
    detail: str


class Refused(Exception):
    """Nothing was written, for all of these reasons."""

    def __init__(self, refusals: list[Refusal]):
        super().__init__(" ".join(refusal.detail for refusal in refusals))
        self.refusals = refusals


@dataclass(frozen=True)
class EvidenceRow:
    """The words that bear an update out, and the source they stand in: one on record, or one to be found, or made, by its address."""

    source: Source | None = None
    url: str = ""
    title: str = ""
    locator: str = ""
    quote: str = ""
    stance: str = Stance.SUPPORTS
    confidence: str = Confidence.REPORTED


@dataclass(frozen=True)
class Report:
    """What somebody says of a recommendation: an assessment of today, without more."""

    kind: str = UpdateKind.ASSESSMENT
    status: str = ""
    progress_percent: int | None = None
    reported_on: date | None = None
    narrative: str = ""
    reason: str = ""
    party: Party | None = None
    assessed_by: str = ""
    corrects: ProgressUpdate | None = None
    closes: bool = False
    evidence: tuple[EvidenceRow, ...] = ()

    @classmethod
    def of(cls, update: ProgressUpdate) -> Report:
        """What an update says, to be judged again, or changed in part."""
        words = ["source", "locator", "quote", "stance", "confidence"]
        rows = update.evidence.select_related("source")
        evidence = tuple(EvidenceRow(**{name: getattr(row, name) for name in words}) for row in rows)
        return cls(**{name: getattr(update, name) for name in SAID}, evidence=evidence)


SAID = [field.name for field in fields(Report) if field.name != "evidence"]


@dataclass(frozen=True)
class Move:
    """A status that a recommendation could be given, and what stands between."""

    status: Status
    label: str
    allowed: bool
    unmet: list[Refusal]


def status_on(recommendation: Recommendation, day: date) -> Status:
    """What we had found by that day: an assessment filed late follows from what came before it, not from the present."""
    return Status(recommendation.updates.standing().filter(reported_on__lte=day).values_list("status", flat=True).first() or Status.NOT_ASSESSED)


def roles(by: User | None) -> frozenset[str]:
    return Reader.of(by).roles if by else frozenset()


def is_own_claim(said: Report | ProgressUpdate, by: User | None) -> bool:
    """Whether a party speaks of itself, through its officer."""
    if said.kind != UpdateKind.CLAIM or Role.OFFICER not in roles(by):
        return False
    office = getattr(by, "office", None)
    return office is not None and said.party in (None, office.party)


def needs_second_person(recommendation: Recommendation, said: Report | ProgressUpdate) -> bool:
    grave = said.status in TERMINAL or recommendation.priority in (Priority.HIGH, Priority.CRITICAL)
    return grave and said.kind == UpdateKind.ASSESSMENT


def closed(recommendation: Recommendation) -> Iterator[Refusal]:
    if recommendation.publication == Publication.ARCHIVED:
        yield Refusal("closed_record", "It is in the archive; take it back from there first.")


def unmet(recommendation: Recommendation, report: Report, old: Status, *, by: User | None, today: date) -> Iterator[Refusal]:
    """Every condition that a report does not meet where the status was `old`. By nobody, nobody's permission is asked."""
    own = is_own_claim(report, by)
    if by and not own and not roles(by) & EDITORS:
        yield Refusal("not_permitted", "Your role may not file this.")
    yield from closed(recommendation)
    if report.kind != UpdateKind.NOTE and not report.status:
        yield Refusal("status_required", "Say which status it has.")
    if report.kind == UpdateKind.ASSESSMENT and report.status:
        new = Status(report.status)
        back = new in BACK.get(old, ())
        if new != old and new not in NEXT[old] and not back:
            yield Refusal("transition_not_allowed", f"{old.label} cannot become {new.label}.")
        if new == Status.SUPERSEDED and not recommendation.superseded_by_id:
            yield Refusal("superseding_recommendation_required", "Name the recommendation that replaces it first.")
        if back and not report.reason.strip():
            yield Refusal("reason_required", f"Say why {old.label} becomes {new.label} again.")
        if new in DONE and not report.evidence:
            yield Refusal("evidence_required", f"{new.label} needs a source that bears it out.")
    if report.kind == UpdateKind.CLAIM:
        if not report.party:
            yield Refusal("party_required", "A claim is a party's: say whose.")
        if not own and not report.evidence:
            yield Refusal("evidence_required", "A claim filed for a party needs a source that has it.")
    if report.reported_on and report.reported_on > today:
        yield Refusal("future_date", "It cannot have been true on a day to come.")
    if not report.narrative.strip():
        yield Refusal("narrative_required", "Say in a sentence how you know.")


def second_person(recommendation: Recommendation, said: Report | ProgressUpdate) -> Iterator[Refusal]:
    if needs_second_person(recommendation, said):
        yield Refusal("second_person_required", "Somebody other than its author must agree.")


def refuse(refusals: Iterable[Refusal]) -> None:
    """Raise Refused, if there is anything to refuse."""
    if found := sorted(refusals, key=lambda refusal: CODES.index(refusal.code)):
        raise Refused(found)


def transitions(recommendation: Recommendation, *, by: User, today: date) -> list[Move]:
    """Each status in turn: whether it may come next, and then what the report must still bring, or else why not."""
    old = status_on(recommendation, today)
    moves = []
    for status in Status:
        report = Report(status=status, reported_on=today)
        conditions = [*unmet(recommendation, report, old, by=by, today=today), *second_person(recommendation, report)]
        barring = [refusal for refusal in conditions if refusal.code in BARRING]
        moves.append(Move(status, status.label, not barring, barring or conditions))
    return moves


Row = TypeVar("Row", Recommendation, ProgressUpdate)


@contextmanager
def moving(row: Row, *, by: User | None, reason: str, version: int | None) -> Iterator[Row]:
    """One act upon a recommendation or an update of it, as it now is, with all that follows from it.

    Raises DoesNotExist where there is no such row for this person, Stale where it is not in the version that they have seen.
    """
    with acting(by, reason):
        theirs = Recommendation.objects.filter(pk=row.pk if isinstance(row, Recommendation) else row.recommendation_id)
        # Lock the recommendation, so that two people who decide at the same moment take turns.
        theirs.select_for_update().get()
        rows = type(row).objects
        current = (rows.visible_to(by) if by else rows.all()).get(pk=row.pk)
        if version not in (None, current.version):
            raise Stale(current.version)
        yield current
        settle(theirs)


def report(
    recommendation: Recommendation, report: Report, *, by: User | None, today: date, version: int | None = None, submit: bool = True
) -> ProgressUpdate:
    """File how far a recommendation has come. Raises Refused, with everything unmet, and then writes nothing.

    A draft has a status, a party for a claim, and no day to come; the rest is asked of it when it is submitted. By nobody, as
    an import files what others found, it has no author and waits for a reviewer.
    """
    with moving(recommendation, by=by, reason=report.reason, version=version) as recommendation:
        update = ProgressUpdate(recommendation=recommendation, author=by)
        write(update, report, by=by, today=today, submit=submit)
    update.refresh_from_db()
    return update


def revise(update: ProgressUpdate, report: Report, *, by: User, today: date, version: int | None = None) -> ProgressUpdate:
    """Say it otherwise, before it is submitted or after it was returned. It is judged as a draft is."""
    with moving(update, by=by, reason=report.reason, version=version) as update:
        refuse(unchangeable(update, by))
        write(update, report, by=by, today=today, submit=False)
    update.refresh_from_db()
    return update


def discard(update: ProgressUpdate, *, by: User, version: int | None = None) -> None:
    """Throw away what was never approved."""
    with moving(update, by=by, reason="", version=version) as update:
        refuse([*closed(update.recommendation), *unchangeable(update, by)])
        update.delete()


def submit(update: ProgressUpdate, *, by: User, today: date, version: int | None = None) -> ProgressUpdate:
    """Hand in a draft, or a returned update once more; it is judged in full."""
    with moving(update, by=by, reason=update.reason, version=version) as update:
        refuse(unchangeable(update, by))
        write(update, Report.of(update), by=by, today=today, submit=True)
    update.refresh_from_db()
    return update


def approve(update: ProgressUpdate, *, by: User, today: date, note: str = "", version: int | None = None) -> ProgressUpdate:
    """Let it count. An assessment is judged anew, since what it follows from may have moved since it was filed."""
    with moving(update, by=by, reason=note or update.reason, version=version) as update:
        refuse(unreviewable(update, by))
        judged = judge(update.recommendation, Report.of(update), by=None, today=today)
        # What a claim or a note must bring does not depend on the ground.
        refuse([*(r for r in judged if update.kind == ASSESSMENT or r.code == "closed_record"), *second])
        update = reviewed(update, Review.APPROVED, by, note)
    update.refresh_from_db()
    return update

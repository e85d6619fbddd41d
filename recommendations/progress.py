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
from django.utils import timezone

from agreements.models import Party, Source
from agreements.models.sources import Confidence, SourceKind, Stance
from policytracker.errors import Refusal, Refused, Stale
from policytracker.models import User
from policytracker.records import acting
from policytracker.visibility import Publication, Reader, Role
from recommendations.models import SETTLED, Evidence, Priority, ProgressUpdate, Recommendation, Review, Status, UpdateKind
from recommendations.standing import CLOSABLE, DONE, TERMINAL, settle

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
BACK = {  # backward transitions, reopenings and changes from one terminal status to another, which require a reason
    Status.PLANNED: {Status.PROPOSED},
    Status.PARTLY_IMPLEMENTED: {Status.IN_PROGRESS},
    Status.LARGELY_IMPLEMENTED: {Status.PARTLY_IMPLEMENTED},
    **{end: {Status.IN_PROGRESS, Status.PARTLY_IMPLEMENTED, Status.NOT_ASSESSED} | TERMINAL - {end} for end in TERMINAL},
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
WRITTEN_ONLY_HERE = SETTLED  # by settle(), and the database asks for that


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
        rows = update.evidence.select_related("source")
        evidence = tuple(EvidenceRow(**{name: getattr(row, name) for name in CITED}) for row in rows)
        return cls(**{name: getattr(update, name) for name in SAID}, evidence=evidence)


SAID = [field.name for field in fields(Report) if field.name != "evidence"]
CITED = ["source", "locator", "quote", "stance", "confidence"]


@dataclass(frozen=True)
class Move:
    """A status that a recommendation could be given, and what stands between."""

    status: Status
    label: str
    allowed: bool
    unmet: list[Refusal]


def status_on(recommendation: Recommendation, day: date) -> Status:
    """What we had found by that day: an assessment filed late follows from what came before it, not from the present."""
    newest = recommendation.updates.standing().filter(reported_on__lte=day).first()
    return Status(newest.status) if newest else Status.NOT_ASSESSED


def roles(by: User | None) -> frozenset[str]:
    return Reader.of(by).roles if by else frozenset()


def is_own_claim(said: Report | ProgressUpdate, by: User | None) -> bool:
    """Whether a party speaks of itself, through its officer."""
    if said.kind != UpdateKind.CLAIM or Role.OFFICER not in roles(by):
        return False
    office = getattr(by, "office", None)
    return office is not None and said.party in (None, office.party)


def closed(recommendation: Recommendation) -> Iterator[Refusal]:
    if recommendation.publication == Publication.ARCHIVED:
        yield Refusal("closed_record", "It is in the archive; take it back from there first.")


def second_person(recommendation: Recommendation, said: Report | ProgressUpdate) -> Iterator[Refusal]:
    """What must be agreed by two: an ending, and whatever is found of a recommendation that matters most."""
    grave = said.status in TERMINAL or recommendation.priority in (Priority.HIGH, Priority.CRITICAL)
    if grave and said.kind == UpdateKind.ASSESSMENT:
        yield Refusal("second_person_required", "Somebody other than its author must approve it.")


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
            yield Refusal("reason_required", f"Say why {old.label} goes back to {new.label}.")
        if new in DONE and not report.evidence:
            yield Refusal("evidence_required", f"{new.label} needs a source that bears it out.")
    if report.kind == UpdateKind.CLAIM:
        if not report.party:
            yield Refusal("party_required", "A claim is a party's: say whose.")
        if not own and not report.evidence:
            yield Refusal("evidence_required", "A claim filed for a party needs a source.")
    if report.reported_on and report.reported_on > today:
        yield Refusal("future_date", "It cannot have been true on a day to come.")
    if not report.narrative.strip():
        yield Refusal("narrative_required", "Say in a sentence what was found.")


def unchangeable(update: ProgressUpdate, by: User) -> Iterator[Refusal]:
    if update.author != by or update.review not in (Review.DRAFT, Review.RETURNED):
        yield from closed(update.recommendation)
        yield Refusal("append_only", "Only its author may change it, while it is a draft or after it was returned.")


def unreviewable(update: ProgressUpdate, by: User) -> Iterator[Refusal]:
    """Why this person may not approve or return an update. An analyst may, their own ordinary work."""
    own_work = Role.ANALYST in roles(by) and update.author == by and not is_own_claim(update, by)
    if not own_work and not roles(by) & REVIEWERS:
        yield Refusal("not_permitted", "Your role may not review this.")
    yield from closed(update.recommendation)
    if update.review == Review.DRAFT:
        yield Refusal("append_only", "It is a draft, which its author must submit first.")
    elif update.review != Review.SUBMITTED:
        yield Refusal("already_reviewed", f"It was {update.get_review_display().lower()} already.")
    elif update.author == by:
        yield from second_person(update.recommendation, update)


def refuse(refusals: Iterable[Refusal]) -> None:
    """Raise Refused where there is anything to refuse, with each condition once."""
    if found := sorted(dict.fromkeys(refusals), key=lambda refusal: CODES.index(refusal.code)):
        raise Refused(found)


def transitions(recommendation: Recommendation, *, by: User, today: date) -> list[Move]:
    """Each status in turn: whether it may come next, and then what its report must bring and who must agree, or else why not."""
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
    """One act upon a recommendation, or upon an update of it, as the row now is; what follows from it is settled at the end.

    Raises DoesNotExist where there is no such row for this person, and Stale where it is not in the version that they saw.
    """
    with acting(by, reason):
        recommendations = Recommendation.objects.filter(pk=row.pk if isinstance(row, Recommendation) else row.recommendation_id)
        # Lock it, so that two people who decide at the same moment take turns.
        recommendations.select_for_update(of=("self",)).get()
        rows = type(row).objects
        current = (rows.visible_to(by) if by else rows.all()).get(pk=row.pk)
        if version not in (None, current.version):
            raise Stale(current.version)
        yield current
        settle(recommendations)
        if current.pk:
            current.refresh_from_db()


def report(
    recommendation: Recommendation, report: Report, *, by: User | None, today: date, version: int | None = None, submit: bool = True
) -> ProgressUpdate:
    """File how far a recommendation has come. Raises Refused, with everything unmet, and then writes nothing.

    A draft needs a status, a party where it is a claim, and a day that has come; the rest is asked of it when it is submitted.
    By nobody, as an import files what others found, it has no author and waits for a reviewer.
    """
    with moving(recommendation, by=by, reason=report.reason, version=version) as recommendation:
        update = ProgressUpdate(recommendation=recommendation, author=by)
        write(update, report, by=by, today=today, submit=submit)
    return update


def revise(update: ProgressUpdate, report: Report, *, by: User, today: date, version: int | None = None) -> ProgressUpdate:
    """Say it otherwise, before it is submitted or after it was returned. It is judged as a draft is."""
    with moving(update, by=by, reason=report.reason, version=version) as update:
        refuse(unchangeable(update, by))
        write(update, report, by=by, today=today, submit=False)
    return update


def discard(update: ProgressUpdate, *, by: User, version: int | None = None) -> None:
    """Throw away what was not handed in, or was returned."""
    with moving(update, by=by, reason="", version=version) as update:
        refuse([*closed(update.recommendation), *unchangeable(update, by)])
        update.delete()


def submit(update: ProgressUpdate, *, by: User, today: date, version: int | None = None) -> ProgressUpdate:
    """Hand in a draft, or a returned update once more."""
    with moving(update, by=by, reason=update.reason, version=version) as update:
        refuse(unchangeable(update, by))
        write(update, Report.of(update), by=by, today=today, submit=True)
    return update


def approve(update: ProgressUpdate, *, by: User, today: date, note: str = "", version: int | None = None) -> ProgressUpdate:
    """Let it count. An assessment is judged again, for what it follows from may have moved since it was filed."""
    with moving(update, by=by, reason=note, version=version) as update:
        recommendation, conditions = update.recommendation, list(unreviewable(update, by))
        if update.kind == UpdateKind.ASSESSMENT and update.review == Review.SUBMITTED:
            old = status_on(recommendation, update.reported_on)
            conditions += unmet(recommendation, Report.of(update), old, by=None, today=today)
        refuse(conditions)
        decide(update, Review.APPROVED, by, note)
    return update


def send_back(update: ProgressUpdate, *, by: User, note: str, version: int | None = None) -> ProgressUpdate:
    """Return it to its author, who may change it and submit it again."""
    with moving(update, by=by, reason=note, version=version) as update:
        conditions = list(unreviewable(update, by))
        if not note.strip():
            conditions.append(Refusal("reason_required", "Tell its author why it is returned."))
        refuse(conditions)
        decide(update, Review.RETURNED, by, note)
    return update


def void(update: ProgressUpdate, *, by: User, reason: str, version: int | None = None) -> ProgressUpdate:
    """Let an approved update count no more. It stays readable, with the reason."""
    with moving(update, by=by, reason=reason, version=version) as update:
        conditions = list(closed(update.recommendation))
        if not roles(by) & REVIEWERS:
            conditions.append(Refusal("not_permitted", "Only a reviewer may void an update."))
        if not reason.strip():
            conditions.append(Refusal("reason_required", "Say why it is voided."))
        if update.review != Review.APPROVED:
            conditions.append(Refusal("append_only", "Only an approved update can be voided; this one does not count yet."))
        if update.voided_at:
            conditions.append(Refusal("already_voided", "It was voided already."))
        refuse(conditions)
        update.voided_at, update.voided_by, update.void_reason = timezone.now(), by, reason
        update.save()
    return update


def decide(update: ProgressUpdate, review: Review, by: User, note: str) -> None:
    update.review, update.reviewed_by, update.reviewed_at, update.review_note = review, by, timezone.now(), note
    update.save()


def write(update: ProgressUpdate, report: Report, *, by: User | None, today: date, submit: bool) -> None:
    """Put a report into an update; handed in by somebody who may approve their own ordinary work, such work counts at once.

    Raises Refused for what is unmet, and ValidationError, by field, for a value that can never be right.
    """
    recommendation, report = update.recommendation, replace(report, reported_on=report.reported_on or today)
    for name in SAID:
        setattr(update, name, getattr(report, name))
    update.clean_fields(exclude={field.name for field in update._meta.fields if field.is_relation})
    if report.kind == UpdateKind.NOTE and report.status:
        raise ValidationError({"status": "A note has no status."})
    wrong = report.corrects
    if wrong and (wrong.recommendation_id != recommendation.pk or not wrong.voided_at):
        raise ValidationError({"corrects": "Only a voided update of the same recommendation can be corrected."})
    conditions = unmet(recommendation, report, status_on(recommendation, update.reported_on), by=by, today=today)
    refuse(refusal for refusal in conditions if submit or refusal.code in ASKED_OF_A_DRAFT)
    if submit and by and roles(by) & EDITORS and not is_own_claim(report, by) and not [*second_person(recommendation, report)]:
        decide(update, Review.APPROVED, by, note="")
    else:
        update.review = Review.SUBMITTED if submit else update.review
        update.save()
    cite(update, report.evidence, by)


def cite(update: ProgressUpdate, rows: tuple[EvidenceRow, ...], by: User | None) -> None:
    """Make these its evidence. What is there already in the same words is left alone."""
    if rows == Report.of(update).evidence:
        return
    update.evidence.all().delete()
    try:
        for row in rows:
            said = {name: getattr(row, name) for name in CITED} | {"source": row.source or source_at(row, by)}
            evidence = Evidence(update=update, **said)
            evidence.clean_fields(exclude={"update", "source"})
            evidence.save()
    except ValidationError as error:
        raise ValidationError({"evidence": error.messages}) from error


def source_at(row: EvidenceRow, by: User | None) -> Source:
    """The source with this address, as far as this person may read, or else a draft of one. Raises ValidationError."""
    if not row.url:
        raise ValidationError("Name the source, or give its address.")
    with connection.cursor() as cursor:
        # One at a time, so that two people who cite a new page at the same moment make one source of it.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('source_at'))")
    sources = Source.objects.visible_to(by) if by else Source.objects.all()
    if found := sources.filter(original_url=row.url).order_by("-publication", "pk").first():  # a published one before a draft
        return found
    source = Source(kind=SourceKind.OTHER, title=row.title, original_url=row.url)
    source.clean_fields(exclude={"slug"})
    address = urlsplit(row.url)
    slug = re.sub(r"[^a-z0-9]+", "-", f"{address.hostname}{address.path}".lower()).strip("-")[:110]
    taken = set(Source.objects.filter(slug__startswith=slug).values_list("slug", flat=True))
    source.slug = next(free for free in chain([slug], (f"{slug}-{number}" for number in count(2))) if free not in taken)
    source.save()
    return source

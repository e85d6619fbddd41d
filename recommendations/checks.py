"""Data checks of recommendations, their parts and their updates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db.models import BooleanField, Exists, OuterRef
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext_lazy as _

from agreements.checks.parts import OVERDUE_NOT_ASSESSED
from agreements.checks.sources import (
    DRAFT_PARTS,
    NO_SOURCE,
    NO_SOURCE_RECORDED,
    QUOTE_NOT_IN_SOURCE,
    cites_a_draft,
    misquotes,
    misquoting,
    on_a_draft,
    quoting,
    without_source,
)
from agreements.checks.standings import NO_VALID_SUCCESSOR, SUPERSEDED_WITHOUT_SUCCESSOR
from agreements.deadlines import DeadlineState
from agreements.models.sources import Stance
from policytracker.quality.engine import CheckContext, Rule, Severity, each, list_in_words
from recommendations.deadlines import Freshness, freshness, milestones_in
from recommendations.derived_status import DIFFERS
from recommendations.facts import fact
from recommendations.models import DONE, Addressee, Evidence, Milestone, ProgressUpdate, Recommendation, Status, UpdateKind
from recommendations.models.recommendations import DEFAULT_UPDATE_EVERY
from recommendations.models.updates import BY_ONE_PERSON

# ---- rules shared with agreements

OVERDUE_NOT_ASSESSED.check(
    Recommendation,
    lambda rows, context: rows.overdue(on=context.on).filter(last_update_on__isnull=True),
    each(_("Due {due_on}, not assessed.")),
)
NO_SOURCE.check(Recommendation, without_source, NO_SOURCE_RECORDED)
for quoted in (Recommendation, Addressee):
    DRAFT_PARTS.check(quoted, on_a_draft, cites_a_draft)
    QUOTE_NOT_IN_SOURCE.check(quoted, quoting, misquoting, confirmed_in_python=True)
SUPERSEDED_WITHOUT_SUCCESSOR.check(
    Recommendation,
    lambda rows, context: rows.filter(context.lacks(Recommendation, "superseded_by"), status=Status.SUPERSEDED),
    NO_VALID_SUCCESSOR,
)


def quoted_evidence(context: CheckContext) -> Any:
    """Evidence whose quote can be looked up in the text of a source that the user can read."""
    return quoting(Evidence.objects.order_by(), context)


def updates_with_wrong_quotes(rows: Any, context: CheckContext) -> Iterator[tuple[ProgressUpdate, str]]:
    updates = {update.pk: update for update in rows}
    messages: dict[int, str] = {}
    rows_of_evidence = quoted_evidence(context).filter(update__in=updates).order_by("-pk")
    for evidence, message in misquotes((evidence, evidence.source_id, evidence.quote) for evidence in rows_of_evidence):
        messages[evidence.update_id] = message  # the oldest evidence of an update is last
    return ((updates[pk], message) for pk, message in messages.items())


def updates_with_quotes(rows: Any, context: CheckContext) -> Any:
    """Updates with quotes to look up, except voided ones, whose evidence nobody can correct."""
    return rows.filter(Exists(quoted_evidence(context).filter(update=OuterRef("pk"))), voided_at__isnull=True)


QUOTE_NOT_IN_SOURCE.check(ProgressUpdate, updates_with_quotes, updates_with_wrong_quotes, confirmed_in_python=True)

# ---- progress


def without_evidence(rows: Any, context: CheckContext) -> Any:
    assessments = (
        ProgressUpdate.objects.in_effect(UpdateKind.ASSESSMENT).order_by().filter(recommendation=OuterRef("pk"), status=OuterRef("status"))
    )
    return rows.filter(~Exists(assessments.filter(evidence__stance=Stance.SUPPORTS)), status__in=DONE)


Rule(
    "implemented_without_evidence",
    Severity.WARNING,
    _("A recommendation is implemented or addressed otherwise, but has no supporting evidence."),
    _("Submit an assessment with supporting evidence."),
    title=_("Implemented without evidence"),
).check(
    Recommendation,
    without_evidence,
    each(_("“{label}” without supporting evidence."), label=Recommendation.get_status_display),
)


def without_second_person(rows: Any, context: CheckContext) -> Any:
    return rows.in_effect().filter(BY_ONE_PERSON)


Rule(
    "approved_without_second_person",
    Severity.WARNING,
    _("An assessment that needed a second person was approved by its author or by the user who imported it."),
    _("Ask another reviewer to check it. If it is wrong, void it and submit a correction."),
    title=_("Approved without second person"),
).check(
    ProgressUpdate,
    without_second_person,
    each(_("Approved by the user who submitted or imported it.")),
)

CLAIM = _("{party} claims “{status}” ({reported_on})")
DIFFERING_CLAIMS = _("Our assessment is “{status}”; {claims}.")


def differing_claims(rows: Any, context: CheckContext) -> Iterator[tuple[Recommendation, str]]:
    claims = ProgressUpdate.objects.in_effect(UpdateKind.CLAIM).filter(recommendation__in=rows).select_related("party")
    newest: dict[int, list[ProgressUpdate]] = defaultdict(list)
    for claim in claims.newest_for("recommendation_id", "party__code"):
        newest[claim.recommendation_id].append(claim)
    for recommendation in rows:
        differing = [
            CLAIM.format(party=claim.party.name, status=claim.get_status_display(), reported_on=claim.reported_on)
            for claim in newest[recommendation.pk]
            if claim.party and claim.status != recommendation.status
        ]
        yield recommendation, DIFFERING_CLAIMS.format(status=recommendation.get_status_display(), claims=list_in_words(differing))


Rule(
    "claim_differs",
    Severity.WARNING,
    _("The newest claim of a party differs from our assessment."),
    _("Check the evidence of the claim. If it is newer, submit a new assessment. The claim stays on record."),
    title=_("Claim differs"),
).check(Recommendation, lambda rows, context: rows.filter(fact("claim_differs", context.read)), differing_claims)

Rule(
    "stale",
    Severity.WARNING,
    _("An open recommendation has no recent assessment."),
    _("Submit a new assessment. “No change” is a valid result."),
    title=_("Stale"),
    common=True,
).check(
    Recommendation,
    lambda rows, context: rows.open().alias(fresh=freshness(context.on)).filter(fresh=Freshness.STALE),
    each(
        _("Last assessed on {last_update_on}. Needs an assessment every {days} days."),
        days=lambda recommendation: recommendation.update_every or DEFAULT_UPDATE_EVERY,
    ),
)

Rule(
    "milestone_overdue",
    Severity.WARNING,
    _("The due date of a milestone has passed without completion, and the recommendation is still open."),
    _("Enter the completion date, or move the due date and give a reason."),
    title=_("Milestone overdue"),
).check(
    Milestone,
    lambda rows, context: milestones_in(rows, [DeadlineState.OVERDUE], context.on),
    each(_("Due {due_on}, not completed.")),
)

# ---- responsibility

Rule(
    "recommendation_without_addressee",
    Severity.INFO,
    _("An open recommendation has no addressee."),
    _("Add the party that should act."),
    title=_("Recommendation without addressee"),
).check(
    Recommendation,
    lambda rows, context: rows.open().filter(~fact("has_addressee", context.read)),
    each(_("No addressee.")),
)

Rule(
    "recommendation_without_owner",
    Severity.INFO,
    _("An open recommendation has no owner."),
    _("Assign an owner."),
    title=_("Recommendation without owner"),
    common=True,
).check(
    Recommendation,
    lambda rows, context: rows.open().filter(owner__isnull=True),
    each(_("No owner assigned.")),
)

Rule(
    "recommendation_without_agreement",
    Severity.INFO,
    _("A recommendation is not linked to an agreement."),
    _("Link the agreement."),
    title=_("Recommendation without agreement"),
).check(
    Recommendation,
    lambda rows, context: rows.filter(~Exists(Recommendation.agreements.through.objects.filter(recommendation=OuterRef("pk")))),
    each(_("No agreement linked.")),
)

# ---- stored status. Calculating it again takes longer than all other checks, so it comes last.


def with_different_status(rows: Any, context: CheckContext) -> Iterator[tuple[Recommendation, str]]:
    for recommendation in rows.filter(RawSQL(DIFFERS, [], BooleanField())):  # noqa: S611 - a constant
        label = recommendation.get_status_display()
        yield recommendation, _("The status “{label}” or a status period does not match the updates.").format(label=label)


Rule(
    "status_disagrees",
    Severity.ERROR,
    _("The stored status or a status period of a recommendation does not match its approved updates."),
    _("Ask an administrator to run manage.py recompute_status."),
    title=_("Status disagrees"),
    slow=True,
).check(
    Recommendation,
    lambda rows, context: rows,
    with_different_status,
    confirmed_in_python=True,
)

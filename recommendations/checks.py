"""Data checks of recommendations, their parts and their updates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db.models import BooleanField, Exists, OuterRef
from django.db.models.expressions import RawSQL

from agreements.checks.parts import OVERDUE_NOT_ASSESSED
from agreements.checks.sources import (
    DRAFT_PARTS,
    NO_SOURCE,
    QUOTE_NOT_IN_SOURCE,
    cites_a_draft,
    misquotes,
    misquoting,
    on_a_draft,
    quoting,
    without_source,
)
from agreements.checks.standings import SUPERSEDED_WITHOUT_SUCCESSOR
from agreements.models.sources import Stance
from policytracker.quality.engine import CheckContext, Rule, Severity, each, latest
from recommendations.deadlines import DEFAULT_UPDATE_EVERY, Freshness, freshness
from recommendations.derived_status import DIFFERS
from recommendations.models import DONE, Addressee, Evidence, Milestone, ProgressUpdate, Recommendation, Status, UpdateKind

# ---- rules shared with agreements

OVERDUE_NOT_ASSESSED.check(
    Recommendation,
    lambda rows, context: rows.overdue(on=context.on).filter(last_update_on__isnull=True),
    each(lambda recommendation: f"Due {recommendation.due_on}, not assessed."),
)
NO_SOURCE.check(Recommendation, without_source, each(lambda recommendation: "No source is recorded."))
for quoted in (Recommendation, Addressee):
    DRAFT_PARTS.check(quoted, on_a_draft, cites_a_draft)
    QUOTE_NOT_IN_SOURCE.check(quoted, quoting, misquoting, confirmed_in_python=True)
SUPERSEDED_WITHOUT_SUCCESSOR.check(
    Recommendation,
    lambda rows, context: rows.filter(context.lacks(Recommendation, "superseded_by"), status=Status.SUPERSEDED),
    each(lambda recommendation: "Superseded, but no valid successor is recorded."),
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

Rule(
    "status_disagrees",
    Severity.ERROR,
    "The stored status or a status period of a recommendation does not match its approved updates.",
    "Ask an administrator to run manage.py recompute_status.",
).check(
    Recommendation,
    lambda rows, context: rows.filter(RawSQL(DIFFERS, [], BooleanField())),  # noqa: S611
    each(lambda recommendation: f"The status “{recommendation.get_status_display()}” or a status period does not match the updates."),
)


def without_evidence(rows: Any, context: CheckContext) -> Any:
    assessments = (
        ProgressUpdate.objects.in_effect(UpdateKind.ASSESSMENT).order_by().filter(recommendation=OuterRef("pk"), status=OuterRef("status"))
    )
    return rows.filter(~Exists(assessments.filter(evidence__stance=Stance.SUPPORTS)), status__in=DONE)


Rule(
    "implemented_without_evidence",
    Severity.WARNING,
    "A recommendation is implemented or addressed otherwise, but has no supporting evidence.",
    "Submit an assessment with supporting evidence.",
).check(
    Recommendation,
    without_evidence,
    each(lambda recommendation: f"“{recommendation.get_status_display()}” without supporting evidence."),
)


def differing_claims(rows: Any, context: CheckContext) -> Iterator[tuple[Recommendation, str]]:
    claims = ProgressUpdate.objects.in_effect(UpdateKind.CLAIM).filter(recommendation__in=rows).select_related("party")
    newest: dict[int, list[ProgressUpdate]] = defaultdict(list)
    for claim in claims.newest_for("recommendation_id", "party__code"):
        newest[claim.recommendation_id].append(claim)
    for recommendation in rows:
        differing = [
            f"{claim.party.name} claims “{claim.get_status_display()}” ({claim.reported_on})"
            for claim in newest[recommendation.pk]
            if claim.party and claim.status != recommendation.status
        ]
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        yield recommendation, f"Our assessment is “{recommendation.get_status_display()}”; {', '.join(differing[:3])}{more}."


Rule(
    "claim_differs",
    Severity.WARNING,
    "The newest claim of a party differs from our assessment.",
    "Check the evidence of the claim. If it is newer, submit a new assessment. The claim stays on record.",
).check(Recommendation, lambda rows, context: rows.claim_differs(), differing_claims)

Rule(
    "stale",
    Severity.WARNING,
    "An open recommendation has no recent assessment.",
    "Submit a new assessment. “No change” is a valid result.",
).check(
    Recommendation,
    lambda rows, context: rows.open().alias(fresh=freshness(context.on)).filter(fresh=Freshness.STALE),
    each(
        lambda recommendation: (
            f"Last assessed on {recommendation.last_update_on}. "
            f"Needs an assessment every {recommendation.update_every or DEFAULT_UPDATE_EVERY} days."
        )
    ),
)

Rule(
    "milestone_overdue",
    Severity.WARNING,
    "The due date of a milestone has passed without completion, and the recommendation is still open.",
    "Enter the completion date, or move the due date and give a reason.",
).check(
    Milestone,
    lambda rows, context: rows.alias(until=latest("due_on")).filter(
        until__lt=context.on, completed_on="", recommendation__closed_on__isnull=True
    ),
    each(lambda milestone: f"Due {milestone.due_on}, not completed."),
)

# ---- responsibility

Rule(
    "recommendation_without_addressee",
    Severity.INFO,
    "An open recommendation has no addressee.",
    "Add the party that should act.",
).check(
    Recommendation,
    lambda rows, context: rows.open().filter(~Exists(Addressee.objects.filter(recommendation=OuterRef("pk")))),
    each(lambda recommendation: "No addressee."),
)

Rule(
    "recommendation_without_owner",
    Severity.INFO,
    "An open recommendation has no owner.",
    "Assign an owner.",
).check(
    Recommendation,
    lambda rows, context: rows.open().filter(owner__isnull=True),
    each(lambda recommendation: "No owner assigned."),
)

Rule(
    "recommendation_without_agreement",
    Severity.INFO,
    "A recommendation is not linked to an agreement.",
    "Link the agreement.",
).check(
    Recommendation,
    lambda rows, context: rows.filter(~Exists(Recommendation.agreements.through.objects.filter(recommendation=OuterRef("pk")))),
    each(lambda recommendation: "No agreement linked."),
)

"""What may be wrong with recommendations and what is known of them."""

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
from policytracker.quality.engine import ABOUT, CheckContext, Rule, Severity, each, latest
from recommendations.deadlines import USUAL, Freshness, freshness
from recommendations.derived_status import DIFFERS
from recommendations.models import DONE, Addressee, Evidence, Milestone, ProgressUpdate, Recommendation, Status, UpdateKind

ABOUT[Recommendation] = ("agreements",)

# ---- as with what was agreed

OVERDUE_NOT_ASSESSED.check(
    Recommendation,
    lambda rows, context: rows.overdue(on=context.on).filter(last_update_on__isnull=True),
    each(lambda recommendation: f"It was due {recommendation.due_on}, and was never assessed."),
)
NO_SOURCE.check(Recommendation, without_source, each(lambda recommendation: "No source is named in which it is made."))
for quoted in (Recommendation, Addressee):
    DRAFT_PARTS.check(quoted, on_a_draft, cites_a_draft)
    QUOTE_NOT_IN_SOURCE.check(quoted, quoting, misquoting, confirmed_in_python=True)
SUPERSEDED_WITHOUT_SUCCESSOR.check(
    Recommendation,
    lambda rows, context: rows.filter(context.lacks(Recommendation, "superseded_by"), status=Status.SUPERSEDED),
    each(lambda recommendation: "It is superseded, and the recommendation that took its place is not named."),
)


def quoted_evidence(context: CheckContext) -> Any:
    """The evidence with words to be looked up in a source that whoever looks may read."""
    return quoting(Evidence.objects.order_by(), context)


def misquoted(rows: Any, context: CheckContext) -> Iterator[tuple[ProgressUpdate, str]]:
    updates = {update.pk: update for update in rows}
    found: dict[int, str] = {}
    evidence = quoted_evidence(context).filter(update__in=updates).order_by("-pk")
    for piece, sentence in misquotes((piece, piece.source_id, piece.quote) for piece in evidence):
        found[piece.update_id] = sentence
    return ((updates[pk], sentence) for pk, sentence in found.items())


def quoting_updates(rows: Any, context: CheckContext) -> Any:
    """Updates with evidence to be looked up; a voided update no longer counts, and nobody can change its evidence."""
    return rows.filter(Exists(quoted_evidence(context).filter(update=OuterRef("pk"))), voided_at__isnull=True)


QUOTE_NOT_IN_SOURCE.check(ProgressUpdate, quoting_updates, misquoted, confirmed_in_python=True)

# ---- how far it has come

Rule(
    "status_disagrees",
    Severity.ERROR,
    "The stored status of a recommendation, or a period of it, does not agree with its approved updates.",
    "Run manage.py recompute_status.",
).check(
    Recommendation,
    lambda rows, context: rows.filter(RawSQL(DIFFERS, [], BooleanField())),  # noqa: S611
    each(lambda recommendation: f"Its status “{recommendation.get_status_display()}”, or a period of it, does not agree with its updates."),
)


def without_evidence(rows: Any, context: CheckContext) -> Any:
    found = (
        ProgressUpdate.objects.in_effect(UpdateKind.ASSESSMENT).order_by().filter(recommendation=OuterRef("pk"), status=OuterRef("status"))
    )
    return rows.filter(~Exists(found.filter(evidence__stance=Stance.SUPPORTS)), status__in=DONE)


Rule(
    "implemented_without_evidence",
    Severity.WARNING,
    "A recommendation is done, and no source bears it out.",
    "File an assessment with the source that shows it.",
).check(
    Recommendation,
    without_evidence,
    each(lambda recommendation: f"It is “{recommendation.get_status_display()}”, and no evidence bears it out."),
)


def claims(rows: Any, context: CheckContext) -> Iterator[tuple[Recommendation, str]]:
    newest = ProgressUpdate.objects.in_effect(UpdateKind.CLAIM).filter(recommendation__in=rows).select_related("party")
    by: dict[int, list[ProgressUpdate]] = defaultdict(list)
    for claim in newest.newest_for("recommendation_id", "party__code"):
        by[claim.recommendation_id].append(claim)
    for recommendation in rows:
        said = [
            f"{claim.party.name} says “{claim.get_status_display()}” ({claim.reported_on})"
            for claim in by[recommendation.pk]
            if claim.party and claim.status != recommendation.status
        ]
        more = f" and {len(said) - 3} more" if len(said) > 3 else ""
        yield recommendation, f"Our assessment is “{recommendation.get_status_display()}”; {', '.join(said[:3])}{more}."


Rule(
    "claim_differs",
    Severity.WARNING,
    "What a party says of itself is another than what we find.",
    "Both stay. Look at the evidence of the claim, and assess again where it is newer.",
).check(Recommendation, lambda rows, context: rows.claim_differs(), claims)

Rule(
    "stale",
    Severity.WARNING,
    "An open recommendation has not been assessed within the time it is to be looked at again.",
    "Look, and file an assessment, if only that nothing has changed.",
).check(
    Recommendation,
    lambda rows, context: rows.open().alias(fresh=freshness(context.on)).filter(fresh=Freshness.STALE),
    each(
        lambda recommendation: (
            f"It was last assessed on {recommendation.last_update_on}, "
            f"and is to be looked at every {recommendation.update_every or USUAL} days."
        )
    ),
)

Rule(
    "milestone_overdue",
    Severity.WARNING,
    "The due day of a step has passed, and it is not recorded as done, while more is expected of the recommendation.",
    "Record the day on which it was done, or move its due day with a reason.",
).check(
    Milestone,
    lambda rows, context: rows.alias(until=latest("due_on")).filter(
        until__lt=context.on, completed_on="", recommendation__closed_on__isnull=True
    ),
    each(lambda milestone: f"It was due {milestone.due_on}."),
)

# ---- whose business it is

Rule(
    "recommendation_without_addressee",
    Severity.INFO,
    "An open recommendation is addressed to nobody.",
    "Name the party that should do it.",
).check(
    Recommendation,
    lambda rows, context: rows.open().filter(~Exists(Addressee.objects.filter(recommendation=OuterRef("pk")))),
    each(lambda recommendation: "It is addressed to nobody."),
)

Rule(
    "recommendation_without_owner",
    Severity.INFO,
    "Nobody here follows an open recommendation.",
    "Assign an owner.",
).check(
    Recommendation,
    lambda rows, context: rows.open().filter(owner__isnull=True),
    each(lambda recommendation: "Nobody here follows it."),
)

Rule(
    "recommendation_without_agreement",
    Severity.INFO,
    "A recommendation names no agreement that it is about.",
    "Link the agreement.",
).check(
    Recommendation,
    lambda rows, context: rows.filter(~Exists(Recommendation.agreements.through.objects.filter(recommendation=OuterRef("pk")))),
    each(lambda recommendation: "It names no agreement."),
)

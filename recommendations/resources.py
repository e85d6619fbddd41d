"""The record types of this app, in loading order."""

from django.db.models import Q

from policytracker.resources import Resource, Search, Section, registry
from recommendations import events, filters, serializers, sheets, statements
from recommendations.deadlines import Freshness
from recommendations.derived_status import recompute_status
from recommendations.imports import ProgressSection
from recommendations.models import DERIVED_FIELDS, Recommendation, Review

registry.register(
    Resource(
        "recommendations",
        serializers.RecommendationSerializer,
        "recommendations.json",
        states=statements.RECOMMENDATION,
        filters=filters.RECOMMENDATIONS,
        source_paths=("source", "updates__evidence__source"),
        scope_paths=("agreements",),
        events=events.RECOMMENDATION,
        section=Section("recommendations"),
        search=Search(
            ("key_action",),
            ("details", "expected_outcome", "made_by_text"),
            linked=("agreements", "addressees__party"),
            reported=("updates",),
            spelling="key_action",
        ),
        calculated=frozenset({*DERIVED_FIELDS, *Recommendation.facts}),
        recalculate=recompute_status,
        import_sections={"progress": ProgressSection.parse},
        sheet_columns=sheets.RECOMMENDATION,
        sheet_begins=sheets.BEGINS,
    ),
    Resource(
        "addressees",
        serializers.AddresseeSerializer,
        "recommendations.json",
        states=statements.ADDRESSEE,
        scope_paths=("recommendation__agreements",),
        events=events.ADDRESSEE,
    ),
    Resource(
        "milestones",
        serializers.MilestoneSerializer,
        "recommendations.json",
        filters=filters.MILESTONES,
        scope_paths=("recommendation__agreements",),
        events=events.MILESTONE,
    ),
    Resource(
        "progress-updates",
        serializers.ProgressUpdateSerializer,
        "recommendations.json",
        scope_paths=("recommendation__agreements",),
        events=events.UPDATE,
        search=Search((), ("narrative", "reason", "assessed_by", "review_note", "void_reason")),
        excluded_rows=Q(review=Review.DRAFT),  # only the author sees drafts
        calculated=frozenset({"imported_by", "needs_second_person"}),
    ),
    Resource(
        "",  # shown inside its update
        serializers.EvidenceSerializer,
        "recommendations.json",
        states=statements.EVIDENCE,
        scope_paths=("update__recommendation__agreements",),
        excluded_rows=Q(update__review=Review.DRAFT),
    ),
    Resource(
        "dependencies",
        serializers.DependencySerializer,
        "recommendations.json",
        scope_paths=("recommendation__agreements",),
    ),
    codes={"freshness": Freshness},
)

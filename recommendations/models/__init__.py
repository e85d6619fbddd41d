"""Recommendations, their addressees and steps, and the progress reported on them. One file per subject."""

from recommendations.models.periods import DERIVED_FIELDS, StatusPeriod
from recommendations.models.recommendations import (
    Addressee,
    AddresseeRole,
    Dependency,
    Milestone,
    Priority,
    Recommendation,
    RecommendationQuerySet,
    Response,
    claim_differs,
)
from recommendations.models.refusals import RefusalCode
from recommendations.models.updates import (
    CLOSABLE,
    DONE,
    TERMINAL,
    Evidence,
    ProgressUpdate,
    Review,
    Status,
    UpdateKind,
    in_effect,
)

__all__ = [
    "CLOSABLE",
    "DERIVED_FIELDS",
    "DONE",
    "TERMINAL",
    "Addressee",
    "AddresseeRole",
    "Dependency",
    "Evidence",
    "Milestone",
    "Priority",
    "ProgressUpdate",
    "Recommendation",
    "RecommendationQuerySet",
    "RefusalCode",
    "Response",
    "Review",
    "Status",
    "StatusPeriod",
    "UpdateKind",
    "claim_differs",
    "in_effect",
]

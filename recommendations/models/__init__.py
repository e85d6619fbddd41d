"""What should follow from what was agreed, and how far it has come: a file per subject."""

from recommendations.models.recommendations import (
    SETTLED,
    Addressee,
    AddresseeRole,
    Dependency,
    Milestone,
    Priority,
    Recommendation,
    RecommendationQuerySet,
    Response,
)
from recommendations.models.updates import Evidence, ProgressUpdate, Review, Status, UpdateKind

__all__ = [
    "SETTLED",
    "Addressee",
    "AddresseeRole",
    "Dependency",
    "Evidence",
    "Milestone",
    "Priority",
    "ProgressUpdate",
    "Recommendation",
    "RecommendationQuerySet",
    "Response",
    "Review",
    "Status",
    "UpdateKind",
]

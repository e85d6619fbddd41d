"""Admin pages of agreements and their records, one file per subject."""

from agreements.admin import agreements, components, officers, outcomes, parties, sources, treaty_actions
from agreements.admin.shared import (
    ACCESS_COLUMNS,
    AGREEMENT,
    CITED,
    DEADLINE_COLOUR,
    DEADLINE_COLOURS,
    PARTY,
    SOURCE,
    RegistryColumns,
    deadline_label,
    with_access,
)

__all__ = [
    "ACCESS_COLUMNS",
    "AGREEMENT",
    "CITED",
    "DEADLINE_COLOUR",
    "DEADLINE_COLOURS",
    "PARTY",
    "SOURCE",
    "RegistryColumns",
    "agreements",
    "components",
    "deadline_label",
    "officers",
    "outcomes",
    "parties",
    "sources",
    "treaty_actions",
    "with_access",
]

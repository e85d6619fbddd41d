"""Admin pages of agreements and their records, one file per subject."""

from agreements.admin import agreements, components, officers, outcomes, parties, sources, treaty_actions
from agreements.admin.shared import AGREEMENT, CITED, DEADLINE_COLOURS, PARTY, SOURCE, RegistryColumns, deadline_label

__all__ = [
    "AGREEMENT",
    "CITED",
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
]

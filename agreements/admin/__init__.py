"""The pages on which what was agreed is read and kept: a file per subject."""

from agreements.admin import agreements, components, officers, outcomes, parties, sources, treaty_actions
from agreements.admin.shared import AGREEMENT, CITED, DEADLINE_COLOURS, PARTY, RegistryColumns

__all__ = [
    "AGREEMENT",
    "CITED",
    "DEADLINE_COLOURS",
    "PARTY",
    "RegistryColumns",
    "agreements",
    "components",
    "officers",
    "outcomes",
    "parties",
    "sources",
    "treaty_actions",
]

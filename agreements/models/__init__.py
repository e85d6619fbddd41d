"""What was agreed, by whom, and where it is written: a file per subject."""

from agreements.models.agreements import Agreement, AgreementRelation, LegalForce, Participation
from agreements.models.components import Component, Outcome
from agreements.models.parties import FocusArea, Party, PartyOfficer, Sector
from agreements.models.sources import Citation, FactCheck, Source

__all__ = [
    "Agreement",
    "AgreementRelation",
    "Citation",
    "Component",
    "FactCheck",
    "FocusArea",
    "LegalForce",
    "Outcome",
    "Participation",
    "Party",
    "PartyOfficer",
    "Sector",
    "Source",
]

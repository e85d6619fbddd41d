"""Agreements with their parties, parts, money and sources. One file for each subject."""

from agreements.models.agreements import Agreement, LegalForce, Participation
from agreements.models.commitments import Commitment
from agreements.models.components import Component
from agreements.models.outcomes import Indicator, Measurement, Outcome
from agreements.models.parties import FocusArea, Party, PartyOfficer, Sector
from agreements.models.relations import AgreementRelation
from agreements.models.source_texts import SourceText
from agreements.models.sources import Citation, FactCheck, Source
from agreements.models.treaty_actions import EntryIntoForceCondition, TreatyAction

__all__ = [
    "Agreement",
    "AgreementRelation",
    "Citation",
    "Commitment",
    "Component",
    "EntryIntoForceCondition",
    "FactCheck",
    "FocusArea",
    "Indicator",
    "LegalForce",
    "Measurement",
    "Outcome",
    "Participation",
    "Party",
    "PartyOfficer",
    "Sector",
    "Source",
    "SourceText",
    "TreatyAction",
]

"""The standing (legal position) of a text and its parties on a day, computed from treaty actions. The rules: docs/standing.md.

Pure functions of an `AgreementRecord`. The exceptions are `data`, which loads records, and `queries`, which is SQL.
"""

from agreements.standing.answers import Pair, Standing, pairs, party_standing, party_standing_code, text_standing
from agreements.standing.codes import BINDING, PartyStanding, TextStanding
from agreements.standing.conditions import ConditionResult, Missing, conditions
from agreements.standing.records import Action, AgreementRecord, Condition

__all__ = [
    "BINDING",
    "Action",
    "AgreementRecord",
    "Condition",
    "ConditionResult",
    "Missing",
    "Pair",
    "PartyStanding",
    "Standing",
    "TextStanding",
    "conditions",
    "pairs",
    "party_standing",
    "party_standing_code",
    "text_standing",
]

"""The legal position of a text and its parties on a day, computed from treaty actions. The rules: docs/standing.md.

Everything here is a pure function of an `AgreementRecord`; `data` reads records from the database, `queries` asks it directly.
"""

from agreements.standing.answers import Pair, Standing, pairs, party_standing, text_standing
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
    "text_standing",
]

"""The standing of texts as an SQL expression, for filtering lists of any size.

A property test compares it with the calculation in Python.
"""

from __future__ import annotations

from datetime import date

from django.db.models import Case, CharField, Exists, OuterRef, Q, Value, When
from django.db.models.functions import Coalesce

from agreements.models import LegalForce, TreatyAction
from agreements.models.treaty_actions import SIGNATURES, ActionKind
from agreements.standing.codes import TextStanding

EFFECT = Coalesce("effective_on_first", "acted_on_first")


def text_standing_on(on: date) -> Case:
    """The code of the standing of the text of an agreement on a day."""
    actions = TreatyAction.objects.filter(agreement=OuterRef("pk")).order_by()
    of_the_text = actions.filter(party__isnull=True)
    by_day = Q(effective_on_first__lte=on) | Q(effective_on_first__isnull=True, acted_on_first__lte=on)

    def effective(kind: ActionKind) -> Exists:
        return Exists(actions.filter(by_day, kind=kind))

    resumed = TreatyAction.objects.filter(agreement=OuterRef("agreement"), party__isnull=True, kind=ActionKind.RESUMPTION).order_by()
    resumed = resumed.alias(effect=EFFECT).filter(by_day, effect__gte=OuterRef("effect"))
    suspended = of_the_text.alias(effect=EFFECT).filter(by_day, ~Exists(resumed), kind=ActionKind.SUSPENSION)
    signed = Exists(actions.filter(kind__in=SIGNATURES, acted_on_first__lte=on))
    binding = ~Q(legal_force=LegalForce.NON_BINDING)
    stages = [
        (~Exists(actions.filter(Q(acted_on_first__lte=on) | Q(effective_on_first__lte=on))), TextStanding.UNKNOWN),
        (Q(expires_on_last__lt=on) | Exists(of_the_text.filter(by_day, kind=ActionKind.TERMINATION)), TextStanding.TERMINATED),
        (Exists(suspended), TextStanding.SUSPENDED),
        (binding & Q(in_force_on_first__lte=on), TextStanding.IN_FORCE),
        (~binding & (signed | effective(ActionKind.START_OF_OPERATION)), TextStanding.OPERATIVE),
        (binding & effective(ActionKind.PROVISIONAL_APPLICATION), TextStanding.PROVISIONALLY_APPLIED),
        (binding & signed, TextStanding.SIGNED),
        (effective(ActionKind.ADOPTION), TextStanding.ADOPTED),
        (effective(ActionKind.ANNOUNCEMENT), TextStanding.ANNOUNCED),
    ]
    whens = [When(condition, then=Value(code)) for condition, code in stages]
    return Case(*whens, default=Value(TextStanding.UNKNOWN), output_field=CharField())

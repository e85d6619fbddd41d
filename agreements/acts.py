"""The acts upon agreements, out of the database and in the form in which `standing.py` and `conditions.py` read them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any

from django.db.models import Q

from agreements.conditions import conditions
from agreements.effects import OWN_FORCE
from agreements.models import Agreement, EntryIntoForceCondition, LegalForce, Participation, TreatyAction
from agreements.models.treaty_actions import ActionKind
from agreements.standing import Action, Condition, Standing, Text, pairs, party_standing, text_standing

AT_ONCE = 5_000


def texts(pks: Iterable[int], party: int | None = None) -> dict[int, Text]:
    """Each agreement with all that was done about it, in six queries. With a `party`, only with what its own standing rests on."""
    ids = list(pks)
    acts, parties, asked = actions(ids, party), participants(ids, party), asked_by(ids)
    agreements = Agreement.objects.filter(pk__in=ids).order_by().values_list("pk", "slug", "legal_force", "expires_on")
    return {
        pk: Text(slug, tuple(acts[pk]), force == LegalForce.NON_BINDING, expires_on, frozenset(parties[pk]), tuple(asked[pk]))
        for pk, slug, force, expires_on in agreements
    }


def text(agreement: Agreement) -> Text:
    """One agreement with all that was done about it. Raises Agreement.DoesNotExist where it was deleted meanwhile."""
    if (found := texts([agreement.pk]).get(agreement.pk)) is None:
        raise Agreement.DoesNotExist
    return found


def actions(ids: list[int], party: int | None) -> dict[int, list[Action]]:
    rows = TreatyAction.objects.filter(agreement__in=ids).order_by()
    if party is not None:
        everybodys = Q(party__isnull=True) | Q(kind__in=[*OWN_FORCE, ActionKind.TERMINATION])
        rows = rows.filter(Q(party=party) | everybodys)
    targets: dict[int, set[str]] = defaultdict(set)
    aims = TreatyAction.targets.through.objects.filter(from_treatyaction__agreement__in=ids)
    for pk, uid in aims.values_list("from_treatyaction", "to_treatyaction__uid"):
        targets[pk].add(str(uid))
    found: dict[int, list[Action]] = defaultdict(list)
    columns = ("pk", "agreement", "uid", "kind", "party__code", "acted_on", "effective_on", "counterparty__code")
    for pk, agreement, uid, kind, who, acted_on, effective_on, other in rows.values_list(*columns).iterator(AT_ONCE):
        found[agreement].append(Action(str(uid), kind, who or "", acted_on, effective_on, other or "", frozenset(targets[pk])))
    return found


def participants(ids: list[int], party: int | None) -> dict[int, set[str]]:
    rows = Participation.objects.filter(agreement__in=ids).order_by()
    if party is not None:
        rows = rows.filter(party=party)
    found: dict[int, set[str]] = defaultdict(set)
    for agreement, code in rows.values_list("agreement", "party__code"):
        found[agreement].add(code)
    return found


def asked_by(ids: list[int]) -> dict[int, list[Condition]]:
    rows = EntryIntoForceCondition.objects.filter(agreement__in=ids)
    named: dict[int, set[str]] = defaultdict(set)
    through = EntryIntoForceCondition.parties.through.objects.filter(entryintoforcecondition__agreement__in=ids)
    for pk, code in through.values_list("entryintoforcecondition", "party__code"):
        named[pk].add(code)
    found: dict[int, list[Condition]] = defaultdict(list)
    for pk, agreement, uid, kind, number, fixed_on, delay, text in rows.order_by("pk").values_list(
        "pk", "agreement", "uid", "kind", "number", "fixed_on", "delay", "text"
    ):
        found[agreement].append(Condition(str(uid), kind, number, frozenset(named[pk]), fixed_on, delay, text))
    return found


def report(text: Text, on: date) -> dict[str, Any]:
    """The answer of `standing/` for a day (API.md 6)."""
    whole = text_standing(text, on)
    return {
        "agreement": text.slug,
        "on": on.isoformat(),
        "text": {"standing": whole.code, **told(whole)},
        "parties": [
            {"party": party, "standing": found.code, "bound": found.bound, **told(found)}
            for party in text.earliest.parties
            for found in [party_standing(text, party, on)]
        ],
        "pairs": [
            {"parties": list(pair.parties), "since": pair.since, "actions": [a.uid for a in pair.actions]} for pair in pairs(text, on)
        ],
        "conditions": [
            {
                "uid": found.condition.uid,
                "kind": found.condition.kind,
                "met": found.met,
                "met_on": found.met_on or None,
                "missing": {
                    "number": found.missing.number,
                    "parties": list(found.missing.parties),
                    "on": found.missing.on or None,
                },
                "text": found.condition.text,
            }
            for found in conditions(text, on)
        ],
    }


def told(found: Standing) -> dict[str, Any]:
    """Since when it stands there, and why."""
    return {
        "since": found.since or None,
        "actions": [action.uid for action in found.actions],
        "approximate": found.approximate,
        "sentence": found.sentence,
    }

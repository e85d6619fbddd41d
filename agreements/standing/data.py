"""Reads agreement records from the database, and writes the answer of `standing/`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from django.db.models import Q

from agreements.models import Agreement, EntryIntoForceCondition, LegalForce, Participation, TreatyAction
from agreements.models.agreements import RelationKind
from agreements.models.treaty_actions import ActionKind
from agreements.standing.answers import Standing, earliest, pairs, party_standing, text_standing
from agreements.standing.calculator import BEFORE_FORCE
from agreements.standing.conditions import conditions
from agreements.standing.history import OWN_FORCE
from agreements.standing.records import Action, AgreementRecord, Condition

AT_ONCE = 5_000


def load_records(pks: Iterable[int], user: Any, party: int | None = None) -> dict[int, AgreementRecord]:
    """Each agreement with everything that its standing depends on, in eight queries.

    Accession protocols that the user may not read are left out. With a `party`, only what that party's own standing depends on.
    """
    ids = list(pks)
    protocols = protocols_of(ids, user)
    every = list({*ids, *(protocol for found in protocols.values() for protocol in found)})
    names: dict[str, str] = {}
    dissolved: dict[str, str] = {}
    actions = actions_of(every, party, names, dissolved)
    participants, asked = participants_of(every, party, names, dissolved), conditions_of(every, names)
    fields = ("pk", "slug", "title", "short_title", "legal_force", "expires_on", "later_joiner_delay", "actions_complete_as_of")
    records = {
        pk: AgreementRecord(
            slug=slug,
            actions=tuple(actions[pk]),
            non_binding=force == LegalForce.NON_BINDING,
            expires_on=expires_on,
            participants=frozenset(participants[pk]),
            conditions=tuple(asked[pk]),
            later_joiner_delay=delay,
            actions_complete_as_of=complete,
            dissolved=dissolved,
            title=short_title or title,
            names=names,
        )
        for pk, slug, title, short_title, force, expires_on, delay, complete in Agreement.objects.filter(pk__in=every)
        .order_by()
        .values_list(*fields)
    }
    return {
        pk: replace(records[pk], protocols=tuple(records[protocol] for protocol in protocols[pk] if protocol in records))
        for pk in ids
        if pk in records
    }


def load_record(agreement: Agreement, user: Any) -> AgreementRecord:
    """One agreement. Raises Agreement.DoesNotExist if it was deleted meanwhile."""
    if (found := load_records([agreement.pk], user).get(agreement.pk)) is None:
        raise Agreement.DoesNotExist
    return found


def protocols_of(ids: list[int], user: Any) -> dict[int, list[int]]:
    """The accession protocols of each agreement, in the order of their slugs."""
    found: dict[int, list[int]] = defaultdict(list)
    rows = Agreement.objects.visible_to(user).filter(relations_from__kind=RelationKind.ACCESSION_TO, relations_from__to_agreement__in=ids)
    for agreement, protocol in rows.order_by("slug").values_list("relations_from__to_agreement", "pk"):
        found[agreement].append(protocol)
    return found


def actions_of(ids: list[int], party: int | None, names: dict[str, str], dissolved: dict[str, str]) -> dict[int, list[Action]]:
    rows = TreatyAction.objects.filter(agreement__in=ids).order_by()
    if party is not None:
        # What brings the text into force or ends it matters to every party; without a day of force, all that shows its stage.
        stage = Q(agreement__in_force_on="", kind__in=BEFORE_FORCE)
        rows = rows.filter(Q(party=party) | Q(party__isnull=True) | Q(kind__in=[*OWN_FORCE, ActionKind.TERMINATION]) | stage)
    targets: dict[int, set[str]] = defaultdict(set)
    links = TreatyAction.targets.through.objects.filter(from_treatyaction__agreement__in=ids)
    for pk, uid in links.values_list("from_treatyaction", "to_treatyaction__uid"):
        targets[pk].add(str(uid))
    found: dict[int, list[Action]] = defaultdict(list)
    columns = (
        *("pk", "agreement", "uid", "kind", "acted_on", "effective_on"),
        *("party__code", "party__name", "party__until", "counterparty__code", "counterparty__name", "counterparty__until"),
    )
    for pk, agreement, uid, kind, acted_on, effective_on, *parties in rows.values_list(*columns).iterator(AT_ONCE):
        who, other = note_party(parties[:3], names, dissolved), note_party(parties[3:], names, dissolved)
        found[agreement].append(Action(str(uid), kind, who, acted_on, effective_on, other, frozenset(targets.get(pk, ()))))
    return found


def note_party(columns: Sequence[Any], names: dict[str, str], dissolved: dict[str, str]) -> str:
    """Remembers the name of a party and the day from which it no longer exists. Returns its code, or ""."""
    code, name, until = columns
    if code is None:
        return ""
    names[code] = name
    if until:
        dissolved[code] = until
    return code


def participants_of(ids: list[int], party: int | None, names: dict[str, str], dissolved: dict[str, str]) -> dict[int, set[str]]:
    rows = Participation.objects.filter(agreement__in=ids).order_by()
    if party is not None:
        rows = rows.filter(party=party)
    found: dict[int, set[str]] = defaultdict(set)
    for agreement, *who in rows.values_list("agreement", "party__code", "party__name", "party__until"):
        found[agreement].add(note_party(who, names, dissolved))
    return found


def conditions_of(ids: list[int], names: dict[str, str]) -> dict[int, list[Condition]]:
    rows = EntryIntoForceCondition.objects.filter(agreement__in=ids)
    named: dict[int, set[str]] = defaultdict(set)
    through = EntryIntoForceCondition.parties.through.objects.filter(entryintoforcecondition__agreement__in=ids)
    for pk, code, name in through.values_list("entryintoforcecondition", "party__code", "party__name"):
        named[pk].add(code)
        names[code] = name
    found: dict[int, list[Condition]] = defaultdict(list)
    for pk, agreement, uid, kind, number, fixed_on, delay, text in rows.order_by("pk").values_list(
        "pk", "agreement", "uid", "kind", "number", "fixed_on", "delay", "text"
    ):
        found[agreement].append(Condition(str(uid), kind, number, frozenset(named[pk]), fixed_on, delay, text))
    return found


def standing_document(record: AgreementRecord, on: date, parties: dict[str, str] | None = None) -> dict[str, Any]:
    """The answer of `standing/` for a day (docs/api.md). `parties`, names by code, limits it to these, whether they acted or not."""
    if parties is not None:
        record = replace(record, names={**record.names, **parties})
    text = text_standing(record, on)
    shown = earliest(record).parties if parties is None else sorted(parties)
    complete = record.actions_complete_as_of
    return {
        "agreement": record.slug,
        "on": on.isoformat(),
        "text": {"standing": text.code, **why(text)},
        "actions_complete_as_of": complete.isoformat() if complete else None,
        "parties": [
            {
                "party": party,
                "standing": found.code,
                "bound": found.bound,
                **why(found, incomplete=found.incomplete, via=found.via or None),
            }
            for party in shown
            for found in [party_standing(record, party, on)]
        ],
        "pairs": [
            {
                "parties": list(pair.parties),
                "since": pair.since,
                "actions": [action.uid for action in pair.actions],
                "via": pair.via or None,
            }
            for pair in pairs(record, on)
            if parties is None or parties.keys() & {*pair.parties}
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
            for found in conditions(record, on)
        ],
    }


def why(found: Standing, **more: Any) -> dict[str, Any]:
    """Since when it has the standing, and why."""
    return {
        "since": found.since or None,
        "actions": [action.uid for action in found.actions],
        "approximate": found.approximate,
        **more,
        "sentence": found.sentence,
    }

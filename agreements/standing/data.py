"""Loads agreement records from the database, and makes the document of a standing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, Q

from agreements.models import Agreement, EntryIntoForceCondition, LegalForce, Participation, TreatyAction
from agreements.models.relations import RelationKind
from agreements.models.treaty_actions import ActionKind
from agreements.standing.answers import Pair, Standing, earliest, pairs, party_standing, text_standing
from agreements.standing.calculator import BEFORE_FORCE
from agreements.standing.conditions import ConditionResult, conditions
from agreements.standing.history import OWN_FORCE
from agreements.standing.records import Action, AgreementRecord, Condition
from policytracker.sql.parameters import InIds


def load_records(pks: Iterable[int], user: Any, party: int | None = None) -> dict[int, AgreementRecord]:
    """Each agreement with everything that its standing depends on, in seven queries.

    Accession protocols that the user may not read are left out. With a `party`, only what that party's own standing depends on, without
    the conditions of entry into force, in five.
    """
    ids = list(pks)
    protocols = protocols_of(ids, user)
    with_protocols = list({*ids, *(protocol for slugs in protocols.values() for protocol in slugs)})
    names: dict[str, str] = {}
    dissolved: dict[str, str] = {}
    actions = actions_of(with_protocols, party, names, dissolved)
    participants = participants_of(with_protocols, party, names, dissolved)
    entry_conditions = conditions_of(with_protocols, names) if party is None else {}
    fields = ("pk", "slug", "title", "short_title", "legal_force", "expires_on", "later_joiner_delay", "actions_complete_as_of")
    records = {
        pk: AgreementRecord(
            slug=slug,
            actions=tuple(actions[pk]),
            non_binding=force == LegalForce.NON_BINDING,
            expires_on=expires_on,
            participants=participants[pk],
            conditions=tuple(entry_conditions.get(pk, ())),
            later_joiner_delay=delay,
            actions_complete_as_of=complete,
            dissolved=dissolved,
            title=short_title or title,
            names=names,
            pk=pk,
        )
        for pk, slug, title, short_title, force, expires_on, delay, complete in Agreement.objects.filter(InIds("pk", with_protocols))
        .order_by()
        .values_list(*fields)
    }
    joined = {pk: tuple(records[protocol] for protocol in own if protocol in records) for pk, own in protocols.items()}
    return {pk: replace(records[pk], protocols=joined[pk]) if pk in joined else records[pk] for pk in ids if pk in records}


def load_record(agreement: Agreement, user: Any) -> AgreementRecord:
    """Like load_records(), for one agreement. Raises Agreement.DoesNotExist if it has been deleted."""
    if (record := load_records([agreement.pk], user).get(agreement.pk)) is None:
        raise Agreement.DoesNotExist
    return record


def protocols_of(ids: list[int], user: Any) -> dict[int, list[int]]:
    """The accession protocols of each agreement, in the order of their slugs."""
    protocols: dict[int, list[int]] = defaultdict(list)
    to_any = InIds("relations_from__to_agreement", ids)
    rows = Agreement.objects.visible_to(user).filter(to_any, relations_from__kind=RelationKind.ACCESSION_TO)
    for agreement, protocol in rows.order_by("slug").values_list("relations_from__to_agreement", "pk"):
        protocols[agreement].append(protocol)
    return protocols


def actions_of(ids: list[int], party: int | None, names: dict[str, str], dissolved: dict[str, str]) -> dict[int, list[Action]]:
    rows = TreatyAction.objects.filter(InIds("agreement", ids)).order_by()
    if party is not None:
        # Actions on the text affect every party. If none brought it into force, so do those of other parties that did, and earlier ones.
        of_text = TreatyAction.objects.filter(agreement=OuterRef("agreement"), kind=ActionKind.ENTRY_INTO_FORCE, party__isnull=True)
        dated = of_text.exclude(acted_on="", effective_on="").order_by()
        others = Q(kind__in=OWN_FORCE) | Q(agreement__in_force_on="", kind__in=BEFORE_FORCE)
        rows = rows.filter(Q(party=party) | Q(party__isnull=True) | others & ~Exists(dated))
    targets: dict[int, set[str]] = defaultdict(set)
    links = TreatyAction.targets.through.objects.filter(InIds("from_treatyaction__agreement", ids))
    for pk, uid in links.values_list("from_treatyaction", "to_treatyaction__uid"):
        targets[pk].add(str(uid))
    actions: dict[int, list[Action]] = defaultdict(list)
    columns = (
        *("pk", "agreement", "uid", "kind", "acted_on", "effective_on"),
        *("party__code", "party__name", "party__until", "counterparty__code", "counterparty__name", "counterparty__until"),
    )
    for pk, agreement, uid, kind, acted_on, effective_on, *parties in rows.values_list(*columns):
        actor, counterparty = note_party(parties[:3], names, dissolved), note_party(parties[3:], names, dissolved)
        actions[agreement].append(Action(str(uid), kind, actor, acted_on, effective_on, counterparty, frozenset(targets.get(pk, ())), pk))
    return actions


def note_party(columns: Sequence[Any], names: dict[str, str], dissolved: dict[str, str]) -> str:
    """Adds a party to `names` and, if it no longer exists, to `dissolved`. Returns its code, or "" if there is no party."""
    code, name, until = columns
    if code is None:
        return ""
    names[code] = name
    if until:
        dissolved[code] = until
    return code


def participants_of(ids: list[int], party: int | None, names: dict[str, str], dissolved: dict[str, str]) -> dict[int, dict[str, set[str]]]:
    rows = Participation.objects.filter(InIds("agreement", ids)).order_by()
    if party is not None:
        rows = rows.filter(party=party)
    participants: dict[int, dict[str, set[str]]] = defaultdict(dict)
    for agreement, role, *columns in rows.values_list("agreement", "role", "party__code", "party__name", "party__until"):
        participants[agreement].setdefault(note_party(columns, names, dissolved), set()).add(role)
    return participants


def conditions_of(ids: list[int], names: dict[str, str]) -> dict[int, list[Condition]]:
    rows = EntryIntoForceCondition.objects.filter(InIds("agreement", ids))
    named: dict[int, set[str]] = defaultdict(set)
    through = EntryIntoForceCondition.parties.through.objects.filter(InIds("entryintoforcecondition__agreement", ids))
    for pk, code, name in through.values_list("entryintoforcecondition", "party__code", "party__name"):
        named[pk].add(code)
        names[code] = name
    by_agreement: dict[int, list[Condition]] = defaultdict(list)
    for pk, agreement, uid, kind, number, fixed_on, delay, text in rows.order_by("pk").values_list(
        "pk", "agreement", "uid", "kind", "number", "fixed_on", "delay", "text"
    ):
        by_agreement[agreement].append(Condition(str(uid), kind, number, frozenset(named[pk]), fixed_on, delay, text, pk))
    return by_agreement


@dataclass(frozen=True)
class StandingDocument:
    """The standing of an agreement on a date: of its text, parties and pairs of parties, with the conditions of entry into force."""

    record: AgreementRecord
    on: date
    text: Standing
    parties: list[Standing]
    pairs: list[Pair]
    conditions: list[ConditionResult]


def standing_document(record: AgreementRecord, on: date, parties: dict[str, str] | None = None) -> StandingDocument:
    """The standing on a date. `parties`, names by code, limits it to these parties."""
    if parties is not None:
        record = replace(record, names={**record.names, **parties})
    shown = earliest(record).parties if parties is None else sorted(parties)
    return StandingDocument(
        record,
        on,
        text_standing(record, on),
        [party_standing(record, party, on) for party in shown],
        [pair for pair in pairs(record, on) if parties is None or parties.keys() & {*pair.parties}],
        conditions(record, on),
    )

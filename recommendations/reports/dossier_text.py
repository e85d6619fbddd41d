"""The dossier as a text to read (Markdown): the same records, with names for codes, dates as given, and sources with their addresses."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date
from typing import Any

from django.contrib.auth import get_user_model
from django.db import models

from agreements import serializers as agreed
from agreements.deadlines import DeadlineState
from agreements.models import Party, Source
from agreements.models.treaty_actions import ConditionKind
from agreements.standing import PartyStanding, TextStanding
from policytracker.api.markdown import document, escaped, link, paragraphs, table
from policytracker.codes import Codes
from policytracker.edtf import EdtfField, first_day
from policytracker.records.models import UidRecord
from recommendations import serializers
from recommendations.deadlines import Freshness
from recommendations.models import Status
from recommendations.reports.dossier import SECTIONS

COLUMNS = {
    "participations": ["party", "role", "since", "until", "focus_area", "contribution", "note"],
    "treaty_actions": [
        *("acted_on", "kind", "party", "counterparty", "effective_on", "place", "signed_by", "targets", "text", "note", "source"),
    ],
    "conditions": ["kind", "number", "parties", "fixed_on", "delay", "text", "source"],
    "components": [
        *("slug", "title", "description", "status", "deadline_state", "lead_parties", "starts_on", "due_on", "completed_on", "parent"),
    ],
    "commitments": [
        *("stage", "bound", "amount", "currency", "payer", "stated_on", "component", "description", "disputes", "part_of", "source"),
    ],
    "outcomes": ["slug", "statement", "component", "sector"],
    "indicators": [
        *("slug", "outcome", "name", "unit", "direction", "baseline_value", "baseline_on", "target_value", "target_on"),
    ],
    "measurements": ["indicator", "measured_on", "value", "note", "source"],
    "citations": ["agreement", "component", "participation", "outcome", "field", "source", "stance", "confidence"],
    "fact_checks": ["statement", "verdict", "correction", "source", "correcting_source", "checked_on"],
    "relations": ["from", "kind", "to", "note", "source"],
}
ADDRESSEES = ["party", "role", "response", "responded_on", "response_text", "source"]
COMPUTED: dict[str, type[Codes]] = {"deadline_state": DeadlineState, "freshness": Freshness}
DATED = {"treaty_actions": "acted_on", "measurements": "measured_on"}
PARTIES = {"party", "counterparty", "payer", "parties", "lead_parties", "made_by"}
SOURCES = {"source", "correcting_source"}
PASSED_OVER = {"url", "version", "created_at", "updated_at", "locator", "quote", "relations", "claims", "addressees", "newest_update"}
NONE = "None recorded."


def mentioned(told: Any, names: Collection[str]) -> set[str]:
    """Every key under one of the names, however deep."""
    if isinstance(told, list):
        return set().union(*(mentioned(one, names) for one in told))
    found: set[str] = set()
    for name, value in told.items() if isinstance(told, dict) else ():
        if name in names:
            values = value if isinstance(value, list) else [value]
            found |= {one for one in values if isinstance(one, str)}
        if isinstance(value, list | dict):
            found |= mentioned(value, names)
    return found


def worded(name: str) -> str:
    return name.replace("_", " ").capitalize()


class DossierText:
    """Writes what a dossier tells. Every text of a person goes through `escaped`; the rest are codes, keys, dates and numbers."""

    def __init__(self, told: dict[str, Any], user: Any):
        self.told = told
        parties = Party.objects.visible_to(user).filter(code__in=mentioned(told, PARTIES))
        self.names = dict(parties.values_list("code", "name"))
        self.sources = Source.objects.visible_to(user).filter(slug__in=mentioned(told, SOURCES)).order_by("slug")
        self.lines = {row["uid"]: self.line(row) for row in told["treaty_actions"]["results"] + told["commitments"]["results"]}

    def __str__(self) -> str:
        return document(self.blocks())

    def blocks(self) -> Iterator[str]:
        agreement = self.told["agreement"]
        yield f"# {escaped(agreement['title'])}"
        yield f"As of {self.told['on']}. {link(agreement['url'])}"
        yield from self.facts(agreed.AgreementSerializer, agreement, leave_out={"title"})
        yield "## Standing"
        yield from self.standing()
        for name in SECTIONS:
            section = self.told[name]
            yield f"## {worded(name)} ({section['count']})"
            if not section["results"]:
                yield NONE
            elif name == "recommendations":
                for one in section["results"]:
                    yield from self.recommendation(one)
            else:
                yield from self.rows(SECTIONS[name].serializer, self.by_day(name, section["results"]), COLUMNS[name])
            if section["next"]:
                yield f"{section['count'] - len(section['results'])} more: {link(section['next'])}"
        yield "## Sources"
        yield "\n".join(map(self.source, self.sources)) or NONE

    # ---- parts

    def standing(self) -> Iterator[str]:
        standing = self.told["standing"]
        text = standing["text"]
        yield f"**{TextStanding(text['standing']).label}**{since(text)}. {escaped(text['sentence'])}"
        if standing["parties"]:
            yield from table(
                ["Party", "Standing", "Since", "Why"],
                [
                    [self.party(one["party"]), PartyStanding(one["standing"]).label, one["since"] or "", escaped(one["sentence"])]
                    for one in standing["parties"]
                ],
            )
        if standing["pairs"]:
            pairs = [[" and ".join(map(self.party, pair["parties"])), pair["since"] or ""] for pair in standing["pairs"]]
            yield from table(["In force between", "Since"], pairs)
        if standing["conditions"]:
            yield from table(
                ["Condition of entry into force", "Met", "Missing", "Words"],
                [
                    [
                        ConditionKind(one["kind"]).label,
                        f"Yes, {one['met_on']}" if one["met"] and one["met_on"] else "Yes" if one["met"] else "No",
                        self.missing(one["missing"]),
                        escaped(one["text"]),
                    ]
                    for one in standing["conditions"]
                ],
            )

    def missing(self, missing: dict[str, Any]) -> str:
        number, parties, on = missing["number"], missing["parties"], missing["on"]
        told = [f"{number} consents"] if number else []
        return "; ".join([*told, *([", ".join(map(self.party, parties))] if parties else []), *([on] if on else [])])

    def recommendation(self, one: dict[str, Any]) -> Iterator[str]:
        yield f"### {escaped(one['key_action'])}"
        yield from self.facts(serializers.RecommendationSerializer, one, leave_out={"key_action"})
        if one["claims"]:
            status = Status
            claims = [[self.party(claim["party"]), status(claim["status"]).label, claim["reported_on"]] for claim in one["claims"]]
            yield from table(["Claimed by", "Status", "Reported on"], claims)
        if one["addressees"]:
            yield "Addressees:"
            yield from self.rows(serializers.AddresseeSerializer, one["addressees"], ADDRESSEES)
        if update := one["newest_update"]:
            yield "Newest update:"
            yield from self.facts(serializers.ProgressUpdateSerializer, update, leave_out={"recommendation", "narrative", "evidence"})
            yield from paragraphs(update["narrative"])
            if update["evidence"]:
                yield from self.rows(serializers.EvidenceSerializer, update["evidence"], ["source", "stance", "confidence"])

    def source(self, source: Source) -> str:
        about = [source.get_kind_display(), source.title, source.author, source.publisher]
        told = ", ".join([*(escaped(text) for text in about if text), *([source.published_on] if source.published_on else [])])
        addresses = [link(address) for address in (source.original_url, source.archived_url) if address]
        return f"- `{source.slug}`: {' '.join([f'{told}.', *addresses])}"

    # ---- records

    def by_day(self, name: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those that tell what happened in the order of their days; what has none comes last."""
        if name not in DATED:
            return records
        return sorted(records, key=lambda record: first_day(record[DATED[name]] or "") or date.max)

    def facts(self, serializer: Any, record: dict[str, Any], leave_out: Collection[str]) -> Iterator[str]:
        """All that is known of one record, field by field."""
        known = [(name, self.cell(serializer, record, name)) for name in record if name not in PASSED_OVER and name not in leave_out]
        yield from table(["Field", "Value"], [[worded(name), cell] for name, cell in known if cell])

    def rows(self, serializer: Any, records: list[dict[str, Any]], names: list[str]) -> Iterator[str]:
        """Records as a table, of those columns in which any of them has something."""
        cells = [{name: self.cell(serializer, record, name) for name in names} for record in records]
        used = [name for name in names if any(row[name] for row in cells)]
        yield from table([worded(name) for name in used], [[row[name] for name in used] for row in cells])

    def cell(self, serializer: Any, record: dict[str, Any], name: str) -> str:
        value = record[name]
        if name == "source":
            return self.words(record)
        if value is None or value == "" or value == []:
            return ""
        if name in COMPUTED:
            return str(COMPUTED[name](value).label)
        model = serializer.Meta.model
        field = model._meta.get_field(getattr(serializer.Meta, "names", {}).get(name, name))
        return ", ".join(self.value(field, one) for one in (value if isinstance(value, list) else [value]))

    def value(self, field: models.Field, value: Any) -> str:
        if field.is_relation:
            return self.reference(field.related_model, value)
        if isinstance(value, bool):
            return "Yes" if value else "No"
        if isinstance(field, EdtfField | models.DateField | models.DecimalField | models.IntegerField):
            return str(value)
        if field.choices:
            return escaped(str(dict(field.flatchoices)[value]))
        return f"`{value}`" if isinstance(field, models.SlugField | models.UUIDField) else escaped(str(value))

    def reference(self, model: Any, key: str) -> str:
        if model is Party:
            return self.party(key)
        if model is get_user_model():
            return escaped(key)
        return self.lines.get(key, f"`{key}`") if issubclass(model, UidRecord) else f"`{key}`"

    def party(self, code: str) -> str:
        return f"{escaped(self.names.get(code, ''))} ({escaped(code)})".strip()

    def line(self, record: dict[str, Any]) -> str:
        """A record without a name, told apart in a few words."""
        if "amount" in record:
            return f"{record['currency']} {record['amount']}"
        serializer = agreed.TreatyActionSerializer
        return ", ".join(filter(None, (self.cell(serializer, record, name) for name in ("kind", "party", "acted_on"))))

    def words(self, record: dict[str, Any]) -> str:
        """The source of a fact, the place in it, and what it says there."""
        place = ", ".join([f"`{record['source']}`"] * bool(record["source"]) + [escaped(record["locator"])] * bool(record["locator"]))
        return ": ".join(filter(None, [place, f"“{escaped(record['quote'])}”" if record["quote"] else ""]))


def since(standing: dict[str, Any]) -> str:
    return f" since {standing['since']}" if standing["since"] else ""

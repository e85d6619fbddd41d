"""The resources of the API (docs/api.md), and a small world in which each of them can be created."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from agreements.models import Citation, FactCheck, FocusArea, Outcome, Participation, Sector
from agreements.models.relations import AgreementRelation
from recommendations.models import Addressee, Recommendation
from tests.make import (
    make_action,
    make_agreement,
    make_commitment,
    make_component,
    make_condition,
    make_indicator,
    make_measurement,
    make_party,
    make_recommendation,
    make_source,
)

HEAD = ["url", "version", "created_at", "updated_at"]
SHELVES = ["visibility", "publication"]


@dataclass(frozen=True)
class Resource:
    """One resource: the fields that POST requires, the full body, and the fields of a response."""

    address: str
    key: str
    required: dict[str, Any]
    rest: dict[str, Any]
    defaults: dict[str, Any]
    system: list[str] = field(default_factory=list)
    computed: list[str] = field(default_factory=list)
    published: bool = False

    @property
    def full(self):
        return self.required | self.rest

    @property
    def field_names(self):
        """The names of all fields in a response."""
        shelves = SHELVES if self.published else []
        return {self.key, *HEAD, *shelves, *self.required, *self.rest, *self.defaults, *self.system, *self.computed}

    def at(self, record):
        """The URL path of a record."""
        return f"{self.address}/{record if isinstance(record, str) else record[self.key]}/"


def null(names: str) -> dict[str, None]:
    return dict.fromkeys(names.split())


def blank(names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), "")


PARTICIPATION = "11111111-1111-4111-8111-111111111111"
ACTION = "22222222-2222-4222-8222-222222222222"
FIGURE = "33333333-3333-4333-8333-333333333333"
UNCITED = null("source") | blank("locator quote")
CITING = {"source": "communique", "locator": "p. 4", "quote": "“as they said”  "}

RESOURCES = {
    resource.address: resource
    for resource in [
        Resource(
            "parties",
            "code",
            {"code": "NZL", "name": "New Zealand", "kind": "state"},
            {
                "iso_alpha2": "NZ",
                "iso_numeric": "055",
                "parent": "GBR",
                "since": "1907-09~",
                "until": "2100",
                "aliases": ["Aotearoa", "N; Z"],
            },
            null("iso_alpha2 iso_numeric parent since until") | {"aliases": []},
        ),
        Resource("sectors", "code", {"code": "space", "name": "Space"}, {"description": "Above."}, blank("description")),
        Resource("focus-areas", "code", {"code": "skills", "name": "Skills"}, {"description": "What people can do."}, blank("description")),
        Resource(
            "sources",
            "slug",
            {"slug": "new-source", "kind": "news"},
            {
                "title": "Pact signed",
                "publisher": "The Daily",
                "author": "A. Person",
                "original_url": "https://news.example/a?b=1",
                "archived_url": "https://archive.example/x",
                "published_on": "2025-10-20",
                "retrieved_on": "2025-10-21",
                "language": "en-AU",
                "notes": "Read twice.",
            },
            null("published_on retrieved_on language file") | blank("title publisher author original_url archived_url notes"),
            system=["sha256"],
            published=True,
        ),
        Resource(
            "agreements",
            "slug",
            {"slug": "new-agreement", "title": "A new agreement"},
            {
                "short_title": "New",
                "kind": "treaty",
                "legal_force": "binding",
                "status": "in_force",
                "summary": "Of much.",
                "purpose": "Peace",
                "signed_at_place": "Canberra",
                "registration": "UNTS 1",
                "depositary": "Australia",
                "expires_on": "2030",
                "next_review_on": "2027-05~",
                "actions_complete_as_of": "2025-05-13",
                "later_joiner_delay": "P30D",
                "sectors": ["energy", "water"],
                "lead": "analyst",
                "team": ["analyst", "reviewer"],
            },
            null("expires_on next_review_on actions_complete_as_of later_joiner_delay lead")
            | blank("short_title summary purpose signed_at_place registration depositary")
            | {"kind": "agreement", "legal_force": "undetermined", "status": "unknown", "sectors": [], "team": []},
            system=["signed_on", "in_force_on"],
            computed=["relations"],
            published=True,
        ),
        Resource(
            "agreement-relations",
            "uid",
            {"from": "aukus", "kind": "builds_on", "to": "quad"},
            {"note": "In part.", **CITING},
            blank("note") | UNCITED,
        ),
        Resource(
            "participations",
            "uid",
            {"agreement": "aukus", "party": "GBR", "role": "participant"},
            {"since": "2021-09", "until": "2031", "focus_area": "capital", "contribution": "Boats.", "note": "As stated."},
            null("since until focus_area") | blank("contribution note"),
        ),
        Resource(
            "treaty-actions",
            "uid",
            {"agreement": "aukus", "kind": "suspension"},
            {
                "party": "AUS",
                "acted_on": "2025-03~",
                "counterparty": "GBR",
                "effective_on": "2025-04-01",
                "place": "Canberra",
                "signed_by": "A. Person, Prime Minister",
                "targets": [ACTION],
                "text": "Under article 9.",
                "note": "As stated.",
                **CITING,
            },
            null("party acted_on counterparty effective_on") | blank("place signed_by text note") | {"targets": []} | UNCITED,
        ),
        Resource(
            "entry-into-force-conditions",
            "uid",
            {"agreement": "aukus", "kind": "all_signatories"},
            {"number": 3, "parties": ["AUS", "GBR"], "fixed_on": "2026", "delay": "P30D", "text": "Article 9", **CITING},
            null("number fixed_on delay") | blank("text") | {"parties": []} | UNCITED,
        ),
        Resource(
            "components",
            "slug",
            {"slug": "new-component", "agreement": "aukus", "title": "A part"},
            {
                "parent": "pillar-one",
                "position": 3,
                "description": "Of the whole.",
                "status": "active",
                "lead_parties": ["AUS", "GBR"],
                "starts_on": "2024",
                "due_on": "2030-06",
                "completed_on": "2029-12-31",
                "due_anchor": "none",
                "due_offset": None,
            },
            null("parent position starts_on due_on due_offset completed_on")
            | blank("description")
            | {"status": "unknown", "lead_parties": [], "due_anchor": "none"},
            system=["original_due_on"],
            computed=["deadline_state"],
            published=True,
        ),
        Resource(
            "commitments",
            "uid",
            {"agreement": "aukus", "stage": "announced", "amount": "13000000000.00", "currency": "AUD"},
            {
                "component": "pillar-one",
                "payer": "AUS",
                "bound": "about",
                "stated_on": "2025-10",
                "description": "Over ten years.",
                "disputes": FIGURE,
                "part_of": None,
                **CITING,
            },
            null("component payer stated_on disputes part_of") | blank("description") | {"bound": "exactly"} | UNCITED,
        ),
        Resource(
            "outcomes",
            "slug",
            {"slug": "new-outcome", "agreement": "aukus", "statement": "The sea is safer."},
            {"component": "pillar-one", "sector": "water"},
            null("component sector"),
        ),
        Resource(
            "indicators",
            "slug",
            {"slug": "new-indicator", "outcome": "safer", "name": "Days at sea"},
            {
                "unit": "d/y",
                "direction": "increase",
                "baseline_value": "-1.5000",
                "baseline_on": "2021",
                "target_value": "300.0000",
                "target_on": "2030-06~",
            },
            null("direction baseline_value baseline_on target_value target_on") | blank("unit"),
        ),
        Resource(
            "measurements",
            "uid",
            {"indicator": "boats", "measured_on": "2026-03~", "value": "1.2500"},
            {"note": "In part.", **CITING},
            blank("note") | UNCITED,
        ),
        Resource(
            "fact-checks",
            "slug",
            {"slug": "new-check", "source": "communique", "statement": "It was signed in May."},
            {
                "agreement": "aukus",
                "locator": "p. 2",
                "quote": "in May",
                "verdict": "incorrect",
                "correction": "In June.",
                "correcting_source": "gazette",
                "checked_on": "2025-11-01",
            },
            null("agreement correcting_source checked_on") | blank("locator quote correction") | {"verdict": "unchecked"},
        ),
        Resource(
            "citations",
            "uid",
            {"source": "communique", "component": "pillar-one"},
            {"field": "due_on", "locator": "§ 3", "quote": "by 2030", "confidence": "confirmed", "stance": "contradicts"},
            null("agreement participation outcome") | blank("field locator quote") | {"confidence": "reported", "stance": "supports"},
        ),
        Resource(
            "recommendations",
            "slug",
            {"slug": "new-recommendation", "key_action": "Build the yard"},
            {
                "details": "Soon.",
                "expected_outcome": "A yard.",
                "focus_area": "capital",
                "agreements": ["aukus", "quad"],
                "components": ["pillar-one"],
                "sectors": ["water"],
                "parent": "act",
                "made_by": "GBR",
                "made_by_text": "Experts",
                "made_on": "2024~",
                **CITING,
                "priority": "medium",
                "owner": "analyst",
                "due_on": "2030-06",
                "update_every": 30,
                "superseded_by": "act",
                "source_scheme": "gao",
                "source_code": "Open",
            },
            null("focus_area parent made_by made_on owner due_on update_every superseded_by")
            | blank("details expected_outcome made_by_text source_scheme source_code")
            | {"agreements": [], "components": [], "sectors": [], "priority": "unset"}
            | UNCITED,
            system=["original_due_on", "status", "claimed_status", "status_since", "progress_percent", "last_update_on", "closed_on"],
            computed=["deadline_state", "freshness", "claims"],
            published=True,
        ),
        Resource(
            "addressees",
            "uid",
            {"recommendation": "act", "party": "GBR"},
            {"role": "support", "response": "accepted", "responded_on": "2025-02", "response_text": "Yes.", **CITING},
            null("responded_on") | blank("response_text") | {"role": "lead", "response": "none_recorded"} | UNCITED,
        ),
        Resource(
            "milestones",
            "uid",
            {"recommendation": "act", "title": "The keel is laid"},
            {"position": 2, "due_on": "2027-06~", "completed_on": "2027-05-31"},
            null("position due_on completed_on"),
        ),
        Resource("dependencies", "uid", {"recommendation": "later", "depends_on": "act"}, {}, {}),
    ]
}
# Fields with lists; fields with integers; fields with decimals, which are strings in JSON.
LISTS = {"aliases", "sectors", "team", "lead_parties", "agreements", "components", "targets", "parties"}
DECIMALS = {"amount", "value", "baseline_value", "target_value"}
NUMBERS = {"position", "update_every", "number", *DECIMALS}
PUBLISHED = [resource.address for resource in RESOURCES.values() if resource.published]
UPDATE = """
uid url version created_at updated_at recommendation kind status progress_percent reported_on narrative reason party assessed_by author
review reviewed_by reviewed_at review_note voided_at voided_by void_reason corrects closes evidence"""


# The smallest changes that make a second record of each resource possible.
OTHER = {
    "parties": {"code": "ZZZ", "name": "Other", "kind": "territory"},
    "sectors": {"code": "other", "name": "Other"},
    "focus-areas": {"code": "other", "name": "Other"},
    "sources": {"slug": "other", "kind": "analysis"},
    "agreements": {"slug": "other", "title": "Other"},
    "agreement-relations": {"from": "quad", "kind": "part_of", "to": "aukus"},
    "participations": {"agreement": "quad", "party": "AUS", "role": "host"},
    "treaty-actions": {"agreement": "quad", "kind": "adoption"},
    "entry-into-force-conditions": {"agreement": "quad", "kind": "on_signature"},
    "components": {"slug": "other", "agreement": "quad", "title": "Other"},
    "commitments": {"agreement": "quad", "stage": "disbursed", "amount": "5.00", "currency": "USD"},
    "outcomes": {"slug": "other", "agreement": "quad", "statement": "Other"},
    "indicators": {"slug": "other", "outcome": "safer", "name": "Other"},
    "measurements": {"indicator": "boats", "measured_on": "2024", "value": "7.0000"},
    "fact-checks": {"slug": "other", "source": "gazette", "statement": "Other"},
    "citations": {"source": "gazette", "agreement": "quad"},
    "recommendations": {"slug": "other", "key_action": "Other"},
    "addressees": {"recommendation": "later", "party": "AUS"},
    "milestones": {"recommendation": "later", "title": "Other"},
    "dependencies": {"recommendation": "other", "depends_on": "later"},
}


def other_than_full(address):
    """A body that creates a second record beside the full one."""
    if address == "dependencies" and not Recommendation.objects.filter(slug="other").exists():
        make_recommendation(slug="other")
    return OTHER[address]


def make_world(**fields) -> SimpleNamespace:
    """Two agreements with child records, all public and published; `fields` are set on the registry records."""
    w = SimpleNamespace()
    w.aus, w.gbr = make_party("AUS", name="Australia"), make_party("GBR", name="United Kingdom")
    w.energy, w.water = (Sector.objects.create(code=code, name=code.title()) for code in ("energy", "water"))
    w.capital = FocusArea.objects.create(code="capital", name="Capital")
    w.communique = make_source(slug="communique", title="Communiqué", **fields)
    w.gazette = make_source(slug="gazette", **fields)
    w.aukus = make_agreement(slug="aukus", title="AUKUS", **fields)
    w.quad = make_agreement(slug="quad", title="Quad", **fields)
    w.part = make_component(w.aukus, slug="pillar-one", title="Pillar one", **fields)
    w.participation = Participation.objects.create(uid=PARTICIPATION, agreement=w.aukus, party=w.aus, role="party", since="2021-09-15")
    w.relation = AgreementRelation.objects.create(from_agreement=w.quad, kind="complements", to_agreement=w.aukus)
    w.action = make_action(w.aukus, "announcement", acted_on="2021-09-15", uid=ACTION)
    w.condition = make_condition(w.aukus)
    w.figure = make_commitment(w.aukus, uid=FIGURE)
    w.outcome = Outcome.objects.create(slug="safer", agreement=w.aukus, statement="Safer")
    w.indicator = make_indicator(w.outcome, slug="boats", name="Boats")
    w.measurement = make_measurement(w.indicator)
    w.check = FactCheck.objects.create(slug="when", agreement=w.aukus, source=w.communique, statement="In May")
    w.citation = Citation.objects.create(source=w.communique, agreement=w.aukus, quote="words")
    w.act = make_recommendation(w.aukus, slug="act", key_action="Act", **fields)
    w.later = make_recommendation(slug="later", key_action="Later", **fields)
    w.addressee = Addressee.objects.create(recommendation=w.act, party=w.aus)
    return w

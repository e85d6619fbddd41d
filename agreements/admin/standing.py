"""The panel on the page of an agreement: the standing of the text and its parties on a day, with reasons and missing conditions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse

from agreements import models
from agreements.models.treaty_actions import ActionKind, ConditionKind
from agreements.standing import PartyStanding, TextStanding
from agreements.standing.data import load_record, standing_document
from policytracker.admin.querysets import visible
from policytracker.api.filters import iso_date
from policytracker.resources import ReadContext, today

COLOURS = {
    "success": [TextStanding.IN_FORCE, TextStanding.OPERATIVE, PartyStanding.BOUND, PartyStanding.PARTICIPANT],
    "info": [TextStanding.PROVISIONALLY_APPLIED, PartyStanding.PROVISIONALLY_APPLYING, PartyStanding.CONTRACTING],
    "primary": [TextStanding.SIGNED, PartyStanding.SIGNATORY],
    "warning": [TextStanding.SUSPENDED, PartyStanding.SUSPENDED, PartyStanding.WITHDRAWING],
    "danger": [TextStanding.TERMINATED, PartyStanding.FORMER_PARTY],
}
CONSENT = "the consent of"
LACKS = {ConditionKind.ON_SIGNATURE: "the signature of", ConditionKind.EXCHANGE_OF_NOTES: "the notification of"}
SHOWN = 8  # names or actions; the rest is collapsed or counted


@dataclass(frozen=True)
class Chip:
    """A standing as a label."""

    label: str
    colour: str

    @classmethod
    def of(cls, code: TextStanding | PartyStanding) -> Chip:
        return cls(str(code.label), next((colour for colour, codes in COLOURS.items() if code in codes), ""))


@dataclass(frozen=True)
class Link:
    """A record by its name, and its page."""

    name: str
    url: str


@dataclass(frozen=True)
class Line:
    """The standing of the text or of a party; `more` counts the actions that are not shown."""

    who: str
    code: str
    code_column: Chip
    since: str | None
    approximate: bool
    sentence: str
    actions: list[Link]
    more: int = 0
    incomplete: bool = False
    via: Link | None = None


@dataclass(frozen=True)
class PairLine:
    """Two parties between which it is in force."""

    parties: list[str]
    since: str
    actions: list[Link]
    via: Link | None = None


@dataclass(frozen=True)
class ConditionLine:
    """A condition of entry into force: since when it is met, or what is still missing."""

    page: Link
    text: str
    met: bool
    met_on: str | None
    missing: list[Missing]


@dataclass(frozen=True)
class Missing:
    """Something that a condition still waits for, and of whom."""

    what: str
    names: list[str] = field(default_factory=list)

    @property
    def folded(self) -> bool:
        return len(self.names) > SHOWN


@dataclass
class Standing:
    """What the panel shows of a day."""

    on: date
    text: Line
    parties: list[Line]
    pairs: list[PairLine]
    conditions: list[ConditionLine]
    kept: list[tuple[str, str]] = field(default_factory=list)  # what else the address of the page says
    refused: str = ""

    @property
    def counts(self) -> list[tuple[Chip, int]]:
        """How many parties have each standing, in the order of the code list."""
        found = Counter(line.code for line in self.parties)
        return [(Chip.of(code), found[code]) for code in PartyStanding if found[code]]


def standing(agreement: models.Agreement, user: Any, on: date) -> Standing:
    """The standing of the agreement with names and links, in a number of queries that does not depend on its actions."""
    told = standing_document(load_record(agreement, user), on)
    of_parties = {row["party"] for row in told["parties"]} | {code for pair in told["pairs"] for code in pair["parties"]}
    of_parties |= {code for condition in told["conditions"] for code in condition["missing"]["parties"]}
    names = dict(visible(models.Party, user).filter(code__in=of_parties).order_by().values_list("code", "name"))
    protocols = {row["via"] for row in (*told["parties"], *told["pairs"]) if row["via"]}
    via = {
        record.slug: Link(str(record), reverse("admin:agreements_agreement_change", args=[record.pk]))
        for record in visible(models.Agreement, user).filter(slug__in=protocols).order_by().only("pk", "slug", "title", "short_title")
    }
    links = {
        str(uid): (Link(told_of(kind, None, other, acted_on), page), Link(told_of(kind, party, other, acted_on), page))
        for pk, uid, kind, party, other, acted_on in visible(models.TreatyAction, user)
        .filter(Q(agreement=agreement) | Q(agreement__slug__in=protocols))
        .order_by()
        .values_list("pk", "uid", "kind", "party__name", "counterparty__name", "acted_on")
        for page in [reverse("admin:agreements_treatyaction_change", args=[pk])]
    }
    pages = {
        str(uid): reverse("admin:agreements_entryintoforcecondition_change", args=[pk])
        for pk, uid in visible(models.EntryIntoForceCondition, user).filter(agreement=agreement).order_by().values_list("pk", "uid")
    }

    def line(row: dict[str, Any], who: str, code: TextStanding | PartyStanding) -> Line:
        acted = [links[uid][not row.get("party")] for uid in row["actions"] if uid in links]
        rest = max(0, len(acted) - SHOWN)
        return Line(
            who=who,
            code=code,
            code_column=Chip.of(code),
            since=row["since"],
            approximate=row["approximate"],
            sentence=row["sentence"],
            actions=acted[:SHOWN],
            more=rest,
            incomplete=row.get("incomplete", False),
            via=via.get(row.get("via")),
        )

    return Standing(
        on=on,
        text=line(told["text"], str(agreement), TextStanding(told["text"]["standing"])),
        parties=[line(row, names.get(row["party"], row["party"]), PartyStanding(row["standing"])) for row in told["parties"]],
        pairs=[
            PairLine(
                [names.get(code, code) for code in pair["parties"]],
                pair["since"],
                [links[uid][1] for uid in pair["actions"] if uid in links],
                via.get(pair["via"]),
            )
            for pair in told["pairs"]
        ],
        conditions=[
            ConditionLine(
                page=Link(str(ConditionKind(row["kind"]).label), pages[row["uid"]]),
                text=row["text"],
                met=row["met"],
                met_on=row["met_on"],
                missing=[] if row["met"] else list(missing(row, names)),
            )
            for row in told["conditions"]
            if row["uid"] in pages
        ],
    )


def told_of(kind: str, party: str | None, other: str | None, acted_on: str) -> str:
    """An action in words; without the party where the line is about it."""
    by, beside = f" by {party}" if party else "", f" with {other}" if other else ""
    return f"{ActionKind(kind).label}{by}{beside}, {acted_on or 'undated'}"


def missing(condition: dict[str, Any], names: dict[str, str]) -> Iterable[Missing]:
    """What a condition still waits for, in words."""
    lacks = condition["missing"]
    if lacks["number"] and condition["kind"] == ConditionKind.ON_SIGNATURE:
        yield Missing("a signature")
    elif lacks["number"]:
        yield Missing(f"{lacks['number']} more consent{'' if lacks['number'] == 1 else 's'}")
    if lacks["parties"]:
        yield Missing(LACKS.get(ConditionKind(condition["kind"]), CONSENT), [names.get(code, code) for code in lacks["parties"]])
    if lacks["on"]:
        yield Missing(f"the day {lacks['on']}")


class Panel:
    """The page of an agreement, with its standing on the day `on` of the address, today by default."""

    def render_change_form(self, request: HttpRequest, context, add=False, change=False, form_url="", obj=None):
        if obj is not None and change:
            context["standing"] = self.standing_of(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)  # type: ignore[misc]

    def standing_of(self, request: HttpRequest, agreement: models.Agreement) -> Standing:
        on, refused = today(), ""
        asked = request.GET.get("on", "").strip()
        if asked:
            try:
                on = iso_date(asked, ReadContext.of(request.user))
            except ValueError as error:
                refused = f"{error} This is the standing today."
        shown = standing(agreement, request.user, on)
        shown.kept = [(name, value) for name, values in request.GET.lists() if name != "on" for value in values]
        shown.refused = refused
        return shown

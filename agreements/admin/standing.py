"""The standing panel of an agreement: the legal status of the text and its parties on a date, with reasons and unmet conditions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from functools import cache, cached_property
from typing import Any

from django import forms
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agreements import models
from agreements.models.treaty_actions import ActionKind, ConditionKind
from agreements.standing import PartyStanding, TextStanding
from agreements.standing.data import load_record, standing_document
from policytracker.admin import apply_theme, label_html
from policytracker.admin.forms import Day
from policytracker.admin.querysets import visible
from policytracker.edtf import date_in_words
from policytracker.resources import today

COLOURS = {
    "success": [TextStanding.IN_FORCE, TextStanding.OPERATIVE, PartyStanding.BOUND, PartyStanding.PARTICIPANT],
    "info": [TextStanding.PROVISIONALLY_APPLIED, PartyStanding.PROVISIONALLY_APPLYING, PartyStanding.CONTRACTING],
    "primary": [TextStanding.SIGNED, PartyStanding.SIGNATORY],
    "warning": [TextStanding.SUSPENDED, PartyStanding.SUSPENDED, PartyStanding.WITHDRAWING],
    "danger": [TextStanding.TERMINATED, PartyStanding.FORMER_PARTY],
}
CONSENT = _("consent of")
MISSING_FROM_PARTIES = {ConditionKind.ON_SIGNATURE: _("signature of"), ConditionKind.EXCHANGE_OF_NOTES: _("notification of")}
ACTION = {  # by whether the label has a party and a counterparty
    (False, False): _("%(kind)s, %(date)s"),
    (True, False): _("%(kind)s by %(party)s, %(date)s"),
    (False, True): _("%(kind)s with %(counterparty)s, %(date)s"),
    (True, True): _("%(kind)s by %(party)s with %(counterparty)s, %(date)s"),
}
ANY = "ANY"  # stands for the key in the address of a page: making each address takes long
LONGEST = 600  # characters of a sentence
SHOWN = 8  # names or actions; the rest is collapsed or counted


@dataclass(frozen=True)
class Badge:
    """The label of a standing and its colour."""

    label: str
    colour: str

    @cached_property
    def html(self) -> str:
        return label_html(self.label, self.colour)

    @classmethod
    def of(cls, code: TextStanding | PartyStanding) -> Badge:
        return cls(str(code.label), next((colour for colour, codes in COLOURS.items() if code in codes), ""))


@dataclass(frozen=True)
class Link:
    """The name of a record and the URL of its page."""

    name: str
    url: str


def joined(links: Iterable[Link]) -> str:
    """The links as HTML. A template that includes another one for each link takes ten times as long."""
    return format_html_join(" · ", '<a href="{}">{}</a>', ((link.url, link.name) for link in links))


@dataclass(frozen=True)
class Line:
    """The standing of the text or of a party. `more` is the number of actions that are not shown.

    `expected` is false for a party without a standing whose roles do not give one.
    """

    name: str
    code: str
    badge: Badge
    since: str | None
    approximate: bool
    sentence: str
    actions: list[Link]
    more: int = 0
    via: Link | None = None
    expected: bool = True

    @property
    def links(self) -> str:
        return joined(self.actions)


@dataclass(frozen=True)
class PairLine:
    """Two parties between which the text is in force."""

    parties: list[str]
    since: str
    actions: list[Link]
    via: Link | None = None

    @property
    def links(self) -> str:
        return joined(self.actions)


@dataclass(frozen=True)
class ConditionLine:
    """A condition of entry into force: the date on which it was met, or what is missing."""

    page: Link
    text: str
    met: bool
    met_on: str | None
    missing: list[Missing]


@dataclass(frozen=True)
class Missing:
    """Something that a condition requires, and the parties from which it is missing."""

    what: str
    names: list[str] = field(default_factory=list)

    @property
    def collapsed(self) -> bool:
        return len(self.names) > SHOWN


@dataclass
class Standing:
    """The content of the panel."""

    on: date
    text: Line
    parties: list[Line]
    pairs: list[PairLine]
    conditions: list[ConditionLine]
    names: dict[str, str]  # of the parties, by code
    complete_until: date | None = None  # the day up to which all actions are recorded, if it is before `on`
    other_parameters: list[tuple[str, str]] = field(default_factory=list)  # of the URL, without `on`
    date_error: str = ""
    form: StandingForm | None = None

    @property
    def counts(self) -> list[tuple[Badge, int]]:
        """How many parties have each standing, in the order of the code list. Without those that are not expected to have one."""
        numbers = Counter(line.code for line in self.parties if line.expected)
        return [(Badge.of(code), numbers[code]) for code in PartyStanding if numbers[code]]


def standing(agreement: models.Agreement, user: Any, on: date) -> Standing:
    """The standing of the agreement on a date, with names and links. The number of queries is fixed."""
    record = load_record(agreement, user)
    document = standing_document(record, on)
    codes = {row["party"] for row in document["parties"]} | {code for pair in document["pairs"] for code in pair["parties"]}
    codes |= {code for condition in document["conditions"] for code in condition["missing"]["parties"]}
    names = dict(visible(models.Party, user).filter(code__in=codes).order_by().values_list("code", "name"))
    protocols = {row["via"] for row in (*document["parties"], *document["pairs"]) if row["via"]}
    via = {
        record.slug: Link(str(record), reverse("admin:agreements_agreement_change", args=[record.pk]))
        for record in visible(models.Agreement, user).filter(slug__in=protocols).order_by().only("pk", "slug", "title", "short_title")
    }
    actions = {
        str(uid): (pk, *stated)
        for pk, uid, *stated in visible(models.TreatyAction, user)
        .filter(Q(agreement=agreement) | Q(agreement__slug__in=protocols))
        .order_by()
        .values_list("pk", "uid", "kind", "party__name", "counterparty__name", "acted_on")
    }
    link_to = action_links()
    pages = {
        str(uid): reverse("admin:agreements_entryintoforcecondition_change", args=[pk])
        for pk, uid in visible(models.EntryIntoForceCondition, user).filter(agreement=agreement).order_by().values_list("pk", "uid")
    }

    badge = cache(Badge.of)

    def line(row: dict[str, Any], name: str, code: TextStanding | PartyStanding) -> Line:
        shown = [uid for uid in row["actions"] if uid in actions]
        expected = code != PartyStanding.NONE or not record.only_roles_without_standing(row["party"])
        return Line(
            name=name,
            code=code,
            badge=badge(code),
            since=row["since"],
            approximate=row["approximate"],
            sentence=Truncator(row["sentence"]).chars(LONGEST) if len(row["sentence"]) > LONGEST else row["sentence"],
            actions=[link_to(*actions[uid], of_party=bool(row.get("party"))) for uid in shown[:SHOWN]],
            more=max(0, len(shown) - SHOWN),
            via=via.get(row.get("via")),
            expected=expected,
        )

    parties = [line(row, names.get(row["party"], row["party"]), PartyStanding(row["standing"])) for row in document["parties"]]
    complete = record.actions_complete_as_of
    return Standing(
        on=on,
        text=line(document["text"], str(agreement), TextStanding(document["text"]["standing"])),
        parties=sorted(parties, key=lambda line: (not line.expected, line.name)),
        pairs=sorted(
            [
                PairLine(
                    sorted(names.get(code, code) for code in pair["parties"]),
                    pair["since"],
                    [link_to(*actions[uid]) for uid in pair["actions"] if uid in actions],
                    via.get(pair["via"]),
                )
                for pair in document["pairs"]
            ],
            key=lambda pair: pair.parties,
        ),
        conditions=[
            ConditionLine(
                page=Link(str(ConditionKind(row["kind"]).label), pages[row["uid"]]),
                text=row["text"],
                met=row["met"],
                met_on=row["met_on"],
                missing=[] if row["met"] else list(missing(row, names)),
            )
            for row in document["conditions"]
            if row["uid"] in pages
        ],
        names=names,
        complete_until=complete if complete and complete < on else None,
    )


def action_links() -> Callable[..., Link]:
    """A function that makes the link to an action, such as "Signature by Australia, 2020-01-01". Looks each text up once."""
    kinds = {kind.value: str(kind.label) for kind in ActionKind}
    templates = {parts: str(text) for parts, text in ACTION.items()}
    no_date, page = str(_("no date")), reverse("admin:agreements_treatyaction_change", args=[ANY])

    def link(pk: int, kind: str, party: str | None, counterparty: str | None, acted_on: str, *, of_party: bool = False) -> Link:
        """`of_party` leaves out the party, for the line of that party."""
        parameters = {"kind": kinds[kind], "party": party, "counterparty": counterparty, "date": date_in_words(acted_on) or no_date}
        return Link(templates[bool(party) and not of_party, bool(counterparty)] % parameters, page.replace(ANY, str(pk)))

    return link


def missing(condition: dict[str, Any], names: dict[str, str]) -> Iterable[Missing]:
    """What a condition still requires."""
    requires = condition["missing"]
    if requires["number"] and condition["kind"] == ConditionKind.ON_SIGNATURE:
        yield Missing(str(_("a signature")))
    elif requires["number"]:
        text = ngettext("%(number)d more consent", "%(number)d more consents", requires["number"])
        yield Missing(text % {"number": requires["number"]})
    if requires["parties"]:
        text = str(MISSING_FROM_PARTIES.get(ConditionKind(condition["kind"]), CONSENT))
        yield Missing(text, [names.get(code, code) for code in requires["parties"]])
    if requires["on"]:
        yield Missing(str(_("date %(date)s")) % {"date": date_in_words(requires["on"])})


class StandingForm(forms.Form):
    """Asks for the date of the standing."""

    on = Day(label=_("Date"))


def standing_panel(request: HttpRequest, agreement: models.Agreement) -> Standing:
    """The standing on the date of the URL parameter `on`; the default is today."""
    form = StandingForm(
        request.GET if request.GET.get("on", "").strip() else None, initial={"on": today()}, auto_id="standing-%s", label_suffix=""
    )
    is_dated = form.is_valid()
    panel = standing(agreement, request.user, form.cleaned_data["on"] if is_dated else today())
    panel.other_parameters = [(name, value) for name, values in request.GET.lists() if name != "on" for value in values]
    if form.is_bound and not is_dated:
        panel.date_error = str(_("%(error)s Showing the standing today.")) % {"error": " ".join(form.errors["on"])}
    panel.form = apply_theme(form)
    return panel

"""The standing panel of an agreement: the legal status of the text and its parties on a date, with reasons and unmet conditions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache, cached_property

from django import forms
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agreements import models
from agreements.models.treaty_actions import ActionKind, ConditionKind
from agreements.standing import Action, AgreementRecord, ConditionResult, PartyStanding, Standing, TextStanding
from agreements.standing.data import StandingDocument, load_record, standing_document
from policytracker.admin import apply_theme, label_html
from policytracker.admin.forms import Day
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
ANY = "ANY"  # a placeholder for the key in the address of a page: making each address takes long
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
class PartyLine:
    """The standing of the text or of a party. `more` is the number of actions that are not shown.

    `expected` is false for a party without a standing whose roles do not give one.
    """

    name: str
    code: TextStanding | PartyStanding
    badge: Badge
    since: str
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
class MissingLine:
    """Something that a condition requires, and the parties from which it is missing."""

    what: str
    names: list[str] = field(default_factory=list)

    @property
    def collapsed(self) -> bool:
        return len(self.names) > SHOWN


@dataclass(frozen=True)
class ConditionLine:
    """A condition of entry into force: the date on which it was met, or what is missing."""

    page: Link
    text: str
    met: bool
    met_on: str
    missing: list[MissingLine]


@dataclass
class StandingPanel:
    """The content of the panel."""

    on: date
    text: PartyLine
    parties: list[PartyLine]
    pairs: list[PairLine]
    conditions: list[ConditionLine]
    names: Mapping[str, str]  # of the parties, by code
    complete_until: date | None  # the day up to which all actions are recorded, if it is before `on`
    other_parameters: list[tuple[str, str]]  # of the URL, without `on`
    date_error: str
    form: StandingForm

    @property
    def counts(self) -> list[tuple[Badge, int]]:
        """How many parties have each standing, in the order of the code list. Without those that are not expected to have one."""
        numbers = Counter(line.code for line in self.parties if line.expected)
        return [(Badge.of(code), numbers[code]) for code in PartyStanding if numbers[code]]


class Lines:
    """The lines of the panel, with names and links. They need no query."""

    def __init__(self, document: StandingDocument):
        self.document, self.record = document, document.record
        self.link, self.badge = action_links(self.record), cache(Badge.of)
        self.protocols = {
            protocol.slug: Link(protocol.title, reverse("admin:agreements_agreement_change", args=[protocol.pk]))
            for protocol in self.record.protocols
        }

    def standing(self, standing: Standing) -> PartyLine:
        return PartyLine(
            name=self.record.name(standing.party),
            code=standing.code,
            badge=self.badge(standing.code),
            since=standing.since,
            approximate=standing.approximate,
            sentence=Truncator(standing.sentence).chars(LONGEST) if len(standing.sentence) > LONGEST else standing.sentence,
            actions=[self.link(action, of_party=bool(standing.party)) for action in standing.actions[:SHOWN]],
            more=max(0, len(standing.actions) - SHOWN),
            via=self.protocols.get(standing.via),
            expected=standing.code != PartyStanding.NONE or not self.record.only_roles_without_standing(standing.party),
        )

    def parties(self) -> list[PartyLine]:
        return sorted(map(self.standing, self.document.parties), key=lambda line: (not line.expected, line.name))

    def pairs(self) -> list[PairLine]:
        lines = [
            PairLine(
                sorted(map(self.record.name, pair.parties)), pair.since, list(map(self.link, pair.actions)), self.protocols.get(pair.via)
            )
            for pair in self.document.pairs
        ]
        return sorted(lines, key=lambda line: line.parties)

    def condition(self, result: ConditionResult) -> ConditionLine:
        condition = result.condition
        page = reverse("admin:agreements_entryintoforcecondition_change", args=[condition.pk])
        link = Link(str(ConditionKind(condition.kind).label), page)
        return ConditionLine(link, condition.text, result.met, result.met_on, list(self.missing(result)))

    def missing(self, result: ConditionResult) -> Iterator[MissingLine]:
        """What a condition still requires."""
        kind, missing = ConditionKind(result.condition.kind), result.missing
        if missing.number and kind == ConditionKind.ON_SIGNATURE:
            yield MissingLine(str(_("a signature")))
        elif missing.number:
            text = ngettext("%(number)d more consent", "%(number)d more consents", missing.number)
            yield MissingLine(text % {"number": missing.number})
        if missing.parties:
            yield MissingLine(str(MISSING_FROM_PARTIES.get(kind, CONSENT)), list(map(self.record.name, missing.parties)))
        if missing.on:
            yield MissingLine(str(_("date %(date)s")) % {"date": date_in_words(missing.on)})


def action_links(record: AgreementRecord) -> Callable[..., Link]:
    """A function that makes the link to an action, such as "Signature by Australia, 2020-01-01". Looks each text up once."""
    kinds = {kind.value: str(kind.label) for kind in ActionKind}
    templates = {parts: str(text) for parts, text in ACTION.items()}
    no_date, page = str(_("no date")), reverse("admin:agreements_treatyaction_change", args=[ANY])

    def link(action: Action, *, of_party: bool = False) -> Link:
        """`of_party` leaves out the party, for the line of that party."""
        parameters = {
            "kind": kinds[action.kind],
            "party": record.name(action.party),
            "counterparty": record.name(action.counterparty),
            "date": date_in_words(action.acted_on) or no_date,
        }
        template = templates[bool(action.party) and not of_party, bool(action.counterparty)]
        return Link(template % parameters, page.replace(ANY, str(action.pk)))

    return link


class StandingForm(forms.Form):
    """Asks for the date of the standing."""

    on = Day(label=_("Date"))


def standing_panel(request: HttpRequest, agreement: models.Agreement) -> StandingPanel:
    """The standing on the date of the URL parameter `on`; the default is today. The number of queries is fixed."""
    form = StandingForm(
        request.GET if request.GET.get("on", "").strip() else None, initial={"on": today()}, auto_id="standing-%s", label_suffix=""
    )
    is_dated = form.is_valid()
    date_error = ""
    if form.is_bound and not is_dated:
        date_error = str(_("%(error)s Showing the standing today.")) % {"error": " ".join(form.errors["on"])}
    document = standing_document(load_record(agreement, request.user), form.cleaned_data["on"] if is_dated else today())
    lines, complete = Lines(document), document.record.actions_complete_as_of
    return StandingPanel(
        on=document.on,
        text=lines.standing(document.text),
        parties=lines.parties(),
        pairs=lines.pairs(),
        conditions=[lines.condition(result) for result in document.conditions],
        names=document.record.names,
        complete_until=complete if complete and complete < document.on else None,
        other_parameters=[(name, value) for name, values in request.GET.lists() if name != "on" for value in values],
        date_error=date_error,
        form=apply_theme(form),
    )

"""The entries that agreements and their records add to the timeline: which dates, and their titles."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db.models import F, Q
from django.db.models.functions import Left
from django.utils.translation import gettext_lazy as _

from agreements.models.agreements import ParticipationRole
from agreements.models.commitments import Bound, Stage
from agreements.models.sources import Verdict
from agreements.models.treaty_actions import ActionKind
from agreements.numbers import number
from policytracker.resources import Event

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MAX_TITLE = 300  # characters


def titled(template: StrOrPromise) -> Callable[..., str]:
    return lambda title: template.format(title=title)


def action_title(kind: str, party: str, counterparty: str) -> str:
    template = ACTION_BETWEEN if counterparty else ACTION_OF_PARTY if party else ACTION
    return template.format(action=ActionKind(kind).label, party=party, counterparty=counterparty)


def effect_title(*parts: str) -> str:
    return _("Takes effect: {action}").format(action=action_title(*parts))


def period_title(template: StrOrPromise) -> Callable[..., str]:
    return lambda party, role: template.format(party=party, role=ParticipationRole(role).label.lower())


def commitment_title(stage: str, bound: str, currency: str, amount: str, payer: str, *subjects: str) -> str:
    template = EXACT_AMOUNT if bound == Bound.EXACTLY else LIMITED_AMOUNT
    figure = template.format(bound=Bound(bound).label.lower(), currency=currency, amount=number(amount))
    subject = next(filter(None, subjects), "")
    return COMMITMENTS[bool(payer), bool(subject)].format(stage=Stage(stage).label, figure=figure, payer=payer, subject=subject)


def value_title(template: StrOrPromise, template_without_value: StrOrPromise) -> Callable[..., str]:
    def title(name: str, value: str, unit: str) -> str:
        return template.format(name=name, value=number(value, unit)) if value else template_without_value.format(name=name)

    return title


def fact_check_title(verdict: str, statement: str) -> str:
    return _("Checked, {verdict}: {statement}").format(verdict=Verdict(verdict).label.lower(), statement=statement)


ACTION = _("{action}")
ACTION_OF_PARTY = _("{action}, {party}")
ACTION_BETWEEN = _("{action}, {party} with {counterparty}")
EXACT_AMOUNT = _("{currency} {amount}")
LIMITED_AMOUNT = _("{bound} {currency} {amount}")
COMMITMENTS = {  # by whether payer and subject are known
    (False, False): _("{stage}: {figure}"),
    (False, True): _("{stage}: {figure}: {subject}"),
    (True, False): _("{stage}: {figure}, by {payer}"),
    (True, True): _("{stage}: {figure}, by {payer}: {subject}"),
}

ACTION_PARTS = ("kind", "party__name", "counterparty__name")
PERIOD_PARTS = ("party__name", "role")

# Signature and entry into force of an agreement are calculated from its treaty actions, so they are not repeated here.
AGREEMENT = (
    Event("next_review_on", ("title",), titled(_("Next review: {title}"))),
    Event("expires_on", ("title",), titled(_("Expires: {title}"))),
)
TREATY_ACTION = (
    Event("acted_on", ACTION_PARTS, action_title),
    Event("effective_on", ACTION_PARTS, effect_title, condition=~Q(effective_on=F("acted_on"))),
)
COMPONENT = (
    Event("starts_on", ("title",), titled(_("Starts: {title}"))),
    Event("due_on", ("title",), titled(_("Due: {title}"))),
    Event("completed_on", ("title",), titled(_("Completed: {title}"))),
)
PARTICIPATION = (
    Event("since", PERIOD_PARTS, period_title(_("Begins: {party} as {role}"))),
    Event("until", PERIOD_PARTS, period_title(_("Ends: {party} as {role}"))),
)
COMMITMENT = (
    Event(
        "stated_on",
        ("stage", "bound", "currency", "amount", "payer__name", Left("description", MAX_TITLE), "component__title"),
        commitment_title,
    ),
)
INDICATOR = (
    Event("baseline_on", ("name", "baseline_value", "unit"), value_title(_("Baseline: {name}: {value}"), _("Baseline: {name}"))),
    Event("target_on", ("name", "target_value", "unit"), value_title(_("Target: {name}: {value}"), _("Target: {name}"))),
)
MEASUREMENT = (
    Event(
        "measured_on", ("indicator__name", "value", "indicator__unit"), value_title(_("Measured: {name}: {value}"), _("Measured: {name}"))
    ),
)
FACT_CHECK = (Event("checked_on", ("verdict", Left("statement", MAX_TITLE)), fact_check_title),)

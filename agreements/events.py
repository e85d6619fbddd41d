"""The entries that agreements and their records add to the timeline: which dates, and their titles."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from django.db.models import F, Q
from django.db.models.functions import Left

from agreements.models.agreements import ParticipationRole
from agreements.models.commitments import Bound, Stage
from agreements.models.sources import Verdict
from agreements.models.treaty_actions import ActionKind
from policytracker.resources import Event

MAX_TITLE = 300  # characters


def number(text: str, unit: str = "") -> str:
    """A number with thousands separators and its unit: `13,000,000,000`, `0.5 t/y`."""
    return f"{Decimal(text).normalize():,f} {unit}".rstrip()


def action_title(kind: str, party: str, counterparty: str) -> str:
    return ActionKind(kind).label + (f", {party}" if party else "") + (f" with {counterparty}" if counterparty else "")


def effect_title(*parts: str) -> str:
    return f"Takes effect: {action_title(*parts)}"


def period_title(label: str) -> Callable[..., str]:
    return lambda party, role: f"{label}: {party} as {ParticipationRole(role).label.lower()}"


def commitment_title(stage: str, bound: str, currency: str, amount: str, payer: str, *subjects: str) -> str:
    limit = "" if bound == Bound.EXACTLY else f"{Bound(bound).label.lower()} "
    subject = next(filter(None, subjects), "")
    title = f"{Stage(stage).label}: {limit}{currency} {number(amount)}"
    return title + (f", by {payer}" if payer else "") + (f": {subject}" if subject else "")


def value_title(label: str) -> Callable[..., str]:
    return lambda name, value, unit: f"{label}: {name}" + (f": {number(value, unit)}" if value else "")


def fact_check_title(verdict: str, statement: str) -> str:
    return f"Checked, {Verdict(verdict).label.lower()}: {statement}"


ACTION = ("kind", "party__name", "counterparty__name")
PERIOD = ("party__name", "role")

# Signature and entry into force of an agreement are calculated from its treaty actions, so they are not repeated here.
AGREEMENT = (Event("next_review_on", ("title",), "Next review: {}".format), Event("expires_on", ("title",), "Expires: {}".format))
TREATY_ACTION = (
    Event("acted_on", ACTION, action_title),
    Event("effective_on", ACTION, effect_title, condition=~Q(effective_on=F("acted_on"))),
)
COMPONENT = (
    Event("starts_on", ("title",), "Starts: {}".format),
    Event("due_on", ("title",), "Due: {}".format),
    Event("completed_on", ("title",), "Completed: {}".format),
)
PARTICIPATION = (Event("since", PERIOD, period_title("Begins")), Event("until", PERIOD, period_title("Ends")))
COMMITMENT = (
    Event(
        "stated_on",
        ("stage", "bound", "currency", "amount", "payer__name", Left("description", MAX_TITLE), "component__title"),
        commitment_title,
    ),
)
INDICATOR = (
    Event("baseline_on", ("name", "baseline_value", "unit"), value_title("Baseline")),
    Event("target_on", ("name", "target_value", "unit"), value_title("Target")),
)
MEASUREMENT = (Event("measured_on", ("indicator__name", "value", "indicator__unit"), value_title("Measured")),)
FACT_CHECK = (Event("checked_on", ("verdict", Left("statement", MAX_TITLE)), fact_check_title),)

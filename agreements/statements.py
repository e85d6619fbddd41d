"""What records state on the authority of their source, in words."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db.models.functions import Left
from django.utils.text import capfirst
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from agreements.events import ACTION_PARTS, MAX_TITLE, action_title, commitment_title, fact_check_title, value_title
from agreements.models.agreements import Agreement, name
from agreements.models.relations import RelationKind
from agreements.models.sources import CITABLE, Citation, citable_fields, label_from_name
from agreements.models.treaty_actions import ConditionKind
from policytracker.edtf import date_in_words
from policytracker.resources import States


def dated_action(*parts: str) -> str:
    *of_action, acted_on = parts
    return DATED.format(title=action_title(*of_action), date=date_in_words(acted_on)) if acted_on else action_title(*of_action)


def relation_title(kind: str, one: str, other: str) -> str:
    return RELATION.format(one=one, kind=RelationKind(kind).label.lower(), other=other)


def condition_title(kind: str) -> str:
    return CONDITION.format(kind=ConditionKind(kind).label.lower())


def dated_value(*parts: str) -> str:
    *of_value, measured_on, _indicator = parts
    return DATED.format(title=MEASURED(*of_value), date=date_in_words(measured_on))


@cache
def labels(model: Any, language: str | None) -> dict[str, str]:
    """The labels of the fields that a citation can name, in a language."""
    return citable_fields(model)


def citation_title(field: str, *parts: str) -> str:
    """The field that is cited, and the record; the record alone if it is cited as a whole."""
    ids, names = parts[: len(CITABLE)], parts[len(CITABLE) : 2 * len(CITABLE)]
    target, record = next((target, name) for target, pk, name in zip(CITABLE, ids, names, strict=True) if pk)
    model = Citation._meta.get_field(target).related_model
    label = field and (labels(model, get_language()).get(field) or label_from_name(field))
    if model is Agreement:
        return label or str(capfirst(model._meta.verbose_name))
    return CITED.format(field=label, record=record) if label else record


DATED = _("{title}, {date}")
RELATION = _("{one}: {kind} {other}")
CONDITION = _("Entry into force: {kind}")
CITED = _("{field}: {record}")
MEASURED = value_title(_("Measured: {name}: {value}"), _("Measured: {name}"))

TREATY_ACTION = States((*ACTION_PARTS, "acted_on"), dated_action)
RELATION_OF_AGREEMENTS = States(("kind", name("from_agreement__"), name("to_agreement__")), relation_title)
ENTRY_CONDITION = States(("kind",), condition_title)
COMMITMENT = States(
    ("stage", "bound", "currency", "amount", "payer__name", Left("description", MAX_TITLE), "component__title"), commitment_title
)
MEASUREMENT = States(("indicator__name", "value", "indicator__unit", "measured_on", "indicator__slug"), dated_value)
FACT_CHECK = States(("verdict", Left("statement", MAX_TITLE)), fact_check_title, sources=("source", "correcting_source"))
CITATION = States(
    (
        "field",
        *(f"{target}_id" for target in CITABLE),
        *(name("agreement__"), "component__title", "participation__party__name", Left("outcome__statement", MAX_TITLE)),
        "participation__party__code",
    ),
    citation_title,
)

"""Facts about recommendations that follow from other records. Each is stored in a column, so that an index finds the rows.

`recompute_status()` stores them together with the status, and a trigger of addressees stores those about addressees. On past days, and
at past moments, the rule itself is evaluated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import BooleanField, ExpressionWrapper, OuterRef, Q

from policytracker.resources import ReadContext
from policytracker.sql.parameters import ExistsForRow
from recommendations.models import Addressee, Evidence, ProgressUpdate, Recommendation, Response, claim_differs, in_effect
from recommendations.models.facts import FACTS


def has_update(on: Any = None) -> Q:
    """The condition that an update is in effect."""
    return Q(ExistsForRow(ProgressUpdate.objects.in_effect(on=on).filter(recommendation=OuterRef("pk"))))


def has_evidence(on: Any = None) -> Q:
    """The condition that an update in effect has evidence."""
    return Q(ExistsForRow(Evidence.objects.filter(in_effect(on=on, path="update__"), update__recommendation=OuterRef("pk"))))


def has_addressee(on: Any = None) -> Q:
    """The condition that there is an addressee. It is that of today on any date."""
    return Q(ExistsForRow(Addressee.objects.filter(recommendation=OuterRef("pk"))))


def has_response(on: Any = None) -> Q:
    """The condition that the response of an addressee is recorded. It is that of today on any date."""
    return Q(ExistsForRow(Addressee.objects.filter(recommendation=OuterRef("pk")).exclude(response=Response.NONE_RECORDED)))


RULES: dict[str, Callable[[Any], Q]] = {
    "claim_differs": claim_differs,
    "has_update": has_update,
    "has_evidence": has_evidence,
    "has_addressee": has_addressee,
    "has_response": has_response,
}
assert (*RULES,) == FACTS


def fact(name: str, context: ReadContext) -> Q:
    """The condition that the fact is true on the date, and at the moment, of the context."""
    return RULES[name](context.on) if context.past or context.as_of else Q(**{name: True})


@cache
def calculated_facts() -> str:
    """A SELECT of the id and the facts of every recommendation, calculated from the updates."""
    values = {f"calculated_{name}": ExpressionWrapper(rule(None), BooleanField()) for name, rule in RULES.items()}
    sql, params = Recommendation.objects.order_by().annotate(**values).values_list("pk", *values).query.sql_with_params()
    with connection.cursor() as cursor:
        return cursor.mogrify(sql, params)

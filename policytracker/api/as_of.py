"""The parameter `as_of` of lists, details and reports."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.request import Request

from policytracker.representation.parameters import AS_OF, InvalidParameter, reported_as, single
from policytracker.representation.values import end_timestamp
from policytracker.resources import today
from policytracker.sql.moment import as_of


def reads_as_of(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler of a GET request accepts the parameter `as_of`: it then reads the register of that time. Raises InvalidParameter."""

    @wraps(handler)
    def read(self, request: Request, *args, **kwargs):
        if AS_OF not in request.query_params:
            return handler(self, request, *args, **kwargs)
        with as_of(past_moment(single(request.query_params, AS_OF))):
            return handler(self, request, *args, **kwargs)

    read.reads_as_of = True  # type: ignore[attr-defined] # for the OpenAPI schema
    return read


def past_moment(text: str) -> datetime:
    """The moment of a parameter: a time with a time zone, or a date, which means its end in UTC. Raises InvalidParameter."""
    with reported_as(AS_OF):
        moment = end_timestamp(text)
    if moment.date() > today():
        raise InvalidParameter(AS_OF, _("This date is in the future. Enter today or an earlier date."))
    return moment

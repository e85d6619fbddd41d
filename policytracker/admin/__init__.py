"""The base of every page of the admin, and the only folder that knows the theme."""

from policytracker.admin.base import (
    BaseAdmin,
    BaseInline,
    ListInline,
    RecordAdmin,
    chip,
    display,
    navigation,
    relax_csp,
    themed,
)
from policytracker.admin.filters import ask, pick
from policytracker.admin.people import PeopleAdmin

__all__ = [
    "BaseAdmin",
    "BaseInline",
    "ListInline",
    "PeopleAdmin",
    "RecordAdmin",
    "ask",
    "chip",
    "display",
    "navigation",
    "pick",
    "relax_csp",
    "themed",
]

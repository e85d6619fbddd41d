"""The base of every page of the admin, and the only folder that knows the theme."""

from policytracker.admin.base import (
    BaseAdmin,
    BaseInline,
    Colours,
    ListInline,
    RecordAdmin,
    Reference,
    chip,
    display,
    navigation,
    relax_csp,
    themed,
)
from policytracker.admin.filters import ask, between, pick, typed
from policytracker.admin.people import PeopleAdmin, UserAdmin
from policytracker.admin.search import search

__all__ = [
    "BaseAdmin",
    "BaseInline",
    "Colours",
    "ListInline",
    "PeopleAdmin",
    "RecordAdmin",
    "Reference",
    "UserAdmin",
    "ask",
    "between",
    "chip",
    "display",
    "navigation",
    "pick",
    "relax_csp",
    "search",
    "themed",
    "typed",
]

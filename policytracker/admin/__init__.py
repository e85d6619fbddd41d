"""Base classes of the admin. The only package that imports the theme (unfold)."""

from policytracker.admin.account import account
from policytracker.admin.base import (
    RETURN_TO,
    BaseAdmin,
    CodeColours,
    RecordAdmin,
    Reference,
    apply_theme,
    code_column,
    display,
    label_html,
    navigation,
    relax_csp,
    select_widget,
    without_fields,
)
from policytracker.admin.bulk import BulkEditAdmin, BulkEditForm
from policytracker.admin.filters import (
    OnFilter,
    choice_filter,
    date_range_filters,
    missing_filter,
    read_context,
    related_filter,
    text_filter,
)
from policytracker.admin.inlines import BaseInline, ListInline
from policytracker.admin.people import PeopleAdmin, UserAdmin
from policytracker.admin.referring import referring
from policytracker.admin.search import search
from policytracker.admin.tabs import Panel, TabbedAdmin
from policytracker.admin.tiles import Tile, Wanted, list_url, tile, tiles

__all__ = [
    "RETURN_TO",
    "BaseAdmin",
    "BaseInline",
    "BulkEditAdmin",
    "BulkEditForm",
    "CodeColours",
    "ListInline",
    "OnFilter",
    "Panel",
    "PeopleAdmin",
    "RecordAdmin",
    "Reference",
    "TabbedAdmin",
    "Tile",
    "UserAdmin",
    "Wanted",
    "account",
    "apply_theme",
    "choice_filter",
    "code_column",
    "date_range_filters",
    "display",
    "label_html",
    "list_url",
    "missing_filter",
    "navigation",
    "read_context",
    "referring",
    "related_filter",
    "relax_csp",
    "search",
    "select_widget",
    "text_filter",
    "tile",
    "tiles",
    "without_fields",
]

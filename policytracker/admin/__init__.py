"""Base classes of the admin."""

from policytracker.admin.account import account
from policytracker.admin.base import (
    BaseAdmin,
    RecordAdmin,
    without_fields,
)
from policytracker.admin.bulk import BulkEditAdmin, BulkEditForm
from policytracker.admin.columns import CodeColours, code_column, date_column
from policytracker.admin.filters import (
    OnFilter,
    choice_filter,
    date_range_filters,
    missing_filter,
    read_context,
    related_filter,
    text_filter,
)
from policytracker.admin.forms import Reference
from policytracker.admin.inlines import BaseInline, ListInline
from policytracker.admin.menu import Page, add_page, navigation
from policytracker.admin.people import PeopleAdmin, UserAdmin
from policytracker.admin.referring import referring
from policytracker.admin.search import search
from policytracker.admin.tabs import Panel, TabbedAdmin
from policytracker.admin.theme import apply_theme, date_html, display, label_html, relax_csp, select_widget, sized
from policytracker.admin.tiles import Tile, Wanted, list_url, tile, tiles
from policytracker.admin.visible_rows import RETURN_TO

__all__ = [
    "RETURN_TO",
    "BaseAdmin",
    "BaseInline",
    "BulkEditAdmin",
    "BulkEditForm",
    "CodeColours",
    "ListInline",
    "OnFilter",
    "Page",
    "Panel",
    "PeopleAdmin",
    "RecordAdmin",
    "Reference",
    "TabbedAdmin",
    "Tile",
    "UserAdmin",
    "Wanted",
    "account",
    "add_page",
    "apply_theme",
    "choice_filter",
    "code_column",
    "date_column",
    "date_html",
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
    "sized",
    "text_filter",
    "tile",
    "tiles",
    "without_fields",
]

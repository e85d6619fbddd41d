"""The menu of the admin: a few main entries, and the page *More* with all other lists and pages.

The page of a record type is a main entry if its class has `in_menu`. A page that belongs to no record type is added with `add_page()`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Page:
    """A page that belongs to no record type: its title, the name of its URL, and its place.

    Without `in_menu`, it is on the page *More*, with a sentence that says what it is for. `guides` are the sections of guides that fit the
    page, as `document#anchor`.
    """

    title: Any
    name: str
    icon: str
    position: int = 99
    in_menu: bool = True
    description: Any = ""
    may_open: Callable[[HttpRequest], bool] = lambda request: True
    guides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """An entry of the menu or of the page *More*, for one user."""

    title: Any
    link: str
    icon: str
    position: int
    group: str = ""
    description: Any = ""


PAGES: list[Page] = []


def add_page(page: Page) -> None:
    """Show this page in the menu, or on the page *More*. Apps call it where they define the page."""
    PAGES.append(page)


HOME, MORE = Page(_("Home"), "admin:index", "home", 0), Page(_("More"), "more", "more_horiz", 100)


def entries(request: HttpRequest) -> tuple[list[Entry], list[Entry]]:
    """The pages that the user may open: those of the menu and those under *More*, each in its order."""
    shown: tuple[list[Entry], list[Entry]] = [], []
    for page in (HOME, *PAGES):
        if page.may_open(request):
            shown[not page.in_menu].append(Entry(page.title, reverse(page.name), page.icon, page.position, "", page.description))
    for model, page in admin.site._registry.items():
        if page.has_module_permission(request) and page.has_view_or_change_permission(request):
            shown[not getattr(page, "in_menu", False)].append(entry_of(model, page))
    main, more = (sorted(found, key=lambda entry: (entry.position, str(entry.title))) for found in shown)
    return [*main, Entry(MORE.title, reverse(MORE.name), MORE.icon, MORE.position)] if more else main, more


def entry_of(model: Any, page: Any) -> Entry:
    """The list of a record type. Its group is its app; `menu` puts it under another one."""
    resource = getattr(page, "resource", None)
    return Entry(
        capfirst(model._meta.verbose_name_plural),
        reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist"),
        getattr(page, "icon", "list"),
        getattr(page, "menu_position", 99),
        str(apps.get_app_config(getattr(page, "menu", page.opts.app_label)).verbose_name),
        resource.definition if resource else "",
    )


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu in the form of the theme. The entry of the open page is active; *More* stands for all pages under it."""
    main, more = entries(request)
    below = next((entry for entry in main if entry.position and request.path.startswith(entry.link)), None)
    if below is None and any(request.path.startswith(entry.link) for entry in more):
        below = main[-1]
    current = main[0] if request.path == main[0].link else below
    items = [{"title": entry.title, "icon": entry.icon, "link": entry.link, "active": entry is current} for entry in main]
    return [{"items": items}]


def more(request: HttpRequest) -> HttpResponse:
    """The page of all lists and pages that the menu does not name, by group."""
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in sorted(entries(request)[1], key=attrgetter("position")):
        groups[entry.group].append(entry)
    context = admin.site.each_context(request) | {"title": MORE.title, "groups": dict(groups)}
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/more.html", context)

"""The menu of the admin."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Page:
    """A page that belongs to no record type: its title, the name of its URL, and its place."""

    title: Any
    name: str
    icon: str
    position: int = 99
    in_menu: bool = True
    description: Any = ""
    may_open: Callable[[HttpRequest], bool] = lambda request: True


PAGES: list[Page] = []


def add_page(page: Page) -> None:
    """Show this page in the menu. Apps call it where they define the page."""
    PAGES.append(page)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu of the admin: the pages that the user may view, by app. `menu` puts a page under another app than that of its model."""
    by_app: dict[str, list[tuple[int, str, dict[str, Any]]]] = defaultdict(list)
    for model, page in admin.site._registry.items():
        if page.has_module_permission(request) and page.has_view_or_change_permission(request):
            title = capfirst(model._meta.verbose_name_plural)
            address = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")
            item = {"title": title, "icon": getattr(page, "icon", "list"), "link": address}
            by_app[getattr(page, "menu", page.opts.app_label)].append((getattr(page, "menu_position", 99), str(title), item))
    groups = [
        {
            "title": apps.get_app_config(app).verbose_name,
            "separator": True,
            "items": [item for *_order, item in sorted(items, key=itemgetter(0, 1))],
        }
        for app, items in sorted(by_app.items(), key=lambda group: min(position for position, *_ in group[1]))
    ]
    home = {
        "items": [
            {"title": _("Home"), "icon": "home", "link": reverse("admin:index")},
            {"title": _("Late"), "icon": "alarm", "link": reverse("late")},
            {"title": _("Changes"), "icon": "history", "link": reverse("recent_changes")},
            {"title": _("Data checks"), "icon": "troubleshoot", "link": reverse("data_checks")},
            *({"title": page.title, "icon": page.icon, "link": reverse(page.name)} for page in PAGES if page.may_open(request)),
        ]
    }
    return [home, *groups]

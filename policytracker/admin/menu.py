"""The menu of the admin."""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _


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
            {"title": _("Changes"), "icon": "history", "link": reverse("recent_changes")},
            {"title": _("Data checks"), "icon": "troubleshoot", "link": reverse("data_checks")},
        ]
    }
    return [home, *groups]

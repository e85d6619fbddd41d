"""The page of a party with how late the recommendations addressed to it are."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from agreements.admin import parties
from agreements.models import Party
from policytracker.admin import Panel
from recommendations.admin.home import lateness
from recommendations.models import Recommendation


def overview(request: HttpRequest, party: Party) -> dict[str, Any]:
    late = lateness(request, party=party.code) if admin.site.get_model_admin(Recommendation).has_view_permission(request) else []
    return parties.overview(request, party) | {
        "first_tiles": late if any(tile.count for tile in late) else [],
        "first_title": _("Recommendations addressed to it"),
    }


class PartyAdmin(parties.PartyAdmin):
    panels = [Panel("overview", _("Overview"), "admin/agreements/party/overview.html", overview)]


admin.site.unregister(Party)
admin.site.register(Party, PartyAdmin)

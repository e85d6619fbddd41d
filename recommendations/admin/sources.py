"""The page of a source with what evidence quotes from it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from agreements.admin import sources
from agreements.models import Source
from policytracker.admin import Panel
from recommendations.models import Evidence


def overview(request: HttpRequest, source: Source) -> dict[str, Any]:
    quotes = Evidence.objects.visible_to(request.user).filter(source=source).exclude(quote="")
    rows = quotes.select_related("update__recommendation").order_by("-update__reported_on", "-id")[: sources.SHOWN_QUOTES]
    lines = [sources.QuoteLine(evidence, evidence.update.recommendation, str(evidence.update)) for evidence in rows]
    context = sources.overview(request, source)
    return context | {"quotes": [*context["quotes"], (_("Quotes in evidence"), lines)]}


class SourceAdmin(sources.SourceAdmin):
    panels = [Panel("overview", _("Overview"), "admin/agreements/source/overview.html", overview)]


admin.site.unregister(Source)
admin.site.register(Source, SourceAdmin)

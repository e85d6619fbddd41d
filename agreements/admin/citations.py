"""The tab *Citations* of an agreement: what cites the agreement, its components, participations and outcomes."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from agreements import models
from agreements.models.sources import CITABLE, by_source_name
from policytracker.admin import RETURN_TO, Panel, list_url
from policytracker.records.access import Reader
from policytracker.resources import registry

SHOWN_CITATIONS = 50


def of_agreement(reader: Reader, agreement: Any) -> QuerySet:
    """The citations of an agreement and of its parts, with what the table shows. Who may read a citation may read what it cites."""
    condition = registry.of(models.Citation).belonging_to(getattr(agreement, "pk", agreement))
    return models.Citation.objects.visible_to(reader).filter(condition)


def citations_tab(request: HttpRequest, agreement: models.Agreement) -> dict[str, Any]:
    """The variables of the template. The number of queries is fixed."""
    rows = of_agreement(Reader.of(request.user), agreement).order_by(by_source_name("source__"), "field", "id")
    related = rows.select_related("source", *CITABLE, "participation__party", "participation__agreement").defer(
        "source__notes", "component__description"
    )
    found = list(related[: SHOWN_CITATIONS + 1])
    may_add = {
        model: admin.site.get_model_admin(model).has_add_permission(request)  # type: ignore[attr-defined]
        for model in (models.Citation, models.Source)
    }
    back = {RETURN_TO: request.get_full_path()}
    add = reverse("admin:agreements_citation_add")
    return {
        "citations": found[:SHOWN_CITATIONS],
        "more_citations": len(found) > SHOWN_CITATIONS,
        "citations_url": list_url(models.Citation, {"agreement": agreement.pk}),
        "return_query": urlencode(back),
        "add_citation_url": f"{add}?{urlencode({'agreement': agreement.pk} | back)}" if may_add[models.Citation] else "",
        "add_source_url": f"{reverse('admin:agreements_source_add')}?{urlencode(back)}" if may_add[models.Source] else "",
    }


PANEL = Panel("citations", _("Citations"), "admin/agreements/agreement/citations.html", citations_tab, of_agreement)

"""Pages of parties, sectors and focus areas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import F, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from agreements import models
from agreements.admin.shared import ReferringPage
from agreements.admin.standing import Badge, Link
from agreements.models.relations import RelationKind
from agreements.standing import party_standing
from agreements.standing.data import load_records
from policytracker.admin import Panel, RecordAdmin, TabbedAdmin, Wanted, choice_filter, referring, related_filter
from policytracker.resources import ReadContext

SHOWN_STANDINGS = 30


@dataclass(frozen=True)
class StandingLine:
    """The standing of a party on one agreement."""

    agreement: Link
    badge: Badge
    since: str
    sentence: str


def standings(party: models.Party, context: ReadContext) -> tuple[list[StandingLine], bool]:
    """The standing of a party today on the agreements signed last, and whether there are more. The number of queries is fixed."""
    actions = models.TreatyAction.objects.filter(party=party).order_by().values("agreement")
    participations = models.Participation.objects.filter(party=party).order_by().values("agreement")
    joined = models.AgreementRelation.objects.filter(kind=RelationKind.ACCESSION_TO, from_agreement__in=actions).order_by()
    rows = models.Agreement.objects.visible_to(context.reader).filter(
        Q(pk__in=actions) | Q(pk__in=participations) | Q(pk__in=joined.values("to_agreement"))
    )
    newest = rows.order_by(F("signed_on_first").desc(nulls_last=True), "slug").only("slug", "title", "short_title")
    found = list(newest[: SHOWN_STANDINGS + 1])
    records = load_records([agreement.pk for agreement in found[:SHOWN_STANDINGS]], context.reader, party=party.pk)
    lines = []
    for agreement in found[:SHOWN_STANDINGS]:
        standing = party_standing(records[agreement.pk], party.code, context.on)
        link = Link(str(agreement), reverse("admin:agreements_agreement_change", args=[agreement.pk]))
        lines.append(StandingLine(link, Badge.of(standing.code), standing.since, standing.sentence))
    return lines, len(found) > SHOWN_STANDINGS


def overview(request: HttpRequest, party: models.Party) -> dict[str, Any]:
    lines, more = standings(party, ReadContext.of(request.user))
    agreements = Wanted(models.Agreement, {"party": party.code})
    return {"referring": referring(request, party, agreements), "standings": lines, "more_standings": more}


@admin.register(models.Party)
class PartyAdmin(TabbedAdmin):
    icon, menu_position, in_menu = "flag", 4, True
    panels = [Panel("overview", _("Overview"), "admin/agreements/party/overview.html", overview)]
    panel_references = ["parent"]
    list_display = ["name", "code", "kind", "parent", "since", "until"]
    list_filter = [choice_filter("kind"), related_filter("parent", models.Party._meta.get_field("parent"))]
    titles_from = {"parent": ngettext_lazy("Part", "Parts")}
    search_fields = ["code", "name", "iso_alpha2"]
    ordering = ["name"]
    fieldsets = [
        (None, {"fields": ["code", "name", "kind", "parent", "aliases"]}),
        (_("Codes and dates"), {"fields": [("iso_alpha2", "iso_numeric"), ("since", "until")]}),
    ]


class SubjectAdmin(ReferringPage, RecordAdmin):
    """Base class of the pages of sectors and focus areas."""

    list_display = ["name", "code"]
    ordering = ["name"]
    fieldsets = [(None, {"fields": ["code", "name", "description"]})]


@admin.register(models.Sector)
class SectorAdmin(SubjectAdmin):
    icon, menu_position = "category", 60


@admin.register(models.FocusArea)
class FocusAreaAdmin(SubjectAdmin):
    icon, menu_position = "center_focus_strong", 61

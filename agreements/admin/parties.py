"""Pages of parties, sectors and focus areas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from agreements import models
from agreements.admin.shared import ReferringPage
from agreements.admin.standing import Badge, Link
from agreements.models.relations import RelationKind
from agreements.source_marks import source_mark
from agreements.source_uses import uses_of_records
from agreements.standing import party_standing
from agreements.standing.data import load_records
from policytracker.admin import Panel, RecordAdmin, TabbedAdmin, Wanted, choice_filter, referring, related_filter
from policytracker.dataset.loading import Loader
from policytracker.dataset.reading import entries, parse
from policytracker.records.context import change_context, mark_import
from policytracker.resources import ReadContext

SHOWN_STANDINGS = 30
FIXTURE = settings.BASE_DIR / "fixtures" / "parties.json"


@dataclass(frozen=True)
class StandingLine:
    """The standing of a party on one agreement, and the mark of the sources of its actions."""

    agreement: Link
    badge: Badge
    since: str
    sentence: str
    mark: str


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
    of_agreements = {agreement: party_standing(records[agreement.pk], party.code, context.on) for agreement in found[:SHOWN_STANDINGS]}
    pks = [action.pk for standing in of_agreements.values() for action in standing.actions]
    uses = {use.pk: use for use in uses_of_records({"treatyaction": pks}, context.reader)}
    lines = []
    for agreement, standing in of_agreements.items():
        link = Link(str(agreement), reverse("admin:agreements_agreement_change", args=[agreement.pk]))
        mark = source_mark(uses[action.pk] for action in standing.actions if action.pk in uses)
        lines.append(StandingLine(link, Badge.of(standing.code), standing.since, standing.sentence, mark))
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

    def get_urls(self):
        return [path("load/", self.admin_site.admin_view(self.load_view), name="agreements_party_load"), *super().get_urls()]

    def load_view(self, request: HttpRequest) -> HttpResponse:
        """Load the states, territories and organisations of the fixtures into a register without parties."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.may_import(request):
            raise PermissionDenied
        with change_context(request.user, channel="admin"):
            mark_import()
            first = not models.Party.objects.exists()
            counts = Loader().load(entries(FIXTURE.name, parse(FIXTURE), [models.Party])) if first else {}
        if counts:
            loaded = counts[FIXTURE.name]["created"]
            self.message_user(request, _("%(number)s parties were loaded.") % {"number": loaded}, messages.SUCCESS)
        else:
            self.message_user(request, _("The register has parties already. Nothing was loaded."), messages.WARNING)
        return HttpResponseRedirect(self.address_of("changelist"))


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

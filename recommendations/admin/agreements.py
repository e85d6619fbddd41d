"""The page of an agreement with what needs recommendations: the tabs Overview and Recommendations, and publishing with its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DatabaseError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agreements.admin.agreements import AgreementAdmin as AgreedAdmin
from agreements.models import Agreement
from agreements.standing import text_standing
from agreements.standing.data import load_record
from policytracker.admin import Panel, apply_theme, display, label_html, list_url
from policytracker.edtf import date_in_words
from policytracker.records import violations
from policytracker.records.access import Publication
from policytracker.records.context import change_context
from policytracker.records.exceptions import Conflict
from policytracker.records.models import RegistryRecord, lock_for_change
from policytracker.resources import ReadContext, today
from recommendations.admin.calendar import next_by_agreement
from recommendations.admin.overview import of_agreement, overview, recommendation_lines, suggested_status
from recommendations.models import Recommendation
from recommendations.publication import may_publish, publish
from recommendations.reports.late import Figures, figures_by

SHOWN_RECOMMENDATIONS = 50  # on the tab
# The columns of the list with figures of recommendations: title, query of their list, and colour of a number above 0.
COUNTS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "total": (_("recommendations"), {}, ""),
    "overdue": (_("overdue"), {"overdue": "true"}, "danger"),
    "undated": (_("no due date"), {"open": "true", "without": "due_on"}, "plain"),
    "stale": (_("stale"), {"freshness": ["stale", "never"]}, "plain"),
}


class PartsForm(forms.Form):
    """The kinds of parts that are published with an agreement."""

    components = forms.BooleanField(label=_("Components"), required=False)
    recommendations = forms.BooleanField(label=_("Recommendations that follow from this agreement only"), required=False)
    sources = forms.BooleanField(label=_("Sources that it cites"), required=False)


@dataclass(frozen=True)
class DraftRecord:
    """A record that will be published, with the address of its page."""

    kind: str
    title: str
    url: str

    @classmethod
    def of(cls, record: RegistryRecord) -> DraftRecord:
        opts = record._meta
        return cls(str(opts.verbose_name), str(record), reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[record.pk]))


def recommendations_tab(request: HttpRequest, agreement: Agreement) -> dict[str, Any]:
    may_add = admin.site.get_model_admin(Recommendation).has_add_permission(request)
    return {
        "recommendations": recommendation_lines(request, agreement, SHOWN_RECOMMENDATIONS),
        "recommendations_url": list_url(Recommendation, {"agreement": agreement.slug}),
        "recommendation_total": of_agreement(request.user, agreement).count(),
        "add_url": reverse("admin:recommendations_recommendation_add") if may_add else "",
    }


def number_column(name: str) -> Any:
    """A column with one of the figures of the recommendations of an agreement, which leads to their list."""
    title, query, colour = COUNTS[name]

    @display(description=title)
    def column(page, agreement):
        number = getattr(agreement.list_figures, name)
        address = list_url(Recommendation, {"agreement": agreement.slug, **query})
        shown = label_html(number, colour) if number and colour else number
        return format_html('<a class="pt-number" href="{}">{}</a>', address, shown) if number else "0"

    return column


class AgreementAdmin(AgreedAdmin):
    total, overdue, undated, stale = (number_column(name) for name in COUNTS)
    panels = [
        Panel("overview", _("Overview"), "admin/agreements/agreement/overview.html", overview),
        Panel(
            "recommendations",
            _("Recommendations"),
            "admin/agreements/agreement/recommendations.html",
            recommendations_tab,
            of_agreement,
        ),
        *AgreedAdmin.panels,
    ]

    panel_references = ["lead"]
    list_display = [*AgreedAdmin.list_display[:3], *COUNTS, "next_date", "lead"]
    more_columns = ["legal_force_shown", *AgreedAdmin.more_columns]

    def load_columns(self, request, records):
        super().load_columns(request, records)
        context, ids = ReadContext.of(request.user), [agreement.pk for agreement in records]
        figures, dates = figures_by("agreements", ids, context), next_by_agreement(request.user, context.today, ids)
        for agreement in records:
            agreement.list_figures, agreement.list_next = figures.get(agreement.pk, Figures()), dates.get(agreement.pk)

    @display(description=_("next date"))
    def next_date(self, agreement):
        if agreement.list_next is None:
            return ""
        _last, text, kind = agreement.list_next
        return format_html('<span title="{}">{}</span>', kind, date_in_words(text))

    def get_urls(self):
        views = {"publish": self.publish_view, "set_status": self.set_status_view}
        own = [
            path(f"<path:object_id>/{name.replace('_', '-')}/", self.admin_site.admin_view(view), name=f"agreements_agreement_{name}")
            for name, view in views.items()
        ]
        return [*own, *super().get_urls()]

    def set_status_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Set the status that the treaty actions suggest. The form of the agreement checks it, as if it were sent with this status."""
        record = self.record_to_read(request, unquote(object_id))
        if record is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_change_permission(request, record):
            raise PermissionDenied
        page = HttpResponseRedirect(self.page_of(record))
        suggested = suggested_status(record, text_standing(load_record(record, request.user), today()).code)
        if request.method != "POST" or suggested is None or request.POST.get("status") != suggested.value:
            self.message_user(request, _("Nothing was changed: the treaty actions suggest no other status now."), messages.WARNING)
            return page
        try:
            with change_context(request.user, "", "admin"):
                stored = self.model._base_manager.select_for_update().get(
                    pk=record.pk
                )  # `record` has no references that are hidden from the user
                stored.status = suggested
                stored.full_clean()
                stored.save(update_fields=["status"])
        except ValidationError as error:
            self.message_user(request, " ".join(error.messages), messages.ERROR)
        except DatabaseError as error:
            self.message_user(request, violations.constraint_of(error).message, messages.ERROR)
        else:
            self.message_user(request, _("Status set to %(status)s.") % {"status": suggested.label}, messages.SUCCESS)
        return page

    def publish_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the drafts that would be published, and publish all of them, or none."""
        record = self.record_to_read(request, unquote(object_id))
        if record is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not may_publish(request.user):
            raise PermissionDenied
        form = PartsForm(request.POST or dict.fromkeys(PartsForm.base_fields, "on"))
        form.full_clean()
        error, drafts = "", []
        confirmed = request.method == "POST" and "_publish" in request.POST
        try:
            with transaction.atomic():
                with change_context(request.user, "", "admin"):
                    locked = lock_for_change(self.model._base_manager.all()).get(pk=record.pk)
                    drafts = publish(locked, by=request.user, **form.cleaned_data)
                transaction.set_rollback(not confirmed)
        except Conflict as rejection:
            error = rejection.detail
        except DatabaseError as rejection:
            error = violations.constraint_of(rejection).message
        if confirmed and not error:
            text = ngettext("%(number)d record published.", "%(number)d records published.", len(drafts)) % {"number": len(drafts)}
            self.message_user(request, text, messages.SUCCESS)
            return HttpResponseRedirect(self.page_of(record))
        context = self.admin_site.each_context(request) | {
            "title": _("Publish with parts: %(record)s") % {"record": record},
            "opts": self.opts,
            "original": record,
            "form": apply_theme(form),
            "error": error,
            "drafts": [DraftRecord.of(draft) for draft in drafts],
            "page_url": self.page_of(record),
            "published": record.publication == Publication.PUBLISHED,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/agreements/agreement/publish.html", context)


admin.site.unregister(Agreement)
admin.site.register(Agreement, AgreementAdmin)

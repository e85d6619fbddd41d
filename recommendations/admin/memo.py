"""The memo of the changes that the page *Changes* shows, with links to pages of the desk."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from policytracker.admin.changes import ChangesForm, check_reader
from policytracker.history.feed import Feed
from policytracker.records.models import Record
from policytracker.resources import ReadContext
from recommendations.reports.memo import Memo

MAX_CHANGES = 500


def memo(request: HttpRequest) -> HttpResponse:
    """The memo as a file in Markdown. With filters that are wrong, the page *Changes*, which says why."""
    check_reader(request)
    form = ChangesForm(request.GET, request.user)
    if not form.is_valid():
        return HttpResponseRedirect(f"{reverse('recent_changes')}?{request.GET.urlencode()}")

    def page_of(model: type[Record], pk: int, key: str) -> str:
        return request.build_absolute_uri(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[pk]))

    feed = Feed(ReadContext.of(request.user), form.filters())
    found = feed.page(None, MAX_CHANGES)
    more = _("There are more changes. Choose a shorter period.") if found.has_more else ""
    text = str(Memo(found.entries, feed.filters, feed.context, more, page_of))
    return HttpResponse(text, "text/markdown; charset=utf-8", headers={"Content-Disposition": 'attachment; filename="changes.md"'})

"""The page to which source marks lead: what each record states, and the source, place, quote and document on which it rests."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from agreements.source_marks import MOST_USES
from agreements.source_uses import by_source, kinds, uses_of_records


def page(request: HttpRequest) -> HttpResponse:
    """The sources of the records that the URL names by model and id: what each states, place, quote and document."""
    if not request.user.has_perm("agreements.view_source"):
        raise PermissionDenied
    asked = {name: [int(pk) for pk in request.GET.getlist(name)[:MOST_USES] if pk.isdecimal() and len(pk) < 19] for name in kinds()}
    uses = uses_of_records({name: pks for name, pks in asked.items() if pks}, request.user)[:MOST_USES]
    if not uses:
        raise Http404(_("These sources do not exist, or you may not read them."))
    sources = by_source(uses)
    context = admin.site.each_context(request) | {"title": ngettext("Source", "Sources", len(sources)), "sources": sources.items()}
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/source_marks.html", context)

"""The command palette (Ctrl-K or /): pages of the admin, and records of all types."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from policytracker.admin.menu import entries
from policytracker.dataset import demo
from policytracker.representation.search_query import MAX_LENGTH, parse
from policytracker.resources import ReadContext, registry
from policytracker.search.hits import Hit, find
from policytracker.search.spelling import suggestions

SHOWN = 20  # records


def search(request: HttpRequest) -> HttpResponse:
    """The results for what was typed, as a part of a page. Unlike those of the theme they are not cached: each shows what is stored now."""
    text = request.GET.get("s", "").replace("\0", "").strip()[:MAX_LENGTH]
    if not text:
        return HttpResponse()
    reader = ReadContext.of(request.user)
    hits = find(reader, parse(text), registry.searched, SHOWN)
    results = [*pages(request, text), *(record(hit) for hit in hits.page[:SHOWN])]
    similar = [] if results else suggestions(reader, text)
    more = hits.count - SHOWN if hits.count > SHOWN else 0
    context = {"text": text, "results": results, "similar": similar, "more": more}
    return TemplateResponse(request, "unfold/helpers/command_results.html", context)


def pages(request: HttpRequest, text: str) -> list[dict[str, Any]]:
    """The pages of the menu, and those under *More*, whose names contain the text."""
    found = [entry for shown in entries(request) for entry in shown if is_in(text, entry.title)]
    return [{"title": entry.title, "link": entry.link, "icon": entry.icon, "description": entry.group} for entry in found]


def is_in(text: str, name: Any) -> bool:
    return text.casefold() in str(name).casefold()


def record(hit: Hit) -> dict[str, Any]:
    options = hit.resource.model._meta
    return {
        "title": hit.title,
        "description": f"{options.verbose_name} · {hit.key}" if hit.resource.model.key != "uid" else options.verbose_name,
        "link": reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[hit.id]),
        "icon": "",
        "fictional": hit.resource.model.key != "uid" and hit.key.startswith(demo.PREFIX),
    }

"""The command palette (Ctrl-K or /): lists that the text asks for, pages of the admin, and records of all types."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from policytracker.admin.changelist import filters_in_words
from policytracker.admin.menu import entries
from policytracker.admin.query_lines import asked
from policytracker.dataset import demo
from policytracker.representation import query_line
from policytracker.representation.search_query import MAX_LENGTH, parse
from policytracker.resources import ReadContext, registry
from policytracker.search.hits import Hit, find
from policytracker.search.past import find_past
from policytracker.search.spelling import suggestions

SHOWN = 20  # records


def search(request: HttpRequest) -> HttpResponse:
    """The results for what was typed, as a part of a page. Unlike those of the theme they are not cached: each shows what is stored now."""
    text = request.GET.get("s", "").replace("\0", "").strip()[:MAX_LENGTH]
    if not text:
        return HttpResponse()
    reader, similar = ReadContext.of(request.user), []
    if reader.as_of is None:
        hits = find(reader, parse(text), registry.searched, SHOWN)
        found, count = hits.page, hits.count
    else:
        found = find_past(reader, parse(text), registry.searched, SHOWN)
        count = len(found)
    results = [*lists(request, text), *pages(request, text), *(record(hit) for hit in found[:SHOWN])]
    if not results and reader.as_of is None:
        similar = suggestions(reader, text)
    more = count - SHOWN if count > SHOWN else 0
    context = {"text": text, "results": results, "similar": similar, "more": more}
    return TemplateResponse(request, "unfold/helpers/command_results.html", context)


def lists(request: HttpRequest, text: str) -> list[dict[str, Any]]:
    """The lists for which the text is a query, in any order of its words: those that leave the fewest words as text."""
    context, found = ReadContext.of(request.user), []
    for resource in registry.addressed:
        page: Any = admin.site._registry.get(resource.model)
        if page and page.has_view_permission(request) and (parameters := asked(text, page.filter_set, resource.filters, context)):
            found.append((len(parameters.get(query_line.TEXT, [""])[0].split()), page, parameters))
    fewest = min((left for left, *_ in found), default=0)
    return [list_of(request, page, parameters) for left, page, parameters in found if left == fewest]


def list_of(request: HttpRequest, page: Any, parameters: query_line.Parameters) -> dict[str, Any]:
    options = page.opts
    said = [f"{title}: {value}" for _name, title, value in filters_in_words(page, request, parameters)]
    text = parameters.pop(query_line.TEXT, None)
    query = parameters | ({query_line.TEXT: [query_line.write({query_line.TEXT: text}, page.filter_set)]} if text else {})
    return {
        "title": f"{capfirst(options.verbose_name_plural)} · {', '.join(said)}",
        "description": _("List"),
        "link": f"{reverse(f'admin:{options.app_label}_{options.model_name}_changelist')}?{urlencode(query, doseq=True)}",
        "icon": "list",
    }


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

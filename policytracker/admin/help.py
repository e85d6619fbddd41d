"""Help: the guides of the folder `docs` inside the admin. What fits the open page comes first, then what the role of the reader needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import Resolver404, resolve, reverse
from django.utils.translation import gettext_lazy as _

from policytracker.admin.menu import PAGES
from policytracker.guides import documents
from policytracker.guides.rendering import Rendered, Section
from policytracker.records.access import Role

LONGEST_QUERY = 100  # characters
CACHED = 3600  # seconds an image is kept by the browser
CHAPTER, PART = 2, 3  # levels of headings
LONGEST_CONTENTS = 40  # entries; a longer table of contents has chapters only


@dataclass(frozen=True)
class Chapter:
    """A link to a section of a guide: the heading, the title of the guide, and the URL."""

    title: str
    guide: str
    url: str


def chapter(reference: str) -> Chapter:
    """The section that `document#anchor` names; without an anchor the document. Raises LookupError."""
    name, _hash, anchor = reference.partition("#")
    document = documents.guide(name)
    if document is None:
        raise LookupError(reference)
    title = next(section.title for section in document.sections if section.anchor == anchor) if anchor else document.title
    return Chapter(title, document.title, reverse("guide", args=[name]) + (f"#{anchor}" if anchor else ""))


def references_of(path: str) -> list[str]:
    """The sections that fit a page of the admin: those that it declares as `guides`, then the fields of its record type."""
    try:
        match = resolve(path)
    except Resolver404:
        return []
    page = getattr(match.func, "model_admin", None) or next((page for page in PAGES if page.name == match.view_name), None)
    found = list(getattr(page, "guides", ()))
    resource = getattr(page, "resource", None)
    if resource and resource.address and (anchor := documents.section_of_records(resource.address)):
        found.append(f"records#{anchor}")
    return found


def fitting(path: str, roles: Iterable[str]) -> list[Chapter]:
    """The sections that fit a page. Those of the guides of the role come first."""
    own = {guide_of(role) for role in roles}
    return [chapter(reference) for reference in sorted(references_of(path), key=lambda reference: reference.partition("#")[0] not in own)]


def guide_of(role: str) -> str:
    """The name of the guide of a role: that of its last word, such as "officer"."""
    return role.split()[-1]


def by_role(roles: Iterable[str]) -> list[Rendered]:
    """The parts of the index of the guides, with those of the roles of the reader first."""
    own = {str(Role(role).label).casefold() for role in roles if role in set(Role)}
    return sorted(documents.index(), key=lambda part: part.title.casefold() not in own)


def index(request: HttpRequest) -> HttpResponse:
    """The page *Help*: a search over all guides, the sections that fit the page that the reader comes from, and the guides by role."""
    text = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_QUERY]
    roles = request.user.roles
    context = admin.site.each_context(request) | {
        "title": _("Help"),
        "text": text,
        "hits": list(documents.search(text)),
        "fitting": fitting(request.GET.get("page", ""), roles),
        "groups": by_role(roles),
    }
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/help.html", context)


def contents(document: Rendered) -> list[Section]:
    """The headings that the table of contents of a guide shows."""
    found = [section for section in document.sections if section.level in (CHAPTER, PART)]
    return found if len(found) <= LONGEST_CONTENTS else [section for section in found if section.level == CHAPTER]


def guide(request: HttpRequest, name: str) -> HttpResponse:
    """A guide, with its contents."""
    document = documents.guide(name)
    if document is None:
        raise Http404
    context = admin.site.each_context(request) | {
        "title": document.title,
        "document": document,
        "contents": contents(document),
        "back_url": reverse("help"),
    }
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/guide.html", context)


def image(request: HttpRequest, name: str) -> HttpResponse:
    """An image of the guides."""
    path = documents.file_of(f"images/{name}", tuple(documents.IMAGES))
    if path is None:
        raise Http404
    return HttpResponse(path.read_bytes(), documents.IMAGES[path.suffix], headers={"Cache-Control": f"private, max-age={CACHED}"})

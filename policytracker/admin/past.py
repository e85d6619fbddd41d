"""The past in the desk: a page with `as_of` in its address shows the register of that moment.

Every page goes through `Desk.admin_view`, which reads the moment for the whole page. So lists, numbers, searches and charts show the past
without knowing it, and `User.has_perm` permits nothing but reading. The links of the page get the parameter when the page is complete.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial, wraps
from html import escape, unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from policytracker import date_forms
from policytracker.admin.theme import UnfoldAdminSite
from policytracker.api.as_of import past_moment
from policytracker.records.changes import Change
from policytracker.representation.parameters import AS_OF, InvalidParameter, single
from policytracker.sql.moment import as_of
from policytracker.web.errors import API, TITLES

TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)", re.ASCII)  # without a zone: UTC, as all times of the site
PAGE_PARAMETERS = {AS_OF, "p", "cursor", "e"}  # of the moment and of a page of a list, which another moment has not
# The attributes that lead to other pages. A link with `data-today` before its address leads to the present.
ADDRESS = re.compile(r'(?<!data-today)(\s(?:href|data-load|data-count|hx-get|data-ajax--url)=")([^"]*)"')
FORM = re.compile(r"<form\b[^>]*>")
OF_TODAY = ("help/", "login/", "logout/", "jsi18n/")  # pages below the home page that are the same at every moment
FILE = re.compile(rf"{API}.*/file/$")


@dataclass(frozen=True)
class PastMoment:
    """A moment as addresses have it: a day, which means its end in UTC, or a time."""

    text: str
    at: datetime

    @classmethod
    def of(cls, typed: str) -> PastMoment:
        """The moment that a person typed. Raises InvalidParameter."""
        text = typed.strip()
        if match := TIME.fullmatch(text):
            text = f"{match[1]}T{match[2]}Z"
        with suppress(ValidationError):
            day = date_forms.parse(text)
            text = day if len(day) == len("2026-11-01") else text
        at = past_moment(text)
        return cls(text if len(text) == len("2026-11-01") else at.isoformat().replace("+00:00", "Z"), at)

    def __str__(self) -> str:
        day = date_format(self.at, "j M Y")
        return day if len(self.text) == len("2026-11-01") else f"{day}, {self.at:%H:%M} UTC"


def moment_of(request: HttpRequest) -> PastMoment | None:
    """The moment in the address of a page; None for the present. Raises InvalidParameter."""
    text = single(parameters_of(request), AS_OF)
    return PastMoment.of(text) if text.strip() else None


def parameters_of(request: HttpRequest) -> QueryDict:
    """The parameters of the address with `as_of`, which views do not see."""
    return QueryDict(request.META.get("QUERY_STRING", ""), mutable=True)


def beginning() -> datetime | None:
    """The time of the first change of the register; None if it is empty."""
    return Change.objects.order_by("pk").values_list("at", flat=True).first()


# ---- the site


class Desk(UnfoldAdminSite):
    """The admin. Each of its pages can be read as of a past moment."""

    def admin_view(self, view, cacheable=False):
        page = super().admin_view(view, cacheable)

        @wraps(page)
        def at_moment(request, *args, **kwargs):
            if AS_OF not in parameters_of(request) or not self.has_permission(request):
                return page(request, *args, **kwargs)
            return self.in_past(request, partial(page, request, *args, **kwargs))

        return at_moment

    def in_past(self, request: Any, page: Callable[[], HttpResponse]) -> HttpResponse:
        """The page as of the moment in its address."""
        query = parameters_of(request)
        try:
            moment = moment_of(request)
        except InvalidParameter as error:
            request.typed_moment = query.get(AS_OF, "")
            request.GET = without(query, AS_OF)
            return self.notice(request, 400, error.detail[AS_OF][0]).render()
        request.GET, request.moment = without(query, AS_OF), moment
        if moment is None:
            return page()
        with as_of(moment.at):
            response = self.page_at(request, moment, page)
            if isinstance(response, TemplateResponse):
                response.render()  # here, because templates query too
        return carried(response, moment, request.path)

    def page_at(self, request: HttpRequest, moment: PastMoment, page: Callable[[], HttpResponse]) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return self.notice(request, 403, _("The past cannot be changed. Nothing was saved. Go back to today, and try again there."))
        begun = beginning()
        if begun and moment.at < begun:
            message = _("The register did not exist on {moment}. Its first record was made on {day}.")
            return self.notice(request, 404, message.format(moment=moment, day=date_format(begun, "j M Y")))
        try:
            return page()
        except PermissionDenied:
            message = _("Only what has a history is shown as of a past moment, and only for reading: no accounts, imports and forms.")
            return self.notice(request, 403, message)
        except Http404:
            return self.notice(request, 404, _("This page did not exist in the register on {moment}.").format(moment=moment))

    def notice(self, request: HttpRequest, status: int, message: str) -> TemplateResponse:
        """A page of the desk that says why the requested one is not shown."""
        own = {"title": TITLES[status], "message": message, "compares": True}  # without the form that compares the page
        request.current_app = self.name  # type: ignore[attr-defined]
        return TemplateResponse(request, "admin/past/notice.html", self.each_context(request) | own, status=status)

    def each_context(self, request):
        query = without(parameters_of(request), *PAGE_PARAMETERS)
        moment = getattr(request, "moment", None)
        return super().each_context(request) | {
            "moment": moment,
            "typed_moment": getattr(request, "typed_moment", moment.text if moment else ""),
            "other_parameters": [(name, value) for name, values in query.lists() for value in values],
            "compares": False,
            "today_url": f"{request.path}?{query.urlencode()}" if query else request.path,
        }


def without(query: QueryDict, *names: str) -> QueryDict:
    query = query.copy()
    for name in names:
        query.pop(name, None)
    return query


# ---- links


def carried(response: HttpResponse, moment: PastMoment, path: str) -> HttpResponse:
    """The response with the moment in every link to another page, and in the forms that open one."""
    link = cache(partial(with_moment, moment=moment, path=path))
    if "Location" in response:
        response["Location"] = link(response["Location"])
    if response.streaming or not response.headers.get("Content-Type", "").startswith("text/html"):
        return response
    hidden = f'<input type="hidden" name="{AS_OF}" value="{escape(moment.text)}">'

    def form(tag: re.Match[str]) -> str:
        opens_page = 'method="post"' not in tag[0].lower() and "data-today" not in tag[0]
        return tag[0] + hidden if opens_page else tag[0]

    text = ADDRESS.sub(lambda found: f'{found[1]}{escape(link(unescape(found[2])))}"', response.content.decode())
    response.content = FORM.sub(form, text).encode()
    return response


def with_moment(address: str, moment: PastMoment, path: str) -> str:
    """The address with the moment, if it leads to another page of the desk or of the API. `path` is that of the page with the link."""
    target = urlsplit(urljoin(path, address))
    if not address or address.startswith("#") or target.scheme or target.netloc or AS_OF in parse_qs(target.query, keep_blank_values=True):
        return address
    home = reverse("admin:index")
    in_desk = target.path.startswith(home) and not target.path.removeprefix(home).startswith(OF_TODAY)
    if not in_desk and (not target.path.startswith(API) or FILE.match(target.path)):
        return address
    before, hash_sign, fragment = address.partition("#")
    return f"{before}{'&' if '?' in before else '?'}{urlencode({AS_OF: moment.text})}{hash_sign}{fragment}"

"""Error responses: JSON under `/api/`, elsewhere a page with the layout of the site, which needs no database."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from policytracker.web.logo import icon

API = "/api/"
TITLES = {
    400: gettext_lazy("Invalid request"),
    403: gettext_lazy("Not permitted"),
    404: gettext_lazy("Page not found"),
    409: gettext_lazy("Conflict"),
    413: gettext_lazy("Too large"),
    429: gettext_lazy("Too many requests"),
    500: gettext_lazy("Server error"),
    503: gettext_lazy("Temporarily unavailable"),
}


def error_page(status: int, detail: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """A page with this message and a link to the home page."""
    context = {
        "status": status,
        "title": TITLES.get(status, TITLES[400]),
        "detail": detail,
        "site_name": settings.SITE_NAME,
        "icon": icon(),
        "accent": " ".join(f"--color-primary-{number}={colour}" for number, colour in settings.SITE_ACCENT.items()),
    }
    return HttpResponse(render_to_string("error.html", context), status=status, headers=dict(headers or {}))


def refuse(request: HttpRequest, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """An error response: `{"code", "detail"}` under `/api/`, a page elsewhere."""
    if request.path.startswith(API):
        return JsonResponse({"code": code, "detail": detail}, status=status, headers=headers)
    return error_page(status, detail, headers)


# ---- the handlers of Django, for errors outside the views of the API


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refuse(request, 400, "invalid", _("The server cannot process this request. Go back, check your entries and try again."))


def not_permitted(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refuse(
        request,
        403,
        "permission_denied",
        str(exception) or _("Your role may not open this page or perform this action. Ask an administrator for access."),
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refuse(request, 404, "not_found", _("This page does not exist, or you may not see it. The record may have been deleted."))


def server_error(request: HttpRequest) -> HttpResponse:
    """The log has the traceback with the id of the request."""
    detail = _("An error occurred on the server. An administrator can find the details in the server log by this request ID: {id}")
    return refuse(request, 500, "server_error", detail.format(id=getattr(request, "id", _("unknown"))))

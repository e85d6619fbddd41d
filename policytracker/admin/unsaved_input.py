"""Input that was submitted when the session had ended or the form had expired: it travels with the sign-in and can be sent again.
Input that the user may no longer submit is shown, to be copied.

The input is only in the page that the person sees, signed, and never stored on the server. Nothing is saved before the person
presses a button, with a valid CSRF token, and then with the permissions of the user who has signed in.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _

from policytracker.admin.forms import entered_texts, pairs
from policytracker.web import errors

UNSAVED = "unsaved_input"  # the field of the login form
SALT = "policytracker.admin.unsaved_input"
MAX_AGE = 12 * 60 * 60  # seconds between the submission and the sign-in


def keep_input(get_response):
    """Middleware: where a form is answered by a redirect to the login page, show the login page with the input."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        redirected = request.method == "POST" and response.status_code == 302
        if redirected and response.url == redirect_to_login(request.get_full_path(), reverse("admin:login")).url:
            return sign_in(request, input_of(request))
        return response

    return middleware


def login(request: HttpRequest) -> HttpResponse:
    """The login page. After the sign-in, the page on which the input is sent again."""
    unsaved = read(request)
    response = admin.site.login(request, {"unsaved": request.POST[UNSAVED]} if unsaved else None)
    return send_again(request, unsaved) if unsaved and response.status_code == 302 else response


def form_expired(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's `CSRF_FAILURE_VIEW`. Another site may have sent the form, unless the browser says that a page of this one did."""
    if request.headers.get("Origin") != f"{request.scheme}://{request.get_host()}":
        return errors.error_page(403, _("This form has expired. Go back with your browser, reload the page and submit it again."))
    logs_in = request.path == reverse("admin:login")
    unsaved = read(request) if logs_in else input_of(request)
    if unsaved and admin.site.has_permission(request):
        return send_again(request, unsaved)
    return sign_in(request, unsaved)


def not_permitted(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler403`. The role of the user may have changed while the form was open."""
    sent = request.method == "POST" and not request.path.startswith(errors.API)
    entered = entered_texts(input_of(request)["fields"]) if sent and admin.site.has_permission(request) else []
    if not entered:
        return errors.not_permitted(request, exception)
    message = _("Not saved: your role may not perform this action. Ask an administrator. Copy what you need from your input below.")
    return page(request, "admin/not_saved.html", {"title": errors.TITLES[403], "message": message, "entered": entered})


def input_of(request: HttpRequest) -> dict[str, Any]:
    """The input of a form, without passwords and without the content of files."""
    return {
        "address": request.get_full_path(),
        "fields": [(name, value) for name, value in pairs(request.POST) if "password" not in name and name != "csrfmiddlewaretoken"],
        "files": [(name, file.name) for name, file in request.FILES.items()],
    }


def read(request: HttpRequest) -> dict[str, Any] | None:
    """The input that a login form carries, or None."""
    try:
        return signing.loads(request.POST.get(UNSAVED, ""), salt=SALT, max_age=MAX_AGE)
    except signing.BadSignature:
        return None


def sign_in(request: HttpRequest, unsaved: dict[str, Any] | None) -> HttpResponse:
    """The login page with the input, which was not saved."""
    address = unsaved["address"] if unsaved else request.GET.get(REDIRECT_FIELD_NAME, reverse("admin:index"))
    context = {
        "title": _("Log in"),
        "form": admin.site.login_form(request),
        "app_path": f"{reverse('admin:login')}?{urlencode({REDIRECT_FIELD_NAME: address})}",
        "unsaved": signing.dumps(unsaved, salt=SALT, compress=True) if unsaved else "",
    }
    return page(request, "admin/login.html", context)


def send_again(request: HttpRequest, unsaved: dict[str, Any]) -> HttpResponse:
    """A page that shows the input, which was not saved, and sends it again."""
    context = {"title": _("Submit again"), "unsaved": unsaved, "entered": entered_texts(unsaved["fields"])}
    return page(request, "admin/send_again.html", context)


def page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    request.current_app = admin.site.name
    response = TemplateResponse(request, template, admin.site.each_context(request) | context, status=403)
    add_never_cache_headers(response)
    return response.render()

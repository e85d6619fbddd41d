"""The logo of the operator, which SITE_LOGO names; without one the icon of the product."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.templatetags.static import static
from django.urls import reverse

from policytracker.site import LOGO_TYPES

KEPT = 3600  # seconds in the cache of a browser


def icon(request: HttpRequest | None = None) -> str:
    """The URL of the image beside the name of the site, and in the tab of the browser. The settings of the theme name this function."""
    return reverse("logo") if settings.SITE_LOGO else static("policytracker/icon.svg")


def logo(request: HttpRequest) -> HttpResponse:
    """The file; the settings checked it at the start. The Content-Security-Policy of all pages stops scripts in an SVG."""
    if not settings.SITE_LOGO:
        raise Http404
    content_type = LOGO_TYPES[settings.SITE_LOGO.suffix.lower()]
    return HttpResponse(settings.SITE_LOGO.read_bytes(), content_type, headers={"Cache-Control": f"max-age={KEPT}"})

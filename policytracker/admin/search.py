"""The search field of the menu."""

from django.contrib import admin
from django.core.paginator import InvalidPage
from django.http import Http404, HttpRequest, HttpResponse


def search(request: HttpRequest) -> HttpResponse:
    """The search of the theme. Raises Http404 for a page that does not exist; the theme itself fails with a server error."""
    try:
        return admin.site.search(request)
    except InvalidPage as error:
        raise Http404(str(error)) from error

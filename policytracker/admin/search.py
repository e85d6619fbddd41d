"""The search of the menu, which is the theme's."""

from django.contrib import admin
from django.core.paginator import InvalidPage
from django.http import Http404, HttpRequest, HttpResponse


def search(request: HttpRequest) -> HttpResponse:
    """The theme's search. It fails for a page number that has no page; like Django's own lists, this raises Http404."""
    try:
        return admin.site.search(request)
    except InvalidPage as error:
        raise Http404(str(error)) from error

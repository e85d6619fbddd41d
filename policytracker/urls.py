"""The URLs of the site."""

from django.contrib import admin
from django.urls import include, path, reverse_lazy
from django.views.generic import RedirectView

from agreements.admin import checks
from policytracker.admin import search

handler500 = "policytracker.web.requests.server_error"

# Middleware in policytracker/web/requests.py serves the probes `/healthz` and `/readyz`.
urlpatterns = [
    path("", RedirectView.as_view(url=reverse_lazy("admin:index"))),
    path("admin/checks/", admin.site.admin_view(checks.page), name="data_checks"),
    path("admin/search/", admin.site.admin_view(search)),
    path("admin/", admin.site.urls),
    path("api/v1/", include("policytracker.api.urls")),
]

"""Addresses."""

from django.contrib import admin
from django.urls import include, path, reverse_lazy
from django.views.generic import RedirectView

from agreements.admin import checks
from policytracker.admin import search

handler500 = "policytracker.web.requests.server_error"

# The probes `/healthz` and `/readyz` are answered ahead of all this, in policytracker/web/requests.py.
urlpatterns = [
    path("", RedirectView.as_view(url=reverse_lazy("admin:index"))),
    path("admin/checks/", admin.site.admin_view(checks.page), name="data_checks"),
    path("admin/search/", admin.site.admin_view(search)),
    path("admin/", admin.site.urls),
    path("api/v1/", include("policytracker.api.urls")),
]

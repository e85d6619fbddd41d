"""Addresses."""

from django.contrib import admin
from django.db import transaction
from django.urls import include, path

from agreements.admin import checks
from policytracker import health

urlpatterns = [
    path("healthz", transaction.non_atomic_requests(health.alive)),
    path("readyz", transaction.non_atomic_requests(health.ready)),
    path("admin/checks/", admin.site.admin_view(checks.page), name="data_checks"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("policytracker.api")),
]

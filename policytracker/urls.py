"""The URLs of the site, with those of the API."""

from typing import Any, cast

from django.contrib import admin
from django.db import transaction
from django.templatetags.static import static
from django.urls import include, path, reverse_lazy
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny

from agreements.admin import checks, source_page
from agreements.views import AgreementViewSet, SourceViewSet
from policytracker.admin import account, changes, compare, help, menu, search, unsaved_input
from policytracker.api.changes import Changes
from policytracker.api.data_checks import Findings
from policytracker.api.renderers import FormatBeforeAccept, JSONRenderer
from policytracker.api.routes import Choices, not_found, record_urls
from policytracker.api.search import Search
from policytracker.api.tokens import TokenDetail, TokenList
from policytracker.web.logo import logo
from recommendations.admin import answers, home, late, memo
from recommendations.reports.views import AgreementReportViewSet, Me, MemoRenderer, SummaryViewSet
from recommendations.views import AddresseeViewSet, ProgressUpdateViewSet, RecommendationViewSet

handler400 = "policytracker.web.errors.bad_request"
handler403 = "policytracker.admin.unsaved_input.not_permitted"
handler404 = "policytracker.web.errors.not_found"
handler500 = "policytracker.web.errors.server_error"

API = [
    path(
        "schema/",
        SpectacularAPIView.as_view(authentication_classes=[], permission_classes=[AllowAny], content_negotiation_class=FormatBeforeAccept),
        name="schema",
    ),
    path(
        "docs/",
        SpectacularSwaggerSplitView.as_view(url_name="schema", authentication_classes=[], permission_classes=[AllowAny]),
        name="docs",
    ),
    # Not atomic: a failed login is recorded although the request fails.
    path("auth/tokens/", transaction.non_atomic_requests(TokenList.as_view()), name="tokens"),
    path("auth/tokens/<uuid:key>/", TokenDetail.as_view(), name="token"),
    path("changes/", Changes.as_view(renderer_classes=[JSONRenderer, MemoRenderer]), name="changes"),
    path("checks/", Findings.as_view(), name="checks"),
    path("choices/", Choices.as_view(), name="choices"),
    path("me/", Me.as_view(), name="me"),
    path("search/", Search.as_view(), name="search"),
    path("summary/", SummaryViewSet.as_view({"get": "summary"}, basename="summary"), name="summary"),
    # These need both apps, so they are not actions of the agreement viewset.
    *(
        path(
            f"agreements/<str:key>/{extra.url_path}/",
            AgreementReportViewSet.as_view(dict(extra.mapping), basename="agreements", detail=True, **extra.kwargs),
            name=f"agreements-{extra.url_name}",
        )
        for extra in cast(list[Any], AgreementReportViewSet.get_extra_actions())
    ),
    *record_urls([SourceViewSet, AgreementViewSet, RecommendationViewSet, AddresseeViewSet, ProgressUpdateViewSet]),
    path("", not_found),
    path("<path:address>", not_found),
]
# Middleware in policytracker/web/requests.py serves the probes `/healthz` and `/readyz`.
urlpatterns = [
    path("", RedirectView.as_view(url=reverse_lazy("admin:index"))),
    # Browsers ask for it on responses that are no pages.
    path("favicon.ico", RedirectView.as_view(url=static("policytracker/icon.svg"))),
    path("logo/", logo, name="logo"),
    path("admin/login/", unsaved_input.login),
    path("admin/account/", admin.site.admin_view(account), name="account"),
    path("admin/checks/", admin.site.admin_view(checks.page), name="data_checks"),
    path("admin/checks/count/", admin.site.admin_view(checks.count_findings), name="data_checks_count"),
    path("admin/source/", admin.site.admin_view(source_page.page), name="source_marks"),
    path("admin/late/", admin.site.admin_view(late.page), name="late"),
    path("admin/changes/", admin.site.admin_view(changes.page), name="recent_changes"),
    path("admin/changes/memo/", admin.site.admin_view(memo.memo), name="changes_memo"),
    path("admin/answers/", admin.site.admin_view(answers.page), name="answers"),
    path("admin/numbers/", admin.site.admin_view(home.numbers), name="recommendations_in_numbers"),
    path("admin/search/", admin.site.admin_view(search), name="palette"),
    path("admin/compare/", admin.site.admin_view(compare.page), name="compare"),
    path("admin/help/", admin.site.admin_view(help.index), name="help"),
    path("admin/help/images/<str:name>", admin.site.admin_view(help.image), name="guide_image"),
    path("admin/help/<path:name>/", admin.site.admin_view(help.guide), name="guide"),
    path("admin/more/", admin.site.admin_view(menu.more), name="more"),
    path("admin/", admin.site.urls),
    path("api/v1/", include(API)),
]

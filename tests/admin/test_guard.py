"""All admin pages use our base classes, which restrict querysets to visible records."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import RequestFactory

from policytracker.accounts.models import ListChoice
from policytracker.admin import BaseAdmin, BaseInline, RecordAdmin
from policytracker.admin.visible_rows import VisibleRowsMixin
from policytracker.api.models import IdempotencyKey
from policytracker.installed.models import SearchEntry
from policytracker.records.changes import Change
from policytracker.records.models import Record
from recommendations.models import StatusPeriod

OURS = [m for app in ("policytracker", "agreements", "recommendations") for m in apps.get_app_config(app).get_models()]
PAGES = [model for model in OURS if model not in (Change, SearchEntry, IdempotencyKey, ListChoice, StatusPeriod)]


@pytest.mark.parametrize("model", PAGES, ids=lambda model: model.__name__)
def test_the_pages_of_every_model_use_our_base_classes(model):
    page = admin.site._registry[model]

    assert isinstance(page, RecordAdmin if issubclass(model, Record) else BaseAdmin)
    for inline in page.inlines:
        assert issubclass(inline, BaseInline)


@pytest.mark.parametrize("model", [m for m in PAGES if issubclass(m, Record)], ids=lambda model: model.__name__)
def test_every_list_form_and_inline_starts_from_visible_records(model, monkeypatch, reader):
    request = RequestFactory().get("/")
    request.user = reader
    read = []
    for queryset in {type(m.objects.none()) for m in PAGES if issubclass(m, Record)}:
        original = queryset.visible_to
        monkeypatch.setattr(queryset, "visible_to", lambda rows, user, original=original: read.append(rows.model) or original(rows, user))
    page = admin.site._registry[model]

    page.get_queryset(request)
    inlines = [inline(model, admin.site) for inline in page.inlines]
    for inline in inlines:
        inline.get_queryset(request)
    far = [f for f in (*model._meta.fields, *model._meta.many_to_many) if f.is_relation and issubclass(f.related_model, Record)]
    for field in far:
        page.get_field_queryset(None, field, request)

    assert {model, *(inline.model for inline in inlines), *(field.related_model for field in far)} <= set(read)
    assert type(page).get_field_queryset is VisibleRowsMixin.get_field_queryset
    assert not hasattr(page, "date_hierarchy") or page.date_hierarchy is None
    assert page.show_full_result_count is False


@pytest.mark.slow
@pytest.mark.parametrize("page", ["change", "delete", "history"])
def test_the_page_of_an_unknown_record_is_no_server_error_whatever_its_key(page, administrator, client):
    client.force_login(administrator, backend="django.contrib.auth.backends.ModelBackend")
    client.raise_request_exception = False
    failed = []

    for model in admin.site._registry:
        for key, query in [("%00", ""), ("x", "?_to_field="), ("x", "?_to_field=%00"), ("1", "?_to_field="), ("9" * 30, "")]:
            for method in ("GET", "POST"):
                address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/{key}/{page}/{query}"
                response = client.generic(method, address, secure=True)
                if response.status_code >= 500:
                    failed.append((response.status_code, method, address))

    assert not failed

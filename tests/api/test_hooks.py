"""Views of records reject the hooks of DRF that their lists and details would not call."""

import pytest
from rest_framework.decorators import action

from policytracker.api.routes import resource_urls
from policytracker.api.views import RecordView
from policytracker.api.viewsets import ReadOnlyRecordViewSet, RecordViewSet
from policytracker.resources import registry

SERIALIZER = registry.at("agreements").serializer
HOOKS = {
    "queryset": SERIALIZER.Meta.model.objects.all(),
    "get_queryset": lambda self: SERIALIZER.Meta.model.objects.none(),
    "get_object": lambda self: None,
    "filter_backends": [],
    "filter_queryset": lambda self, queryset: queryset.none(),
    "serializer_class": SERIALIZER,
    "get_serializer_class": lambda self: SERIALIZER,
    "lookup_field": "title",
    "lookup_url_kwarg": "slug",
    "paginate_queryset": lambda self, queryset: None,
}


@pytest.mark.parametrize("base", [RecordView, ReadOnlyRecordViewSet, RecordViewSet])
@pytest.mark.parametrize("name", HOOKS)
def test_a_view_with_a_hook_that_would_not_be_called_cannot_be_defined(name, base):
    with pytest.raises(TypeError, match=f"`{name}`"):
        type("View", (base,), {name: HOOKS[name]})


@pytest.mark.parametrize("name", HOOKS)
def test_a_view_cannot_inherit_such_a_hook(name):
    mixin = type("Mixin", (), {name: HOOKS[name]})

    with pytest.raises(TypeError, match=f"`{name}`"):
        type("View", (mixin, RecordViewSet), {})


@pytest.mark.parametrize("name", ["queryset", "filter_backends", "serializer_class", "lookup_field"])
def test_an_action_cannot_set_such_a_hook(name):
    class View(RecordViewSet):
        resource = registry.at("agreements")

        @action(detail=True, **{name: HOOKS[name]})
        def extra(self, request, key):
            raise NotImplementedError

    with pytest.raises(TypeError, match=f"`{name}`"):
        list(resource_urls(View.resource, View))


def test_a_view_can_define_the_hooks_that_are_called():
    class View(RecordViewSet):
        def get_serializer_context(self):
            return super().get_serializer_context()

        def get_paginated_response(self, data):
            return super().get_paginated_response(data)

        def perform_create(self, serializer):
            super().perform_create(serializer)

        @action(detail=True, pagination_class=None)
        def extra(self, request, key):
            raise NotImplementedError

    assert "agreements-extra" in {url.name for url in resource_urls(registry.at("agreements"), View)}

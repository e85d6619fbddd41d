"""Only the actions named here are available in lists."""

from django.contrib import admin
from django.test import RequestFactory

from policytracker.models import Change
from recommendations.models import ProgressUpdate, Recommendation
from tests.admin.page import changes
from tests.make import make_recommendation

ALLOWED = {Recommendation: {"bulk_edit"}, ProgressUpdate: {"approve"}}


def test_lists_have_only_the_expected_actions(administrator):
    request = RequestFactory().get("/")
    request.user = administrator

    actions_of = {model: set(page.get_actions(request)) for model, page in admin.site._registry.items()}

    assert {model: actions for model, actions in actions_of.items() if actions} == ALLOWED


def test_djangos_bulk_delete_is_disabled(analyst, signed_in):
    recommendation = make_recommendation()
    form = {"action": "delete_selected", "_selected_action": recommendation.pk, "post": "yes"}

    response = signed_in(analyst).post(changes(Recommendation), form)

    assert response.status_code in (200, 302)
    assert Recommendation.objects.filter(pk=recommendation.pk).exists()
    assert not Change.objects.filter(op="delete").exists()

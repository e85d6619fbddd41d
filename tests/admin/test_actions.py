"""What lists offer to do to several rows at once: only what is named here."""

from django.contrib import admin
from django.test import RequestFactory

from policytracker.models import Change
from recommendations.models import ProgressUpdate, Recommendation
from tests.admin.page import changes
from tests.make import make_recommendation

ALLOWED = {Recommendation: {"bulk_edit"}, ProgressUpdate: {"approve"}}


def test_no_list_offers_an_action_that_is_not_named_here(administrator):
    request = RequestFactory().get("/")
    request.user = administrator

    offered = {model: set(page.get_actions(request)) for model, page in admin.site._registry.items()}

    assert {model: actions for model, actions in offered.items() if actions} == ALLOWED


def test_the_bulk_delete_of_the_framework_does_nothing(analyst, signed_in):
    recommendation = make_recommendation()
    form = {"action": "delete_selected", "_selected_action": recommendation.pk, "post": "yes"}

    answer = signed_in(analyst).post(changes(Recommendation), form)

    assert answer.status_code in (200, 302)
    assert Recommendation.objects.filter(pk=recommendation.pk).exists()
    assert not Change.objects.filter(op="delete").exists()

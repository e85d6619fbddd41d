"""A filtered list and a dossier read ids and then texts. Both statements check what the reader may read."""

import pytest

from agreements.models import Agreement
from policytracker.representation import json_sql
from recommendations.models import Recommendation
from recommendations.reports import views
from recommendations.serializers import RecommendationSerializer
from tests.api.client import Api
from tests.conftest import make_user
from tests.make import change_with_reason, make_agreement, make_recommendation


@pytest.mark.parametrize("change", [{"visibility": "restricted"}, {"publication": "draft"}])
@pytest.mark.parametrize("others", [0, 2])
def test_a_record_that_is_hidden_between_the_two_statements_of_a_list_is_not_shown(world, as_reader, monkeypatch, change, others):
    keys = sorted(make_recommendation(world.aukus, key_action="Meanwhile").slug for _ in range(others + 1))
    filters = {"agreement": "aukus", "key_action__contains": "Meanwhile"}
    texts = json_sql.read_many

    def hide_first(*args, **options):
        change_with_reason(Recommendation.objects.filter(slug=keys[0]), **change)
        return texts(*args, **options)

    assert sorted(as_reader.keys("recommendations/", **filters)) == keys
    monkeypatch.setattr(json_sql, "read_many", hide_first)

    assert sorted(as_reader.keys("recommendations/", **filters)) == keys[1:]


@pytest.mark.parametrize("form", ["json", "md"])
@pytest.mark.parametrize(
    ("change", "role"),
    [("hide", "reader"), ("hide", "party officer"), ("hide", "analyst"), ("delete", "analyst"), ("delete", "administrator")],
)
def test_there_is_no_dossier_of_an_agreement_that_is_deleted_or_hidden_between_the_two_statements(change, role, form, world, monkeypatch):
    api = Api(make_user("somebody", role, is_superuser=role == "administrator"))
    make_agreement(slug="meanwhile", publication="draft" if change == "delete" else "published")
    agreement = Agreement.objects.filter(slug="meanwhile")
    url, take_turn = f"agreements/meanwhile/dossier/?format={form}", views.take_turn

    def change_first(request):
        agreement.delete() if change == "delete" else change_with_reason(agreement, visibility="restricted")
        take_turn(request)

    assert api.get(url).status_code == 200
    monkeypatch.setattr(views, "take_turn", change_first)

    response = api.get(url)

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("change", [{"visibility": "restricted"}, {"publication": "draft"}])
def test_a_record_that_is_hidden_between_the_two_statements_of_a_section_is_not_in_the_dossier(world, as_reader, monkeypatch, change):
    texts = json_sql.read_many

    def hide_first(representation, *args, **options):
        if representation.serializer is RecommendationSerializer:
            change_with_reason(Recommendation.objects.filter(slug=shown[0]), **change)
        return texts(representation, *args, **options)

    def keys():
        return [one["slug"] for one in as_reader.get("agreements/aukus/dossier/").json()["recommendations"]["results"]]

    shown = keys()
    monkeypatch.setattr(json_sql, "read_many", hide_first)

    assert keys() == shown[1:]

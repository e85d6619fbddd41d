"""A filtered list reads the ids of a page and then their texts. Both statements check what the reader may read."""

import pytest

from policytracker.representation import json_sql
from recommendations.models import Recommendation
from tests.make import change_with_reason, make_recommendation


@pytest.mark.parametrize("change", [{"visibility": "restricted"}, {"publication": "draft"}])
@pytest.mark.parametrize("others", [0, 2])
def test_a_record_that_is_hidden_between_the_two_statements_of_a_list_is_not_shown(world, as_reader, monkeypatch, change, others):
    keys = sorted(make_recommendation(world.aukus, key_action="Meanwhile").slug for _ in range(others + 1))
    filters = {"agreement": "aukus", "key_action__contains": "Meanwhile"}
    texts = json_sql.texts

    def hide_first(*args, **options):
        change_with_reason(Recommendation.objects.filter(slug=keys[0]), **change)
        return texts(*args, **options)

    assert sorted(as_reader.keys("recommendations/", **filters)) == keys
    monkeypatch.setattr(json_sql, "texts", hide_first)

    assert sorted(as_reader.keys("recommendations/", **filters)) == keys[1:]

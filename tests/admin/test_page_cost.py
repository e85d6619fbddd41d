"""Each page of the demonstration register takes few queries and at most 250 KB, for each role."""

import pytest
from django.contrib import admin
from django.urls import reverse

from agreements.models import Agreement, Party, Source
from policytracker.accounts.models import User
from recommendations.models import Recommendation
from tests.admin.page import changes
from tests.admin.pages import load_demo, tabs
from tests.queries import captured_queries

MOST_QUERIES, MOST_BYTES = 40, 250 * 1024
# The records with the most parts.
LARGEST = [
    (Agreement, "slug", "paris-agreement"),
    (Agreement, "slug", "us-au-critical-minerals-framework-2025"),
    (Agreement, "slug", "demo-blue-harbour-compact"),
    (Party, "code", "USA"),
    (Source, "slug", "github-openclimatedata-paris-agreement"),
    (Recommendation, "slug", "demo-rec-shore-power"),
]
pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("demo")]


@pytest.fixture(scope="module")
def demo(once_per_module):
    once_per_module(load_demo)


@pytest.mark.parametrize("role", ["officer", "analyst", "admin"])
def test_every_page_is_small_and_takes_few_queries(role, signed_in):
    user = User.objects.get(username=role)
    client, costs = signed_in(user), {}
    lists = [changes(model) for model in admin.site._registry]
    records = [tab for model, key, value in LARGEST for tab in tabs(user, model.objects.get(**{key: value}))]

    for address in (*(reverse(name) for name in ("admin:index", "data_checks", "recent_changes", "account")), *lists, *records):
        with captured_queries() as queries:
            page = client.get(address)
        if page.status_code == 200:
            costs[address] = len(queries), len(page.content)

    assert len(costs) > 40
    assert {address: cost for address, cost in costs.items() if cost[0] > MOST_QUERIES or cost[1] > MOST_BYTES} == {}

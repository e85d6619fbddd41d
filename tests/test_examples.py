"""The examples in the API description create records in a site with the fixtures."""

import pytest
from rest_framework.test import APIClient

from policytracker.resources import registry
from recommendations.serializers import FilingSerializer
from tests.api.client import Api, assert_replayed

pytestmark = pytest.mark.usefixtures("loaded_fixtures")


@pytest.mark.parametrize("address", [resource.address for resource in registry.addressed if resource.serializer.example])
def test_the_example_of_a_resource_creates_a_record(address, administrator):
    client = APIClient()
    client.force_authenticate(administrator)

    response = client.post(f"/api/v1/{address}/", registry.at(address).serializer.example, format="json")

    assert response.status_code == 201, response.content


@pytest.mark.parametrize("as_list", [False, True], ids=["one", "list"])
@pytest.mark.parametrize("address", [resource.address for resource in registry.addressed if resource.serializer.example])
def test_a_repeated_creation_gets_the_first_response(address, as_list, administrator):
    body = registry.at(address).serializer.example

    assert_replayed(Api(administrator), f"{address}/", [body] if as_list else body, 201)


def test_the_example_of_a_progress_update_submits_an_update(administrator):
    client = APIClient()
    client.force_authenticate(administrator)

    response = client.post("/api/v1/recommendations/rec-processing-hubs/progress/", FilingSerializer.example, format="json")

    assert response.status_code == 201, response.content

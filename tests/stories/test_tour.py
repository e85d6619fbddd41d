"""The first step of docs/tour.md: an analyst enters one agreement into an empty register, and finds what is late."""

import pytest
from django.conf import settings

from agreements.models import Agreement, Party, Source
from recommendations.models import Recommendation
from tests.admin.page import add, change, changes, errors_of, typed
from tests.conftest import make_user

TOUR = (settings.BASE_DIR / "docs" / "tour.md").read_text()


@pytest.fixture
def analyst_client(db, client):
    client.force_login(make_user("ann", "analyst"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def saved(client, address: str, **values: object) -> None:
    """Save a form with these values; each text stands in the guide."""
    response = client.post(address, typed(client.get(address)) | values)
    assert response.status_code == 302, errors_of(response)


def test_the_tour_can_be_followed_on_an_empty_register(analyst_client):
    party, source, pact, action, quote = (
        "Harbour Union",
        "Minutes of the harbour council",
        "Harbour pact",
        "Publish the emissions of each year",
        "the report is overdue",
    )
    assert [text for text in ("`HAR`", party, source, pact, action, quote, "31 Jan 2024") if text not in " ".join(TOUR.split())] == []

    saved(analyst_client, add(Party), code="HAR", name=party, kind="regional_organisation")
    saved(analyst_client, add(Source), title=source, kind="other")
    saved(analyst_client, add(Agreement), title=pact, kind="partnership", legal_force="non_binding")
    agreement = Agreement.objects.get()
    rows = {"addressees-TOTAL_FORMS": "1", "addressees-0-party": Party.objects.get().pk, "addressees-0-role": "lead"}
    saved(
        analyst_client,
        f"{add(Recommendation)}?agreements={agreement.pk}",
        **{"key_action": action, "due_on": "31 Jan 2024", "source": Source.objects.get().pk, "quote": quote},
        **rows | {"addressees-0-response": "none_recorded"},
    )

    recommendation = Recommendation.objects.get()
    late = analyst_client.get(changes(Recommendation, "?overdue=true"))
    assert list(late.context["cl"].result_list) == [recommendation]
    page = analyst_client.get(change(recommendation)).text
    assert party in page and quote in page and source in page

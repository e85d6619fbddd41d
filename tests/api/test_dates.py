"""A wrong date has one wording, and the same forms are accepted, in a body and in a filter."""

import pytest

from tests.api.client import Api
from tests.make import make_source

NO_DATES = ["2025-02-30", "2025-13", "20/10/2025", "20251020", "2025-1-5", "soon", "2025-10-20T00:00:00Z", "٢٠٢٥-10-20", "x" * 400]


@pytest.fixture
def api(analyst):
    make_source(slug="report")
    return Api(analyst)


@pytest.mark.parametrize("text", NO_DATES)
@pytest.mark.parametrize(("name", "code"), [("published_on", "invalid_date"), ("retrieved_on", "invalid")])
def test_a_wrong_date_has_one_wording_in_body_and_filter(api, name, code, text):
    in_body = api.patch("sources/report/", {name: text})
    in_filter = api.get("sources/", {name: text})

    assert (in_body.status_code, in_filter.status_code) == (400, 400)
    assert in_body.json()["_codes"] == {name: [code]}
    assert in_body.json()[name] == in_filter.json()[name]


@pytest.mark.parametrize(
    ("name", "text"),
    [("published_on", "2025-10-20"), ("published_on", "2025-10~"), ("published_on", "2025"), ("retrieved_on", "2025-10-20")],
)
def test_a_date_that_a_body_accepts_is_accepted_by_the_filter(api, name, text):
    assert api.patch("sources/report/", {name: text}).status_code == 200
    assert api.keys("sources/", **{name: text}) == ["report"]


@pytest.mark.parametrize("text", ["2025-02-30", "20251020", "2025-1-5", "soon"])
def test_the_report_date_of_an_update_has_the_same_wording(api, text):
    api.post("recommendations/", {"slug": "rec", "key_action": "Train"})

    filed = api.post("recommendations/rec/progress/", {"status": "planned", "narrative": "x", "reported_on": text})

    assert filed.json()["_codes"] == {"reported_on": ["invalid"]}
    assert filed.json()["reported_on"] == api.get("progress-updates/", {"reported_on": text}).json()["reported_on"]

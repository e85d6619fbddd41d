"""Paging, ordering and counts of lists (docs/api.md)."""

from datetime import timedelta
from decimal import Decimal

import pytest

from policytracker.api import pagination
from policytracker.resources import today
from recommendations.models import Recommendation
from tests.api.world import DECIMALS, LISTS, RESOURCES, other_than_full
from tests.make import change_with_reason, make_agreement, make_component, make_recommendation

each_resource = pytest.mark.parametrize("resource", RESOURCES.values(), ids=RESOURCES)


def test_an_envelope_has_count_next_previous_and_results(world, as_reader):
    answer = as_reader.list("agreements/")

    assert list(answer) == ["count", "next", "previous", "results"]
    assert (answer["count"], answer["next"], answer["previous"]) == (2, None, None)
    assert [row["slug"] for row in answer["results"]] == ["aukus", "quad"]


def test_next_and_previous_keep_all_parameters(world, as_reader):
    for number in range(5):
        make_agreement(slug=f"a{number}", title="Pact")

    first = as_reader.list("agreements/", page_size=2, ordering="-slug", title="Pact", fields="slug")
    second = as_reader.get(first["next"]).json()
    third = as_reader.get(second["next"]).json()

    assert [[row["slug"] for row in page["results"]] for page in (first, second, third)] == [["a4", "a3"], ["a2", "a1"], ["a0"]]
    assert {page["count"] for page in (first, second, third)} == {5}
    assert first["previous"] is None and third["next"] is None
    assert as_reader.get(third["previous"]).json()["results"] == second["results"]
    back = as_reader.get(second["previous"]).json()
    assert (back["results"], back["previous"]) == (first["results"], None)
    assert first["next"].startswith("https://testserver/api/v1/agreements/?")


def test_an_emptied_page_still_has_the_count(world, as_reader):
    for number in range(4):
        make_recommendation(slug=f"r{number}")
    first = as_reader.list("recommendations/", page_size=3, slug__contains="r", ordering="-slug")
    change_with_reason(Recommendation.objects.filter(slug__in=["r0", "later"]), visibility="restricted")

    second = as_reader.get(first["next"]).json()

    assert second["results"] == [] and second["next"] is None
    assert second["count"] == 3


@pytest.mark.parametrize("size", ["0", "501", "abc", "-1", "", "1.5", "٥", "50 ", "9" * 40])
@pytest.mark.parametrize("address", ["agreements/", "agreements/aukus/history/"])
def test_a_page_has_from_1_to_500_rows(world, as_reader, address, size):
    response = as_reader.get(address, {"page_size": size})

    assert response.status_code == 400 and list(response.json()) == ["page_size"]
    assert as_reader.get(address, {"page_size": "1"}).status_code == as_reader.get(address, {"page_size": "500"}).status_code == 200


@pytest.mark.parametrize("cursor", ["x", "\0", "W10=", "é" * 300, "eyJhIjoxfQ:1tq:abc", "1", "null"])
@pytest.mark.parametrize("address", ["agreements/", "agreements/aukus/history/"])
def test_a_forged_cursor_is_rejected(world, as_reader, address, cursor):
    response = as_reader.get(address, {"cursor": cursor})

    assert response.status_code == 400 and list(response.json()) == ["cursor"]


def test_a_cursor_belongs_to_its_list_and_order(world, as_reader):
    cursor = as_reader.list("agreements/", page_size=1)["next"].split("cursor=")[1].split("&")[0]

    for address in ("recommendations/", "agreements/aukus/history/", "agreements/?ordering=-slug", "agreements/?ordering=title"):
        response = as_reader.get(f"{address}{'&' if '?' in address else '?'}cursor={cursor}")
        assert response.status_code == 400 and list(response.json()) == ["cursor"], address
    assert as_reader.get(f"agreements/?cursor={cursor}").status_code == 200


@pytest.mark.parametrize("parameter", ["page_size", "ordering", "cursor", "fields", "overdue", "due_within", "due_on__from"])
def test_a_single_value_parameter_may_not_be_repeated(world, as_reader, parameter):
    value = {
        "page_size": "5",
        "ordering": "slug",
        "cursor": "x",
        "fields": "slug",
        "overdue": "true",
        "due_within": "3",
        "due_on__from": "2025",
    }[parameter]

    response = as_reader.get("recommendations/", {parameter: [value, value]})

    assert response.status_code == 400 and list(response.json()) == [parameter]


@each_resource
def test_every_stored_single_field_orders_with_empty_values_last(world, as_analyst, reviewer, resource):
    """Compare pages with the order of Python, on the values of the response: two records per page, and all in descending order."""
    as_analyst.post(f"{resource.address}/", resource.full)
    as_analyst.post(f"{resource.address}/", other_than_full(resource.address))
    whole = as_analyst.list(f"{resource.address}/")["results"]

    for name in sorted(resource.field_names - LISTS - {"url", *resource.computed}):
        known = [row for row in whole if row[name] not in (None, "")]
        unknown = [row for row in whole if row[name] in (None, "")]
        for sign, size in (("", 2), ("-", 500)):
            shown, link = [], f"{resource.address}/?page_size={size}&ordering={sign}{name}"
            while link:
                page = as_analyst.get(link).json()
                shown, link = shown + page["results"], page["next"]
            values = [row[name] for row in shown]
            by = Decimal if name in DECIMALS else day_or_word(values)
            expected = sorted((row[name] for row in known), key=by, reverse=sign == "-")
            assert values[: len(known)] == expected, (name, sign)
            assert len(shown) == len(whole) and all(row in unknown for row in shown[len(known) :]), (name, sign)


def day_or_word(values):
    """The sort key: partial dates by their first possible day, other values unchanged."""
    return lambda value: value.rstrip("~") if isinstance(value, str) and value[:2] in ("19", "20", "21") else value


def test_partial_dates_are_ordered_by_their_first_possible_day(world, as_reader):
    for number, due in enumerate(["2030-02", "2030", "2030-01-15~", "", "2029-12-31", "2030~"]):
        make_component(world.quad, slug=f"c{number}", due_on=due)

    def ordered(by):
        return as_reader.keys("components/", agreement="quad", ordering=by)

    assert ordered("due_on") == ["c4", "c1", "c5", "c2", "c0", "c3"]
    assert ordered("-due_on,-slug") == ["c0", "c2", "c5", "c1", "c4", "c3"]


def test_a_list_can_be_ordered_by_several_fields(world, as_reader):
    for number, (priority, every) in enumerate([("low", 2), ("high", None), ("low", None), ("high", 1), ("high", 2)]):
        make_recommendation(slug=f"r{number}", priority=priority, update_every=every)

    assert as_reader.keys("recommendations/", ordering="priority,-update_every", slug__contains="r", priority__not="unset") == [
        "r4",
        "r3",
        "r1",
        "r0",
        "r2",
    ]
    assert as_reader.keys("recommendations/", ordering="-priority,update_every", priority__not="unset") == ["r0", "r2", "r3", "r4", "r1"]


@pytest.mark.parametrize(
    "by",
    [
        "colour",
        "-",
        "--slug",
        "sectors",
        "team",
        "relations",
        "url",
        "slug,colour",
        "lead__password",
        "?",
        "slug;id",
        "id",
        "pk",
        "expires_on_first",
        "\0",
        "x" * 5000,
        "slug,title,kind,status,lead,summary",
    ],
)
def test_an_invalid_ordering_is_rejected(world, as_reader, by):
    response = as_reader.get("agreements/", {"ordering": by})

    assert response.status_code == 400 and list(response.json()) == ["ordering"]


def test_computed_fields_have_no_ordering(world, as_reader):
    for by in ("deadline_state", "freshness", "claims", "agreements", "components"):
        assert as_reader.get("recommendations/", {"ordering": by}).status_code == 400


def test_a_capped_count_is_marked_as_inexact(world, as_reader, monkeypatch):
    for number in range(12):
        make_agreement(slug=f"a{number}")
    monkeypatch.setattr(pagination, "MAX_COUNT", 10)

    capped = as_reader.list("agreements/", page_size=3)
    exact = as_reader.list("agreements/", page_size=3, slug__contains="a1")

    assert (capped["count"], capped["count_is_exact"]) == (10, False)
    assert exact["count"] == 3 and "count_is_exact" not in exact
    assert len(as_reader.keys("agreements/")) == 14


def test_hidden_records_affect_neither_count_nor_order(world, as_reader, as_administrator):
    secret = make_recommendation(slug="secret-parent", visibility="restricted")
    make_recommendation(slug="child", parent=secret)
    make_recommendation(slug="draft", publication="draft")

    assert as_reader.list("recommendations/", page_size=1)["count"] == 3
    assert as_administrator.list("recommendations/", page_size=1)["count"] == 5
    assert as_administrator.keys("recommendations/", ordering="parent")[0] == "child"
    assert (
        as_reader.keys("recommendations/", ordering="parent")
        == as_reader.keys("recommendations/", ordering="-parent")
        == ["act", "later", "child"]
    )


def test_rows_that_change_while_paging_appear_once(world, as_reader):
    day = today()
    for number in range(9):
        make_recommendation(slug=f"r{number}", due_on=str(day + timedelta(number)))
    met, link = [], "recommendations/?page_size=2&ordering=due_on&slug__contains=r&due_on__empty=false"

    while link:
        page = as_reader.get(link).json()
        met += [row["slug"] for row in page["results"]]
        link = page["next"]
        Recommendation.objects.filter(slug="r0").update(details="moved behind us")
        Recommendation.objects.filter(slug=met[-1]).update(priority="high")

    assert met == [f"r{number}" for number in range(9)]

"""The statements of a filtered list are kept, and its records are not."""

import pytest

from agreements.models import Agreement, PartyOfficer
from policytracker.records.access import Role
from policytracker.representation import filters, list_query
from policytracker.resources import registry
from tests.api.client import Api
from tests.conftest import make_user
from tests.make import change_with_reason, make_agreement, make_party, make_recommendation

CACHES = (list_query.statements_of_page, list_query.statement_of_count)


@pytest.fixture(autouse=True)
def nothing_is_kept():
    for cache in CACHES:
        cache.cache_clear()


def compiled():
    return [cache.cache_info().misses for cache in CACHES]


def test_the_same_filters_are_compiled_once(world, as_reader):
    for number in range(3):
        make_recommendation(slug=f"r{number}")
    for _ in range(3):
        as_reader.list("recommendations/", status="not_assessed", page_size=2)

    assert compiled() == [1, 1]
    as_reader.list("recommendations/", status="planned", page_size=2)
    assert compiled()[0] == 2


def test_a_list_shows_what_was_written_since_it_was_compiled(world, as_reader):
    def keys():
        return as_reader.keys("agreements/", title="Pact", ordering="title")

    before = keys()
    agreement = make_agreement(slug="new", title="Pact")
    after = keys()
    change_with_reason(Agreement.objects.filter(pk=agreement.pk), visibility="restricted")

    assert (before, after, keys()) == ([], ["new"], [])
    assert compiled()[0] == 1


def test_a_key_that_was_deleted_and_given_again_is_found(world, as_administrator):
    def keys():
        return as_administrator.keys("recommendations/", agreements="short-lived")

    draft = make_agreement(slug="short-lived", publication="draft")
    assert keys() == []
    draft.delete()
    make_recommendation(slug="new").agreements.add(make_agreement(slug="short-lived"))

    assert keys() == ["new"]


def test_readers_with_the_same_roles_share_statements_and_see_their_own_records(world):
    seen = {}
    for code in ("AUS", "JPN"):
        party, user = make_party(code), make_user(f"officer of {code}", Role.OFFICER)
        PartyOfficer.objects.create(user=user, party=party)
        make_agreement(slug=f"of-{code.lower()}", title="Pact", visibility="internal").participations.create(party=party, role="party")
        seen[code] = Api(user)

    assert {code: api.keys("agreements/", title="Pact") for code, api in seen.items()} == {"AUS": ["of-aus"], "JPN": ["of-jpn"]}
    assert compiled()[0] == 1


def test_a_cursor_leads_through_unknown_values_in_both_directions(world, as_reader):
    days = ["", "2027", "", "2026-05-01", "2028-01"]
    for number, day in enumerate(days):
        make_recommendation(slug=f"r{number}", due_on=day, key_action="Step")
    expected = ["r3", "r1", "r4", "r0", "r2"]

    pages = [as_reader.list("recommendations/", key_action="Step", ordering="due_on", page_size=1)]
    while pages[-1]["next"]:
        pages.append(as_reader.get(pages[-1]["next"]).json())
    back = [pages[-1]]
    while back[-1]["previous"]:
        back.append(as_reader.get(back[-1]["previous"]).json())

    assert [page["results"][0]["slug"] for page in pages] == expected
    assert [page["results"][0]["slug"] for page in back] == expected[::-1]
    assert {page["count"] for page in pages} == {5}


def test_a_filter_that_reads_the_database_must_say_so(world, as_reader, monkeypatch):
    def reads(rows, values, context):
        return rows.filter(pk__in=list(rows.values_list("pk", flat=True)))

    resource = registry.of(Agreement)
    undeclared = filters.resource_filters(resource) | {"title": filters.Filter(filters.text, reads)}
    monkeypatch.setattr(list_query, "resource_filters", lambda resource: undeclared)

    with pytest.raises(AssertionError, match="reads"):
        as_reader.list("agreements/", title="Pact")

"""Data checks that compare agreements with their standing, and data checks of incomplete sources."""

import pytest

from agreements.models import Citation, FactCheck
from tests.findings import sentence, violations
from tests.make import (
    make_action,
    make_agreement,
    make_commitment,
    make_component,
    make_condition,
    make_party,
    make_recommendation,
    make_source,
)

pytestmark = pytest.mark.django_db
OWN = "entry_into_force_for_party"


def treaty(**fields):
    return make_agreement(**{"legal_force": "binding", "status": "in_force"} | fields)


def test_an_entry_into_force_for_a_party_before_its_consent_is_found():
    agreement, aus, jpn, hrv = treaty(), make_party("AUS"), make_party("JPN"), make_party("HRV")
    early = make_action(agreement, OWN, aus, "2019-01-01")
    make_action(agreement, "ratification", aus, "2020-01-01")
    make_action(agreement, "ratification", jpn, "2018-01-01")
    make_action(agreement, OWN, jpn, "2019-01-01")
    make_action(agreement, "accession", jpn, "2020-01-01")
    make_action(agreement, OWN, hrv, "1991-10-08")
    make_action(agreement, "succession", hrv, "1992-07-28")

    assert violations("own_force_before_consent") == {early}


def test_an_agreement_in_force_whose_conditions_are_not_met_is_found():
    short, complete = treaty(), treaty()
    for agreement, number in ((short, 2), (complete, 1)):
        make_condition(agreement, "number_of_consents", number=number)
        make_action(agreement, "ratification", make_party("AUS"), "2018-01-01")
        make_action(agreement, "entry_into_force", None, "2019-01-01")

    assert violations("in_force_conditions_not_met") == {short}


def test_an_agreement_in_force_that_binds_no_party_is_found():
    empty, left, bound, gone = treaty(), treaty(), treaty(), treaty()
    for agreement in (empty, left, bound, gone):
        make_action(agreement, "entry_into_force", None, "2019-01-01")
    for agreement in (left, bound):
        make_action(agreement, "ratification", make_party("AUS"), "2018-01-01")
    make_action(left, "withdrawal_effect", make_party("AUS"), "2020-01-01")
    make_action(gone, "ratification", make_party("YUG", until="1992"), "1990-01-01")

    assert violations("in_force_without_parties") == {empty, left, gone}


@pytest.mark.parametrize(
    ("given", "more", "finds"),
    [
        ("2025-01-14", {}, True),
        ("2025-01-15", {}, False),
        ("2025", {}, False),
        ("2024", {}, True),
        ("2024-01-01", {"effective_on": "2025-01-01"}, False),
        ("2024-01-01", {"then": "withdrawal_effect"}, False),
        ("2024-01-01", {"then": "notice_revocation"}, False),
    ],
)
def test_a_notice_without_effect_after_twelve_months_is_found(given, more, finds):
    agreement, usa = treaty(), make_party("USA")
    then = more.pop("then", None)
    notice = make_action(agreement, "withdrawal_notice", usa, given, **more)
    if then:
        make_action(agreement, then, usa, "2025-01-01")

    assert violations("notice_without_effect") == ({notice} if finds else set())


def test_a_party_that_was_bound_when_it_ceased_to_exist_is_found():
    bound, left, living = treaty(), treaty(), treaty()
    yug, aus = make_party("YUG", name="Yugoslavia", until="1992-04-27"), make_party("AUS")
    for agreement, party in ((bound, yug), (left, yug), (living, aus)):
        make_action(agreement, "entry_into_force", None, "1970-01-01")
        make_action(agreement, "ratification", party, "1969-01-01")
    make_action(left, "withdrawal_effect", yug, "1990-01-01")

    assert violations("bound_after_dissolution") == {bound}
    assert "Yugoslavia" in sentence("bound_after_dissolution")


def test_a_source_without_a_title_is_found():
    untitled = make_source()
    make_source(title="Joint statement")

    assert violations("source_without_title") == {untitled}


@pytest.mark.parametrize(
    ("uses", "fields", "finds"),
    [
        (11, {}, True),
        (11, {"title": "A paper"}, True),
        (11, {"original_url": "https://example.org/paper"}, True),
        (11, {"title": "A paper", "original_url": "https://example.org/paper"}, False),
        (11, {"title": "A paper", "archived_url": "https://example.org/paper"}, False),
        (10, {}, False),
    ],
)
def test_a_source_with_more_than_ten_uses_and_without_title_or_address_is_found(uses, fields, finds):
    source, agreement = make_source(**fields), treaty()
    make_recommendation(agreement, source=source)
    FactCheck.objects.create(slug="check", source=make_source(), statement="x", correcting_source=source)
    for _ in range(uses - 2):
        make_commitment(agreement, source=source)

    assert violations("much_cited_source_incomplete") == ({source} if finds else set())
    assert not finds or str(uses) in sentence("much_cited_source_incomplete")


def test_uses_that_the_reader_may_not_see_do_not_count(reader):
    source, agreement = make_source(), treaty(publication="draft")
    for _ in range(11):
        make_commitment(agreement, source=source)

    assert (violations("much_cited_source_incomplete"), violations("much_cited_source_incomplete", reader)) == ({source}, set())


@pytest.mark.parametrize(
    ("address", "finds"),
    [
        ("https://www.example.org", True),
        ("http://example.org/", True),
        ("https://example.org/page", False),
        ("https://example.org/?id=3", False),
        ("", False),
    ],
)
def test_an_address_that_is_a_home_page_is_found(address, finds):
    source = make_source(original_url=address)

    assert violations("source_address_is_home_page") == ({source} if finds else set())


def test_a_citation_without_a_quote_is_found():
    agreement = treaty()
    bare = Citation.objects.create(source=make_source(), agreement=agreement)
    Citation.objects.create(source=make_source(), agreement=agreement, quote="in force")

    assert violations("citation_without_quote") == {bare}


def test_a_published_agreement_with_draft_components_is_found():
    published, draft, complete = treaty(), treaty(publication="draft"), treaty()
    for agreement in (published, draft):
        make_component(agreement, publication="draft")
    make_component(complete)

    assert violations("draft_parts_of_published") == {published}

"""Full-text search: `GET search/`, and `q=` of lists."""

import pytest
from django.db import transaction
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agreements.models import Agreement, FactCheck, Outcome, Party
from policytracker.installed.models import SearchEntry
from policytracker.records.fields import hides_source_content
from policytracker.resources import registry
from policytracker.search import hits
from recommendations.models import Addressee, ProgressUpdate
from tests.api.client import Api
from tests.conftest import make_user
from tests.make import change_with_reason, make_agreement, make_component, make_party, make_recommendation, make_source

pytestmark = pytest.mark.usefixtures("library")
TYPES = ["parties", "sources", "agreements", "components", "outcomes", "fact-checks", "recommendations", "progress-updates"]
ROLES = ["reader", "party officer", "analyst", "reviewer", "administrator"]


def make_library():
    """One record of each searched type with the word "harbour", and others."""
    pact = make_agreement(slug="pact", title="Pacific Harbour Pact", short_title="Pact", summary="On piers, docks and quays.")
    make_agreement(slug="tide", title="Tide tables", summary="Published daily in every harbour, harbour by harbour: harbour, harbour.")
    make_party("HBR", name="Harbour Union", aliases=["Unión de Puertos", "Öresund"])
    make_party("WHO", name="Organisation mondiale de la Santé", aliases=["World Health Organization"])
    source = make_source(slug="leaflet", title="A leaflet", publisher="Harbour Press", notes="Read twice.")
    make_component(pact, slug="dredging", title="Dredging", description="Of the harbour.")
    Outcome.objects.create(slug="deeper", agreement=pact, statement="A deeper harbour")
    FactCheck.objects.create(slug="depth", source=source, statement="The harbour is deep", correction="It is shallow")
    act = make_recommendation(pact, slug="dredge", key_action="Dredge the harbour")
    ProgressUpdate.objects.create(
        recommendation=act, kind="note", reported_on="2025-01-01", narrative="The harbour was surveyed.",
        review="approved", reviewed_at="2025-01-02T00:00:00Z",
    )  # fmt: skip


@pytest.fixture(scope="module")
def shelved(once_per_module):
    once_per_module(make_library)


@pytest.fixture
def library(shelved, db):
    pass


def found(client, q, **parameters):
    """The hits as type/key, in order."""
    return [f"{hit['type']}/{hit['key']}" for hit in client.list("search/", q=q, **parameters)["results"]]


def counted(client, q, **parameters):
    """The counts of the types that have hits."""
    return {address: count for address, count in client.list("search/", q=q, **parameters)["counts"].items() if count}


# ---- what is found


def test_a_hit_has_exactly_the_documented_shape(as_reader):
    body = as_reader.list("search/", q="pier")

    assert list(body) == ["count", "counts", "next", "previous", "results"]
    assert body["counts"] == dict.fromkeys(TYPES, 0) | {"agreements": 1}
    (hit,) = body["results"]
    assert list(hit) == ["type", "key", "title", "url", "highlight", "rank"]
    assert hit["type"], hit["key"] == ("agreements", "pact")
    assert hit["title"] == "Pacific Harbour Pact"
    assert hit["url"] == "https://testserver/api/v1/agreements/pact/"
    assert "On <mark>piers</mark>, docks" in hit["highlight"]
    assert isinstance(hit["rank"], float)


def test_all_eight_types_are_searched(as_reader):
    assert [resource.address for resource in registry.searched] == TYPES
    assert counted(as_reader, "harbour") == dict.fromkeys(TYPES, 1) | {"agreements": 2}


def test_counts_cover_all_types_regardless_of_the_type(as_reader):
    assert found(as_reader, "harbour", type="components") == ["components/dredging"]
    assert counted(as_reader, "harbour", type="components") == counted(as_reader, "harbour")
    assert as_reader.list("search/", q="harbour", type="components")["count"] == 1
    assert sorted(found(as_reader, "harbour", type=["components", "outcomes"])) == ["components/dredging", "outcomes/deeper"]


def test_a_hit_in_a_title_ranks_above_many_hits_in_a_text(as_reader):
    assert found(as_reader, "harbour", type="agreements") == ["agreements/pact", "agreements/tide"]


@pytest.mark.parametrize(
    ("q", "keys"),
    [
        ("harbour docks", ["pact"]),
        ("docks daily", []),
        ("docks or daily", ["pact", "tide"]),
        ('"harbour pact"', ["pact"]),
        ('"pact harbour"', []),
        ("harbour -docks", ["tide"]),
        ("PIER", ["pact"]),
        ("publishes", ["tide"]),
        ("pact", ["pact"]),
    ],
)
def test_words_phrases_exclusions_and_alternatives(as_reader, q, keys):
    assert sorted(as_reader.keys("agreements/", q=q)) == keys
    assert sorted(key for key in found(as_reader, q, type="agreements")) == [f"agreements/{key}" for key in keys]


@pytest.mark.parametrize("q", ["pacif", "pacific harb", "harbo pact", "pac harb", '"pacific harb', "ferries or pacif harbo", "pac -tide"])
def test_each_word_is_found_by_its_beginning(as_reader, q):
    assert as_reader.keys("agreements/", q=q) == ["pact"]
    assert found(as_reader, q, type="agreements") == ["agreements/pact"]


@pytest.mark.parametrize("q", ["harbo pactt", "pa", "-pact", '"harbo"', '"harbo pact"', "pac -pact"])
def test_short_words_phrases_and_excluded_words_must_be_complete(as_reader, q):
    assert "agreements/pact" not in found(as_reader, q)


def test_a_complete_word_ranks_above_the_beginning_of_one(as_reader):
    make_agreement(slug="port", title="Port")
    make_agreement(slug="portfolio", title="Portfolio")

    assert found(as_reader, "port")[:2] == ["agreements/port", "agreements/portfolio"]


def test_the_beginning_of_a_word_is_found_although_its_stem_is_shorter(as_reader):
    make_agreement(slug="campus", title="Universities")

    assert all(found(as_reader, "universities"[:length]) == ["agreements/campus"] for length in range(4, 13))


@pytest.mark.parametrize("q", ["santé", "SANTE", "sante\u0301", "union de puertos", "oresund", "ØRESUND", "hbr", "Harbour Union"])
def test_diacritics_are_ignored_and_aliases_and_codes_found(as_reader, q):
    assert len(found(as_reader, q, type="parties")) == 1


@pytest.fixture
def linked(db):
    """Recommendations of two agreements, one of them restricted, with an addressee each."""
    aukus = make_agreement(slug="aukus", title="AUKUS trilateral partnership", summary="On submarines.", publication="published")
    secret = make_agreement(slug="secret", title="Hidden covenant", visibility="restricted", publication="published")
    for slug, agreement, party, action in [
        ("share", aukus, make_party("AUS", name="Australia"), "Share designs"),
        ("train", aukus, make_party("NZL", name="New Zealand", aliases=["Aotearoa"]), "Train crews"),
        ("keep", secret, Party.objects.get(code="AUS"), "Keep designs"),
    ]:
        Addressee.objects.create(recommendation=make_recommendation(agreement, slug=slug, key_action=action), party=party)


@pytest.mark.parametrize(
    ("q", "keys"),
    [
        ("aukus", ["share", "train"]),
        ("auk", ["share", "train"]),
        ("australia", ["keep", "share"]),
        ("aotearoa", ["train"]),
        ("designs aukus", ["share"]),
        ("austral auk", ["share"]),
        ("crews or australia", ["keep", "share", "train"]),
        ("aukus -australia", ["train"]),
        ("aukus -crews", ["share"]),
        ("-aukus -dredge", ["keep"]),
        ('"trilateral partnership"', ["share", "train"]),
        ('"aukus partnership"', []),
        ('"new zealand" -designs', ["train"]),
        ("submarines", []),  # in the summary of the agreement
        ("covenant", []),  # of an agreement that the reader may not read
        ("designs -covenant", ["keep", "share"]),
    ],
)
def test_the_list_of_recommendations_finds_titles_of_agreements_and_names_of_addressees(linked, as_reader, q, keys):
    assert sorted(as_reader.keys("recommendations/", q=q)) == keys
    assert as_reader.list("recommendations/", q=q)["count"] == len(keys)


def test_titles_of_restricted_agreements_are_found_by_those_who_may_read_them(linked, as_administrator):
    assert as_administrator.keys("recommendations/", q="covenant designs") == ["keep"]


def test_a_name_that_is_a_frequent_word_is_found(as_reader):
    assert found(as_reader, "WHO")[0] == "parties/WHO"
    assert found(as_reader, "the pacific") == ["agreements/pact"]


@pytest.mark.parametrize("q", ["defence", "security", "defence/security"])
def test_words_joined_by_a_slash_are_words(as_reader, q):
    make_agreement(slug="joined", title="On defence/security")

    assert found(as_reader, q) == ["agreements/joined"]


# ---- highlights


def test_everything_but_hits_is_escaped(as_reader):
    make_agreement(
        slug="evil", title='<script>alert("x")</script> & <b>treaty</b> \2marked\3', summary="A </mark><img src=x onerror=y> lagoon"
    )

    (hit,) = as_reader.list("search/", q="lagoon treaty")["results"]

    text = hit["highlight"].replace("<mark>", "").replace("</mark>", "")
    assert not set(text) & set("<>\"'\2\3\4")
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &lt;b&gt;<mark>treaty</mark>&lt;/b&gt; marked" in hit["highlight"]
    assert "&lt;img src=x onerror=y&gt; <mark>lagoon</mark>" in hit["highlight"]


def test_words_in_tags_are_found(as_reader):
    make_agreement(slug="evil", title="<blink> dotted/line")

    assert found(as_reader, "blink") == found(as_reader, "dotted") == ["agreements/evil"]
    assert as_reader.list("search/", q="line")["results"][0]["highlight"] == "&lt;blink&gt; dotted/<mark>line</mark>"


# ---- parameters


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "q"), ("q=", "q"), (f"q={'a' * 201}", "q"), ("q=a%00b", "q"), ("q=a&q=b", "q"),
        ("q=a&type=sectors", "type"), ("q=a&type=", "type"), ("q=a&as_of=2025-01-01", "as_of"), ("q=a&ordering=rank", "ordering"),
        ("q=a&page_size=0", "page_size"), ("q=a&cursor=x", "cursor"),
    ],
)  # fmt: skip
def test_an_invalid_parameter_is_400(as_reader, query, parameter):
    response = as_reader.get(f"search/?{query}")

    assert response.status_code == 400
    assert list(response.json()) == [parameter]


@pytest.mark.parametrize(
    "q",
    [
        " ", "'", '"', "''", "-", "--", "!", "&", "|", ":*", "a:*", "\\", "a\\'b", "%", "%s", "(", ")", "( ) & !", "or", "or or", "- or -",
        "the", "the of and", "🎉", "👩‍👩‍👧", "مرحبا", "\u202eabc", "e\u0301" * 100, "\u0301" * 200, "a" * 200, "a " * 100, '"' * 200,
        "-" * 200, "-!" * 100, '-"' * 100, "a-" * 100, "<" * 200, "/" * 200, "a/" * 100, "a.b." * 50, "x@" * 100, "http://" * 28, "漢字",
        "\x01\x02\x03\x04", "\ufffd", "\n\t", "<->", "a <-> b", "a <2> b", "1e400", "-1", "- 1", "0x", "$1", "{}", ".*", "^(a+)+$",
        "[[:alpha:]]", "NULL", "or " * 66, '"a or', "'a' & 'b'", "''" * 3,
    ],
)  # fmt: skip
def test_any_other_text_is_200(as_reader, q):
    assert as_reader.get("search/", {"q": q}).status_code == 200
    assert as_reader.get("agreements/", {"q": q}).status_code == 200


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(q=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from("-\"'! or"), min_size=1, max_size=200))
def test_arbitrary_text_never_fails_and_never_shows_hidden_records(as_reader, q):
    with transaction.atomic():
        make_agreement(slug="hidden", title=q, summary=q, visibility="restricted")
        body = as_reader.list("search/", q=q)
        transaction.set_rollback(True)

    assert body["count"] == len(body["results"]) == sum(body["counts"].values())
    assert "hidden" not in [hit["key"] for hit in body["results"]]


def test_the_pages_continue_each_other_in_both_directions(as_reader):
    complete = found(as_reader, "harbour")
    pages, body = [], as_reader.list("search/", q="harbour", page_size=4)
    while True:
        assert body["count"] == len(complete) == 9
        pages.append([f"{hit['type']}/{hit['key']}" for hit in body["results"]])
        if not body["next"]:
            break
        body = as_reader.get(body["next"]).json()

    assert [key for page in pages for key in page] == complete
    assert [len(page) for page in pages] == [4, 4, 1]
    back = as_reader.get(body["previous"]).json()
    assert [f"{hit['type']}/{hit['key']}" for hit in back["results"]] == pages[1]


def test_a_cursor_is_valid_for_its_search_only(as_reader):
    following = as_reader.list("search/", q="harbour", page_size=1)["next"]

    assert as_reader.get(following.replace("q=harbour", "q=pact")).status_code == 400
    assert as_reader.get(f"{following}&type=agreements").status_code == 400


def test_the_newest_hits_of_each_type_are_ranked_if_there_are_too_many(as_reader, monkeypatch):
    monkeypatch.setattr(hits, "COUNTED", 3)
    hits.statement.cache_clear()
    for number in range(6):
        make_recommendation(slug=f"quay-{number}", key_action="Build a quay")
    make_party("QAY", name="Quay")

    body = as_reader.list("search/", q="quay")
    hits.statement.cache_clear()

    assert (body["count"], body["count_is_exact"]) == (3, False)
    assert {address: count for address, count in body["counts"].items() if count} == {"parties": 1, "agreements": 1, "recommendations": 3}
    assert {hit["key"] for hit in body["results"]} == {"QAY", "pact", "quay-5"}


# ---- at once


def test_a_write_is_searchable_at_once(as_analyst):
    as_analyst.post("agreements/", {"slug": "new", "title": "Lighthouse"})
    assert found(as_analyst, "lighthouse") == ["agreements/new"]

    as_analyst.patch("agreements/new/", {"title": "Breakwater"})
    assert found(as_analyst, "lighthouse") == []
    assert found(as_analyst, "breakwater") == ["agreements/new"]

    as_analyst.delete("agreements/new/")
    assert found(as_analyst, "breakwater") == []
    assert not SearchEntry.objects.filter(tbl="agreements_agreement").exclude(row_id__in=Agreement.objects.values("pk")).exists()


def test_the_index_is_no_change_of_the_record(as_analyst):
    body = as_analyst.get("agreements/pact/").json()
    assert body["version"] == 1

    as_analyst.patch("agreements/pact/", {"title": "Breakwater"})

    entry = as_analyst.list("agreements/pact/history/")["results"][0]
    assert (entry["version"], list(entry["changes"])) == (2, ["title"])
    assert as_analyst.get("agreements/pact/").json().keys() == body.keys()


# ---- what one may not read


@pytest.fixture
def hidden(db):
    """A restricted agreement with its parts, and drafts."""
    secret = make_agreement(slug="secret", title="Submarine", summary="Submarine plans", visibility="restricted")
    make_component(secret, slug="secret-part", title="Submarine base")
    Outcome.objects.create(slug="secret-outcome", agreement=secret, statement="Submarine built")
    source = make_source(slug="secret-source", title="Submarine file", visibility="restricted")
    FactCheck.objects.create(slug="secret-check", source=source, statement="The submarine floats")
    act = make_recommendation(secret, slug="secret-act", key_action="Sink the submarine", visibility="restricted")
    ProgressUpdate.objects.create(
        recommendation=act, kind="note", reported_on="2025-01-01", narrative="The submarine sank.",
        review="approved", reviewed_at="2025-01-02T00:00:00Z",
    )  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_hidden_records_are_in_no_hit_count_suggestion_or_list(role, hidden):
    client = Api(make_user("someone", role))
    hits_of_all = dict.fromkeys(
        ["sources", "agreements", "components", "outcomes", "fact-checks", "recommendations", "progress-updates"], 1
    )

    assert counted(client, "submarine") == (hits_of_all if role == "administrator" else {})
    for address in TYPES:
        assert len(client.keys(f"{address}/", q="submarine")) == (role == "administrator" and address in hits_of_all)
    assert client.list("search/", q="submraine")["suggestions"] == (["submarine"] if role == "administrator" else [])


def test_a_member_of_the_team_finds_the_restricted_agreement(hidden, analyst):
    Agreement.objects.get(slug="secret").team.add(analyst)

    assert counted(Api(analyst), "submarine") == {
        "agreements": 1,
        "components": 1,
        "outcomes": 1,
        "recommendations": 1,
        "progress-updates": 1,
    }


def test_a_record_that_becomes_hidden_is_found_no_longer(as_reader):
    assert found(as_reader, "docks") == ["agreements/pact"]

    change_with_reason(Agreement.objects.filter(slug="pact"), visibility="restricted")

    assert found(as_reader, "docks") == []
    assert counted(as_reader, "harbour") == {
        "parties": 1,
        "sources": 1,
        "agreements": 1,
        "fact-checks": 1,
        "recommendations": 1,
        "progress-updates": 1,
    }


def test_no_searched_field_is_content_of_a_source_that_some_readers_may_not_read():
    for resource in registry.searched:
        for name in (*resource.search.titles, *resource.search.texts):
            assert not hides_source_content(resource.model, resource.model._meta.get_field(name)), (resource, name)


def test_the_quote_of_a_recommendation_is_not_searched(as_administrator):
    make_recommendation(slug="quoting", quote="The exact periscope", source=make_source(slug="cited"))

    assert found(as_administrator, "periscope") == []


def test_drafts_of_updates_are_found_by_their_authors_only(analyst, as_reader):
    draft = {"kind": "note", "narrative": "Sextant", "submit": False}
    assert Api(analyst).post("recommendations/dredge/progress/", draft).status_code == 201

    assert counted(Api(analyst), "sextant") == {"progress-updates": 1}
    assert counted(as_reader, "sextant") == counted(Api(make_user("other", "analyst")), "sextant") == {}


def test_anonymous_readers_search_only_with_public_read():
    assert Api().get("search/", {"q": "harbour"}).status_code == 401
    with override_settings(PUBLIC_READ=True):
        assert len(found(Api(), "harbour")) == 9
        make_agreement(slug="inner", title="Sextant", visibility="internal")
        assert found(Api(), "sextant") == []


def test_a_user_without_a_role_may_not_search():
    assert Api(make_user("nobody")).get("search/", {"q": "harbour"}).status_code == 403


# ---- suggestions


def test_similar_words_are_suggested_only_without_hits(as_reader):
    assert as_reader.list("search/", q="harbuor")["suggestions"] == ["harbour"]
    assert as_reader.list("search/", q="pacifik harbuor")["suggestions"] == ["pacific harbour"]
    assert as_reader.list("search/", q="zzzzzz")["suggestions"] == []
    assert "suggestions" not in as_reader.list("search/", q="harbour")


# ---- lists


def test_q_combines_with_other_filters_order_pages_and_export(as_reader):
    assert as_reader.keys("agreements/", q="harbour", ordering="-title") == ["tide", "pact"]
    assert as_reader.keys("agreements/", q="harbour", title__contains="tide") == ["tide"]
    body = as_reader.list("agreements/", q="harbour", page_size=1)
    assert body["count"] == 2
    assert as_reader.get(body["next"]).json()["results"][0]["slug"] == "tide"
    exported = b"".join(as_reader.get("agreements/", {"q": "docks", "format": "csv", "fields": "slug"}).streaming_content)
    assert exported.decode().split() == ["slug", "pact"]


def test_q_is_a_filter_of_searched_types_only(as_reader):
    for resource in registry.addressed:
        response = as_reader.get(f"{resource.address}/", {"q": "harbour"})
        assert response.status_code == (200 if resource.address in TYPES else 400)

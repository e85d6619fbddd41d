"""The dossier: the records of an agreement on a date in one document, as JSON and Markdown."""

import re
from datetime import timedelta

import pytest
from markdown_it import MarkdownIt

from agreements.models import Agreement, Citation, Commitment, Component, FactCheck, Participation, Party
from agreements.models.relations import AgreementRelation
from policytracker.records.context import change_context
from policytracker.resources import today
from recommendations import progress
from recommendations.models import Addressee, Recommendation
from recommendations.progress import EvidenceRow, Report
from tests.api.client import Api
from tests.conftest import make_user
from tests.make import (
    change_with_reason,
    make_action,
    make_agreement,
    make_commitment,
    make_component,
    make_condition,
    make_indicator,
    make_measurement,
    make_outcome,
    make_recommendation,
    make_source,
)
from tests.queries import count_queries

pytestmark = pytest.mark.usefixtures("world")
URL = "agreements/aukus/dossier/"
NOW = today()
DAY = timedelta(1)
# The resource of each section.
SECTIONS = {
    "relations": "agreement-relations",
    "participations": "participations",
    "treaty_actions": "treaty-actions",
    "conditions": "entry-into-force-conditions",
    "components": "components",
    "commitments": "commitments",
    "outcomes": "outcomes",
    "indicators": "indicators",
    "measurements": "measurements",
    "fact_checks": "fact-checks",
    "citations": "citations",
    "recommendations": "recommendations",
}
NESTED = ["addressees", "newest_update"]


def report(recommendation, status, day, by, **fields):
    return progress.report_progress(
        recommendation, Report(**{"status": status, "reported_on": day, "narrative": "Seen."} | fields), by=by, today=NOW
    )


@pytest.fixture
def full(world, analyst, reviewer):
    """AUKUS with records in every section, and a recommendation with three updates of which one is void."""
    w = world
    with change_context(analyst):
        Agreement.objects.filter(pk=w.aukus.pk).update(lead=analyst, legal_force="binding")
    make_action(w.aukus, "signature", w.gbr, "2021-09~", source=w.communique, locator="p. 1", quote="signed")
    make_component(w.aukus, slug="pillar-two", title="Pillar two", due_on="2030-06~").lead_parties.set([w.aus, w.gbr])
    make_commitment(w.aukus, disputes=w.figure, stated_on="2025", source=w.communique)
    Citation.objects.create(source=w.gazette, component=w.part)
    Citation.objects.create(source=w.gazette, participation=w.participation)
    Citation.objects.create(source=w.gazette, outcome=w.outcome)
    Addressee.objects.create(recommendation=w.act, party=w.gbr, response="accepted")
    report(w.act, "planned", NOW - 30 * DAY, analyst, evidence=(EvidenceRow(source=w.communique, quote="planned it is"),))
    report(w.act, "in_progress", NOW - 20 * DAY, analyst)
    progress.void(report(w.act, "stalled", NOW - 5 * DAY, analyst), by=reviewer, reason="mistaken")
    w.also = make_recommendation(w.aukus, w.quad, slug="also", key_action="Also", due_on=str(NOW - 10 * DAY))
    return w


def dossier(client, url=URL, **parameters):
    response = client.get(url, parameters)
    assert response.status_code == 200, response.content
    return response.json()


def test_the_dossier_has_the_agreement_its_standing_and_a_section_for_each_kind(full, as_reader):
    document = dossier(as_reader)

    assert list(document) == ["agreement", "on", "standing", *SECTIONS]
    assert document["on"] == NOW.isoformat()
    assert document["agreement"] == as_reader.get("agreements/aukus/").json()
    assert document["standing"] == as_reader.get("agreements/aukus/standing/").json()
    assert all(list(document[name]) == ["count", "next", "results"] for name in SECTIONS)


@pytest.mark.parametrize("role", ["reader", "party officer", "analyst", "administrator"])
def test_each_section_equals_the_list_of_the_resource(full, role):
    make_component(full.aukus, publication="draft")
    make_component(full.aukus, visibility="restricted")
    make_recommendation(full.aukus, visibility="internal")
    client = Api(make_user("somebody", role, is_superuser=role == "administrator"))

    document = dossier(client)

    for name, address in SECTIONS.items():
        listed = client.list(f"{address}/", agreement="aukus", page_size=500)
        shown = [{field: value for field, value in one.items() if field not in NESTED} for one in document[name]["results"]]
        assert shown == listed["results"], name
        assert (document[name]["count"], document[name]["next"]) == (listed["count"], None)
        assert shown


def test_a_recommendation_includes_its_addressees_and_the_newest_update_in_effect(full, as_reader):
    act, also = dossier(as_reader)["recommendations"]["results"]

    assert act["addressees"] == as_reader.list("addressees/", recommendation="act")["results"]
    assert [one["party"] for one in act["addressees"]] == ["AUS", "GBR"]
    update = act["newest_update"]
    assert (update["status"], update["reported_on"]) == ("in_progress", (NOW - 20 * DAY).isoformat())
    assert update == as_reader.get(f"progress-updates/{update['uid']}/").json()
    assert (also["addressees"], also["newest_update"]) == ([], None)


def test_a_past_date_shows_only_what_was_reported_until_then(full, as_reader):
    on = (NOW - 25 * DAY).isoformat()

    document = dossier(as_reader, on=on)

    act, also = document["recommendations"]["results"]
    assert document["on"] == document["standing"]["on"] == on
    assert (act["status"], act["newest_update"]["status"]) == ("planned", "planned")
    assert act["newest_update"]["evidence"][0]["quote"] == "planned it is"
    assert (also["deadline_state"], dossier(as_reader)["recommendations"]["results"][1]["deadline_state"]) == ("due_soon", "overdue")
    listed = as_reader.list("recommendations/", agreement="aukus", on=on)["results"]
    assert [{name: value for name, value in one.items() if name not in NESTED} for one in (act, also)] == listed
    assert document["standing"] == as_reader.get("agreements/aukus/standing/", {"on": on}).json()
    before = dossier(as_reader, on="2001-01-01")
    assert before["recommendations"]["results"][0]["newest_update"] is None
    assert before["standing"]["text"]["standing"] == "unknown"


@pytest.mark.parametrize("on", ["0001-01-01", "9999-12-31"])
@pytest.mark.parametrize("form", [{}, {"format": "md"}])
def test_the_first_and_last_possible_dates_are_accepted(full, as_reader, on, form):
    assert as_reader.get(URL, {"on": on, **form}).status_code == 200


def test_an_agreement_without_records_has_empty_sections(db, as_reader):
    make_agreement(slug="bare")

    document = dossier(as_reader, "agreements/bare/dossier/")

    assert [document[name] for name in SECTIONS] == [{"count": 0, "next": None, "results": []}] * len(SECTIONS)
    text = as_reader.get("agreements/bare/dossier/?format=md").text
    assert text.count("None recorded.") == len(SECTIONS) + 1


def test_records_that_the_user_may_not_read_are_omitted(full, as_reader, as_officer, as_administrator):
    w = full
    shut = make_component(w.aukus, slug="shut", visibility="restricted")
    make_commitment(w.aukus, component=shut)
    secret = make_recommendation(w.aukus, slug="secret", visibility="restricted")
    Addressee.objects.create(recommendation=secret, party=w.aus)
    paper = make_source(slug="paper", title="Hidden paper", visibility="restricted")
    Citation.objects.create(source=paper, agreement=w.aukus)
    FactCheck.objects.create(slug="hid", agreement=w.aukus, source=paper, statement="x")
    make_action(w.aukus, "reaffirmation", source=paper, locator="p. 77", quote="hidden words")
    AgreementRelation.objects.create(from_agreement=w.aukus, kind="amends", to_agreement=make_agreement(visibility="restricted"))
    make_recommendation(w.aukus, slug="sketch", publication="draft")

    document, of_officer, complete = dossier(as_reader), dossier(as_officer), dossier(as_administrator)

    hidden = {"components": 1, "commitments": 1, "recommendations": 2, "citations": 1, "fact_checks": 1, "relations": 1}
    assert {name: complete[name]["count"] - document[name]["count"] for name in SECTIONS} == dict.fromkeys(SECTIONS, 0) | hidden
    # Australia takes part in the agreement, so its party officer may read the drafts about it.
    assert [one["slug"] for one in of_officer["recommendations"]["results"]] == ["act", "also", "sketch"]
    text = as_reader.get(URL, {"format": "md"}).text
    for words in ("hidden words", "p. 77", "paper", "Hidden paper", "shut", "secret", "sketch"):
        assert words not in text and words not in str(document)
    assert "hidden words" in as_administrator.get(URL, {"format": "md"}).text


def test_a_hidden_agreement_has_no_dossier(full, as_reader, as_administrator):
    change_with_reason(Agreement.objects.filter(slug="aukus"), visibility="restricted")

    assert as_reader.get(URL).status_code == 404
    assert as_reader.get(URL).content == as_reader.get("agreements/none/dossier/").content
    assert as_administrator.get(URL).status_code == 200


@pytest.mark.parametrize("form", [{}, {"format": "md"}])
def test_anonymous_users_can_read_it_without_names_of_people_with_public_read(full, settings, as_reader, form):
    assert Api().get(URL, form).status_code == 401
    assert "analyst" in as_reader.get(URL, form).text
    settings.PUBLIC_READ = True

    response = Api().get(URL, form)

    assert response.status_code == 200 and "Pillar two" in response.text
    assert not any(name in response.text for name in ("analyst", "reviewer"))


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("on=2025", "on"),
        ("on=2025-02-30", "on"),
        ("on=2025-01-01&on=2025-01-02", "on"),
        ("format=pdf", "format"),
        ("format=", "format"),
        ("format=md&format=md", "format"),
        ("page_size=5", "page_size"),
        ("colour=red", "colour"),
    ],
)
def test_an_invalid_parameter_is_refused_by_name(full, as_reader, query, name):
    response = as_reader.get(f"{URL}?{query}")

    assert response.status_code == 400 and list(response.json()) == [name], response.content


def test_errors_are_json_also_if_markdown_is_requested(full, as_reader):
    missing = as_reader.get("agreements/nowhere/dossier/?format=md")
    invalid = as_reader.get(f"{URL}?format=md&on=2025")

    assert (missing.status_code, missing["Content-Type"], missing.json()["code"]) == (404, "application/json", "not_found")
    assert (invalid.status_code, invalid["Content-Type"], list(invalid.json())) == (400, "application/json", ["on"])


def test_an_unknown_format_is_401_without_credentials(full):
    assert Api().get(f"{URL}?format=pdf").status_code == 401


def test_the_accept_header_selects_nothing(full, as_reader):
    for accept in ("text/markdown", "text/html", "nonsense"):
        assert as_reader.get(URL, HTTP_ACCEPT=accept)["Content-Type"] == "application/json"


def test_writes_are_refused(world, as_administrator):
    for method in ("post", "put", "patch", "delete"):
        assert getattr(as_administrator, method)(URL, {}).status_code == 405


# ---- Markdown


def read(client, **parameters):
    response = client.get(URL, {"format": "md", **parameters})
    assert response.status_code == 200 and response["Content-Type"] == "text/markdown; charset=utf-8"
    return response.text


def test_markdown_has_the_same_records_with_labels(full, as_reader):
    w = full
    Agreement.objects.filter(pk=w.aukus.pk).update(summary="First.\n\nSecond.", expires_on="2050~")
    type(w.communique).objects.filter(pk=w.communique.pk).update(
        original_url="https://example.org/c", publisher="The three", published_on="2021-09"
    )

    text = read(as_reader)

    assert text.startswith(f"# AUKUS\n\nAs of {NOW}. <https://testserver/api/v1/agreements/aukus/>\n\n")
    for line in [
        "## Standing",
        "## Participations (1)",
        "| Australia (AUS) | Party | 2021-09-15 |",
        "## Treaty actions (2)",
        "| 2021-09~ | Signature | United Kingdom (GBR) | `communique`, p. 1: “signed” |",
        "| `pillar-two` | Pillar two | Unknown | Upcoming | Australia (AUS), United Kingdom (GBR) | 2030-06~ |",
        "| Announced | Exactly | 1000000.00 | AUD | 2025 | AUD 1000000.00 | `communique` |",
        "| In May | Unchecked |",
        "### Act",
        "| Status | In progress |",
        "| Australia (AUS) | Lead | No response recorded |",
        "Newest update:",
        "| Report date | " + str(NOW - 20 * DAY) + " |",
        "| Expiry date | 2050~ |",
        "- `communique`: News, Communiqué, The three, 2021-09. <https://example.org/c>",
        "- `gazette`: News.",
    ]:
        assert line in text, line


def test_treaty_actions_are_sorted_by_date_in_markdown(full, as_reader):
    make_action(full.aukus, "reaffirmation", acted_on="2020"), make_action(full.aukus, "amendment")

    text = read(as_reader)

    assert [text.index(words) for words in ("| Reaffirmation", "| Signature |", "| Announcement", "| Amendment")] == sorted(
        text.index(words) for words in ("| Reaffirmation", "| Signature |", "| Announcement", "| Amendment")
    )


def test_every_section_is_a_table_in_markdown(full, as_reader):
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(read(as_reader))

    assert html.count("<h2>") == 2 + len(SECTIONS)
    assert html.count("<table>") >= len(SECTIONS) + 2
    assert "|" not in re.sub(r"<[^>]*>", "", html)


HOSTILE = "# <script>alert(1)</script>\n\n- *a* | _b_ `c` [x](javascript:y) ![z](http://z/z.png) <img src=x> &lt; https://evil.example"


def test_text_that_people_entered_is_escaped_in_markdown(full, as_reader, analyst):
    w, words = full, HOSTILE
    Agreement.objects.filter(pk=w.aukus.pk).update(title=words, short_title=words[:200], summary=words, purpose=words, depositary=words)
    type(w.part).objects.filter(pk=w.part.pk).update(title=words, description=words)
    type(w.figure).objects.filter(pk=w.figure.pk).update(description=words, source=w.communique, locator=words, quote=words)
    type(w.check).objects.filter(pk=w.check.pk).update(statement=words, correction=words, quote=words)
    type(w.indicator).objects.filter(pk=w.indicator.pk).update(name=words, unit=words[:100])
    type(w.outcome).objects.filter(pk=w.outcome.pk).update(statement=words)
    type(w.aus).objects.filter(pk=w.aus.pk).update(name=words)
    type(w.communique).objects.filter(pk=w.communique.pk).update(title=words, publisher=words, original_url="https://x.example/<b>|`")
    Recommendation.objects.filter(pk=w.act.pk).update(key_action=words, details=words, made_by_text=words)
    report(
        w.act, "in_progress", NOW, analyst, narrative=words, assessed_by=words, evidence=(EvidenceRow(source=w.communique, quote=words),)
    )

    text = read(as_reader)
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)

    assert not re.search(
        r"<(script|img|em|code>c<|strong|li>a|a href=\"(javascript|http://z|https://evil))", html.replace("<strong>", "", 1)
    )
    assert html.count("<h1>") == 1 and html.count("<h2>") == 2 + len(SECTIONS) and html.count("<h3>") == 2
    shown = "# &lt;script&gt;alert(1)&lt;/script&gt; - *a* | _b_ `c` [x](javascript:y) ![z](http://z/z.png) &lt;img src=x&gt; &amp;lt; https://evil.example"
    assert html.count(shown) >= 12
    assert f"<h3>{shown}</h3>" in html
    assert "https://x.example/%3Cb%3E%7C%60" in html
    assert "<script" not in text and "<img" not in text


# ---- Size


def grow(world, number, start=0):
    """Add this many participants, components with a commitment, and recommendations with an addressee."""
    parties = Party.objects.bulk_create(Party(code=f"P{n:03}", name="P", kind="state") for n in range(start, start + number))
    Participation.objects.bulk_create(Participation(agreement=world.aukus, party=party, role="party") for party in parties)
    parts = Component.objects.bulk_create(
        Component(agreement=world.aukus, slug=f"z-{n:03}", title="C", publication="published") for n in range(start, start + number)
    )
    Commitment.objects.bulk_create(
        Commitment(agreement=world.aukus, component=part, stage="committed", amount=1, currency="AUD") for part in parts
    )
    recommendations = Recommendation.objects.bulk_create(
        Recommendation(slug=f"z-{n:04}", key_action="R", publication="published") for n in range(start, start + number)
    )
    links = Recommendation.agreements.through
    links.objects.bulk_create(links(recommendation=act, agreement=world.aukus) for act in recommendations)
    Addressee.objects.bulk_create(Addressee(recommendation=act, party=parties[0]) for act in recommendations)
    return recommendations


def test_the_list_continues_a_section_of_more_than_500_records(full, as_reader):
    grow(full, 600)
    document = dossier(as_reader)

    for name, address in SECTIONS.items():
        section, listed = document[name], as_reader.list(f"{address}/", agreement="aukus", page_size=500)
        assert section["count"] == listed["count"]
        assert len(section["results"]) == min(section["count"], 500)
        assert (section["next"] is None) == (section["count"] <= 500)
        if section["next"]:
            rest = as_reader.get(section["next"]).json()["results"]
            key = "slug" if "slug" in rest[0] else "uid"
            seen = [one[key] for one in section["results"] + rest]
            assert len(seen) == len(set(seen)) == section["count"]
            assert rest == as_reader.get(listed["next"]).json()["results"]
    assert {name for name in SECTIONS if document[name]["next"]} == {"participations", "components", "commitments", "recommendations"}
    more = re.search(
        r"## Components \(602\).*?\n\n102 more: <(https.*?)>\n\n## Commitments", as_reader.get(URL, {"format": "md"}).text, re.DOTALL
    )
    assert len(as_reader.get(more[1]).json()["results"]) == 102


def test_the_next_url_of_a_past_date_keeps_the_date(full, as_reader, analyst):
    recommendations = grow(full, 600)
    report(recommendations[-1], "planned", NOW - DAY, analyst)

    document = dossier(as_reader, on=(NOW - 2 * DAY).isoformat())

    rest = as_reader.get(document["recommendations"]["next"]).json()["results"]
    assert rest[-1]["slug"] == recommendations[-1].slug and rest[-1]["status"] == "not_assessed"
    assert as_reader.get(document["components"]["next"]).status_code == 200


# Roles, the agreement and its JSON; seven for its standing; two for each section (ids and JSON), for addressees and for updates.
QUERIES = 3 + 7 + 2 * 12 + 2 * 2
# Markdown also needs the names of parties and the sources.
FOR_MARKDOWN = 2


@pytest.mark.parametrize(("form", "queries"), [({}, QUERIES), ({"format": "md"}, QUERIES + FOR_MARKDOWN)])
def test_the_number_of_queries_does_not_grow_with_the_records(full, as_reader, analyst, form, queries):
    def count():
        return count_queries(Api(type(as_reader.user).objects.get(pk=as_reader.user.pk)).get, URL, form)

    few = count()
    for act in grow(full, 60)[:20]:
        report(act, "planned", NOW, analyst, evidence=(EvidenceRow(source=make_source()),))
    for number in range(20):
        make_measurement(make_indicator(make_outcome(full.aukus)), str(2000 + number), source=make_source())
        make_action(full.aukus, "reaffirmation", acted_on=str(2000 + number), source=make_source())
        make_condition(full.aukus)

    assert few == count() == queries

"""Lists: columns, chips of active filters, empty lists and export."""

import io
import re
from datetime import date
from urllib.parse import unquote_plus

import pytest
from django.contrib import admin
from django.contrib.admin.utils import label_for_field
from django.utils.html import strip_tags
from openpyxl import load_workbook

from agreements.models import (
    Agreement,
    Citation,
    Commitment,
    Component,
    EntryIntoForceCondition,
    Indicator,
    Measurement,
    Outcome,
    Participation,
    Party,
    Source,
    TreatyAction,
)
from policytracker.accounts.models import User
from policytracker.records.context import change_context
from policytracker.records.models import Record
from policytracker.resources import registry
from recommendations.models import Addressee, Evidence, Milestone, ProgressUpdate, Recommendation
from recommendations.progress import EvidenceRow, Report, report_progress, void
from tests.admin.page import add, change, changes, edit, history, messages_of, tab
from tests.make import make_agreement, make_commitment, make_condition, make_party, make_recommendation, make_source


def cells(response) -> list[list[str]]:
    """The text of the cells of the list, by row, without the selection box."""
    found = re.findall(r"<tr><(?:td class=\"pt-cell|th scope=\"row).*?</tr>", response.text, re.S)
    return [[" ".join(strip_tags(cell).split()) for cell in re.findall(r"<t[dh].*?</t[dh]>", row, re.S)] for row in found]


def test_the_list_of_recommendations_shows_what_an_analyst_needs(analyst, signed_in):
    agreement = make_agreement(short_title="Pact")
    recommendation = make_recommendation(agreement, key_action="Build hubs", owner=analyst, due_on="2020-01-01")
    Addressee.objects.create(recommendation=recommendation, party=make_party("AUS", name="Australia"))
    report = Report(status="in_progress", progress_percent=40, narrative="Begun.")
    report_progress(recommendation, report, by=analyst, today=date.today())

    (row,) = cells(signed_in(analyst).get(changes(Recommendation)))

    text = " | ".join(row)
    for value in ("Build hubs", "Pact", "Australia", "In progress", "40 %", "2020-01-01 Overdue", "Fresh", "analyst"):
        assert value in text
    assert recommendation.slug not in text


def test_an_overdue_recommendation_and_a_voided_update_have_a_red_label(analyst, reviewer, signed_in):
    recommendation = make_recommendation(due_on="2020-01-01")
    update = report_progress(recommendation, Report(status="in_progress", narrative="Begun."), by=analyst, today=date.today())
    void(update, by=reviewer, reason="Wrong.")
    client = signed_in(analyst)

    for model, column in ((Recommendation, "due"), (ProgressUpdate, "review_shown")):
        (cell,) = re.findall(rf"<t[dh][^>]*field-{column}\b.*?</t[dh]>", client.get(changes(model)).text, re.S)
        assert re.findall(r'class="pt-label pt-(\w+)"', cell) == ["danger"]


def test_a_column_without_a_value_is_left_out_and_named_below_the_list(analyst, signed_in):
    make_recommendation(due_on="")
    client = signed_in(analyst)

    without = client.get(changes(Recommendation)).context["cl"].table
    make_recommendation(due_on="2031")
    dated = client.get(changes(Recommendation)).context["cl"].table

    assert {"Due date", "Owner"} <= set(without.left_out)
    assert "due" not in [header.name for header in without.headers]
    assert "due" in [header.name for header in dated.headers]
    assert without.headers[1].name == "named"


def test_a_hidden_agreement_is_not_shown_in_the_list(reader, signed_in):
    recommendation = make_recommendation(make_agreement(short_title="Pact"))
    recommendation.agreements.add(make_agreement(short_title="Hidden pact", publication="draft"))

    (row,) = cells(signed_in(reader).get(changes(Recommendation)))

    assert "Hidden" not in " ".join(row)


def test_each_active_filter_has_a_chip_that_removes_it(analyst, signed_in):
    agreement = make_agreement(short_title="Pact")
    for _ in range(2):
        make_recommendation(agreement, key_action="Build hubs", owner=analyst)
    make_recommendation(key_action="Other")
    client = signed_in(analyst)

    page = client.get(changes(Recommendation), {"agreement": agreement.slug, "owner": "me", "freshness": ["never", "stale"], "q": "hubs"})
    chips = page.context["cl"].chips

    assert [(str(chip.title), chip.value) for chip in chips] == [
        ("Freshness", "Never assessed, Stale"),
        ("Owner", "Me"),
        ("Agreement", "Pact"),
        ("Search", "hubs"),
    ]
    without_owner = client.get(changes(Recommendation) + chips[1].url)
    assert [str(chip.title) for chip in without_owner.context["cl"].chips] == ["Freshness", "Agreement", "Search"]


def test_an_unknown_filter_value_is_reported(analyst, signed_in):
    page = signed_in(analyst).get(changes(Recommendation, "?status=nonsense"), follow=True)

    assert "This list is not filtered." in messages_of(page)


def test_an_empty_list_says_what_it_will_show_and_what_to_add_first(analyst, reader, signed_in):
    empty = signed_in(analyst).get(changes(Measurement)).text
    for_reader = signed_in(reader).get(changes(Measurement)).text
    outcome = Outcome.objects.create(slug="outcome", agreement=make_agreement(), statement="Clean air")
    with_outcome = signed_in(analyst).get(changes(Measurement)).text
    Indicator.objects.create(slug="indicator", outcome=outcome, name="Share")
    with_indicator = signed_in(analyst).get(changes(Measurement)).text

    for page, models in ((empty, [Agreement]), (with_outcome, [Indicator]), (with_indicator, [Measurement]), (for_reader, [])):
        links = {model for model in (Agreement, Outcome, Indicator, Measurement) if f'class="pt-button" href="{add(model)}"' in page}
        assert links == set(models)
        assert "The value of an indicator on a date." in page
    assert f'href="{changes(Agreement)}import/"' in empty
    assert f'href="{changes(Agreement)}import/"' not in for_reader


def test_an_empty_list_names_all_that_must_be_added_first_in_order(administrator, signed_in):
    client = signed_in(administrator)

    def missing(model) -> list[tuple[str, str]]:
        return [(str(name), url) for name, url in client.get(changes(model)).context["cl"].to_add_first]

    empty = {model: missing(model) for model in (Participation, Measurement, Addressee, Evidence, Recommendation)}
    make_recommendation()
    evidence = missing(Evidence)

    assert empty[Participation] == [("parties", add(Party)), ("agreements", add(Agreement))]
    assert empty[Measurement] == [("agreements", add(Agreement)), ("outcomes", add(Outcome)), ("indicators", add(Indicator))]
    assert empty[Addressee] == [("parties", add(Party)), ("recommendations", add(Recommendation))]
    assert [name for name, _url in empty[Evidence]] == ["sources", "recommendations", "progress updates"]
    assert empty[Recommendation] == []
    assert evidence == [("sources", add(Source)), ("progress updates", changes(Recommendation))]


def test_a_list_offers_no_form_that_needs_records_which_do_not_exist(administrator, signed_in):
    client = signed_in(administrator)

    def header(model) -> tuple[bool, bool]:
        page = client.get(changes(model)).text
        return "addlink" in page, f'href="{changes(model)}import/" class' in page

    before = header(Participation)
    participation = Participation(agreement=make_agreement(), party=make_party("AUS"), role="party")

    assert before == (False, False)
    assert header(Participation) == (True, True)
    participation.save()
    assert header(Participation) == (True, True)


def test_a_reader_of_an_empty_list_reads_when_records_are_shown_if_they_are_published(reader, signed_in):
    client = signed_in(reader)
    sentences = [client.get(changes(model)).context["cl"].shown_after for model in (Agreement, Participation, Party)]

    assert len(set(sentences)) == 3
    assert sentences[2] == ""


def test_a_list_without_any_record_has_no_search_and_no_filters(analyst, signed_in):
    client = signed_in(analyst)
    empty = client.get(changes(Recommendation)).text
    make_recommendation()
    filled = client.get(changes(Recommendation)).text

    assert ('id="searchbar"' in empty, 'href="filters/' in empty) == (False, False)
    assert ('id="searchbar"' in filled, 'href="filters/' in filled) == (True, True)


@pytest.mark.parametrize(
    "where", [changes(Recommendation, "?overdue=true"), changes(Recommendation, "?q=zzz"), changes(User, "?is_active__exact=0")]
)
def test_a_list_that_is_empty_because_of_filters_offers_to_remove_them(where, administrator, signed_in):
    make_recommendation()

    page = signed_in(administrator).get(where).text

    assert '<p><a href="?">' in page
    assert 'id="searchbar"' in page
    assert "pt-button" not in page[page.index("pt-empty") :]


def test_a_list_is_exported_with_its_filters(analyst, signed_in):
    agreement, other = make_agreement(), make_agreement()
    shown = make_recommendation(agreement, owner=analyst)
    make_recommendation(other, owner=analyst)
    client = signed_in(analyst)

    page = client.get(changes(Recommendation), {"agreement": agreement.pk, "owner": "me"})
    exports = {str(label): url for label, url in page.context["cl"].exports}
    rows = b"".join(client.get(exports["CSV"]).streaming_content).decode()
    sheets = [load_workbook(io.BytesIO(b"".join(client.get(exports[name]).streaming_content))) for name in ("Excel", "XLSX for machines")]

    assert list(exports) == ["Excel", "CSV", "XLSX for machines"]
    assert rows.count("\n") == 2
    assert shown.slug in rows
    assert [(book.worksheets[0].max_row, book.worksheets[0]["A1"].value) for book in sheets] == [(2, "Key action"), (2, "slug")]


@pytest.mark.parametrize("model", [m for m in admin.site._registry if issubclass(m, Record)], ids=lambda model: model.__name__)
def test_no_list_shows_the_key_of_a_record_as_a_name(model):
    assert not {"uid", "slug"} & set(admin.site.get_model_admin(model).list_display)


def test_a_source_without_a_title_shows_its_key_once(reader, signed_in):
    source = make_source(title="")

    (row,) = cells(signed_in(reader).get(changes(Source)))

    assert " ".join(row).count(source.slug) == 1


def test_amounts_and_values_are_shown_without_trailing_zeros(analyst, signed_in):
    agreement, client = make_agreement(), signed_in(analyst)
    Commitment.objects.create(agreement=agreement, stage="announced", bound="about", amount=13_000_000_000, currency="AUD")
    outcome = Outcome.objects.create(slug="outcome", agreement=agreement, statement="Clean air")
    indicator = Indicator.objects.create(slug="indicator", outcome=outcome, name="Berths", baseline_value=2, target_value="9.5")
    Measurement.objects.create(indicator=indicator, measured_on="2026-01", value=1000)

    money, target, measured = (" | ".join(cells(client.get(changes(model)))[0]) for model in (Commitment, Indicator, Measurement))

    assert "about AUD 13,000,000,000 |" in money
    assert "| 2 | 9.5" in target
    assert "| 1,000 | 2026-01" in measured


@pytest.mark.parametrize(
    ("fields", "name"),
    [({"title": "A paper", "publisher": "WTO"}, "A paper"), ({"publisher": "WTO"}, "WTO (paper)"), ({}, "paper")],
)
def test_a_source_without_a_title_is_named_by_its_publisher_and_key(fields, name, reader, signed_in):
    make_source(slug="paper", **{"title": ""} | fields)

    assert cells(signed_in(reader).get(changes(Source)))[0][0].startswith(name)


def test_a_citation_and_evidence_name_the_record_that_they_are_about(analyst, signed_in):
    participation = Participation.objects.create(agreement=make_agreement(), party=make_party(), role="party")
    Citation.objects.create(source=make_source(), participation=participation, field="role")
    source, recommendation = make_source(), make_recommendation(key_action="Build hubs")
    report = Report(status="in_progress", narrative="Begun.", evidence=(EvidenceRow(source=source),))
    report_progress(recommendation, report, by=analyst, today=date.today())

    citation, evidence = (" | ".join(cells(signed_in(analyst).get(changes(model)))[0]) for model in (Citation, Evidence))

    assert f"| {participation} | Role |" in citation
    assert "| Build hubs |" in evidence


def test_a_commitment_has_the_same_figure_in_its_name_and_in_the_list(reader, signed_in):
    money = make_commitment(make_agreement(), bound="exactly", amount=13_000, currency="AUD")

    assert cells(signed_in(reader).get(changes(Commitment)))[0][0] == " ".join(money.figure.split())
    assert str(money).endswith(f": {money.figure}")
    assert money.figure.split() == ["AUD", "13,000"]


def test_only_a_filtered_list_has_a_link_to_the_whole_list(analyst, signed_in):
    make_recommendation()
    client = signed_in(analyst)

    whole, filtered = (client.get(changes(Recommendation, query)).text for query in ("", "?open=true"))

    assert "Show all" not in whole
    assert "Show all" in filtered


def test_the_breadcrumb_has_names_as_they_are_and_no_app(analyst, signed_in):
    source = make_source(title="iea.org")

    heading = re.search(r"<h1.*?</h1>", signed_in(analyst).get(change(source)).text, re.S)

    assert heading
    assert re.sub(r"<[^>]*>", " ", heading[0]).split() == ["Sources", "chevron_right", "iea.org"]


def test_the_title_of_a_page_says_what_the_record_belongs_to(analyst, signed_in):
    outcome = Outcome.objects.create(slug="outcome", agreement=make_agreement(), statement="Clean air")
    indicator = Indicator.objects.create(slug="indicator", outcome=outcome, name="Berths in use")
    recommendation = make_recommendation(key_action="Build hubs")
    update = report_progress(recommendation, Report(status="in_progress", narrative="Begun."), by=analyst, today=date.today())
    parents = {
        Measurement.objects.create(indicator=indicator, measured_on="2026-01", value=20): "Berths in use",
        Addressee.objects.create(recommendation=recommendation, party=make_party()): "Build hubs",
        recommendation.milestones.create(title="Half"): "Build hubs",
        update: "Build hubs",
    }

    for record, parent in parents.items():
        for address in (change(record), history(record)):
            page = signed_in(analyst).get(address).text
            titles = re.findall(r"<title>.*?</title>|<h1.*?</h1>", page, re.S)
            assert [parent in title for title in titles] == [True, True], address


def test_a_duration_is_shown_in_words(reader, analyst, signed_in):
    treaty = make_agreement(legal_force="binding", later_joiner_delay="P1Y6M")
    condition = make_condition(treaty, "on_signature", delay="P60D")
    condition.delay = "P45D"
    condition.save()
    rows = tab(treaty, registry.of(EntryIntoForceCondition).address)

    pages = {
        address: signed_in(reader).get(address).text
        for address in (edit(treaty), rows, changes(EntryIntoForceCondition), change(condition))
    }
    pages[history(condition)] = signed_in(analyst).get(history(condition)).text

    assert "1 year 6 months" in pages.pop(edit(treaty))
    assert [address for address, page in pages.items() if "45 days" not in page or "P45D" in page] == []


def test_an_approximate_date_is_shown_in_words_and_exported_as_it_is_stored(reader, analyst, signed_in):
    agreement = make_agreement(expires_on="2050~")
    recommendation = make_recommendation(agreement, due_on="2031~")
    recommendation.milestones.create(title="Half", due_on="2031~")
    addressee = Addressee.objects.create(recommendation=recommendation, party=make_party(), response="noted", responded_on="2031~")
    with change_context(analyst, "Moved", "admin"):
        Milestone.objects.update(due_on="2032~")
    milestone = Milestone.objects.get()
    of_reader, of_analyst = signed_in(reader), signed_in(analyst)

    source = make_source(published_on="2020~", publication="published", visibility="public")
    shown = [change(agreement), tab(agreement, "recommendations"), change(recommendation), change(milestone), change(addressee)]
    shown += [change(source)]
    shown += [changes(Recommendation), changes(Milestone), changes(Addressee), "/admin/"]
    pages = {address: of_reader.get(address).text for address in shown}
    pages[history(milestone)] = of_analyst.get(history(milestone)).text
    _excel, (_csv, url), _xlsx = of_reader.get(changes(Milestone)).context["cl"].exports

    assert [address for address, page in pages.items() if "about 20" not in page or re.search(r"\b20\d\d~", page)] == []
    assert b"2032~" in b"".join(of_reader.get(url).streaming_content)
    assert 'value="2032~"' in of_analyst.get(change(milestone)).text


@pytest.mark.parametrize(
    ("model", "column", "field"),
    [
        (TreatyAction, "acted", "acted_on"),
        (TreatyAction, "effective", "effective_on"),
        (Commitment, "stated", "stated_on"),
        (Component, "due", "due_on"),
        (Indicator, "baseline", "baseline_value"),
        (Indicator, "target", "target_value"),
        (Indicator, "target_date", "target_on"),
        (Measurement, "measured", "measured_on"),
    ],
)
def test_a_column_has_the_label_of_the_field(model, column, field):
    page = admin.site.get_model_admin(model)

    assert label_for_field(column, model, page) == label_for_field(field, model, page)


# ---- the list of agreements


def test_the_list_of_agreements_shows_parties_recommendations_late_ones_and_the_next_date(analyst, signed_in):
    pact, empty = make_agreement(short_title="Pact", next_review_on="2999-05"), make_agreement(short_title="Treaty")
    for code in ("AUS", "CAN", "FJI", "GBR", "JPN", "NZL", "USA"):
        Participation.objects.create(agreement=pact, party=make_party(code, name=f"Name of {code}"), role="party")
    Participation.objects.create(agreement=pact, party=Party.objects.get(code="AUS"), role="host")
    Participation.objects.create(agreement=empty, party=make_party("RUS"), role="subject_of_concern")
    for due_on in ("2020-01-01", "2998", ""):
        make_recommendation(pact, due_on=due_on)

    page = signed_in(analyst).get(changes(Agreement))
    names = [header.name for header in page.context["cl"].table.headers]
    shown = {row[1]: dict(zip(names[1:], row[1:], strict=True)) for row in cells(page)}

    assert shown["Pact"]["parties_shown"] == "AUS CAN FJI GBR JPN +2"
    assert 'title="Name of AUS"' in page.text
    numbers = [shown["Pact"][name] for name in ("total", "overdue", "undated", "stale", "next_date")]
    assert numbers == ["3", "1", "1", "3", "2998"]
    assert [shown["Treaty"][name] for name in ("parties_shown", "total", "overdue", "next_date")] == ["", "0", "0", ""]
    assert f"{changes(Recommendation)}?agreement={pact.slug}&amp;overdue=true" in page.text


# ---- columns that a user chooses


def shown_columns(client):
    return [header.name for header in client.get(changes(Recommendation)).context["cl"].table.headers]


def test_a_user_chooses_columns_and_they_are_remembered_for_this_user_only(analyst, reviewer, signed_in):
    make_recommendation(priority="high", due_on="2031")
    client = signed_in(analyst)
    columns = f"{changes(Recommendation)}columns/"

    saved = client.post(f"{columns}?priority=high", {"column": ["priority", "slug"]})

    assert saved["Location"] == changes(Recommendation, "?priority=high")
    assert shown_columns(client) == shown_columns(signed_in(analyst)) == ["action_checkbox", "named", "priority", "slug"]
    assert "due" in shown_columns(signed_in(reviewer))
    client.post(columns, {"_usual": "1"})
    assert "due" in shown_columns(client)
    assert "slug" not in shown_columns(client)


def test_columns_that_do_not_exist_are_not_stored(analyst, signed_in):
    make_recommendation()
    client = signed_in(analyst)

    client.post(f"{changes(Recommendation)}columns/", {"column": ["password", "change_reason"]})

    assert "status_shown" in shown_columns(client)


def test_a_list_is_ordered_by_the_name_of_a_column(analyst, signed_in):
    first, last = make_recommendation(key_action="Alpha"), make_recommendation(key_action="Omega")
    client = signed_in(analyst)

    def order(query):
        return list(client.get(changes(Recommendation, query)).context["cl"].result_list)

    assert order("?o=named") == [first, last]
    assert order("?o=-named") == [last, first]
    assert set(order("?o=nothing")) == {first, last}


# ---- the page of filters


def offered(page, name):
    return next(filter for _group, filters in page.context["groups"] for filter in filters if filter.name == name)


def test_the_filters_show_values_with_counts_and_keep_what_is_chosen(analyst, signed_in):
    pact = make_agreement(short_title="Pact")
    for priority in ("high", "high", "low"):
        Addressee.objects.create(recommendation=make_recommendation(pact, priority=priority), party=make_party("AUS", name="Australia"))
    make_recommendation(priority="critical")
    client = signed_in(analyst)

    page = client.get(f"{changes(Recommendation)}filters/?agreement={pact.slug}&priority=high&status__not=planned")

    counts = {value.value: value.count for value in offered(page, "priority").values}
    assert counts == {"critical": 0, "high": 2, "medium": 0, "low": 1, "unset": 0}
    assert [(value.value, value.label, value.count) for value in offered(page, "party").values] == [("AUS", "Australia", 2)]
    assert [value.value for value in offered(page, "priority").values if value.chosen] == ["high"]
    assert [value.value for value in offered(page, "status").values if value.excluded] == ["planned"]
    assert len(page.context["groups"]) > 2


@pytest.mark.parametrize(
    ("chosen", "query"),
    [
        ({"priority": ["high", "critical"], "status__not": ["planned"]}, "priority=high&priority=critical&status__not=planned"),
        ({"typed-party": "Australia, FJI"}, "party=AUS&party=FJI"),
        ({"typed-due_on__from": "2026", "overdue": "true"}, "overdue=true&due_on__from=2026"),
        ({"q": "ports", "open": "true"}, "open=true&q=ports"),
        ({"o": "-named", "open": "true"}, "o=-named&open=true"),
        ({}, ""),
    ],
)
def test_what_is_chosen_leads_to_the_list_with_these_filters(chosen, query, analyst, signed_in):
    make_party("AUS", name="Australia"), make_party("FJI", name="Fiji")
    make_recommendation()

    page = signed_in(analyst).get(f"{changes(Recommendation)}filters/", chosen | {"_apply": "1"}, follow=True)

    assert page.request["QUERY_STRING"] == query


# ---- the query line of a list


@pytest.mark.parametrize(
    ("line", "query"),
    [
        ("overdue party:AUS priority:high,critical owner:me stale text", None),
        ("party:australia", "party=AUS"),
        ("-party:AUS", "party__not=AUS"),
        ('"overdue"', 'q="overdue"'),
    ],
)
def test_a_query_line_leads_to_the_list_with_its_filters_and_is_shown_again(line, query, analyst, signed_in):
    make_party("AUS", name="Australia")
    make_recommendation()
    client = signed_in(analyst)

    page = client.get(changes(Recommendation), {"q": line}, follow=True)
    again = client.get(changes(Recommendation), {"q": page.context["cl"].line}, follow=True)

    assert page.status_code == 200
    assert query is None or unquote_plus(page.request["QUERY_STRING"]) == query
    assert again.context["cl"].parameters == page.context["cl"].parameters


@pytest.mark.parametrize(
    ("line", "corrected"),
    [
        ("priorty:high", "priority:high"),
        ("overdue party:AUZ", "overdue party:AUS"),
        ("status:planed", "status:planned"),
        ("party:Nowhere-land", ""),
        ("due_on:soon..", ""),
    ],
)
def test_a_wrong_word_of_a_query_line_is_shown_with_the_nearest_one_and_the_line_is_kept(line, corrected, analyst, signed_in):
    make_party("AUS", name="Australia")
    make_recommendation()

    page = signed_in(analyst).get(changes(Recommendation), {"q": line})
    changes_shown = page.context["cl"]

    assert (page.status_code, changes_shown.line, changes_shown.refused.line) == (200, line, corrected)
    assert list(changes_shown.result_list) == []


def test_a_word_that_resembles_a_flag_is_searched_and_the_flag_is_offered(analyst, signed_in):
    shown = signed_in(analyst).get(changes(Recommendation), {"q": "overdeu"}).context["cl"]

    assert shown.hint.line == "overdue"


def test_every_filter_of_the_api_filters_the_list(analyst, signed_in):
    wanted, other = make_recommendation(priority="high", made_by_text="UN"), make_recommendation()
    client = signed_in(analyst)

    for query in ("priority__not=unset", "made_by_text=UN", "made_by_text__empty=false", "key_action__contains=" + wanted.key_action):
        assert set(client.get(changes(Recommendation, f"?{query}")).context["cl"].result_list) == {wanted}, query
    assert client.get(changes(Recommendation, "?password__startswith=a")).status_code == 302
    assert other.pk

"""The standing panel on the page of an agreement."""

from datetime import UTC, date, datetime, timedelta

import pytest

from agreements.admin.standing import standing_panel
from agreements.models import Agreement, Participation, TreatyAction
from agreements.source_marks import SourceMarks
from agreements.standing.data import load_record
from tests.admin.page import change
from tests.make import make_action, make_agreement, make_condition, make_party, make_source
from tests.queries import count_queries

TODAY = datetime.now(UTC).date()


@pytest.fixture
def treaty(db):
    """Signed by two in 2020; one has ratified in 2021, and it is in force since 2022."""
    agreement = make_agreement(slug="treaty", title="A treaty", legal_force="binding")
    make_action(agreement, "signature", "AUS", "2020-01-01")
    make_action(agreement, "signature", "NZL", "2020-01-01")
    make_action(agreement, "ratification", "AUS", "2021-05")
    make_action(agreement, "entry_into_force", "", "2022-01-01")
    return agreement


@pytest.fixture
def client(reader, signed_in):
    return signed_in(reader)


def test_an_approximate_date_is_shown_in_words(client, reader):
    agreement, party = make_agreement(), make_party("AUS")
    make_action(agreement, "signature", "AUS", "2020-05~")

    for address in (change(agreement), change(party)):
        assert "about 2020-05" in client.get(address).text, address


def panel(client, agreement, query: str = ""):
    return client.get(change(agreement) + query).context["standing"]


def standings(standing) -> dict[str, str]:
    return {line.name: line.code.value for line in standing.parties}


@pytest.mark.parametrize(
    ("day", "text", "parties"),
    [
        ("2019-12-31", "unknown", {"Aus": "none", "Nzl": "none"}),
        ("2020-06-01", "signed", {"Aus": "signatory", "Nzl": "signatory"}),
        ("2021-06-01", "signed", {"Aus": "contracting", "Nzl": "signatory"}),
        ("2022-01-01", "in_force", {"Aus": "bound", "Nzl": "signatory"}),
    ],
)
def test_the_panel_shows_the_standing_on_the_date_in_the_url(day, text, parties, client, treaty):
    standing = panel(client, treaty, f"?on={day}")

    assert standing.on.isoformat() == day
    assert standing.text.code == text
    assert standings(standing) == parties


@pytest.mark.parametrize("query", ["", "?on=", "?participations-page=1"])
def test_the_default_date_is_today(query, client, treaty):
    make_action(treaty, "termination", "", str(TODAY + timedelta(1)))

    standing = panel(client, treaty, query)

    assert (standing.on, standing.text.code, standing.date_error) == (TODAY, "in_force", "")


@pytest.mark.parametrize("day", ["soon", "2025-02-30", "2025", "%00", "2025-01-01T00:00", "٢٠٢٥-٠١-٠١", "0000-01-01", "x" * 5000])
def test_an_invalid_date_is_reported(day, client, treaty):
    page = client.get(f"{change(treaty)}?on={day}")

    assert page.status_code == 200
    assert page.context["standing"].on == TODAY
    assert page.context["standing"].date_error
    assert 'role="alert"' in page.content.decode()


@pytest.mark.parametrize("day", ["2025-1-1", "1 January 2025", "1.1.2025"])
def test_the_date_can_be_written_as_in_any_field_for_a_day(day, client, treaty):
    assert client.get(change(treaty), {"on": day}).context["standing"].on == date(2025, 1, 1)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_first_and_last_date_of_the_calendar_are_valid(day, client, treaty):
    make_action(treaty, "signature", "JPN", "0001-01-01")
    make_action(treaty, "ratification", "JPN", "0001-01-01")
    make_condition(treaty, "on_date", fixed_on="9999-12-31", delay="P1D")

    assert panel(client, treaty, f"?on={day}").on.isoformat() == day


def test_the_panel_gives_reasons_and_links_to_the_actions(client, treaty):
    page = client.get(f"{change(treaty)}?on=2023-01-01")
    standing = page.context["standing"]
    ratified, entered = (TreatyAction.objects.get(kind=kind) for kind in ("ratification", "entry_into_force"))
    australia = next(line for line in standing.parties if line.name == "Aus")

    assert [(link.name, link.url) for link in standing.text.actions] == [("Entry into force, 2022-01-01", change(entered))]
    assert [link.url for link in australia.actions] == [change(ratified), change(entered)]
    assert (australia.since, australia.approximate) == ("2022-01-01", True)
    content = page.content.decode()
    assert australia.sentence in content
    assert standing.text.sentence in content
    assert "approximate" in content
    assert f'href="{change(ratified)}"' in content


def test_a_participant_without_actions_is_shown(client, treaty):
    Participation.objects.create(agreement=treaty, party=make_party("FJI"), role="party")

    assert standings(panel(client, treaty))["Fji"] == "none"


def test_a_depositary_without_actions_comes_last_and_is_not_counted(client, treaty):
    Participation.objects.create(agreement=treaty, party=make_party("AAA"), role="depositary")
    Participation.objects.create(agreement=treaty, party=make_party("FJI"), role="party")

    standing = panel(client, treaty, "?on=2023-01-01")

    assert [line.name for line in standing.parties] == ["Aus", "Fji", "Nzl", "Aaa"]
    assert sum(count for _badge, count in standing.counts) == 3


@pytest.mark.parametrize(("complete", "shown"), [(None, False), ("2022-06-01", True), ("2023-01-01", False)])
def test_the_panel_shows_up_to_which_day_all_actions_are_recorded(complete, shown, client, treaty):
    Agreement.objects.filter(pk=treaty.pk).update(actions_complete_as_of=complete)

    page = client.get(f"{change(treaty)}?on=2023-01-01")

    assert bool(page.context["standing"].complete_until) == shown
    assert ("1 Jun 2022" in page.text) == shown


def test_force_between_two_parties_is_shown_as_a_pair(client, treaty):
    action = make_action(treaty, "entry_into_force_for_party", "GBR", "2024-12-15", counterparty=make_party("AUS"))

    before, after = panel(client, treaty, "?on=2024-12-14"), panel(client, treaty, "?on=2024-12-15")

    assert before.pairs == []
    assert [(pair.parties, pair.since, [link.url for link in pair.actions]) for pair in after.pairs] == [
        (["Aus", "Gbr"], "2024-12-15", [change(action)])
    ]


def test_conditions_show_what_is_met_and_what_is_missing(client):
    agreement = make_agreement(legal_force="binding")
    for code in ("AUS", "NZL"):
        make_action(agreement, "signature", code, "2020-01-01")
    make_action(agreement, "ratification", "AUS", "2021-01-01")
    make_condition(agreement, "number_of_consents", number=3)
    make_condition(agreement, "number_of_consents", number=1, text="Article 9")
    make_condition(agreement, "all_signatories")
    make_condition(agreement, "named_parties", [make_party(code) for code in ("AUS", "NZL", "JPN")])
    make_condition(agreement, "exchange_of_notes")
    make_condition(agreement, "on_date", fixed_on="2030-01-01")

    page = client.get(f"{change(agreement)}?on=2025-01-01")

    conditions = [(line.met, [(part.what, part.names) for part in line.missing]) for line in page.context["standing"].conditions]
    assert conditions == [
        (False, [("2 more consents", [])]),
        (True, []),
        (False, [("consent of", ["Nzl"])]),
        (False, [("consent of", ["Jpn", "Nzl"])]),
        (False, [("notification of", ["Aus", "Nzl"])]),
        (False, [("date 2030-01-01", [])]),
    ]
    content = " ".join(page.content.decode().split())
    assert "Missing: consent of Jpn, Nzl." in content
    assert "Article 9" in content


def test_other_parameters_of_the_url_are_kept(client, treaty):
    content = client.get(f"{change(treaty)}?participations-page=1&_changelist_filters=q%3Da%22b").content.decode()

    assert '<input type="hidden" name="participations-page" value="1">' in content
    assert '<input type="hidden" name="_changelist_filters" value="q=a&quot;b">' in content
    assert '<input type="hidden" name="on"' not in content


def test_everyone_who_may_read_the_agreement_sees_the_panel(users, signed_in, treaty):
    draft = make_agreement(publication="draft")

    for role, user in users.items():
        assert panel(signed_in(user), treaty) is not None, role
    assert signed_in(users["reader"]).get(change(draft)).status_code == 404


def test_a_new_agreement_has_no_panel(analyst, signed_in):
    assert "standing" not in signed_in(analyst).get("/admin/agreements/agreement/add/").context


def test_the_panel_has_no_inline_script_or_style(client, treaty):
    content = client.get(change(treaty)).content.decode()
    part = content[content.index('id="standing"') : content.index("</section>", content.index('id="standing"'))]

    assert "<script" not in part
    assert "style=" not in part


def many(count: int) -> Agreement:
    """An agreement with many parties that signed and consented, each with a source."""
    agreement = make_agreement(legal_force="binding")
    for i in range(count):
        Participation.objects.create(agreement=agreement, party=make_party(f"X{i}"), role="party")
        make_action(agreement, "signature", f"X{i}", "2020-01-01")
        make_action(agreement, "ratification", f"X{i}", "2021-01")
        make_action(agreement, "entry_into_force_for_party", f"X{i}", "2019-01-01", counterparty=make_party("AUS"), source=make_source())
        make_condition(agreement, "named_parties", [make_party(f"X{i}"), make_party("AUS")])
    return agreement


@pytest.mark.parametrize("role", ["reader", "analyst"])
def test_the_number_of_queries_does_not_depend_on_the_actions(role, users, signed_in):
    client, costs = signed_in(users[role]), []

    for count in (1, 3, 40):  # the first request also fills caches of Django
        costs.append(count_queries(client.get, change(many(count))))

    assert costs[1] == costs[2] <= 40


def test_the_panel_reads_no_more_than_the_calculation(treaty, reader, rf):
    request = rf.get("/", {"on": "2023-01-01"})
    request.user = reader
    reader.roles  # noqa: B018 (cached on the user)

    of_calculation = count_queries(load_record, treaty, reader)

    assert count_queries(standing_panel, request, treaty, SourceMarks([])) == of_calculation <= 7


def test_some_of_many_actions_are_shown_with_a_link_to_the_others(client):
    agreement = make_agreement(legal_force="binding")
    for i in range(12):
        make_action(agreement, "signature", f"X{i}", "2020-01-01")
    make_condition(agreement, "all_signatories")

    page = client.get(change(agreement))

    assert (len(page.context["standing"].text.actions), page.context["standing"].text.more) == (8, 4)
    content = " ".join(page.content.decode().split())
    assert f'treatyaction/?agreement={agreement.pk}">4 more</a>' in content
    assert "<summary>consent of 12 parties</summary>" in content

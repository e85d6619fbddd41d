"""Treaty actions, conditions, money and indicators in the admin: what is kept there, what follows, and what is refused at its field."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agreements.models import (
    Agreement,
    Commitment,
    Component,
    EntryIntoForceCondition,
    Indicator,
    Measurement,
    Outcome,
    TreatyAction,
)
from policytracker.models import Change
from policytracker.records.context import change_context
from tests.admin.page import add, change, changes, errors_of, listed, told, typed
from tests.make import make_agreement, make_component, make_party, make_source

LISTS = [TreatyAction, EntryIntoForceCondition, Commitment, Indicator, Measurement]


@pytest.fixture
def client(analyst, signed_in):
    return signed_in(analyst)


@pytest.fixture
def treaty(db):
    return make_agreement(slug="treaty", title="A treaty", legal_force="binding")


def make_action(agreement: Agreement, kind: str = "signature", party: str = "", **fields) -> TreatyAction:
    with change_context():
        return TreatyAction.objects.create(agreement=agreement, kind=kind, party=make_party(party) if party else None, **fields)


def make_money(agreement: Agreement, **fields) -> Commitment:
    return Commitment.objects.create(agreement=agreement, **{"stage": "announced", "amount": 1000, "currency": "USD"} | fields)


def make_indicator(agreement: Agreement, slug: str = "boats", **fields) -> Indicator:
    outcome = Outcome.objects.create(slug=f"more-{slug}", agreement=agreement, statement="More of them")
    return Indicator.objects.create(slug=slug, outcome=outcome, name=slug.title(), **fields)


def reason_of(record) -> str:
    newest = Change.objects.filter(tbl=record._meta.db_table, row_id=record.pk).latest("id")
    return newest.actor["reason"]


def made(client, model, **fields):
    """The answer to the form of a new record, with the page's own defaults for the rest."""
    return client.post(add(model), typed(client.get(add(model))) | {name: getattr(value, "pk", value) for name, value in fields.items()})


# ---- lists


def fill(start: int, stop: int) -> None:
    """So many rows of everything, each with its own references."""
    for i in range(start, stop):
        agreement, source = make_agreement(legal_force="binding"), make_source(title=f"Source {i}")
        component = make_component(agreement)
        action = make_action(agreement, "ratification", f"P{i}", acted_on="2020", counterparty=make_party(f"Q{i}"), source=source)
        action.targets.add(make_action(agreement, "signature", f"P{i}", acted_on="2019"))
        condition = EntryIntoForceCondition.objects.create(agreement=agreement, kind="on_signature", source=source)
        condition.parties.add(make_party(f"P{i}"))
        figure = make_money(agreement, component=component, payer=make_party(f"P{i}"), source=source)
        make_money(agreement, disputes=figure)
        indicator = make_indicator(agreement, f"indicator-{i}")
        Measurement.objects.create(indicator=indicator, measured_on="2020", value=i, source=source)


def cost(client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        response = client.get(address)
    assert response.status_code == 200, address
    return len(queries)


@pytest.mark.parametrize("role", ["reader", "analyst"])
def test_a_list_costs_the_same_number_of_queries_whatever_its_length(role, everybody, signed_in):
    client = signed_in(everybody[role])
    fill(0, 3)
    few = {model.__name__: cost(client, changes(model)) for model in LISTS}

    fill(3, 60)
    many = {model.__name__: cost(client, changes(model)) for model in LISTS}

    print(role, many)
    assert many == few
    assert max(many.values()) <= 14


@pytest.mark.parametrize("role", ["reader", "analyst"])
def test_a_page_costs_the_same_however_much_hangs_on_it(role, everybody, signed_in):
    client, costs = signed_in(everybody[role]), []

    for count in (1, 3, 60):  # the first time, Django asks for what it keeps in mind
        agreement = make_agreement(legal_force="binding")
        indicator = make_indicator(agreement, f"indicator-{count}")
        action = make_action(agreement, acted_on="2020")
        for i in range(count):
            action.targets.add(make_action(agreement, "deposit", f"P{i}", acted_on="2021", source=make_source()))
            Indicator.objects.create(slug=f"i-{count}-{i}", outcome=indicator.outcome, name="Another")
            Measurement.objects.create(indicator=indicator, measured_on=str(1900 + i), value=i, source=make_source())
        costs.append([cost(client, change(record)) for record in (indicator.outcome, indicator, action)])

    print(role, costs)
    assert costs[1] == costs[2]
    assert max(costs[1]) <= 20


def test_agreements_are_sifted_by_the_standing_of_a_day(client, treaty):
    make_agreement(slug="other", title="Another", legal_force="binding")
    make_action(treaty, "ratification", "AUS", acted_on="2016-01-01")
    make_action(treaty, "entry_into_force", acted_on="2016-06-01")

    for asked, found in (
        ("?in_force_on=2016-06-01", {treaty}),
        ("?in_force_on=2016-05-31", set()),
        ("?party_standing=AUS%3Abound", {treaty}),
        ("?party_standing=AUS%3Asignatory", set()),
    ):
        assert listed(client.get(changes(Agreement, asked))) == found, asked
    assert client.get(changes(Agreement, "?party_standing=nobody")).status_code == 302


def test_the_named_questions_are_filters(client, treaty):
    other, source = make_agreement(legal_force="binding"), make_source(slug="paper")
    signed = make_action(treaty, "signature", "AUS", acted_on="2019-03-01", source=source)
    ratified = make_action(treaty, "ratification", "NZL", acted_on="2020", effective_on="2021")
    pair = make_action(other, "entry_into_force_for_party", "AUS", counterparty=make_party("NZL"))
    money = make_money(treaty, payer=make_party("AUS"), stated_on="2020-05", source=source)
    disputed = make_money(treaty, stage="disbursed", currency="AUD", disputes=money)
    boats, ships = make_indicator(treaty, direction="increase", target_on="2030"), make_indicator(other, "ships")
    now, then = (Measurement.objects.create(indicator=boats, measured_on=day, value=1) for day in ("2025", "2001"))
    condition = EntryIntoForceCondition.objects.create(agreement=treaty, kind="on_date", fixed_on="2020-01-01")
    named = EntryIntoForceCondition.objects.create(agreement=other, kind="on_signature")
    named.parties.add(make_party("AUS"))

    answers = [
        (TreatyAction, "agreement=treaty", {signed, ratified}),
        (TreatyAction, "kind=ratification", {ratified}),
        (TreatyAction, "party=AUS", {signed, pair}),
        (TreatyAction, "counterparty=NZL", {pair}),
        (TreatyAction, "acted_on__from=2019-03-02", {ratified}),
        (TreatyAction, "acted_on__from=2019&acted_on__to=2019", {signed}),
        (TreatyAction, "effective_on__from=2020", {ratified}),
        (TreatyAction, "acted_on__empty=true", {pair}),
        (TreatyAction, "source=paper", {signed}),
        (TreatyAction, "source__empty=true", {ratified, pair}),
        (Commitment, "agreement=treaty", {money, disputed}),
        (Commitment, "stage=disbursed", {disputed}),
        (Commitment, "currency=AUD", {disputed}),
        (Commitment, "payer=AUS", {money}),
        (Commitment, "disputes__empty=false", {disputed}),
        (Commitment, "stated_on__to=2020", {money}),
        (Indicator, "agreement=treaty", {boats}),
        (Indicator, "outcome=more-ships", {ships}),
        (Indicator, "direction=increase", {boats}),
        (Indicator, "target_on__from=2029", {boats}),
        (Measurement, "indicator=boats", {now, then}),
        (Measurement, "agreement=treaty&measured_on__from=2020", {now}),
        (EntryIntoForceCondition, "kind=on_date", {condition}),
        (EntryIntoForceCondition, "parties=AUS", {named}),
        (EntryIntoForceCondition, "fixed_on__from=2019", {condition}),
        (Agreement, "signed_on__from=2019-03", {treaty}),
        (Agreement, "in_force_on__from=2019", set()),
    ]
    for model, query, expected in answers:
        assert listed(client.get(changes(model, f"?{query}"))) == expected, query


def test_nonsense_in_the_address_of_a_list_is_no_error_of_ours(client, treaty):
    for query in ("acted_on__from=soon", "acted_on__to=%00", "party=nobody", "kind=very", "acted_on__empty=perhaps"):
        assert client.get(changes(TreatyAction, f"?{query}"), follow=True).status_code in (200, 400), query


def test_rows_are_searched_by_what_they_hang_on_and_by_natural_key(client, treaty):
    action = make_action(treaty, "signature", "AUS", signed_by="Anthony Albanese, Prime Minister")
    money, indicator = make_money(treaty, description="For the hubs"), make_indicator(treaty)
    measured = Measurement.objects.create(indicator=indicator, measured_on="2020", value=1)
    condition = EntryIntoForceCondition.objects.create(agreement=treaty, kind="on_signature", text="Article 9")

    for record, words in [
        (action, ["treaty", "albanese", "aus", str(action.uid)]),
        (money, ["treaty", "hubs", str(money.uid)]),
        (indicator, ["boats"]),
        (measured, ["boats", str(measured.uid)]),
        (condition, ["article", "treaty", str(condition.uid)]),
    ]:
        for word in words:
            assert listed(client.get(changes(type(record), f"?q={word}"))) == {record}, word


def test_what_a_reader_may_not_read_is_in_no_list_and_on_no_page(reader, signed_in):
    client, draft = signed_in(reader), make_agreement(publication="draft", legal_force="binding")
    paper = make_source(title="A secret paper", visibility="restricted")
    hidden = [make_action(draft), make_money(draft), make_indicator(draft)]
    seen = make_action(make_agreement(), "signature", "AUS", source=paper, quote="word for word")

    assert listed(client.get(changes(TreatyAction))) == {seen}
    assert not listed(client.get(changes(Commitment)))
    for record in hidden:
        assert client.get(change(record)).status_code == 302
    for address in (changes(TreatyAction), change(seen), change(seen.agreement)):
        content = client.get(address).content
        assert b"A secret paper" not in content
        assert b"word for word" not in content


# ---- pages


def test_the_page_of_an_agreement_shows_what_was_done_asked_and_promised(client, treaty):
    make_action(treaty, "signature", "AUS", acted_on="2019-03-01")
    EntryIntoForceCondition.objects.create(agreement=treaty, kind="number_of_consents", number=55)
    make_money(treaty, bound="about", amount=13_000_000_000, currency="AUD")

    page = client.get(change(treaty)).content.decode()

    assert 'value="2019-03-01"' in page
    assert "Number of consents" in page
    assert "Announced: about AUD 13,000,000,000" in page


def test_an_agreement_with_200_parties_is_a_page_of_ordinary_size(client, treaty):
    for i in range(200):
        make_action(treaty, "signature", f"X{i}", acted_on="2020-01-01")

    page = client.get(change(treaty))
    rows = next(i.formset for i in page.context["inline_admin_formsets"] if i.formset.prefix == "actions")

    assert len(rows.forms) == 20
    assert len(page.content) < 1_500_000


def test_the_days_of_an_agreement_are_read_there_and_follow_its_actions(client, treaty):
    form = typed(client.get(change(treaty))) | {
        "actions-TOTAL_FORMS": "1",
        "actions-0-kind": "signature",
        "actions-0-acted_on": "2024-05-06",
    }

    answer = client.post(change(treaty), form | {"signed_on": "1999-01-01"})
    page = client.get(change(treaty))

    treaty.refresh_from_db()
    assert answer.status_code == 302
    assert treaty.signed_on == "2024-05-06"
    assert "signed_on" not in form
    assert "signed_on" in page.context["adminform"].readonly_fields


def test_an_action_that_is_saved_moves_the_deadlines_that_count_from_it(client, treaty):
    component = make_component(treaty, due_anchor="signature", due_offset="P6M")

    first = made(client, TreatyAction, agreement=treaty, kind="signature", acted_on="2025-08-31")
    component.refresh_from_db()
    resolved = component.due_on
    action = TreatyAction.objects.get()
    moved = client.post(change(action), typed(client.get(change(action))) | {"acted_on": "2025-09-01", "change_reason": "misprint"})

    component.refresh_from_db()
    assert (first.status_code, moved.status_code) == (302, 302)
    assert (resolved, component.due_on, component.original_due_on) == ("2026-02-28", "2026-03-01", "2026-02-28")
    assert reason_of(component) == "anchor moved"
    assert reason_of(action) == "misprint"


def test_actions_and_components_are_saved_on_one_page_of_their_agreement(client, treaty):
    component = make_component(treaty, due_anchor="entry_into_force", due_offset="P1Y")
    form = typed(client.get(change(treaty)))
    new = {"actions-TOTAL_FORMS": "1", "actions-0-kind": "entry_into_force", "actions-0-acted_on": "2025-01-31"}

    answer = client.post(change(treaty), form | new | {"components-0-status": "active"})

    component.refresh_from_db()
    assert answer.status_code == 302
    assert (component.status, component.due_on) == ("active", "2026-01-31")


def test_a_relative_due_day_says_what_it_follows_and_cannot_be_typed_over(client, treaty):
    make_action(treaty, "signature", acted_on="2025-01-01")
    component = make_component(treaty, due_anchor="signature", due_offset="P6M")

    page = client.get(change(component))
    field = page.context["adminform"].form.fields["due_on"]
    answer = client.post(change(component), typed(page) | {"due_on": "2030-01-01", "title": "Renamed"})

    component.refresh_from_db()
    assert field.disabled
    assert "It follows the day of signature, P6M after it" in page.content.decode()
    assert answer.status_code == 302
    assert (component.title, component.due_on) == ("Renamed", "2025-07-01")


def test_a_deadline_that_becomes_relative_brings_no_day_of_its_own(client, treaty):
    component = make_component(treaty)

    form = typed(client.get(change(component))) | {"due_anchor": "signature", "due_offset": "P6M", "due_on": "2030-01-01"}
    refused = client.post(change(component), form)
    accepted = client.post(change(component), typed(refused) | {"due_on": ""})

    assert errors_of(refused) == {"due_on": ["Leave the due date empty: a relative deadline is calculated from its anchor and offset."]}
    assert accepted.status_code == 302


def test_a_moved_offset_needs_a_reason_and_moves_the_day(client, treaty):
    make_action(treaty, "signature", acted_on="2025-01-01")
    component = make_component(treaty, due_anchor="signature", due_offset="P6M")

    form = typed(client.get(change(component))) | {"due_offset": "P9M"}
    refused = client.post(change(component), form)
    accepted = client.post(change(component), form | {"change_reason": "the annex says nine"})

    component.refresh_from_db()
    assert errors_of(refused) == {"change_reason": ["Say why the due day changes."]}
    assert accepted.status_code == 302
    assert component.due_on == "2025-10-01"


def test_a_page_that_is_saved_untouched_changes_nothing(client, treaty):
    component = make_component(treaty, due_anchor="signature", due_offset="P6M")
    action = make_action(treaty, "signature", "AUS", acted_on="2025-01~", place="Perth", text="One line\nand another ")
    action.targets.add(make_action(treaty, "adoption", acted_on="2024"))
    condition = EntryIntoForceCondition.objects.create(agreement=treaty, kind="on_signature", delay="P30D")
    condition.parties.add(make_party("AUS"))
    indicator = make_indicator(treaty, baseline_value="1.5", target_value=3)
    measured = Measurement.objects.create(indicator=indicator, measured_on="2020", value="0.25")

    for record in (treaty, component, action, condition, make_money(treaty, amount="10.50"), indicator, indicator.outcome, measured):
        before = Change.objects.count()
        form = {k: v.replace("\n", "\r\n") if isinstance(v, str) else v for k, v in typed(client.get(change(record))).items()}
        assert client.post(change(record), form).status_code == 302, record
        assert Change.objects.count() == before, record


def test_an_indicator_gets_its_measurements_on_its_own_page(client, treaty):
    indicator = make_indicator(treaty)
    form = typed(client.get(change(indicator))) | {"measurements-TOTAL_FORMS": "2"}
    for i, (day, value) in enumerate([("2024", "1"), ("2025", "2.5")]):
        form |= {f"measurements-{i}-measured_on": day, f"measurements-{i}-value": value}

    answer = client.post(change(indicator), form)
    again = client.post(change(indicator), typed(client.get(change(indicator))) | {"measurements-0-measured_on": "2024"})

    assert answer.status_code == 302
    assert list(indicator.measurements.order_by("measured_on").values_list("measured_on", flat=True)) == ["2024", "2025"]
    assert again.status_code == 200
    assert b"duplicate" in again.content


# ---- what is refused, and what is only told

BAD: list[tuple[str, type, Callable, str, str]] = [
    (
        "consent",
        TreatyAction,
        lambda t, n: {"agreement": n, "kind": "ratification", "party": make_party("AUS")},
        "kind",
        "A non-binding agreement can be signed",
    ),
    ("no party", TreatyAction, lambda t, n: {"agreement": t, "kind": "ratification"}, "party", "Select the party."),
    (
        "termination by one",
        TreatyAction,
        lambda t, n: {"agreement": t, "kind": "termination", "party": make_party("AUS")},
        "party",
        "a termination ends the agreement for all parties",
    ),
    (
        "pair",
        TreatyAction,
        lambda t, n: {"agreement": t, "kind": "entry_into_force_for_party", "party": make_party("AUS"), "counterparty": make_party("AUS")},
        "counterparty",
        "Select another party. The counterparty cannot be the party itself.",
    ),
    (
        "pair of one",
        TreatyAction,
        lambda t, n: {"agreement": t, "kind": "entry_into_force_for_party", "counterparty": make_party("AUS")},
        "party",
        "Select the party that acts",
    ),
    (
        "target",
        TreatyAction,
        lambda t, n: {
            "agreement": t,
            "kind": "objection",
            "party": make_party("AUS"),
            "targets": [make_action(n, "reservation", "NZL").pk],
        },
        "targets",
        "Select other actions on the same agreement.",
    ),
    ("date", TreatyAction, lambda t, n: {"agreement": t, "kind": "signature", "acted_on": "2025-02-30"}, "acted_on", "Enter a date as"),
    ("number", EntryIntoForceCondition, lambda t, n: {"agreement": t, "kind": "number_of_consents"}, "number", "number of consents"),
    ("parties", EntryIntoForceCondition, lambda t, n: {"agreement": t, "kind": "named_parties"}, "parties", "Select the parties"),
    ("day", EntryIntoForceCondition, lambda t, n: {"agreement": t, "kind": "on_date"}, "fixed_on", "Enter the date."),
    ("delay", EntryIntoForceCondition, lambda t, n: {"agreement": t, "kind": "on_signature", "delay": "soon"}, "delay", "Write a duration"),
    ("currency", Commitment, lambda t, n: {"agreement": t, "stage": "announced", "amount": 1, "currency": "XYZ"}, "currency", "ISO 4217"),
    ("no currency", Commitment, lambda t, n: {"agreement": t, "stage": "announced", "amount": 1}, "currency", "This field is required."),
    (
        "below 0",
        Commitment,
        lambda t, n: {"agreement": t, "stage": "announced", "amount": -1, "currency": "USD"},
        "amount",
        "cannot be negative",
    ),
    (
        "too large",
        Commitment,
        lambda t, n: {"agreement": t, "stage": "announced", "amount": "9" * 30, "currency": "USD"},
        "amount",
        "no more than 20 digits",
    ),
    (
        "another's figure",
        Commitment,
        lambda t, n: {"agreement": t, "stage": "announced", "amount": 1, "currency": "USD", "disputes": make_money(n)},
        "disputes",
        "The disputed figure must belong to the same agreement.",
    ),
    (
        "another's component",
        Commitment,
        lambda t, n: {"agreement": t, "stage": "announced", "amount": 1, "currency": "USD", "component": make_component(n)},
        "component",
        "The component must belong to the same agreement.",
    ),
    (
        "offset",
        Component,
        lambda t, n: {"slug": "c", "title": "C", "agreement": t, "due_anchor": "signature", "due_offset": "six months"},
        "due_offset",
        "Write a duration",
    ),
    (
        "offset alone",
        Component,
        lambda t, n: {"slug": "c", "title": "C", "agreement": t, "due_offset": "P6M"},
        "due_offset",
        "Enter both an anchor and an offset",
    ),
    ("no day", Measurement, lambda t, n: {"indicator": make_indicator(t), "value": 1}, "measured_on", "This field is required."),
]


@pytest.mark.parametrize(("model", "fields", "field", "sentence"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input_is_told_at_its_field_and_writes_nothing(model, fields, field, sentence, client, treaty):
    wrong = fields(treaty, make_agreement(legal_force="non_binding"))
    before = model.objects.count()

    answer = made(client, model, **wrong)

    assert answer.status_code == 200
    assert list(errors_of(answer)) == [field]
    assert sentence in errors_of(answer)[field][0]
    assert model.objects.count() == before


def test_a_figure_does_not_dispute_one_that_disputes_it(client, treaty):
    first = make_money(treaty)
    second = make_money(treaty, disputes=first)

    answer = client.post(change(first), typed(client.get(change(first))) | {"disputes": second.pk})

    assert errors_of(answer) == {"disputes": ["Circular dispute: the other figure already disputes this one, directly or through others."]}


def test_an_agreement_with_acts_of_consent_does_not_become_non_binding(client, treaty):
    make_action(treaty, "ratification", "AUS", acted_on="2020")

    answer = client.post(change(treaty), typed(client.get(change(treaty))) | {"legal_force": "non_binding"})

    assert errors_of(answer) == {"legal_force": ["This agreement has treaty actions of consent, so it cannot be non-binding."]}


def test_a_row_that_the_database_refuses_is_told_at_its_own_field_and_not_at_the_agreements(client):
    agreement = make_agreement(legal_force="non_binding")
    form = typed(client.get(change(agreement))) | {
        "actions-TOTAL_FORMS": "1",
        "actions-0-kind": "ratification",
        "actions-0-party": make_party("AUS").pk,
    }

    answer = client.post(change(agreement), form)

    sentence = "A non-binding agreement can be signed, but cannot be ratified or consented to in any other form."
    rows = next(i.formset for i in answer.context["inline_admin_formsets"] if i.formset.prefix == "actions")
    assert rows.forms[0].errors == {"kind": [sentence]}
    assert errors_of(answer) == {"__all__": [f"Treaty action: {sentence}"]}
    assert not TreatyAction.objects.exists()


def test_an_effect_before_the_act_is_kept_and_told(client, treaty):
    answer = made(
        client, TreatyAction, agreement=treaty, kind="succession", party=make_party("CZE"), acted_on="1993-02-22", effective_on="1993-01-01"
    )

    assert answer.status_code == 302
    assert TreatyAction.objects.get().effective_on == "1993-01-01"
    assert "it has effect from 1993-01-01, before the act itself" in told(client.get("/admin/"))


def test_an_effect_before_the_act_is_told_of_a_row_of_its_agreement_too(client, treaty):
    new = {"kind": "succession", "party": make_party("CZE").pk, "acted_on": "1993-02-22", "effective_on": "1993-01-01"}
    form = typed(client.get(change(treaty))) | {"actions-TOTAL_FORMS": "1"} | {f"actions-0-{name}": value for name, value in new.items()}

    answer = client.post(change(treaty), form)

    assert answer.status_code == 302
    assert "it has effect from 1993-01-01, before the act itself" in told(client.get("/admin/"))

"""Treaty actions, conditions, commitments and indicators in the admin."""

from collections.abc import Callable

import pytest

from agreements.models import (
    Agreement,
    Commitment,
    Component,
    EntryIntoForceCondition,
    Indicator,
    Measurement,
    TreatyAction,
)
from policytracker.records.changes import Change
from tests.admin.page import add, change, changes, edit, errors_of, messages_of, rows_of, tab, typed
from tests.make import (
    make_action,
    make_agreement,
    make_commitment,
    make_component,
    make_indicator,
    make_outcome,
    make_party,
    make_source,
    settled,
)
from tests.queries import count_queries

LISTS = [TreatyAction, EntryIntoForceCondition, Commitment, Indicator, Measurement]


@pytest.fixture
def client(analyst, signed_in):
    return signed_in(analyst)


@pytest.fixture
def treaty(db):
    return make_agreement(slug="treaty", title="A treaty", legal_force="binding")


def reason_of(record) -> str:
    newest = Change.objects.filter(tbl=record._meta.db_table, row_id=record.pk).latest("id")
    return newest.actor["reason"]


def create(client, model, **fields):
    """Send the form of a new record with these values and the defaults of the page. Returns the response."""
    return client.post(add(model), typed(client.get(add(model))) | {name: getattr(value, "pk", value) for name, value in fields.items()})


# ---- lists


def fill(start: int, stop: int) -> None:
    """Create rows of every model, each with its own references."""
    for i in range(start, stop):
        agreement, source = make_agreement(legal_force="binding"), make_source(title=f"Source {i}")
        component = make_component(agreement)
        action = make_action(agreement, "ratification", f"P{i}", acted_on="2020", counterparty=make_party(f"Q{i}"), source=source)
        action.targets.add(make_action(agreement, "signature", f"P{i}", acted_on="2019"))
        condition = EntryIntoForceCondition.objects.create(agreement=agreement, kind="on_signature", source=source)
        condition.parties.add(make_party(f"P{i}"))
        figure = make_commitment(agreement, component=component, payer=make_party(f"P{i}"), source=source)
        make_commitment(agreement, disputes=figure)
        indicator = make_indicator(make_outcome(agreement), slug=f"indicator-{i}")
        Measurement.objects.create(indicator=indicator, measured_on="2020", value=i, source=source)


@pytest.mark.parametrize("role", ["reader", "analyst"])
def test_the_number_of_queries_of_a_list_does_not_depend_on_its_length(role, users, signed_in):
    client = signed_in(users[role])
    fill(0, 3)
    few = {model.__name__: count_queries(client.get, changes(model)) for model in LISTS}

    fill(3, 12)
    many = {model.__name__: count_queries(client.get, changes(model)) for model in LISTS}

    assert many == few
    assert max(many.values()) <= 14


@pytest.mark.parametrize("role", ["reader", "analyst"])
def test_the_number_of_queries_of_a_page_does_not_depend_on_its_inlines(role, users, signed_in):
    client, costs = signed_in(users[role]), []

    for count in (1, 3, 12):  # the first request also fills caches of Django
        agreement = make_agreement(legal_force="binding")
        indicator = make_indicator(make_outcome(agreement), slug=f"indicator-{count}")
        action = make_action(agreement, acted_on="2020")
        for i in range(count):
            action.targets.add(make_action(agreement, "deposit", f"P{i}", acted_on="2021", source=make_source()))
            Indicator.objects.create(slug=f"i-{count}-{i}", outcome=indicator.outcome, name="Another")
            Measurement.objects.create(indicator=indicator, measured_on=str(1900 + i), value=i, source=make_source())
        costs.append([count_queries(client.get, change(record)) for record in (indicator.outcome, indicator, action)])

    assert costs[1] == costs[2]
    assert max(costs[1]) <= 20


def test_agreements_are_filtered_by_standing_on_a_date(client, treaty):
    make_agreement(slug="other", title="Another", legal_force="binding")
    make_action(treaty, "ratification", "AUS", acted_on="2016-01-01")
    make_action(treaty, "entry_into_force", acted_on="2016-06-01")

    for query, rows in (
        ("?in_force_on=2016-06-01", {treaty}),
        ("?in_force_on=2016-05-31", set()),
        ("?party_standing=AUS%3Abound", {treaty}),
        ("?party_standing=AUS%3Asignatory", set()),
    ):
        assert rows_of(client.get(changes(Agreement, query))) == rows, query
    assert client.get(changes(Agreement, "?party_standing=nobody")).status_code == 302


def test_lists_use_the_filters_of_the_api(client, treaty):
    other, source = make_agreement(legal_force="binding"), make_source(slug="paper")
    signed = make_action(treaty, "signature", "AUS", acted_on="2019-03-01", source=source)
    ratified = make_action(treaty, "ratification", "NZL", acted_on="2020", effective_on="2021")
    pair = make_action(other, "entry_into_force_for_party", "AUS", counterparty=make_party("NZL"))
    money = make_commitment(treaty, currency="USD", payer=make_party("AUS"), stated_on="2020-05", source=source)
    disputed = make_commitment(treaty, stage="disbursed", currency="AUD", disputes=money)
    boats, ships = (
        make_indicator(make_outcome(treaty), slug="boats", direction="increase", target_on="2030"),
        make_indicator(make_outcome(other, slug="more-ships"), slug="ships"),
    )
    now, then = (Measurement.objects.create(indicator=boats, measured_on=day, value=1) for day in ("2025", "2001"))
    condition = EntryIntoForceCondition.objects.create(agreement=treaty, kind="on_date", fixed_on="2020-01-01")
    named = EntryIntoForceCondition.objects.create(agreement=other, kind="on_signature")
    named.parties.add(make_party("AUS"))

    expected_rows = [
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
    for model, query, expected in expected_rows:
        assert rows_of(client.get(changes(model, f"?{query}"))) == expected, query


def test_invalid_parameters_of_a_list_cause_no_server_error(client, treaty):
    for query in ("acted_on__from=soon", "acted_on__to=%00", "party=nobody", "kind=very", "acted_on__empty=perhaps"):
        assert client.get(changes(TreatyAction, f"?{query}"), follow=True).status_code in (200, 400), query


def test_rows_are_searched_by_parent_and_natural_key(client, treaty):
    action = make_action(treaty, "signature", "AUS", signed_by="Anthony Albanese, Prime Minister")
    money, indicator = make_commitment(treaty, description="For the hubs"), make_indicator(make_outcome(treaty), slug="boats")
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
            assert rows_of(client.get(changes(type(record), f"?q={word}"))) == {record}, word


def test_hidden_records_are_in_no_list_and_on_no_page(reader, signed_in):
    client, draft = signed_in(reader), make_agreement(publication="draft", legal_force="binding")
    paper = make_source(title="A secret paper", visibility="restricted")
    hidden = [make_action(draft), make_commitment(draft), make_indicator(make_outcome(draft), slug="boats")]
    seen = make_action(make_agreement(), "signature", "AUS", source=paper, quote="word for word")

    assert rows_of(client.get(changes(TreatyAction))) == {seen}
    assert not rows_of(client.get(changes(Commitment)))
    for record in hidden:
        assert client.get(change(record)).status_code == 404
    for address in (changes(TreatyAction), change(seen), change(seen.agreement)):
        content = client.get(address).content
        assert b"A secret paper" not in content
        assert b"word for word" not in content


# ---- pages


def test_the_page_of_an_agreement_shows_actions_conditions_and_commitments(client, treaty):
    make_action(treaty, "signature", "AUS", acted_on="2019-03-01")
    EntryIntoForceCondition.objects.create(agreement=treaty, kind="number_of_consents", number=55)
    money = make_commitment(treaty, bound="about", amount=13_000_000_000, currency="AUD")

    names = ("treaty-actions", "entry-into-force-conditions", "commitments")
    actions, conditions, commitments = (client.get(tab(treaty, name)).content.decode() for name in names)

    assert 'value="2019-03-01"' in actions
    assert "Number of consents" in conditions
    assert str(money) == "Announced: about AUD\N{NO-BREAK SPACE}13,000,000,000"
    assert str(money) in commitments


def test_the_page_of_an_agreement_with_200_parties_has_a_limited_size(client, treaty):
    for i in range(200):
        make_action(treaty, "signature", f"X{i}", acted_on="2020-01-01")

    page = client.get(tab(treaty, "treaty-actions"))
    rows = next(i.formset for i in page.context["inline_admin_formsets"] if i.formset.prefix == "actions")

    assert len(rows.forms) == 15
    assert len(page.content) < 250_000
    assert len(client.get(change(treaty)).content) < 250_000


def test_the_calculated_dates_of_an_agreement_are_read_only(client, treaty):
    make_action(treaty, "signature", acted_on="2024-05-06")
    page = client.get(edit(treaty))
    form = typed(page)

    response = client.post(edit(treaty), form | {"signed_on": "1999-01-01"})

    treaty.refresh_from_db()
    assert response.status_code == 302
    assert treaty.signed_on == "2024-05-06"
    assert "signed_on" not in form
    assert "signed_on" in page.context["adminform"].readonly_fields


def test_saving_an_action_moves_relative_deadlines(client, treaty):
    component = make_component(treaty, due_anchor="signature", due_offset="P6M")

    first = create(client, TreatyAction, agreement=treaty, kind="signature", acted_on="2025-08-31")
    component.refresh_from_db()
    resolved = component.due_on
    action = TreatyAction.objects.get()
    moved = client.post(change(action), typed(client.get(change(action))) | {"acted_on": "2025-09-01", "change_reason": "misprint"})

    component.refresh_from_db()
    assert (first.status_code, moved.status_code) == (302, 302)
    assert (resolved, component.due_on, component.original_due_on) == ("2026-02-28", "2026-03-01", "2026-02-28")
    assert reason_of(component) == "anchor moved"
    assert reason_of(action) == "misprint"


def test_actions_and_components_are_saved_on_their_tabs(client, treaty):
    component = make_component(treaty, due_anchor="entry_into_force", due_offset="P1Y")
    actions, components = tab(treaty, "treaty-actions"), tab(treaty, "components")
    new = {"actions-TOTAL_FORMS": "1", "actions-0-kind": "entry_into_force", "actions-0-acted_on": "2025-01-31"}

    first = client.post(actions, typed(client.get(actions)) | new)
    second = client.post(components, typed(client.get(components)) | {"components-0-status": "active"})

    component.refresh_from_db()
    assert (first["Location"], second["Location"]) == (actions, components)
    assert (component.status, component.due_on) == ("active", "2026-01-31")


def test_the_due_date_of_a_relative_deadline_is_disabled(client, treaty):
    make_action(treaty, "signature", acted_on="2025-01-01")
    component = make_component(treaty, due_anchor="signature", due_offset="P6M")

    page = client.get(change(component))
    field = page.context["adminform"].form.fields["due_on"]
    response = client.post(change(component), typed(page) | {"due_on": "2030-01-01", "title": "Renamed"})

    component.refresh_from_db()
    assert field.disabled
    assert field.help_text
    assert response.status_code == 302
    assert (component.title, component.due_on) == ("Renamed", "2025-07-01")


def test_a_relative_deadline_rejects_an_entered_due_date(client, treaty):
    component = make_component(treaty)

    form = typed(client.get(change(component))) | {"due_anchor": "signature", "due_offset": "P6M", "due_on": "2030-01-01"}
    refused = client.post(change(component), form)
    accepted = client.post(change(component), typed(refused) | {"due_on": ""})

    assert list(errors_of(refused)) == ["due_on"]
    assert accepted.status_code == 302


def test_changing_the_offset_requires_a_reason_and_moves_the_due_date(client, treaty):
    make_action(treaty, "signature", acted_on="2025-01-01")
    component = make_component(treaty, due_anchor="signature", due_offset="P6M")

    form = typed(client.get(change(component))) | {"due_offset": "P9M"}
    refused = client.post(change(component), form)
    accepted = client.post(change(component), form | {"change_reason": "the annex says nine"})

    component.refresh_from_db()
    assert list(errors_of(refused)) == ["change_reason"]
    assert accepted.status_code == 302
    assert component.due_on == "2025-10-01"


def test_saving_an_unchanged_form_changes_nothing(client, treaty):
    component = make_component(treaty, due_anchor="signature", due_offset="P6M")
    action = make_action(treaty, "signature", "AUS", acted_on="2025-01~", place="Perth", text="One line\nand another ")
    action.targets.add(make_action(treaty, "adoption", acted_on="2024"))
    condition = EntryIntoForceCondition.objects.create(agreement=treaty, kind="on_signature", delay="P30D")
    condition.parties.add(make_party("AUS"))
    indicator = make_indicator(make_outcome(treaty), slug="boats", baseline_value="1.5", target_value=3)
    measured = Measurement.objects.create(indicator=indicator, measured_on="2020", value="0.25")

    for record in (treaty, component, action, condition, make_commitment(treaty, amount="10.50"), indicator, indicator.outcome, measured):
        before = Change.objects.count()
        form = {k: v.replace("\n", "\r\n") if isinstance(v, str) else v for k, v in typed(client.get(edit(record))).items()}
        assert client.post(change(record), form).status_code == 302, record
        assert Change.objects.count() == before, record


def test_measurements_are_added_on_the_page_of_their_indicator(client, treaty):
    indicator = make_indicator(make_outcome(treaty), slug="boats")
    form = typed(client.get(change(indicator))) | {"measurements-TOTAL_FORMS": "2"}
    for i, (day, value) in enumerate([("2024", "1"), ("2025", "2.5")]):
        form |= {f"measurements-{i}-measured_on": day, f"measurements-{i}-value": value}

    response = client.post(change(indicator), form)
    again = client.post(change(indicator), typed(client.get(change(indicator))) | {"measurements-0-measured_on": "2024"})

    assert response.status_code == 302
    assert list(indicator.measurements.order_by("measured_on").values_list("measured_on", flat=True)) == ["2024", "2025"]
    assert again.status_code == 200
    assert again.context["error_summary"]


# ---- errors and warnings

INVALID: list[tuple[str, type, Callable, str]] = [
    ("consent", TreatyAction, lambda t, n: {"agreement": n, "kind": "ratification", "party": make_party("AUS")}, "kind"),
    ("no party", TreatyAction, lambda t, n: {"agreement": t, "kind": "ratification"}, "party"),
    ("termination by one", TreatyAction, lambda t, n: {"agreement": t, "kind": "termination", "party": make_party("AUS")}, "party"),
    (
        "pair",
        TreatyAction,
        lambda t, n: {"agreement": t, "kind": "entry_into_force_for_party", "party": make_party("AUS"), "counterparty": make_party("AUS")},
        "counterparty",
    ),
    (
        "pair of one",
        TreatyAction,
        lambda t, n: {"agreement": t, "kind": "entry_into_force_for_party", "counterparty": make_party("AUS")},
        "party",
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
    ),
    ("date", TreatyAction, lambda t, n: {"agreement": t, "kind": "signature", "acted_on": "2025-02-30"}, "acted_on"),
    ("number", EntryIntoForceCondition, lambda t, n: {"agreement": t, "kind": "number_of_consents"}, "number"),
    ("parties", EntryIntoForceCondition, lambda t, n: {"agreement": t, "kind": "named_parties"}, "parties"),
    ("day", EntryIntoForceCondition, lambda t, n: {"agreement": t, "kind": "on_date"}, "fixed_on"),
    ("delay", EntryIntoForceCondition, lambda t, n: {"agreement": t, "kind": "on_signature", "delay": "soon"}, "delay"),
    ("currency", Commitment, lambda t, n: {"agreement": t, "stage": "announced", "amount": 1, "currency": "XYZ"}, "currency"),
    ("no currency", Commitment, lambda t, n: {"agreement": t, "stage": "announced", "amount": 1}, "currency"),
    ("below 0", Commitment, lambda t, n: {"agreement": t, "stage": "announced", "amount": -1, "currency": "USD"}, "amount"),
    ("too large", Commitment, lambda t, n: {"agreement": t, "stage": "announced", "amount": "9" * 30, "currency": "USD"}, "amount"),
    (
        "another's figure",
        Commitment,
        lambda t, n: {"agreement": t, "stage": "announced", "amount": 1, "currency": "USD", "disputes": make_commitment(n)},
        "disputes",
    ),
    (
        "another's component",
        Commitment,
        lambda t, n: {"agreement": t, "stage": "announced", "amount": 1, "currency": "USD", "component": make_component(n)},
        "component",
    ),
    (
        "offset",
        Component,
        lambda t, n: {"slug": "c", "title": "C", "agreement": t, "due_anchor": "signature", "due_offset": "six months"},
        "due_offset",
    ),
    ("offset alone", Component, lambda t, n: {"slug": "c", "title": "C", "agreement": t, "due_offset": "P6M"}, "due_offset"),
    ("no day", Measurement, lambda t, n: {"indicator": make_indicator(make_outcome(t), slug="boats"), "value": 1}, "measured_on"),
]


@pytest.mark.parametrize(("model", "fields", "field"), [row[1:] for row in INVALID], ids=[row[0] for row in INVALID])
def test_invalid_input_is_reported_on_its_field_and_writes_nothing(model, fields, field, client, treaty):
    invalid = fields(treaty, make_agreement(legal_force="non_binding"))
    before = model.objects.count()

    response = create(client, model, **invalid)

    assert response.status_code == 200
    assert list(errors_of(response)) == [field]
    assert model.objects.count() == before


def test_a_currency_can_be_typed_in_small_letters(client, treaty):
    response = create(client, Commitment, agreement=treaty, stage="announced", amount=1, currency="usd")

    assert response.status_code == 302
    assert Commitment.objects.get().currency == "USD"


def test_figures_cannot_dispute_each_other(client, treaty):
    first = make_commitment(treaty)
    second = make_commitment(treaty, disputes=first)

    response = client.post(change(first), typed(client.get(change(first))) | {"disputes": second.pk})

    assert list(errors_of(response)) == ["disputes"]


def test_an_agreement_with_consents_cannot_become_non_binding(client, treaty):
    make_action(treaty, "ratification", "AUS", acted_on="2020")
    settled()

    response = client.post(edit(treaty), typed(client.get(edit(treaty))) | {"legal_force": "non_binding"})

    assert list(errors_of(response)) == ["legal_force"]


def test_a_constraint_violation_of_an_inline_row_is_shown_on_the_row(client):
    agreement = make_agreement(legal_force="non_binding")
    form = typed(client.get(tab(agreement, "treaty-actions"))) | {
        "actions-TOTAL_FORMS": "1",
        "actions-0-kind": "ratification",
        "actions-0-party": make_party("AUS").pk,
    }

    response = client.post(tab(agreement, "treaty-actions"), form)

    rows = next(i.formset for i in response.context["inline_admin_formsets"] if i.formset.prefix == "actions")
    assert list(rows.forms[0].errors) == ["kind"]
    assert list(errors_of(response)) == ["__all__"]
    assert not TreatyAction.objects.exists()


def test_an_effective_date_before_the_action_date_is_saved_with_a_warning(client, treaty):
    response = create(
        client, TreatyAction, agreement=treaty, kind="succession", party=make_party("CZE"), acted_on="1993-02-22", effective_on="1993-01-01"
    )

    assert response.status_code == 302
    assert TreatyAction.objects.get().effective_on == "1993-01-01"
    assert "1993-01-01" in messages_of(client.get("/admin/"))


def test_an_effective_date_before_the_action_date_of_an_inline_row_causes_a_warning(client, treaty):
    new = {"kind": "succession", "party": make_party("CZE").pk, "acted_on": "1993-02-22", "effective_on": "1993-01-01"}
    actions = tab(treaty, "treaty-actions")
    form = typed(client.get(actions)) | {"actions-TOTAL_FORMS": "1"} | {f"actions-0-{name}": value for name, value in new.items()}

    response = client.post(actions, form)

    assert response.status_code == 302
    assert "1993-01-01" in messages_of(client.get("/admin/"))


def test_numbers_in_forms_have_no_needless_zeros(client, treaty):
    indicator = make_indicator(make_outcome(treaty), slug="boats", baseline_value="20.0000", target_value="0.2500")
    large = make_commitment(treaty, amount=3_000_000)
    before = Change.objects.count()

    form = client.get(change(indicator)).context_data["adminform"].form
    money = typed(client.get(change(large)))
    client.post(change(large), money)

    assert [form[name].value() for name in ("baseline_value", "target_value")] == ["20", "0.25"]
    assert money["amount"] == "3000000"
    assert Change.objects.count() == before

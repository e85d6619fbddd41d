"""Commitments, indicators and measurements: each rule in the database, by its name, and through the API, by its field."""

import json
from decimal import Decimal

import pytest
from django.db import IntegrityError
from django.db.models import ProtectedError

from agreements.models import Commitment
from policytracker.records.context import change_context
from tests.api.refusals import codes, field_errors, list_errors
from tests.make import make_commitment, make_component, make_indicator, make_measurement, make_outcome, make_party, make_source, settled

pytestmark = pytest.mark.usefixtures("world")
BODY = {"agreement": "aukus", "stage": "announced", "amount": "1.50", "currency": "AUD"}


def breaks(rule, act):
    """Asserts that the database rejects the change with the name of the rule."""
    with pytest.raises(IntegrityError) as caught, change_context():
        act()
    assert caught.value.__cause__.diag.constraint_name == rule, caught.value


def change(record, **fields):
    return lambda: type(record).objects.filter(pk=record.pk).update(**fields)


def closed(response, code):
    assert (response.status_code, response.json()["code"]) == (409, code), response.content


# ---- amounts


@pytest.mark.parametrize(
    "raw",
    [
        "-1", "-0.01", '"-5"', '"NaN"', '"Infinity"', '"-Infinity"', '"sNaN"', "NaN", "Infinity", "-Infinity", "1e400", '"1e400"', "1e30",
        '"1e30"', "1.005", '"0.001"', "1234567890123456789", '"9999999999999999999"', '"1,000"', '"5 AUD"', '"٣"', '"0x10"', '"1_000"',
        "true", "[]", "{}", '"' + "9" * 10_000 + '"', "9" * 4000, "null", '""', '" "',
    ],
    ids=lambda raw: raw[:12],
)  # fmt: skip
def test_invalid_amount_is_rejected(world, as_analyst, raw):
    for method, address in (("POST", "commitments/"), ("PATCH", f"commitments/{world.figure.uid}/")):
        body = json.dumps(BODY | {"amount": "here"}).replace('"here"', raw)
        response = as_analyst.generic(method, address, body, content_type="application/json")
        assert response.status_code == 400, (response.status_code, response.content)
        assert list(response.json()["_codes"]) in (["amount"], ["non_field_errors"]), response.content  # NaN is not valid JSON
    assert Commitment.objects.get().amount == world.figure.amount


@pytest.mark.parametrize(
    ("given", "kept"),
    [("0", "0.00"), (5, "5.00"), ("999999999999999999.99", "999999999999999999.99"), (0.5, "0.50"), ("1e3", "1000.00"), ("1.5", "1.50")],
)
def test_amount_is_a_string_with_two_decimals(world, as_analyst, given, kept):
    made = as_analyst.post("commitments/", BODY | {"amount": given})

    assert made.status_code == 201, made.content
    assert made.json()["amount"] == kept
    assert as_analyst.keys("commitments/", amount=kept, agreement="aukus", amount__from=kept, amount__to=kept) == [made.json()["uid"]]


def test_database_rejects_a_negative_amount(world):
    breaks("commitment_is_not_below_zero", change(world.figure, amount=Decimal("-0.01")))


@pytest.mark.parametrize(
    "currency", ["aud", "XYZ", "AUDX", "AU", "A$", "DEM", "CUR", "REN", "CIE", "036", 36, "ΑUD", "AUD\0", None, "", " ", ["AUD"], True]
)
def test_currency_must_be_in_use(world, as_analyst, currency):
    field_errors(as_analyst.post("commitments/", BODY | {"currency": currency}), "currency")
    field_errors(as_analyst.patch(f"commitments/{world.figure.uid}/", {"currency": currency}), "currency")
    if isinstance(currency, str) and len(currency) <= 3:
        breaks("commitment_currency_is_in_use", change(world.figure, currency=currency.strip()))


def test_currency_is_required(world, as_analyst):
    field_errors(as_analyst.post("commitments/", {"agreement": "aukus", "stage": "announced", "amount": "5"}), "currency")


@pytest.mark.parametrize(
    "currency", ["AUD", "USD", "EUR", "GBP", "JPY", "CNY", "INR", "CAD", "CHF", "KRW", "XDR", "ZWG", "XCG", "SLE", "VED"]
)
def test_iso_4217_codes_are_accepted(world, as_analyst, currency):
    assert as_analyst.post("commitments/", BODY | {"currency": currency}).json()["currency"] == currency


# ---- references


def test_component_of_a_commitment_must_belong_to_its_agreement(world, as_analyst):
    elsewhere = make_component(world.quad, slug="elsewhere")
    figure = make_commitment(world.aukus, component=world.part)

    breaks("commitment_component_in_the_same_agreement", change(figure, component=elsewhere))
    breaks("commitment_component_in_the_same_agreement", change(figure, agreement=world.quad))
    field_errors(as_analyst.post("commitments/", BODY | {"component": "elsewhere"}), "component")
    listed = as_analyst.post("commitments/", [BODY, BODY | {"component": "elsewhere"}])
    assert list(list_errors(listed)["1"]) == ["component"]
    field_errors(as_analyst.patch(f"commitments/{figure.uid}/", {"agreement": "quad"}), "component")


def test_component_with_commitments_cannot_change_its_agreement(world, as_analyst):
    figure = make_commitment(world.aukus, component=world.part)
    settled()

    breaks("component_with_dependents_keeps_its_agreement", change(world.part, agreement=world.quad))
    field_errors(as_analyst.patch("components/pillar-one/", {"agreement": "quad"}), "agreement")

    change(figure, component=None)()
    change(world.outcome, component=world.part)()
    settled()
    field_errors(as_analyst.patch("components/pillar-one/", {"agreement": "quad"}), "agreement")
    with change_context():
        change(world.outcome, agreement=world.quad)()
        change(world.part, agreement=world.quad)()


def test_disputed_figure_must_belong_to_the_same_agreement(world, as_analyst):
    elsewhere = make_commitment(world.quad)
    figure = make_commitment(world.aukus, disputes=world.figure)

    breaks("commitment_disputes_one_of_the_same_agreement", change(figure, disputes=elsewhere))
    breaks("commitment_disputes_one_of_the_same_agreement", change(world.figure, agreement=world.quad))
    field_errors(as_analyst.post("commitments/", BODY | {"disputes": str(elsewhere.uid)}), "disputes")
    field_errors(as_analyst.patch(f"commitments/{figure.uid}/", {"agreement": "quad"}), "disputes")
    field_errors(as_analyst.patch(f"commitments/{world.figure.uid}/", {"agreement": "quad"}), "disputes")


@pytest.mark.parametrize("length", [1, 2, 3])
def test_circular_dispute_is_rejected(world, as_analyst, length):
    first = last = world.figure
    for _ in range(length - 1):
        last = make_commitment(world.aukus, disputes=last)

    breaks("commitment_does_not_dispute_itself", change(first, disputes=last))
    refused = as_analyst.patch(f"commitments/{first.uid}/", {"disputes": str(last.uid)})

    assert codes(refused) == {"disputes": ["commitment_does_not_dispute_itself"]}


def test_disputed_figure_cannot_be_deleted(world, as_analyst):
    figure = make_commitment(world.aukus, disputes=world.figure, component=world.part, payer=make_party("NEW"))

    closed(as_analyst.delete(f"commitments/{world.figure.uid}/"), "in_use")
    closed(as_analyst.delete("parties/NEW/"), "in_use")
    with pytest.raises(ProtectedError):
        world.part.delete()

    assert as_analyst.delete(f"commitments/{figure.uid}/").status_code == 204
    assert as_analyst.delete(f"commitments/{world.figure.uid}/").status_code == 204


def test_hidden_disputed_figure_is_not_shown(world, as_reader, as_analyst):
    hidden = make_commitment(world.aukus, component=make_component(world.aukus, publication="draft"))
    figure = make_commitment(world.aukus, disputes=hidden)

    assert as_reader.get(f"commitments/{hidden.uid}/").status_code == 404
    assert as_reader.get(f"commitments/{figure.uid}/").json()["disputes"] is None
    assert as_analyst.get(f"commitments/{figure.uid}/").json()["disputes"] == str(hidden.uid)
    assert as_reader.keys("commitments/", disputes__empty="false") == []


# ---- indicators and measurements


def test_indicator_has_one_measurement_per_date(world, as_analyst):
    body = {"indicator": "boats", "measured_on": "2025", "value": "2"}

    breaks("measurement_is_recorded_once", lambda: make_measurement(world.indicator))
    assert codes(as_analyst.post("measurements/", body)) == {"measured_on": ["measurement_is_recorded_once"]}
    listed = as_analyst.post("measurements/", [body | {"measured_on": "2024"}] * 2)
    assert list(list_errors(listed)) == ["1"]
    made = as_analyst.post("measurements/", body | {"measured_on": "2025-01-01"}).json()
    field_errors(as_analyst.patch(f"measurements/{made['uid']}/", {"measured_on": "2025"}), "measured_on")
    make_indicator(world.outcome, slug="other")
    assert as_analyst.post("measurements/", body | {"indicator": "other"}).status_code == 201


@pytest.mark.parametrize("nothing", [None, "", " "])
def test_measurement_requires_a_date(world, as_analyst, nothing):
    at = f"measurements/{world.measurement.uid}/"
    body = {"indicator": "boats", "value": "2"}

    breaks("measurement_has_a_day", change(world.measurement, measured_on=""))
    field_errors(as_analyst.post("measurements/", body), "measured_on")
    field_errors(as_analyst.post("measurements/", body | {"measured_on": nothing}), "measured_on")
    field_errors(as_analyst.patch(at, {"measured_on": nothing}), "measured_on")
    field_errors(as_analyst.put(at, body), "measured_on")
    field_errors(as_analyst.put(at, body | {"measured_on": nothing}), "measured_on")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e400", "1e17", "0.00001", "many", "٣", True, [], None, "", "9" * 5000])
def test_invalid_value_is_rejected(world, as_analyst, value):
    field_errors(as_analyst.post("measurements/", {"indicator": "boats", "measured_on": "2020", "value": value}), "value")
    for name in ("baseline_value", "target_value"):
        response = as_analyst.patch("indicators/boats/", {name: value})
        if value in (None, ""):
            assert response.json()[name] is None
        else:
            field_errors(response, name)


def test_value_may_be_negative_with_four_decimals(world, as_analyst):
    made = as_analyst.post("measurements/", {"indicator": "boats", "measured_on": "2020", "value": "-0.0001"}).json()

    assert made["value"] == "-0.0001"
    assert as_analyst.keys("measurements/", value__to=0) == [made["uid"]]


def test_indicator_with_measurements_cannot_be_deleted(world, as_analyst):
    closed(as_analyst.delete("indicators/boats/"), "in_use")
    closed(as_analyst.delete("outcomes/safer/"), "in_use")

    for at in (f"measurements/{world.measurement.uid}/", "indicators/boats/", "outcomes/safer/"):
        assert as_analyst.delete(at).status_code == 204


def test_indicators_and_measurements_are_filtered_by_agreement(world, as_reader):
    other = make_indicator(make_outcome(world.quad), slug="quad-boats")
    measured = make_measurement(other)

    assert as_reader.keys("indicators/", agreement="aukus") == ["boats"]
    assert as_reader.keys("indicators/", agreement="quad") == as_reader.keys("indicators/", outcome=other.outcome.slug) == ["quad-boats"]
    assert (
        as_reader.keys("measurements/", agreement="quad") == as_reader.keys("measurements/", indicator="quad-boats") == [str(measured.uid)]
    )
    assert as_reader.get("measurements/", {"agreement": "none"}).status_code == 400


# ---- access and archived records


def test_parts_of_archived_records_are_closed(world, as_analyst):
    with change_context(reason="over"):
        change(world.aukus, publication="archived")()

    for record, at, fields in (
        (world.figure, f"commitments/{world.figure.uid}/", {"description": "x"}),
        (world.measurement, f"measurements/{world.measurement.uid}/", {"note": "x"}),
        (world.indicator, "indicators/boats/", {"unit": "x"}),
    ):
        breaks("closed_record", change(record, **fields))
        closed(as_analyst.patch(at, fields), "closed_record")
        if record != world.indicator:
            breaks("closed_record", lambda record=record: type(record).objects.get(pk=record.pk).delete())
            closed(as_analyst.delete(at), "closed_record")
    for address, body in (
        ("commitments", BODY),
        ("indicators", {"slug": "new", "outcome": "safer", "name": "New"}),
        ("measurements", {"indicator": "boats", "measured_on": "2020", "value": "1"}),
    ):
        closed(as_analyst.post(f"{address}/", body), "closed_record")
        assert set(list_errors(as_analyst.post(f"{address}/", [body]))) == {"0"}


def test_commitment_of_an_archived_component_is_closed(world, as_analyst):
    figure = make_commitment(world.aukus, component=world.part)
    with change_context(reason="over"):
        change(world.part, publication="archived")()

    closed(as_analyst.patch(f"commitments/{figure.uid}/", {"description": "x"}), "closed_record")
    closed(as_analyst.post("commitments/", BODY | {"component": "pillar-one"}), "closed_record")
    closed(as_analyst.patch(f"commitments/{world.figure.uid}/", {"component": "pillar-one"}), "closed_record")
    assert as_analyst.post("commitments/", BODY).status_code == 201


def test_hidden_source_hides_the_quote_of_a_figure(world, as_reader, as_analyst):
    hidden = make_source(slug="hidden", publication="draft")
    words = {"source": hidden, "locator": "p. 9", "quote": "thirteen billion"}
    for at in (
        f"commitments/{make_commitment(world.aukus, **words).uid}/",
        f"measurements/{make_measurement(world.indicator, '2020', **words).uid}/",
    ):
        seen, whole = as_reader.get(at).json(), as_analyst.get(at).json()

        assert (seen["source"], seen["locator"], seen["quote"]) == (None, "", "")
        assert (whole["source"], whole["locator"], whole["quote"]) == ("hidden", "p. 9", "thirteen billion")

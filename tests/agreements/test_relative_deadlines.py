"""Relative deadlines follow the treaty actions in every channel (docs/standing.md)."""

from datetime import date

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agreements.models import Agreement, Component, TreatyAction
from policytracker import edtf
from policytracker.records.context import change_context
from tests.agreements.deadlines import SIX_MONTHS, days, due
from tests.make import make_action, make_agreement, make_component, make_party

pytestmark = pytest.mark.django_db
quietly = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
REASON = {"HTTP_X_CHANGE_REASON": "as the source states"}


@pytest.fixture
def pact(db):
    return make_agreement(slug="pact")


@pytest.fixture
def part(pact):
    """Due six months after signature."""
    return make_component(pact, slug="part", **SIX_MONTHS)


def rows(query, *values):
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def broken(error):
    return error.value.__cause__.diag.constraint_name


# ---- every channel


def by_the_api(pact, as_analyst):
    made = as_analyst.post("treaty-actions/", {"agreement": "pact", "kind": "signature", "acted_on": "2025-10-20"}).json()
    at = f"treaty-actions/{made['uid']}/"
    yield
    as_analyst.patch(at, {"acted_on": "2025-10-31"})
    yield
    as_analyst.delete(at)


def by_a_list(pact, as_analyst):
    body = {"agreement": "pact", "kind": "signature"}
    parties = [make_party("AUS"), make_party("USA")]
    bodies = [body | {"party": party.code, "acted_on": on} for party, on in zip(parties, ("2025-10-19", "2025-10-20"), strict=True)]
    assert as_analyst.post("treaty-actions/", bodies).status_code == 201
    yield
    assert as_analyst.post("treaty-actions/", [body | {"party": make_party("GBR").code, "acted_on": "2025-10-31"}]).status_code == 201
    yield
    for uid in as_analyst.keys("treaty-actions/"):
        as_analyst.delete(f"treaty-actions/{uid}/")


def by_objects(pact, as_analyst):
    action = make_action(pact, acted_on="2025-10-20")
    yield
    action.acted_on = "2025-10-31"
    action.save()
    yield
    action.delete()


def by_querysets(pact, as_analyst):
    TreatyAction.objects.bulk_create(TreatyAction(agreement=pact, kind="signature", acted_on=on) for on in ("2025-10-20", "2025-11-03"))
    yield
    TreatyAction.objects.filter(acted_on="2025-10-20").update(acted_on="2025-10-31")
    yield
    TreatyAction.objects.all().delete()


def by_sql(pact, as_analyst):
    rows(
        """INSERT INTO agreements_treatyaction
        (uid, agreement_id, kind, acted_on, effective_on, place, signed_by, text, note, locator, quote)
        VALUES (gen_random_uuid(), %s, 'signature', '2025-10-20', '', '', '', '', '', '', '') RETURNING id""",
        pact.pk,
    )
    yield
    rows("UPDATE agreements_treatyaction SET acted_on = '2025-10-31' RETURNING id")
    yield
    rows("DELETE FROM agreements_treatyaction RETURNING id")


@pytest.mark.parametrize("channel", [by_the_api, by_a_list, by_objects, by_querysets, by_sql])
def test_due_date_follows_the_signature_in_every_channel(part, pact, as_analyst, channel):
    assert (days(pact), due(part)) == (("", ""), "")
    found = []

    for _ in channel(pact, as_analyst):
        found.append((*days(pact), due(part)))

    assert found == [("2025-10-20", "", "2026-04-20"), ("2025-10-31", "", "2026-04-30")]
    assert (days(pact), due(part)) == (("", ""), "")


def test_due_date_follows_the_entry_into_force(pact):
    part = make_component(pact, due_anchor="entry_into_force", due_offset="P180D")
    make_action(pact, acted_on="2025-10-20")

    action = make_action(pact, "entry_into_force", acted_on="2025-10-20")
    acted = due(part)
    TreatyAction.objects.filter(pk=action.pk).update(effective_on="2026-01-01")

    assert (acted, due(part), days(pact)) == ("2026-04-18", "2026-06-30", ("2025-10-20", "2026-01-01"))


def test_component_added_after_signature_gets_its_due_date(pact, as_analyst):
    make_action(pact, acted_on="2025-10-20")

    made = as_analyst.post("components/", {"slug": "late", "agreement": "pact", "title": "Late", **SIX_MONTHS})
    given = as_analyst.post("components/", {"slug": "given", "agreement": "pact", "title": "Given", "due_on": "2026-04-20", **SIX_MONTHS})
    wrong = as_analyst.post("components/", {"slug": "wrong", "agreement": "pact", "title": "Wrong", "due_on": "2026-04-21", **SIX_MONTHS})

    assert made.json()["due_on"] == made.json()["original_due_on"] == "2026-04-20"
    assert (made.json()["version"], made.json()["deadline_state"] != "open_ended") == (1, True)
    assert given.status_code == 201, given.content
    assert (wrong.status_code, list(wrong.json()["_codes"])) == (400, ["due_on"])


# ---- the anchor date


@pytest.mark.parametrize(
    ("acts", "signed_on"),
    [
        ([("signature", "AUS", "2025-10-20"), ("signature", "USA", "2025-10-21")], "2025-10-21"),
        ([("signature", "AUS", "2025-10-22"), ("signature", "", "2025-10-20")], "2025-10-20"),
        ([("definitive_signature", "AUS", "2025-10-20"), ("signature_ad_referendum", "USA", "2025-10-25")], "2025-10-25"),
        ([("signature", "AUS", "2025-10-20"), ("definitive_signature", "USA", "2025-10-25")], "2025-10-25"),
        ([("ratification", "AUS", "2026-10-20"), ("signature", "AUS", "2025-10-20")], "2025-10-20"),
        ([("signature", "AUS", ""), ("signature", "USA", "2025-10-21")], "2025-10-21"),
        ([("signature", "", ""), ("signature", "USA", "2025-10-21")], "2025-10-21"),
        ([("signature", "", "")], ""),
        ([("ratification", "AUS", "2026-10-20"), ("announcement", "", "2025-01-01")], ""),
        ([("signature", "AUS", "2025-10"), ("signature", "USA", "2025-09-30")], "2025-10"),
        ([("signature", "AUS", "2025-10"), ("signature", "USA", "2025-10-20")], "2025-10-20"),
    ],
)
def test_signature_of_the_text_has_precedence_over_the_last_signature_of_a_party(pact, acts, signed_on):
    for kind, party, on in acts:
        make_action(pact, kind, make_party(party) if party else None, on)

    assert days(pact)[0] == signed_on


def test_entry_into_force_of_the_text_has_precedence_as_an_anchor(pact):
    aus, usa = make_party("AUS"), make_party("USA")
    make_action(pact, "entry_into_force_for_party", aus, "2025-01-01")
    make_action(pact, "entry_into_force_for_party", aus, "2025-01-02", counterparty=usa)
    make_action(pact, "entry_into_force", usa, "2025-01-03")
    before = days(pact)

    make_action(pact, "entry_into_force", None, "2025-02-01", effective_on="2025-03")

    assert (before, days(pact)) == (("", "2025-01-01"), ("", "2025-03"))


@pytest.mark.parametrize("on", ["2025-10", "2025", "2025-10-20~", "2025-10~", ""])
def test_partial_anchor_date_leaves_the_deadline_open_ended(part, pact, as_analyst, on):
    make_action(pact, acted_on=on)

    shown = as_analyst.get("components/part/").json()

    assert as_analyst.get("agreements/pact/").json()["signed_on"] == (on or None)
    assert (shown["due_on"], shown["original_due_on"], shown["deadline_state"]) == (None, None, "open_ended")
    assert as_analyst.keys("components/", deadline_state="open_ended") == ["part"]


def test_anchor_that_becomes_partial_removes_the_due_date(part, pact):
    action = make_action(pact, acted_on="2025-10-20")

    TreatyAction.objects.filter(pk=action.pk).update(acted_on="2025-10")

    now = Component.objects.get(pk=part.pk)
    assert (now.due_on, now.original_due_on) == ("", "2026-04-20")


def test_deleting_the_last_signature_removes_the_dates(part, pact):
    actions = [make_action(pact, party=make_party(code), acted_on=on) for code, on in (("AUS", "2025-10-20"), ("USA", "2025-10-31"))]

    found = []
    for action in reversed(actions):
        action.delete()
        found.append((days(pact)[0], due(part)))

    assert found == [("2025-10-20", "2026-04-20"), ("", "")]


def test_action_moved_to_another_agreement_updates_both(part, pact):
    other = make_agreement()
    there = make_component(other, **SIX_MONTHS)
    action = make_action(pact, acted_on="2025-10-20")

    TreatyAction.objects.filter(pk=action.pk).update(agreement=other)

    assert (days(pact)[0], due(part), days(other)[0], due(there)) == ("", "", "2025-10-20", "2026-04-20")


def test_component_moved_to_another_agreement_uses_its_anchor(part, pact):
    other = make_agreement()
    make_action(pact, acted_on="2025-10-20"), make_action(other, acted_on="2020-02-29")

    with change_context(reason="moved"):
        Component.objects.filter(pk=part.pk).update(agreement=other)

    assert due(part) == "2020-08-29"


# ---- calculation


@quietly
@given(
    st.dates(date(1582, 10, 15), date(2400, 12, 31)),
    st.tuples(*[st.none() | st.integers(0, top) for top in (900, 9999, 999, 9999)]).filter(lambda parts: any(p is not None for p in parts)),
)
@example(date(2025, 1, 31), (None, 1, None, None))
@example(date(2024, 1, 31), (None, 1, None, None))
@example(date(2024, 2, 29), (1, None, None, None))
@example(date(2024, 2, 29), (4, None, None, None))
@example(date(2025, 8, 31), (None, 6, None, 1))
@example(date(2025, 10, 20), (None, None, 26, None))
@example(date(1900, 1, 31), (None, 1, 1, 1))
@example(date(2025, 12, 31), (0, 0, 0, 0))
def test_postgresql_and_python_add_durations_alike(db, day, parts):
    offset = "P" + "".join(f"{number}{unit}" for number, unit in zip(parts, "YMWD", strict=True) if number is not None)
    with transaction.atomic():
        pact = make_agreement()
        part = make_component(pact, due_anchor="signature", due_offset=offset)
        make_action(pact, acted_on=day.isoformat())

        found = due(part)

        transaction.set_rollback(True)
    assert found == edtf.after(day, offset).isoformat()


@pytest.mark.parametrize(
    ("signed", "offset", "expected"),
    [
        ("2025-01-31", "P1M", "2025-02-28"),
        ("2024-01-31", "P1M", "2024-02-29"),
        ("2024-02-29", "P1Y", "2025-02-28"),
        ("2025-08-31", "P6M", "2026-02-28"),
        ("2025-03-31", "P1M1D", "2025-05-01"),
        ("2025-10-20", "P2W", "2025-11-03"),
        ("2025-10-20", "P0D", "2025-10-20"),
    ],
)
def test_adding_months_stays_within_the_target_month(pact, signed, offset, expected):
    make_action(pact, acted_on=signed)

    assert due(make_component(pact, due_anchor="signature", due_offset=offset)) == expected


@pytest.mark.parametrize("offset", ["P9999Y", "P8000Y", "P9999M9999W9999D", "P7974Y9999D"])
def test_deadline_after_the_year_9999_is_empty(pact, offset):
    make_action(pact, acted_on="2025-10-20")

    part = make_component(pact, due_anchor="signature", due_offset=offset)

    after = None
    with pytest.raises(ValueError) if due(part) == "" else transaction.atomic():
        after = edtf.after(date(2025, 10, 20), offset).isoformat()
    assert due(part) == (after or "")


# ---- the due date is read-only


def test_other_due_date_is_rejected_in_every_channel_and_the_same_accepted(part, pact, as_analyst):
    make_action(pact, acted_on="2025-10-20")

    for value in ("2026-04-21", "2026-04", "2026-04-20~", None, ""):
        for write in (as_analyst.patch, as_analyst.put):
            refused = write("components/part/", {"agreement": "pact", "title": "part", **SIX_MONTHS, "due_on": value}, **REASON)
            assert (refused.status_code, list(refused.json()["_codes"])) == (400, ["due_on"]), (value, refused.content)
        with pytest.raises(IntegrityError) as error, change_context(reason="I say so"):
            Component.objects.filter(pk=part.pk).update(due_on=value or "")
        assert broken(error) == "component_relative_due_day_is_derived"

    assert as_analyst.patch("components/part/", {"due_on": "2026-04-20"}).status_code == 200
    assert Component.objects.filter(pk=part.pk).update(due_on="2026-04-20") == 1
    assert due(part) == "2026-04-20"


def test_open_ended_deadline_accepts_no_due_date(part, as_analyst):
    refused = as_analyst.patch("components/part/", {"due_on": "2030"})

    assert (refused.status_code, list(refused.json()["_codes"])) == (400, ["due_on"])
    assert as_analyst.patch("components/part/", {"due_on": None}).status_code == 200


def test_put_without_the_due_date_keeps_it(part, pact, as_analyst):
    make_action(pact, acted_on="2025-10-20")

    put = as_analyst.put("components/part/", {"agreement": "pact", "title": "Part one", **SIX_MONTHS})

    assert put.status_code == 200, put.content
    assert (put.json()["due_on"], put.json()["title"]) == ("2026-04-20", "Part one")


def test_other_offset_moves_the_due_date_and_requires_a_reason(part, pact, as_analyst):
    make_action(pact, acted_on="2025-10-20")
    whole = as_analyst.get("components/part/").json()

    silent = as_analyst.patch("components/part/", {"due_offset": "P1Y"})
    moved = as_analyst.patch("components/part/", {"due_offset": "P1Y"}, **REASON).json()
    put = as_analyst.put("components/part/", {**whole, "version": None, "due_offset": "P180D"}, **REASON)

    assert (silent.status_code, silent.json()["code"]) == (400, "reason_required")
    assert (moved["due_on"], moved["original_due_on"]) == ("2026-10-20", "2026-04-20")
    assert (put.status_code, list(put.json()["_codes"])) == (400, ["due_on"])  # the value that was read before the move
    assert as_analyst.patch("components/part/", {"due_offset": "P180D", "due_on": "2026-10-20"}, **REASON).json()["due_on"] == "2026-04-18"
    assert as_analyst.patch("components/part/", {"due_offset": "P1Y", "due_on": "2026-10-20"}, **REASON).json()["due_on"] == "2026-10-20"


def test_other_anchor_removes_the_due_date_and_requires_a_reason(part, pact, as_analyst):
    make_action(pact, acted_on="2025-10-20")

    silent = as_analyst.patch("components/part/", {"due_anchor": "entry_into_force"})
    moved = as_analyst.patch("components/part/", {"due_anchor": "entry_into_force"}, **REASON).json()

    assert (silent.status_code, silent.json()["code"]) == (400, "reason_required")
    assert (moved["due_on"], moved["deadline_state"]) == (None, "open_ended")


def test_anchor_replaces_a_manual_due_date_and_requires_a_reason(pact, as_analyst):
    make_component(pact, slug="fixed", due_on="2026-12")
    make_action(pact, acted_on="2025-10-20")

    silent = as_analyst.patch("components/fixed/", SIX_MONTHS)
    moved = as_analyst.patch("components/fixed/", SIX_MONTHS, **REASON).json()

    assert (silent.status_code, silent.json()["code"], list(silent.json())[-1]) == (400, "reason_required", "due_on")
    assert (moved["due_on"], moved["original_due_on"]) == ("2026-04-20", "2026-12")


def test_removing_the_anchor_keeps_the_due_date(part, pact, as_analyst):
    action = make_action(pact, acted_on="2025-10-20")

    kept = as_analyst.patch("components/part/", {"due_anchor": "none", "due_offset": None}).json()
    action.delete()
    moved = as_analyst.patch("components/part/", {"due_on": "2027"}, **REASON).json()

    assert (kept["due_on"], moved["due_on"], moved["original_due_on"]) == ("2026-04-20", "2027", "2026-04-20")


def test_anchor_may_be_removed_in_the_transaction_that_set_it(pact):
    make_action(pact, acted_on="2025-10-20")

    with change_context():
        part = make_component(pact, **SIX_MONTHS)
        Component.objects.filter(pk=part.pk).update(due_anchor="none", due_offset="")

    assert due(part) == "2026-04-20"


def test_calculated_dates_of_an_agreement_are_read_only(pact, as_analyst):
    make_action(pact, acted_on="2025-10-20")

    for name, right, wrong in (("signed_on", "2025-10-20", "2025-10-21"), ("in_force_on", None, "2025-10-20")):
        for value in (wrong, [], {}, 5, "soon"):
            for write in (as_analyst.patch, as_analyst.put):
                refused = write("agreements/pact/", {"title": "pact", name: value})
                assert (refused.status_code, list(refused.json()["_codes"])) == (400, [name]), value
        assert as_analyst.patch("agreements/pact/", {name: right}).status_code == 200
        made = as_analyst.post("agreements/", {"slug": f"new-{name}", "title": "New", name: wrong})
        assert (made.status_code, list(made.json()["_codes"])) == (400, [name])
        # A direct write has no effect: the database calculates these dates, as it does the version.
        Agreement.objects.filter(pk=pact.pk).update(**{name: wrong})
        assert as_analyst.get("agreements/pact/").json()[name] == right
        by_hand = make_agreement(**{name: wrong})
        by_hand.refresh_from_db()
        assert getattr(by_hand, name) == ""
    assert as_analyst.post("agreements/", {"slug": "new", "title": "New", "signed_on": None, "in_force_on": ""}).status_code == 201

"""Partial dates: Python and PostgreSQL derive the same days from the text."""

import re
from calendar import monthrange
from datetime import date

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agreements.models import Agreement
from policytracker import edtf
from tests.api.client import Api
from tests.conftest import make_user
from tests.make import make_agreement

pytestmark = pytest.mark.django_db
quietly = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

days = st.dates(date(1, 1, 1), date(9999, 12, 31))
about = st.sampled_from(["", "~"])
texts = st.builds(lambda day, length, tilde: day.isoformat()[:length] + tilde, days, st.sampled_from([4, 7, 10]), about)
near = st.builds(
    lambda day, length, tilde: day.isoformat()[:length] + tilde,
    st.dates(date(2023, 11, 1), date(2025, 3, 1)),
    st.sampled_from([4, 7, 10]),
    about,
)


def first(text):
    """The first possible day, computed independently of the code."""
    bare = text.rstrip("~")
    return date.fromisoformat(bare + "-01-01"[len(bare) - 4 :]) if bare else None


def last(text):
    bare = text.rstrip("~")
    if len(bare) == 4:
        return date(int(bare), 12, 31)
    if len(bare) == 7:
        year, month = map(int, bare.split("-"))
        return date(year, month, monthrange(year, month)[1])
    return date.fromisoformat(bare) if bare else None


@quietly
@given(st.lists(texts, min_size=1, max_size=50))
def test_python_and_postgresql_derive_the_same_days(db, dates):
    with connection.cursor() as cursor:
        cursor.execute("SELECT edtf_first(t), edtf_last(t) FROM unnest(%s::text[]) WITH ORDINALITY AS u(t, n) ORDER BY n", [dates])
        kept = cursor.fetchall()

    assert kept == [(first(text), last(text)) for text in dates]
    assert kept == [(edtf.first_day(text), edtf.last_day(text)) for text in dates]


@quietly
@given(st.text(st.sampled_from("0123456789-~ T٣\n"), max_size=12) | st.text(max_size=6) | texts.map(lambda t: t.replace("0", "9")))
def test_python_and_the_database_refuse_an_invalid_date(db, text):
    if "\0" in text:
        return
    shaped = re.fullmatch(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?~?", text)
    try:
        good = bool(shaped) and first(text) is not None
    except ValueError:
        good = False

    try:
        edtf.validate(text)
        accepted = True
    except ValidationError as error:
        accepted = False
        assert "2025-10-20" in error.messages[0]
    assert accepted == (good or text == "")

    try:
        text.encode()
        with transaction.atomic():
            Agreement.objects.bulk_create([Agreement(slug="x", title="x", expires_on=text)])
            kept = True
            transaction.set_rollback(True)
    except (DatabaseError, UnicodeEncodeError):
        kept = False
    assert kept == accepted


@quietly
@given(st.lists(near | st.just(""), max_size=12), near, near)
def test_order_and_ranges_use_the_first_possible_day(db, dates, low, high):
    with transaction.atomic():
        Agreement.objects.bulk_create(Agreement(slug=f"a{n:02}", title="x", expires_on=text) for n, text in enumerate(dates))
        ordered = list(
            Agreement.objects.order_by("expires_on_first", "slug").values_list("slug", "expires_on", "expires_on_first", "expires_on_last")
        )
        inside = set(
            Agreement.objects.filter(expires_on_first__gte=edtf.first_day(low), expires_on_first__lte=edtf.last_day(high)).values_list(
                "slug", flat=True
            )
        )
        transaction.set_rollback(True)

    rows = [(f"a{n:02}", text) for n, text in enumerate(dates)]
    assert [(slug, text) for slug, text, *_ in ordered] == sorted(rows, key=lambda row: (first(row[1]) or date.max, row[0]))
    assert all(days == [first(text), last(text)] for _, text, *days in ordered)
    assert inside == {slug for slug, text in rows if text and first(low) <= first(text) <= last(high)}


@settings(quietly, max_examples=25)
@given(st.lists(near | st.just(""), max_size=8), near, near)
def test_the_filters_from_and_to_agree_with_python(db, dates, low, high):
    with transaction.atomic():
        Agreement.objects.bulk_create(
            Agreement(slug=f"a{n:02}", title="x", expires_on=text, publication="published") for n, text in enumerate(dates)
        )
        client = Api(make_user("reader", "reader"))
        inside = client.keys("agreements/", expires_on__from=low, expires_on__to=high)
        falling = client.keys("agreements/", ordering="-expires_on,slug")
        transaction.set_rollback(True)

    rows = [(f"a{n:02}", text) for n, text in enumerate(dates)]
    assert inside == [slug for slug, text in rows if text and first(low) <= first(text) <= last(high)]
    assert falling == [slug for slug, text in sorted(rows, key=lambda row: (not row[1], -(first(row[1]) or date.min).toordinal(), row[0]))]


def test_a_date_is_stored_as_entered(db):
    for text in ("2025-10-20", "2019-01", "2023", "2023-04-04~", "2023~", ""):
        agreement = make_agreement(expires_on=text)
        agreement.full_clean()
        agreement.refresh_from_db()
        assert agreement.expires_on == text


def test_an_unknown_date_has_no_days(db):
    agreement = make_agreement()
    agreement.refresh_from_db()

    assert (agreement.expires_on_first, agreement.expires_on_last) == (None, None)


@pytest.mark.parametrize(
    ("text", "last_day"),
    [("2030", date(2030, 12, 31)), ("2028-02", date(2028, 2, 29)), ("2030-02~", date(2030, 2, 28)), ("2030-06-15~", date(2030, 6, 15))],
)
def test_a_deadline_is_not_overdue_before_its_last_possible_day(db, text, last_day):
    agreement = make_agreement(expires_on=text)
    agreement.refresh_from_db()

    assert agreement.expires_on_last == last_day == edtf.last_day(text)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("1 year", "P1Y"),
        ("6 months", "P6M"),
        ("1 Year and 6 months", "P1Y6M"),
        ("2 weeks, 3 days", "P2W3D"),
        ("p6m", "P6M"),
        ("P180D", "P180D"),
        ("", ""),
    ],
)
def test_a_duration_is_read_from_common_forms(typed, stored):
    assert edtf.parse_duration(typed) == stored


@pytest.mark.parametrize(
    ("stored", "words"), [("P30D", "30 days"), ("P1Y", "1 year"), ("P1Y6M", "1 year 6 months"), ("P2W1D", "2 weeks 1 day"), ("", "")]
)
def test_a_duration_is_shown_in_words_that_can_be_typed(stored, words):
    assert edtf.duration_in_words(stored) == words
    assert edtf.parse_duration(words) == stored


@pytest.mark.parametrize("typed", ["soon", "a year", "6", "6 months 1 year", "P", "1.5 years", "٦ months"])
def test_other_durations_are_refused(typed):
    with pytest.raises(ValidationError) as refused:
        edtf.parse_duration(typed)

    assert refused.value.code == "invalid_duration"

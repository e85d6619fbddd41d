"""Dates in sentences, with how far they are from today."""

from datetime import date

import pytest

from policytracker.templatetags import partial_dates
from policytracker.templatetags.partial_dates import in_sentence


@pytest.fixture(autouse=True)
def today(monkeypatch):
    monkeypatch.setattr(partial_dates, "today", lambda: date(2026, 12, 3))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("2026-12-23", "23 Dec 2026, in 3 weeks"),
        (date(2026, 12, 23), "23 Dec 2026, in 3 weeks"),
        ("2026-12-03", "3 Dec 2026, today"),
        ("2026-12-04", "4 Dec 2026, tomorrow"),
        ("2026-12-02", "2 Dec 2026, yesterday"),
        ("2026-12-08", "8 Dec 2026, in 5 days"),
        ("2026-11-16", "16 Nov 2026, 2 weeks ago"),
        ("2027-06-30", "30 Jun 2027, in 7 months"),
        ("2031-12-03", "3 Dec 2031, in 5 years"),
        ("1998-05-13", "13 May 1998, 29 years ago"),
        ("2026-12-23~", "about 23 Dec 2026, in 3 weeks"),
        ("2027-06", "Jun 2027"),
        ("2027", "2027"),
        ("2031~", "about 2031"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_date_in_a_sentence_says_how_far_it_is(value, shown):
    assert in_sentence(value) == shown

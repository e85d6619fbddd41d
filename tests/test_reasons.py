"""A change reason has at most 2,000 characters everywhere."""

import pytest
from django.core.exceptions import ValidationError

from agreements.models import Agreement
from policytracker.records.changes import Change
from policytracker.records.context import change_context
from policytracker.resources import today
from recommendations import progress
from recommendations.models import ProgressUpdate
from recommendations.progress import Report
from tests.admin.page import change, delete, edit, typed
from tests.api.client import Api
from tests.make import make_agreement, make_recommendation

LONG = "x" * 2001


def test_a_reason_of_more_than_2000_characters_is_refused_everywhere(analyst, db):
    with pytest.raises(ValidationError), change_context(analyst, LONG):
        make_agreement()
    with change_context(analyst, LONG[:2000]):
        make_agreement()

    assert Agreement.objects.count() == 1


def test_the_api_refuses_a_long_reason(analyst):
    agreement = make_agreement(publication="draft")
    where = f"agreements/{agreement.slug}/"

    by_body = Api(analyst).patch(where, {"title": "Other", "change_reason": LONG})
    by_header = Api(analyst).delete(where, headers={"X-Change-Reason": LONG})

    assert [answer.status_code for answer in (by_body, by_header)] == [400, 400]
    assert list(by_body.json()["_codes"]) == list(by_header.json()["_codes"]) == ["change_reason"]


def test_the_admin_refuses_a_long_reason(analyst, client):
    client.force_login(analyst, backend="django.contrib.auth.backends.ModelBackend")
    agreement = make_agreement(publication="draft")

    changed = client.post(change(agreement), typed(client.get(edit(agreement))) | {"title": "Other", "change_reason": LONG})
    deleted = client.post(delete(agreement), {"post": "yes", "change_reason": "x" * 1_000_000})

    assert "change_reason" in changed.context["adminform"].form.errors
    assert deleted.status_code == 302
    assert Agreement.objects.get().title == agreement.title


def test_a_blank_reason_counts_as_missing(reviewer):
    agreement = make_agreement()

    answer = Api(reviewer).patch(f"agreements/{agreement.slug}/", {"publication": "archived", "change_reason": "  "})

    assert answer.json()["code"] == "reason_required"
    with pytest.raises(Exception, match="reason"), change_context(reviewer, "   "):
        Agreement.objects.update(publication="archived")


def test_the_history_shortens_a_long_reason_of_an_update(analyst):
    report = Report(kind="note", narrative="n", reason=LONG)

    update = progress.report_progress(make_recommendation(), report, by=analyst, today=today())

    assert ProgressUpdate.objects.get().reason == LONG
    (kept,) = Change.objects.filter(tbl=update._meta.db_table, op="insert").values_list("actor__reason", flat=True)
    assert kept == "x" * 1999 + "…"

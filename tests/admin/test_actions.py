"""Only the actions named here are available in lists."""

import pytest
from django.contrib import admin
from django.test import RequestFactory

from agreements.models import Agreement, Component, Source
from policytracker.admin import bulk
from policytracker.records.changes import Change
from recommendations.models import ProgressUpdate, Recommendation
from tests.admin.page import changes, messages_of
from tests.make import make_agreement, make_component, make_recommendation, make_source

REGISTRY = [Agreement, Component, Recommendation, Source]
ALLOWED = {ProgressUpdate: {"approve"}} | {model: {"bulk_edit"} for model in REGISTRY}


def test_lists_have_only_the_expected_actions(administrator):
    request = RequestFactory().get("/")
    request.user = administrator

    actions_of = {model: set(page.get_actions(request)) for model, page in admin.site._registry.items()}

    assert {model: actions for model, actions in actions_of.items() if actions} == ALLOWED


def test_djangos_bulk_delete_is_disabled(analyst, signed_in):
    recommendation = make_recommendation()
    form = {"action": "delete_selected", "_selected_action": recommendation.pk, "post": "yes"}

    response = signed_in(analyst).post(changes(Recommendation), form)

    assert response.status_code in (200, 302)
    assert Recommendation.objects.filter(pk=recommendation.pk).exists()
    assert not Change.objects.filter(op="delete").exists()


# ---- bulk edit of each list of registry records


def bulk_edit(client, records, query="", **values):
    selected = {"action": "bulk_edit", "_bulk_edit": "1", "_selected_action": [record.pk for record in records]}
    return client.post(changes(type(records[0]), query), selected | values)


def make_part(**fields):
    return make_component(make_agreement(), **fields)


@pytest.mark.parametrize("make", [make_agreement, make_part, make_recommendation, make_source])
def test_drafts_of_each_list_are_published_together(make, analyst, signed_in):
    records = [make(publication="draft"), make(publication="draft"), make()]

    response = bulk_edit(signed_in(analyst), records, "?publication=draft", publish="on", change_reason="ready")

    assert (response.status_code, response["Location"]) == (302, changes(type(records[0]), "?publication=draft"))
    for record in records:
        record.refresh_from_db()
        assert record.publication == "published"
    assert Change.objects.filter(changed__publication="published", actor__reason="ready").count() == 2


@pytest.mark.parametrize("make", [make_agreement, make_part, make_recommendation, make_source])
def test_a_reader_changes_nothing_in_bulk(make, reader, signed_in):
    record = make(visibility="public")

    bulk_edit(signed_in(reader), [record], publish="on", owner=reader.pk, due_on="2031")

    assert not Change.objects.filter(op="update").exists()


def test_owner_and_priority_are_set_together(analyst, signed_in):
    recommendation = make_recommendation()

    bulk_edit(signed_in(analyst), [recommendation], owner=analyst.pk, priority="high")

    recommendation.refresh_from_db()
    assert (recommendation.owner, recommendation.priority) == (analyst, "high")


def test_a_rejected_record_is_not_changed_in_part(analyst, signed_in):
    recommendation = make_recommendation(due_on="2030", publication="draft")

    page = signed_in(analyst).get(bulk_edit(signed_in(analyst), [recommendation], publish="on", priority="high", due_on="2031")["Location"])

    recommendation.refresh_from_db()
    assert page.status_code == 200
    assert (recommendation.due_on, recommendation.priority, recommendation.publication) == ("2030", "unset", "draft")


def test_the_due_date_of_components_is_moved_with_a_reason_and_a_calculated_one_is_rejected(analyst, signed_in):
    moved, calculated = make_part(due_on="2030"), make_part(due_anchor="signature", due_offset="P6M")
    client = signed_in(analyst)

    bulk_edit(client, [moved, calculated], due_on="2031", change_reason="postponed")
    page = client.get(changes(Component))

    assert [message.level_tag for message in page.context["messages"]] == ["error", "success"]
    moved.refresh_from_db()
    calculated.refresh_from_db()
    assert (moved.due_on, calculated.due_on) == ("2031", "")


def test_an_archived_record_is_reported(analyst, signed_in):
    recommendation = make_recommendation(publication="archived")
    client = signed_in(analyst)

    bulk_edit(client, [recommendation], priority="high")

    assert "archived. Restore it before editing." in messages_of(client.get(changes(Recommendation)))


def test_too_many_records_are_refused(analyst, signed_in, monkeypatch):
    monkeypatch.setattr(bulk, "BULK_EDIT_LIMIT", 1)
    client, records = signed_in(analyst), [make_recommendation(), make_recommendation()]

    bulk_edit(client, records, priority="high")

    assert "Select at most 1 records." in messages_of(client.get(changes(Recommendation)))
    assert not Change.objects.filter(changed__has_key="priority").exists()


@pytest.mark.parametrize("make", [make_agreement, make_part, make_recommendation, make_source])
def test_each_list_offers_its_actions(make, analyst, signed_in):
    record = make()

    assert '<select name="action"' in signed_in(analyst).get(changes(type(record))).text


# ---- the preview of a bulk edit


def preview(client, records, **values):
    selected = {"action": "bulk_edit", "_preview": "1", "_selected_action": [record.pk for record in records]}
    return client.post(changes(type(records[0])), selected | values)


def test_a_preview_says_row_by_row_what_will_change_and_changes_nothing(analyst, signed_in):
    plain, same, dated = make_recommendation(), make_recommendation(priority="high"), make_recommendation(due_on="2030")
    before = Change.objects.count()

    page = preview(signed_in(analyst), [plain, same, dated], priority="high", due_on="2031", narrative="Asked.")

    planned = {plan.record: (plan.values, bool(plan.errors)) for plan in page.context["plans"]}
    assert planned == {
        plain: ([("Priority", "Not set", "High"), ("Due date", "", "2031"), ("Note", "", "Asked.")], False),
        same: ([("Due date", "", "2031"), ("Note", "", "Asked.")], False),
        dated: ([], True),  # moving a due date requires a reason
    }
    assert Change.objects.count() == before


def test_a_record_that_was_changed_after_the_preview_is_not_changed(analyst, signed_in):
    seen, meanwhile = make_recommendation(), make_recommendation()
    client = signed_in(analyst)
    plans = preview(client, [seen, meanwhile], priority="high").context["plans"]
    versions = {f"version-{plan.record.pk}": plan.version for plan in plans}
    Recommendation.objects.filter(pk=meanwhile.pk).update(priority="low")

    bulk_edit(client, [seen, meanwhile], priority="high", **versions)

    assert {record.pk: record.priority for record in Recommendation.objects.all()} == {seen.pk: "high", meanwhile.pk: "low"}


def test_an_edit_is_taken_back_to_the_form_with_what_was_entered(analyst, signed_in):
    recommendation = make_recommendation()
    data = {"action": "bulk_edit", "_edit": "1", "_selected_action": [recommendation.pk], "priority": "high"}

    page = signed_in(analyst).post(changes(Recommendation), data)

    assert page.context["form"]["priority"].value() == "high"

"""Reserved changes: only reviewers and administrators may make them, with a reason, through API, admin and shell."""

import pytest
from django.contrib import admin
from django.db import IntegrityError, transaction
from django.test import Client

from agreements.models import Agreement
from policytracker.records.changes import Change
from policytracker.records.context import change_context
from policytracker.records.publishing import denied_changes
from recommendations.models import Recommendation
from tests.admin.page import change, errors_of, typed, unrendered
from tests.api.client import Api
from tests.make import make_agreement, make_component, make_recommendation, make_source

REASON = "Published by mistake"
MAKERS = {"agreements": make_agreement, "components": lambda **f: make_component(make_agreement(), **f), "sources": make_source,
          "recommendations": make_recommendation}  # fmt: skip
UNPUBLISH = ("publication", {"publication": "published"}, {"publication": "draft"})
NARROW = [
    ("visibility", {"visibility": before, "publication": "published"}, {"visibility": after})
    for before, after in [("public", "internal"), ("public", "restricted"), ("internal", "restricted")]
]
LOWER = [
    ("priority", {"priority": before, "publication": publication}, {"priority": after})
    for before, after in [("critical", "high"), ("critical", "unset"), ("high", "medium"), ("high", "low"), ("high", "unset")]
    for publication in ("published", "draft")
]
RESERVED = [(address, *case) for address in MAKERS for case in (UNPUBLISH, *NARROW)]
RESERVED += [("recommendations", *case) for case in LOWER]


def stored(record, field):
    return type(record).objects.values_list(field, flat=True).get(pk=record.pk)


def submit_form(user, record, values, **extra):
    """Submit the admin form of the record with changed values. The response is not rendered."""
    view = admin.site.get_model_admin(type(record)).change_view
    form = unrendered(view, user, str(record.pk), query="tab=edit")
    return unrendered(view, user, str(record.pk), query="tab=edit", data=typed(form) | values | extra)


each_change = pytest.mark.parametrize(("address", "field", "before", "after"), RESERVED)
# Fewer cases, because requests are slower than the rule itself, which decides all of them.
KINDS = [(address, *case) for address in MAKERS for case in (UNPUBLISH, NARROW[0])] + [("recommendations", *LOWER[0])]
each_kind = pytest.mark.parametrize(("address", "field", "before", "after"), KINDS)
# Forms of the admin are slowest.
each_form = pytest.mark.parametrize(
    ("address", "field", "before", "after"), [case for case in KINDS if case[1] != "visibility" or case[0] == "agreements"]
)


@each_change
def test_only_reviewers_and_administrators_may_make_a_reserved_change(
    address, field, before, after, reader, officer, analyst, reviewer, administrator
):
    record = MAKERS[address](**before)

    assert [list(denied_changes(user, record, after)) for user in (reader, officer, analyst)] == [[field]] * 3
    assert [denied_changes(user, record, after) for user in (reviewer, administrator)] == [{}, {}]


@each_kind
def test_an_analyst_cannot_make_a_reserved_change(address, field, before, after, analyst):
    record = MAKERS[address](**before)

    response = Api(analyst).patch(f"{address}/{record.slug}/", after | {"change_reason": REASON})

    assert (response.status_code, response.json()["code"]) == (403, "not_permitted")
    assert stored(record, field) == before[field]


@each_form
def test_an_analyst_cannot_make_a_reserved_change_in_the_admin(address, field, before, after, analyst):
    record = MAKERS[address](**before)

    page = submit_form(analyst, record, after, change_reason=REASON)

    assert field in errors_of(page)
    assert stored(record, field) == before[field]


@each_kind
def test_a_reviewer_needs_a_reason_for_a_reserved_change(address, field, before, after, reviewer):
    record = MAKERS[address](**before)

    response = Api(reviewer).patch(f"{address}/{record.slug}/", after)

    assert (response.status_code, response.json()["code"]) == (400, "reason_required")
    assert field in response.json()
    assert stored(record, field) == before[field]


@each_form
def test_a_reviewer_can_make_a_reserved_change_in_the_admin_only_with_a_reason(address, field, before, after, reviewer):
    record = MAKERS[address](**before)

    without_reason = submit_form(reviewer, record, after)
    unchanged = stored(record, field)
    with_reason = submit_form(reviewer, record, after, change_reason=REASON)

    assert "change_reason" in errors_of(without_reason)
    assert unchanged == before[field]
    assert with_reason.status_code == 302
    assert stored(record, field) == after[field]


@each_kind
def test_an_administrator_can_make_a_reserved_change_with_a_reason(address, field, before, after, administrator):
    record = MAKERS[address](**before)

    response = Api(administrator).patch(f"{address}/{record.slug}/", after | {"change_reason": REASON})

    assert response.status_code == 200
    assert stored(record, field) == after[field]


@each_change
def test_the_database_rejects_a_reserved_change_without_a_reason(address, field, before, after, db):
    record = MAKERS[address](**before)

    with pytest.raises(IntegrityError), transaction.atomic():
        type(record).objects.filter(pk=record.pk).update(**after)
    with change_context(reason=REASON):
        type(record).objects.filter(pk=record.pk).update(**after)

    assert stored(record, field) == after[field]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"publication": "draft"}, {"publication": "published"}),
        ({"publication": "draft", "visibility": "public"}, {"visibility": "internal"}),
        ({"visibility": "internal"}, {"visibility": "public"}),
        ({"priority": "high"}, {"priority": "critical"}),
        ({"priority": "medium"}, {"priority": "unset"}),
        ({"priority": "critical"}, {"priority": "critical"}),
    ],
)
def test_an_analyst_can_make_the_opposite_changes_without_a_reason(before, after, analyst):
    recommendation = make_recommendation(**before)

    response = Api(analyst).patch(f"recommendations/{recommendation.slug}/", after)

    assert response.status_code == 200


def test_a_put_without_a_priority_is_a_reserved_change(analyst):
    recommendation = make_recommendation(priority="critical")
    body = {"slug": recommendation.slug, "key_action": "Do it"}

    response = Api(analyst).put(f"recommendations/{recommendation.slug}/", body)

    assert response.status_code == 403
    assert stored(recommendation, "priority") == "critical"


def test_an_analyst_cannot_lower_the_priority_to_approve_own_updates(analyst):
    api, recommendation = Api(analyst), make_recommendation(priority="critical")
    path = f"recommendations/{recommendation.slug}/"

    lowered = api.patch(path, {"priority": "low", "change_reason": "temporary"})
    submitted = api.post(f"{path}progress/", {"status": "in_progress", "narrative": "Work has started."})

    assert lowered.status_code == 403
    assert submitted.json()["update"]["review"] == "submitted"


# ---- the team of a restricted agreement


def test_a_reviewer_who_restricts_an_agreement_is_added_to_its_team(reviewer):
    agreement = make_agreement()
    path = f"agreements/{agreement.slug}/"

    restricted = Api(reviewer).patch(path, {"visibility": "restricted", "change_reason": REASON})
    emptied = Api(reviewer).patch(path, {"team": []})

    assert (restricted.status_code, restricted.json()["team"]) == (200, ["reviewer"])
    assert (emptied.status_code, emptied.json()["team"]) == (200, ["reviewer"])
    assert Api(reviewer).get(path).status_code == 200


def test_the_creator_of_a_restricted_agreement_is_added_to_its_team(analyst, reviewer):
    body = {"slug": "secret", "title": "Secret", "visibility": "restricted", "team": ["reviewer"]}

    created = Api(analyst).post("agreements/", body)

    assert created.status_code == 201
    assert created.json()["team"] == ["analyst", "reviewer"]


def test_lists_add_the_caller_to_the_team_of_restricted_agreements(analyst, reviewer):
    body = {"slug": "secret", "title": "Secret", "visibility": "restricted", "team": ["reviewer"]}

    created = Api(analyst).post("agreements/", [body])
    changed = Api(analyst).patch("agreements/", [{"slug": "secret", "team": []}])

    assert (created.status_code, created.json()[0]["team"]) == (201, ["analyst", "reviewer"])
    assert (changed.status_code, changed.json()[0]["team"]) == (200, ["analyst"])


def test_a_reviewer_who_restricts_an_agreement_in_the_admin_is_added_to_its_team(reviewer):
    agreement = make_agreement()

    submit_form(reviewer, agreement, {"visibility": "restricted"}, change_reason=REASON)

    assert list(agreement.team.all()) == [reviewer]


def test_an_administrator_is_not_added_to_the_team(administrator):
    agreement = make_agreement()

    restricted = Api(administrator).patch(f"agreements/{agreement.slug}/", {"visibility": "restricted", "change_reason": REASON})

    assert (restricted.status_code, restricted.json()["team"]) == (200, [])


# ---- deletion


@pytest.fixture(params=["published", "unpublished", "archived"])
def once_published(request, reviewer):
    """A record of each type that is or was published."""
    records = [make() for make in MAKERS.values()]
    for record in records:
        if request.param != "published":
            with change_context(reviewer, REASON):
                publication = {"unpublished": "draft"}.get(request.param, request.param)
                type(record).objects.filter(pk=record.pk).update(publication=publication)
    return records


def test_a_record_that_was_published_cannot_be_deleted_through_the_api(once_published, administrator):
    addresses = {Agreement: "agreements", Recommendation: "recommendations"}

    responses = [
        Api(administrator).delete(f"{addresses[type(record)]}/{record.slug}/") for record in once_published if type(record) in addresses
    ]

    assert [(response.status_code, response.json()["code"]) for response in responses] == [(409, "archive_instead")] * 2


def test_a_record_that_was_published_cannot_be_deleted_in_the_admin(once_published, administrator):
    client = Client()
    client.force_login(administrator, backend="django.contrib.auth.backends.ModelBackend")
    for record in once_published:
        client.post(change(record).replace("change/", "delete/"), {"post": "yes"})

    assert all(type(record).objects.filter(pk=record.pk).exists() for record in once_published)


def test_the_database_rejects_deletion_of_a_record_that_was_published(once_published):
    for record in once_published:
        with pytest.raises(IntegrityError), transaction.atomic():
            type(record).objects.filter(pk=record.pk).delete()


def test_the_history_has_the_user_who_deleted_a_draft(analyst):
    by_api, by_admin = make_source(publication="draft"), make_source(publication="draft")
    client = Client()
    client.force_login(analyst, backend="django.contrib.auth.backends.ModelBackend")

    Api(analyst).delete(f"sources/{by_api.slug}/")
    client.post(change(by_admin).replace("change/", "delete/"), {"post": "yes"})

    deletions = Change.objects.filter(tbl="agreements_source", op="delete").order_by("id")
    assert [(deletion.row_id, deletion.actor["user"]) for deletion in deletions] == [(by_api.pk, "analyst"), (by_admin.pk, "analyst")]


def test_an_analyst_cannot_unpublish_a_record_to_delete_it(analyst):
    source = make_source()
    api, path = Api(analyst), f"sources/{source.slug}/"

    api.patch(path, {"publication": "draft", "change_reason": "tidy"})

    assert api.delete(path).status_code == 409

"""Changes that only reviewers and administrators make, and only with a reason: through the API, the admin and the shell."""

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from agreements.models import Agreement
from policytracker.models import Change
from policytracker.records.context import change_context
from recommendations.models import Recommendation
from tests.admin.page import change, edit, typed
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
    """The record's own page, sent back with other values."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    form = edit(record) if isinstance(record, Recommendation) else change(record)
    return client.post(form, typed(client.get(form)) | values | extra)


each_change = pytest.mark.parametrize(("address", "field", "before", "after"), RESERVED)
# The admin's pages are slow to make; the rule behind them is the same.
each_kind = pytest.mark.parametrize(
    ("address", "field", "before", "after"),
    [(address, *case) for address in MAKERS for case in (UNPUBLISH, NARROW[0])] + [("recommendations", *LOWER[0])],
)


@each_change
def test_an_analyst_may_not_make_a_reserved_change(address, field, before, after, analyst):
    record = MAKERS[address](**before)

    answer = Api(analyst).patch(f"{address}/{record.slug}/", after | {"change_reason": REASON})

    assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
    assert stored(record, field) == before[field]


@each_kind
def test_an_analyst_may_not_make_a_reserved_change_in_the_admin(address, field, before, after, analyst):
    record = MAKERS[address](**before)

    page = submit_form(analyst, record, after, change_reason=REASON)

    assert field in page.context["adminform"].form.errors
    assert stored(record, field) == before[field]


@each_change
def test_a_reviewer_needs_a_reason_for_a_reserved_change(address, field, before, after, reviewer):
    record = MAKERS[address](**before)

    answer = Api(reviewer).patch(f"{address}/{record.slug}/", after)

    assert (answer.status_code, answer.json()["code"]) == (400, "reason_required")
    assert field in answer.json()
    assert stored(record, field) == before[field]


@each_kind
def test_a_reviewer_makes_a_reserved_change_in_the_admin_with_a_reason_only(address, field, before, after, reviewer):
    record = MAKERS[address](**before)

    without = submit_form(reviewer, record, after)
    refused = stored(record, field)
    with_reason = submit_form(reviewer, record, after, change_reason=REASON)

    assert "change_reason" in without.context["adminform"].form.errors
    assert refused == before[field]
    assert with_reason.status_code == 302
    assert stored(record, field) == after[field]


@each_change
def test_an_administrator_makes_a_reserved_change_with_a_reason(address, field, before, after, administrator):
    record = MAKERS[address](**before)

    answer = Api(administrator).patch(f"{address}/{record.slug}/", after | {"change_reason": REASON})

    assert answer.status_code == 200
    assert stored(record, field) == after[field]


@each_change
def test_the_database_refuses_a_reserved_change_without_a_reason(address, field, before, after, db):
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
def test_the_opposite_changes_are_free(before, after, analyst):
    recommendation = make_recommendation(**before)

    answer = Api(analyst).patch(f"recommendations/{recommendation.slug}/", after)

    assert answer.status_code == 200


def test_a_put_that_omits_the_priority_lowers_it(analyst):
    recommendation = make_recommendation(priority="critical")
    body = {"slug": recommendation.slug, "key_action": "Do it"}

    answer = Api(analyst).put(f"recommendations/{recommendation.slug}/", body)

    assert answer.status_code == 403
    assert stored(recommendation, "priority") == "critical"


def test_nobody_approves_their_own_work_by_lowering_the_priority_for_a_moment(analyst):
    api, recommendation = Api(analyst), make_recommendation(priority="critical")
    where = f"recommendations/{recommendation.slug}/"

    lowered = api.patch(where, {"priority": "low", "change_reason": "for a moment"})
    filed = api.post(f"{where}progress/", {"status": "in_progress", "narrative": "It began."})

    assert lowered.status_code == 403
    assert filed.json()["update"]["review"] == "submitted"


# ---- the team of a restricted agreement


def test_who_restricts_an_agreement_stays_on_its_team(reviewer):
    agreement = make_agreement()
    where = f"agreements/{agreement.slug}/"

    restricted = Api(reviewer).patch(where, {"visibility": "restricted", "change_reason": REASON})
    left = Api(reviewer).patch(where, {"team": []})

    assert (restricted.status_code, restricted.json()["team"]) == (200, ["reviewer"])
    assert (left.status_code, left.json()["team"]) == (200, ["reviewer"])
    assert Api(reviewer).get(where).status_code == 200


def test_who_makes_a_restricted_agreement_is_on_its_team(analyst, reviewer):
    body = {"slug": "secret", "title": "Secret", "visibility": "restricted", "team": ["reviewer"]}

    made = Api(analyst).post("agreements/", body)

    assert made.status_code == 201
    assert made.json()["team"] == ["analyst", "reviewer"]


def test_who_restricts_an_agreement_in_the_admin_stays_on_its_team(reviewer):
    agreement = make_agreement()

    submit_form(reviewer, agreement, {"visibility": "restricted"}, change_reason=REASON)

    assert list(agreement.team.all()) == [reviewer]


def test_an_administrator_need_not_be_on_a_team(administrator):
    agreement = make_agreement()

    restricted = Api(administrator).patch(f"agreements/{agreement.slug}/", {"visibility": "restricted", "change_reason": REASON})

    assert (restricted.status_code, restricted.json()["team"]) == (200, [])


# ---- deletion


@pytest.fixture(params=["published", "unpublished", "archived"])
def once_published(request, reviewer):
    """Records of each kind that are or were published."""
    records = [make() for make in MAKERS.values()]
    for record in records:
        if request.param != "published":
            with change_context(reviewer, REASON):
                publication = {"unpublished": "draft"}.get(request.param, request.param)
                type(record).objects.filter(pk=record.pk).update(publication=publication)
    return records


def test_what_was_ever_published_is_not_deleted_over_the_api(once_published, administrator):
    addresses = {Agreement: "agreements", Recommendation: "recommendations"}

    answers = [
        Api(administrator).delete(f"{addresses[type(record)]}/{record.slug}/") for record in once_published if type(record) in addresses
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "archive_instead")] * 2


def test_what_was_ever_published_is_not_deleted_in_the_admin(once_published, administrator):
    client = Client()
    client.force_login(administrator, backend="django.contrib.auth.backends.ModelBackend")
    for record in once_published:
        client.post(change(record).replace("change/", "delete/"), {"post": "yes"})

    assert all(type(record).objects.filter(pk=record.pk).exists() for record in once_published)


def test_what_was_ever_published_is_not_deleted_by_anything_else(once_published):
    for record in once_published:
        with pytest.raises(IntegrityError), transaction.atomic():
            type(record).objects.filter(pk=record.pk).delete()


def test_a_draft_is_deleted_and_the_history_says_by_whom(analyst):
    by_api, by_admin = make_source(publication="draft"), make_source(publication="draft")
    client = Client()
    client.force_login(analyst, backend="django.contrib.auth.backends.ModelBackend")

    Api(analyst).delete(f"sources/{by_api.slug}/")
    client.post(change(by_admin).replace("change/", "delete/"), {"post": "yes"})

    deletions = Change.objects.filter(tbl="agreements_source", op="delete").order_by("id")
    assert [(deletion.row_id, deletion.actor["user"]) for deletion in deletions] == [(by_api.pk, "analyst"), (by_admin.pk, "analyst")]


def test_an_analyst_does_not_delete_what_was_published_by_taking_it_back_first(analyst):
    source = make_source()
    api, where = Api(analyst), f"sources/{source.slug}/"

    api.patch(where, {"publication": "draft", "change_reason": "tidy"})

    assert api.delete(where).status_code == 409

"""A replay requires the current permissions, and expired keys are deleted."""

from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.contrib.auth.models import Group
from django.utils import timezone

from policytracker.accounts.models import User
from policytracker.api.models import IdempotencyKey
from policytracker.resources import registry, today
from recommendations.models import Addressee, ProgressUpdate
from recommendations.progress import Report, report_progress
from tests.api.client import KEY, Api, assert_replayed
from tests.conftest import make_user
from tests.make import make_agreement, make_party, make_recommendation

NOTE = {"kind": "note", "narrative": "Nothing new."}


def test_a_replay_is_404_if_the_recommendation_became_hidden(analyst):
    agreement = make_agreement()
    agreement.team.add(analyst)
    where = f"recommendations/{make_recommendation(agreement, visibility='restricted').slug}/progress/"

    first = Api(analyst).post(where, NOTE, headers=KEY)
    agreement.team.clear()
    again = Api(analyst).post(where, NOTE, headers=KEY)

    assert (first.status_code, again.status_code) == (201, 404)


def test_a_replay_is_403_if_the_user_may_no_longer_report(analyst):
    where = f"recommendations/{make_recommendation().slug}/progress/"

    first = Api(analyst).post(where, NOTE, headers=KEY)
    analyst.groups.set(Group.objects.filter(name="reader"))
    del analyst.roles
    again = Api(analyst).post(where, NOTE, headers=KEY)

    assert (first.status_code, again.status_code) == (201, 403)


def test_a_replay_is_404_if_the_new_record_became_hidden(analyst, administrator):
    body = {"slug": "secret", "title": "Secret"}

    for address in ("agreements/", "agreements/?fields=title"):
        first = Api(analyst).post(address, body | {"slug": f"secret-{len(address)}"}, headers=KEY)
        Api(administrator).patch(first["Location"], {"visibility": "restricted"})
        again = Api(analyst).post(address, body | {"slug": f"secret-{len(address)}"}, headers=KEY)
        IdempotencyKey.objects.all().delete()

        assert (first.status_code, again.status_code) == (201, 404)


def test_a_replay_of_a_list_is_404_if_one_record_became_hidden(analyst, administrator):
    bodies = [{"slug": "open", "title": "Open"}, {"slug": "secret", "title": "Secret"}]

    Api(analyst).post("agreements/", bodies, headers=KEY)
    Api(administrator).patch("agreements/secret/", {"visibility": "restricted"})
    again = Api(analyst).post("agreements/", bodies, headers=KEY)

    assert again.status_code == 404


def test_a_replay_shows_a_deleted_record_to_its_creator(analyst):
    body = {"slug": "gone", "title": "Gone"}

    first = Api(analyst).post("agreements/", body, headers=KEY)
    Api(analyst).delete("agreements/gone/")
    again = Api(analyst).post("agreements/", body, headers=KEY)

    assert (again.status_code, again.json()) == (201, first.json())


def test_each_new_key_deletes_expired_keys(analyst, reviewer):
    Api(reviewer).post("agreements/", {"slug": "one", "title": "One"}, headers=KEY)
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))

    Api(analyst).post("agreements/", {"slug": "two", "title": "Two"}, headers={"Idempotency-Key": "k2"})

    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == ["k2"]


def waiting(priority: str = "critical", **fields) -> ProgressUpdate:
    report = Report(status="in_progress", narrative="Begun.")
    return report_progress(make_recommendation(priority=priority), report, by=make_user("author", "analyst"), today=today(), **fields)


def own_draft(user) -> ProgressUpdate:
    return report_progress(make_recommendation(), Report(status="planned", narrative="x"), by=user, today=today(), submit=False)


def response_of_a_party() -> str:
    return str(Addressee.objects.create(recommendation=make_recommendation(), party=make_party("ZZZ")).uid)


# The body of each action, and the key in its address, by the path in the API description.
ACTIONS = {
    "addressees/{key}/respond/": lambda user: (response_of_a_party(), {"response": "accepted"}),
    "agreements/{key}/publish/": lambda user: (make_agreement(publication="draft").slug, {}),
    "progress-updates/{key}/approve/": lambda user: (waiting().uid, {}),
    "progress-updates/{key}/return/": lambda user: (waiting().uid, {"note": "Since when?"}),
    "progress-updates/{key}/submit/": lambda user: (own_draft(user).uid, {}),
    "progress-updates/{key}/void/": lambda user: (waiting("low").uid, {"reason": "Wrong record."}),
    "progress-updates/approve/": lambda user: ("", {"updates": [str(waiting().uid)]}),
    "recommendations/{key}/progress/": lambda user: (make_recommendation().slug, NOTE),
    "recommendations/progress/": lambda user: ("", [NOTE | {"recommendation": make_recommendation().slug}]),
}


def test_every_post_of_the_api_description_is_in_these_tests():
    paths = yaml.safe_load(Path(settings.BASE_DIR, "docs/openapi.yaml").read_text())["paths"]
    posts = {path.removeprefix("/api/v1/") for path, operations in paths.items() if "post" in operations}

    creations = {f"{resource.address}/" for resource in registry.addressed if resource.serializer.example}  # in tests/test_examples.py
    assert posts == creations | ACTIONS.keys() | {"auth/tokens/"}


@pytest.mark.parametrize("path", ACTIONS)
def test_a_repeated_action_gets_the_first_response(path, reviewer):
    key, body = ACTIONS[path](reviewer)

    assert_replayed(Api(reviewer), path.format(key=key), body, 201 if path.endswith("/progress/") else 200)


@pytest.mark.parametrize("path", ACTIONS)
def test_a_repeated_action_is_403_after_the_right_is_gone(path, reviewer):
    key, body = ACTIONS[path](reviewer)
    first = Api(reviewer).post(path.format(key=key), body, headers=KEY)
    reviewer.groups.set(Group.objects.filter(name="reader"))
    reader = User.objects.get(pk=reviewer.pk)

    again = Api(reader).post(path.format(key=key), body, headers=KEY)

    assert first.status_code in (200, 201)
    # A draft that the user may no longer read does not exist; nor does a returned update.
    assert again.status_code == (404 if "{key}/return" in path else 403), again.content


def test_a_replay_of_publishing_is_404_if_the_agreement_became_hidden(analyst, administrator):
    slug = make_agreement(publication="draft").slug

    first = Api(analyst).post(f"agreements/{slug}/publish/", {}, headers=KEY)
    Api(administrator).patch(f"agreements/{slug}/", {"visibility": "restricted", "change_reason": "secret"})
    again = Api(analyst).post(f"agreements/{slug}/publish/", {}, headers=KEY)

    assert (first.status_code, again.status_code) == (200, 404)

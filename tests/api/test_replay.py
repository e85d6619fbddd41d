"""A replay requires the current permissions, and expired keys are deleted."""

from datetime import timedelta

from django.contrib.auth.models import Group
from django.utils import timezone

from policytracker.models import IdempotencyKey
from tests.api.client import Api
from tests.make import make_agreement, make_recommendation

NOTE = {"kind": "note", "narrative": "Nothing new."}
KEY = {"Idempotency-Key": "k1"}


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

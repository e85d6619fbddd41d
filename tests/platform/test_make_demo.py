"""`make_demo` fills an empty register, and leaves one with records as it is."""

from io import StringIO

import pytest

from agreements.models import Agreement, PartyOfficer
from policytracker.dataset.demo import is_demo
from policytracker.management.commands.make_demo import ROLES, Command
from policytracker.records.changes import Change
from recommendations.models import Recommendation

pytestmark = pytest.mark.django_db


def make_demo() -> dict[str, str | None]:
    return Command(stdout=StringIO(), stderr=StringIO()).load_and_create_users()


def numbers() -> tuple[int, int]:
    """The numbers of real and of fictional agreements."""
    demo = Agreement.objects.filter(is_demo(Agreement)).count()
    return Agreement.objects.count() - demo, demo


def test_an_empty_register_gets_real_and_fictional_data_and_a_user_for_each_role(monkeypatch):
    monkeypatch.delenv("DEMO", raising=False)

    passwords = make_demo()

    assert numbers() == (20, 2)
    assert set(passwords) == set(ROLES) and all(passwords.values())
    assert PartyOfficer.objects.get().party.code == "AUS"
    # The users exist before the data that name them.
    assert Recommendation.objects.filter(owner__username="analyst").exists()

    changes = Change.objects.count()
    Agreement.objects.filter(slug="demo-harbour-emissions-protocol").update(summary="Edited by a user.")
    assert make_demo() == dict.fromkeys(ROLES)
    assert Change.objects.count() == changes + 1


def test_with_demo_0_only_the_real_data_are_loaded(monkeypatch):
    monkeypatch.setenv("DEMO", "0")

    make_demo()

    assert numbers() == (20, 0)

"""Users of all roles, without passwords."""

from __future__ import annotations

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group

from agreements.models import PartyOfficer
from policytracker.accounts.models import User
from policytracker.records.access import Role

ANALYSTS, REVIEWERS, OFFICERS = 30, 5, 3


def make_users(parties: range) -> tuple[list[int], list[int]]:
    """Create the users. Returns the ids of the analysts and of the reviewers."""
    names = {f"analyst-{n:02}": Role.ANALYST for n in range(1, ANALYSTS + 1)}
    names |= {f"reviewer-{n}": Role.REVIEWER for n in range(1, REVIEWERS + 1)}
    names |= {f"officer-{n}": Role.OFFICER for n in range(1, OFFICERS + 1)} | {"administrator-1": Role.ADMINISTRATOR}
    users = User.objects.bulk_create(User(username=name, password=make_password(None), is_staff=True) for name in names)
    groups = {group.name: group.pk for group in Group.objects.all()}
    memberships = User.groups.through
    memberships.objects.bulk_create(memberships(user=user, group_id=groups[names[user.username]]) for user in users)
    officers = [user for user in users if names[user.username] == Role.OFFICER]
    PartyOfficer.objects.bulk_create(PartyOfficer(user=user, party_id=party) for user, party in zip(officers, parties, strict=False))
    return tuple([user.pk for user in users if names[user.username] == role] for role in (Role.ANALYST, Role.REVIEWER))

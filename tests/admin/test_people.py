"""The pages of users: roles, logging in, deletion of tokens, and which users are visible."""

import re

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from agreements.models import Party, PartyOfficer
from policytracker.accounts.models import Token, User
from policytracker.admin.menu import entries
from policytracker.records.access import Role
from policytracker.resources import registry
from tests.admin.page import add, admin_request, change, changes, delete, history, rows_of, typed
from tests.conftest import make_user
from tests.make import make_agreement, make_party, make_recommendation
from tests.queries import count_queries

PASSWORD = "a long pass phrase"


def new_user(client, *roles, **fields):
    form = {"username": "maria", "first_name": "Maria", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    return client.post(add(User), form | {"groups": [Group.objects.get(name=role).pk for role in roles]} | fields)


def logs_in(username="maria", password=PASSWORD):
    client = Client()
    response = client.post("/admin/login/", {"username": username, "password": password})
    return response, client.get("/admin/").status_code == 200


# ---- a user with a role can log in


@pytest.mark.parametrize("role", [role.value for role in Role if role != Role.OFFICER])
def test_a_user_created_with_a_role_can_log_in(role, administrator, signed_in):
    response = new_user(signed_in(administrator), role)

    assert response.status_code == 302
    assert set(User.objects.get(username="maria").groups.values_list("name", flat=True)) == {role}
    assert User.objects.get(username="maria").get_full_name() == "Maria"
    assert logs_in()[1]


def test_a_party_officer_is_created_in_one_step(administrator, signed_in, australia):
    new_user(signed_in(administrator), "party officer", party=australia.pk)

    assert User.objects.get(username="maria").office.party == australia
    assert logs_in()[1]


def test_a_party_is_required_for_officers_and_rejected_for_others(administrator, signed_in, australia):
    client = signed_in(administrator)

    without = new_user(client, "party officer")
    needless = new_user(client, "analyst", party=australia.pk)

    assert "party" in without.context["adminform"].form.errors
    assert "party" in needless.context["adminform"].form.errors
    assert not User.objects.filter(username="maria").exists()


def test_role_and_party_are_changed_on_the_page_of_the_user(administrator, officer, signed_in):
    client, france = signed_in(administrator), make_party("FRA")
    form = {name: value for name, value in typed(client.get(change(officer))).items() if name != "password"}

    moved = client.post(change(officer), form | {"party": france.pk})
    assert (moved.status_code, PartyOfficer.objects.get().party) == (302, france)

    form.pop("party", None)
    client.post(change(officer), form | {"groups": [Group.objects.get(name="analyst").pk], "party": ""})
    assert not PartyOfficer.objects.exists()
    assert User.objects.get(pk=officer.pk).roles == {"analyst"}


def test_a_user_without_a_role_gets_an_error_at_login(administrator, signed_in):
    new_user(signed_in(administrator))

    response, inside = logs_in()

    assert not inside
    assert [error.code for error in response.context["form"].non_field_errors().as_data()] == ["no_role"]


def test_staff_status_is_derived_from_the_role(db):
    user = User.objects.create_user("maria", password=PASSWORD, is_staff=True)
    is_staff = lambda: User.objects.values_list("is_staff", flat=True).get(pk=user.pk)  # noqa: E731

    assert not is_staff()
    user.groups.add(Group.objects.get(name="reader"))
    assert is_staff()
    user.save()
    User.objects.filter(pk=user.pk).update(is_staff=False)
    assert is_staff()
    user.groups.clear()
    assert not is_staff()
    User.objects.filter(pk=user.pk).update(is_superuser=True)
    assert is_staff()


def test_the_list_of_users_shows_role_and_party(administrator, officer, signed_in):
    client = signed_in(administrator)
    make_user("both", "analyst", "reviewer")
    page = client.get(changes(User)).content.decode()
    few = count_queries(client.get, changes(User))
    for number in range(5):
        PartyOfficer.objects.create(user=make_user(f"officer-{number}", Role.OFFICER), party=make_party("FRA"))

    assert count_queries(client.get, changes(User)) == few
    assert "Analyst, Reviewer" in page
    assert "Party officer" in page
    assert str(officer.office.party) in page


def test_a_party_officer_without_a_party_is_marked_in_the_list(administrator, officer, signed_in):
    client = signed_in(administrator)
    before = client.get(changes(User)).text
    PartyOfficer.objects.all().delete()
    after = client.get(changes(User)).text

    assert ("No party" in before, "No party" in after) == (False, True)


def test_only_party_officers_are_offered_on_the_page_of_party_officers(administrator, analyst, officer, signed_in):
    asked = {"app_label": "agreements", "model_name": "partyofficer", "field_name": "user"}
    offered = signed_in(administrator).get(reverse("admin:autocomplete"), asked).json()["results"]

    assert [int(user["id"]) for user in offered] == [officer.pk]


def test_the_form_of_a_user_links_to_the_form_of_a_party_only_while_there_is_none(administrator, signed_in):
    client = signed_in(administrator)
    without = client.get(add(User)).text
    make_party("AUS")
    with_party = client.get(add(User)).text

    assert [f'href="{add(Party)}" class' in page for page in (without, with_party)] == [True, False]


def test_the_form_of_a_new_user_does_not_ask_how_the_user_logs_in(administrator, signed_in):
    assert 'name="usable_password"' not in signed_in(administrator).get(add(User)).text


# ---- tokens are deleted with the password


def token_of(user):
    Token.objects.create(user)
    return user


def has_token(user):
    return Token.objects.filter(user=user).exists()


def test_tokens_are_deleted_when_the_owner_changes_the_password(analyst, reviewer, signed_in):
    client = signed_in(token_of(analyst))
    token_of(reviewer)
    page = client.get("/admin/password_change/")

    client.post(
        "/admin/password_change/",
        {"old_password": PASSWORD, "new_password1": "another pass phrase", "new_password2": "another pass phrase"},
    )

    assert b"API tokens" in page.content
    assert not has_token(analyst)
    assert has_token(reviewer)


def test_tokens_are_deleted_when_an_administrator_sets_the_password(administrator, analyst, signed_in):
    client, where = signed_in(administrator), change(token_of(analyst)).replace("change/", "password/")
    page = client.get(where)

    client.post(where, {"usable_password": "true", "password1": "another pass phrase", "password2": "another pass phrase"})

    assert b"API tokens" in page.content
    assert not has_token(analyst)


def test_tokens_are_deleted_when_an_administrator_deactivates_the_user(administrator, analyst, signed_in):
    client = signed_in(administrator)
    form = {name: value for name, value in typed(client.get(change(token_of(analyst)))).items() if name not in ("password", "is_active")}

    assert client.post(change(analyst), form).status_code == 302
    assert not User.objects.get(pk=analyst.pk).is_active
    assert not has_token(analyst)


@pytest.mark.parametrize(
    "act",
    [
        lambda user: (user.set_password("another pass phrase"), user.save()),
        lambda user: (user.set_unusable_password(), user.save()),
        lambda user: User.objects.filter(pk=user.pk).update(password="!"),
        lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
        lambda user: User.objects.bulk_update([User(pk=user.pk, is_active=False)], ["is_active"]),
    ],
)
def test_tokens_are_deleted_with_the_password_and_the_account(act, analyst):
    act(token_of(analyst))

    assert not has_token(analyst)


def test_tokens_are_kept_when_other_fields_change(analyst):
    token_of(analyst)

    analyst.first_name = "Ann"
    analyst.save()
    User.objects.filter(pk=analyst.pk).update(is_active=True)

    assert has_token(analyst)


def test_rehashing_the_same_password_keeps_tokens(analyst, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher", *settings.PASSWORD_HASHERS]
    before = token_of(analyst).password

    assert analyst.check_password(PASSWORD)

    assert User.objects.get(pk=analyst.pk).password != before
    assert has_token(analyst)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('policytracker.same_password', true)")
        assert cursor.fetchone() == ("",)


# ---- filters of lists of users


@pytest.mark.parametrize(
    "address",
    [
        "policytracker/token/?user__password__startswith=pbkdf2",
        "policytracker/token/?digest__startswith=a",
        "auth/group/?user__password__startswith=pbkdf2",
        "agreements/partyofficer/?user__password__startswith=pbkdf2",
        "policytracker/user/?groups__user__password__startswith=pbkdf2",
        "policytracker/user/?password__startswith=pbkdf2",
        "policytracker/user/?auth_token_set__digest__startswith=a",
        "policytracker/user/?is_superuser__exact=1",
    ],
)
def test_lists_of_users_cannot_be_filtered_by_hashes(address, administrator, signed_in):
    assert signed_in(administrator).get(f"/admin/{address}").status_code == 400


def test_lists_of_users_can_be_filtered_by_role_and_activity(administrator, analyst, signed_in):
    client, group = signed_in(administrator), Group.objects.get(name="analyst")

    assert rows_of(client.get(changes(User, f"?groups__id__exact={group.pk}"))) == {analyst}
    assert rows_of(client.get(changes(User, "?is_active__exact=1"))) == {administrator, analyst}


# ---- visible users


@pytest.fixture
def people(db):
    """Four users: owner of a public recommendation, lead of a restricted agreement, inactive, and named in no record."""
    named, hidden, left, nowhere = (make_user(name, "analyst") for name in ("named", "hidden", "left", "nowhere"))
    User.objects.filter(pk=left.pk).update(is_active=False)
    make_recommendation(owner=named)
    make_agreement(lead=hidden, visibility="restricted")
    return {"named": named, "hidden": hidden, "left": left, "nowhere": nowhere}


@pytest.mark.parametrize("role", ["reader", "party officer"])
def test_readers_and_officers_can_select_only_users_named_in_visible_records(role, people, users, signed_in):
    client = signed_in(users[role])
    page = client.get("/admin/recommendations/recommendation/").content.decode()

    assert "named" in page
    assert not any(f'value="{name}"' in page for name in ("hidden", "left", "nowhere", "reviewer", "administrator"))


@pytest.mark.parametrize("role", ["reader", "party officer"])
@pytest.mark.parametrize("name", ["hidden", "left", "nowhere", "no-such-user"])
def test_a_hidden_user_is_treated_like_an_unknown_user(name, role, people, users, signed_in):
    client = signed_in(users[role])
    number = people[name].pk if name in people else 999_999

    responses = [
        client.get(f"/api/v1/recommendations/?owner={name}"),
        client.get(f"/api/v1/recommendations/?owner__not={name}"),
        client.get(f"/api/v1/agreements/?lead={name}"),
        client.get(f"/api/v1/agreements/?team={name}"),
        client.get(f"/api/v1/progress-updates/?author={name}"),
        client.get(f"/admin/recommendations/recommendation/?owner={name}"),
    ]
    by_number = client.get(f"/admin/recommendations/progressupdate/?author={number}")

    assert {response.status_code for response in responses[:-1]} == {400}
    assert {response.status_code for response in (responses[-1], by_number)} == {302}
    words = responses[0].content.decode().replace(name, "NAME")
    assert words == client.get("/api/v1/recommendations/?owner=not-there").content.decode().replace("not-there", "NAME")


@pytest.mark.parametrize("role", ["reader", "party officer"])
def test_a_user_named_in_a_visible_record_can_be_filtered_by(role, people, users, signed_in):
    client = signed_in(users[role])

    assert client.get("/api/v1/recommendations/?owner=named").json()["count"] == 1
    assert client.get("/api/v1/progress-updates/?author=named").json()["count"] == 0
    assert client.get(f"/api/v1/recommendations/?owner={users[role].username}").json()["count"] == 0
    assert client.get("/api/v1/recommendations/?owner=me").json()["count"] == 0


@pytest.mark.parametrize("role", ["analyst", "reviewer", "administrator"])
def test_editors_can_select_all_users(role, people, users, signed_in):
    client = signed_in(users[role])
    page = client.get("/admin/recommendations/recommendation/filters/").text

    assert client.get("/api/v1/recommendations/?owner=nowhere").json()["count"] == 0
    assert 'value="nowhere"' in page


# ---- roles


def test_a_role_keeps_its_name_and_cannot_be_deleted(administrator, signed_in):
    client, role, other = signed_in(administrator), Group.objects.get(name="analyst"), Group.objects.create(name="Interns")

    client.post(change(role), {"name": "editors", "permissions": []})

    assert set(Group.objects.values_list("name", flat=True)) == {*Role, "Interns"}
    assert client.get(delete(role)).status_code == 403
    assert client.get(delete(other)).status_code == 200


def test_built_in_roles_are_shown_by_their_labels(administrator, signed_in):
    client, role = signed_in(administrator), Group.objects.get(name=Role.OFFICER)
    choices = {label for _value, label in client.get(add(User)).context["adminform"].form.fields["groups"].choices}
    texts = {text.strip() for where in (change(role), changes(Group)) for text in strip_tags(client.get(where).text).splitlines()}

    for shown in (choices, texts):
        assert "Party officer" in shown and Role.OFFICER.value not in shown
    assert str(Group(name="Interns")) == "Interns"


def test_permissions_of_a_role_are_saved(administrator, signed_in):
    client, role = signed_in(administrator), Group.objects.get(name="analyst")
    permissions = set(role.permissions.values_list("pk", flat=True))
    removed = Permission.objects.get(codename="add_party").pk

    client.post(change(role), {"permissions": permissions - {removed}})

    assert set(role.permissions.values_list("pk", flat=True)) == permissions - {removed}


def test_a_role_offers_the_permissions_of_record_types_and_keeps_all_others(administrator, signed_in):
    client, role = signed_in(administrator), Group.objects.get(name="administrator")
    may_view_users = Permission.objects.get(codename="view_user")

    offered = client.get(change(role)).context_data["adminform"].form["permissions"].field.queryset
    client.post(change(role), {"permissions": [Permission.objects.get(codename="view_party").pk]})

    assert {permission.content_type.model_class() for permission in offered} == {resource.model for resource in registry}
    assert may_view_users in role.permissions.all()
    assert set(role.permissions.filter(content_type__app_label="agreements").exclude(codename__endswith="partyofficer")) == {
        Permission.objects.get(codename="view_party")
    }


def test_the_pages_of_roles_are_not_called_groups(administrator, signed_in):
    client, role = signed_in(administrator), Group.objects.create(name="Interns")

    for where in (changes(Group), add(Group), change(role), history(role), delete(role)):
        page = strip_tags(re.sub(r"<span class=\"material-symbols[^<]*", "", client.get(where).text))  # without the names of icons
        assert not re.search(r"\bgroups?\b", page, re.I)
        assert where == history(role) or re.search(r"\broles?\b", page, re.I)  # its title is the name of the role


def test_the_page_of_a_user_links_to_the_password_and_shows_no_part_of_its_hash(administrator, analyst, signed_in):
    client = signed_in(administrator)
    page = client.get(change(analyst)).text
    analyst.set_unusable_password()
    analyst.save()
    without_password = client.get(change(analyst)).text

    assert 'href="../password/"' in page and "algorithm" not in page
    assert "Not set" not in page and "Not set" in without_password


def test_tokens_and_party_officers_are_found_by_the_name_of_the_user(administrator, officer, signed_in):
    client = signed_in(administrator)
    token, _ = Token.objects.create(user=officer)

    assert rows_of(client.get(changes(Token, "?q=officer"))) == {token}
    assert rows_of(client.get(changes(Token, "?q=nobody"))) == set()
    assert rows_of(client.get(changes(PartyOfficer, "?q=officer"))) == {officer.office}


def test_people_are_one_group_under_more(administrator, analyst):
    people = [
        [str(entry.title) for entry in entries(admin_request(user))[1] if entry.group == "People and access"]
        for user in (administrator, analyst)
    ]

    assert people == [["Party officers", "Roles", "Tokens", "Users"], []]


def test_only_a_party_officer_is_given_a_party(client, administrator, reader):
    client.force_login(administrator)
    officer, party = make_user("new officer", "party officer"), make_party("JPN")

    refused = client.post(add(PartyOfficer), {"user": reader.pk, "party": party.pk})
    accepted = client.post(add(PartyOfficer), {"user": officer.pk, "party": party.pk})

    assert refused.context["adminform"].form.errors["user"].as_data()[0].code == "not_an_officer"
    assert accepted.status_code == 302 and PartyOfficer.objects.get(party=party).user == officer

"""`manage.py make_demo`: what `make run` serves, an up-to-date database with the fixtures and a user for each role."""

import os
import secrets

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from agreements.models import Agreement, Party, PartyOfficer
from policytracker.devserver import postgres

ROLES = {
    "reader": "reader",
    "officer": "party officer",
    "analyst": "analyst",
    "reviewer": "reviewer",
    "admin": "administrator",
}
OFFICERS_PARTY = "AUS"
# Tells a demo user from somebody who happens to be called admin. Nobody can own an address that ends so.
ADDRESS = "@demo.invalid"
ONE_AT_A_TIME = 7_081_203  # an advisory lock: two `make run` may start together


class Command(BaseCommand):
    help = (
        "Migrates, loads the fixtures into an empty register, and makes one demo user for each role. "
        "Tells its steps on stderr, and on stdout what to tell people once it is served."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser):
        parser.add_argument("--reset", action="store_true", help="throw the private database away first")

    def handle(self, *args, reset, **options):
        if not settings.DEBUG:
            raise CommandError("Demo users have no place on a server for others. Set DEBUG=1 on a machine of your own.")
        if reset:
            self.reset()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [ONE_AT_A_TIME])
        self.say("Migrating")
        call_command("migrate", verbosity=0)
        self.load_fixtures()
        self.say("Making demo users")
        self.greet(self.make_users())

    def say(self, step):
        self.stderr.write(step, style_func=str)

    def reset(self):
        """Start over, but only with what is ours to throw away."""
        if os.environ.get("DATABASE_URL"):
            raise CommandError("Only the private database is reset, and DATABASE_URL names another.")
        self.say("Throwing the database away")
        try:
            postgres.recreate_database()
        except postgres.PostgresError as error:
            raise CommandError(str(error)) from error

    def load_fixtures(self):
        if Agreement.objects.exists() or Party.objects.exists():
            self.say("The register has rows: fixtures are left alone")
            return
        self.say("Loading fixtures")
        call_command("load_dataset", settings.BASE_DIR / "fixtures", stdout=self.stderr)

    @transaction.atomic
    def make_users(self):
        """The demo users and their passwords; None for a password that we do not know."""
        chosen = os.environ.get("DEMO_PASSWORD")
        drawn = chosen or secrets.token_urlsafe(9)
        passwords: dict[str, str | None] = {}
        for name, role in ROLES.items():
            user, made = get_user_model().objects.get_or_create(
                username=name,
                defaults={"email": name + ADDRESS, "is_staff": True, "is_superuser": name == "admin"},
            )
            if made:
                user.groups.add(Group.objects.get(name=role))
            if made or (chosen and user.email == name + ADDRESS):
                if not user.check_password(drawn):  # setting the same again would end the user's sessions
                    user.set_password(drawn)
                    user.save()
                passwords[name] = drawn
            else:
                passwords[name] = None
            if made and name == "officer":
                self.give_office(user)
        return passwords

    def give_office(self, user):
        party = Party.objects.filter(code=OFFICERS_PARTY).first()
        if party is None:
            self.say(f"There is no party {OFFICERS_PARTY}: the officer acts for nobody")
            return
        PartyOfficer.objects.create(user=user, party=party)

    def greet(self, passwords):
        address = f"http://127.0.0.1:{os.environ.get('PORT') or 8000}"
        lines = [
            "",
            f"Admin     {address}/admin/",
            f"API docs  {address}/api/v1/docs/",
        ]
        known = {password for password in passwords.values() if password}
        for password in known:
            names = ", ".join(name for name in passwords if passwords[name] == password)
            lines += [f"Users     {names}", f"Password  {password}"]
        if unknown := [name for name in passwords if not passwords[name]]:
            lines += [f"Users     {', '.join(unknown)}", "Password  as it was; DEMO_PASSWORD sets that of demo users"]
        self.stdout.write("\n".join(lines))

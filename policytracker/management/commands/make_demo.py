"""`manage.py make_demo`: prepares the database for `make run`: migrations, fixtures, a demo user for each role, demonstration data."""

import os
import secrets

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.utils.translation import gettext as _

from agreements.models import Agreement, Party, PartyOfficer
from tools import private_postgres as postgres

ROLES = {
    "reader": "reader",
    "officer": "party officer",
    "analyst": "analyst",
    "reviewer": "reviewer",
    "admin": "administrator",
}
OFFICERS_PARTY = "AUS"
# Distinguishes demo users from real users with the same name. The top-level domain `invalid` is reserved.
ADDRESS = "@demo.invalid"
DEMO_LOCK = 7_081_203  # an advisory lock, because two `make run` may start at the same time


class Command(BaseCommand):
    help = (
        "Migrates, creates one demo user for each role, and loads the fixtures and the demonstration data into an empty database "
        "(with DEMO=0, the fixtures only). "
        "Writes its steps to stderr, and to stdout the text to show when the site is running."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser):
        parser.add_argument("--reset", action="store_true", help="drop the private database first")

    def handle(self, *args, reset, **options):
        if not settings.DEVELOPMENT:
            raise CommandError(_("Demo users are not created on a production server. Set DEBUG=1 on a development machine."))
        if reset:
            self.reset()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [DEMO_LOCK])
        self.report(_("Migrating"))
        call_command("migrate", verbosity=0)
        self.print_summary(self.load_and_create_users())

    def report(self, step):
        self.stderr.write(step, style_func=str)

    def reset(self):
        """Drop and create the private database; never another one."""
        if os.environ.get("DATABASE_URL"):
            raise CommandError(_("DATABASE_URL is set. Only the private database can be reset. Unset DATABASE_URL."))
        self.report(_("Dropping the database"))
        try:
            postgres.recreate_database()
        except postgres.PostgresError as error:
            raise CommandError(str(error)) from error

    @transaction.atomic
    def load_and_create_users(self):
        """The passwords of the demo users by name. Together, so that a run that is stopped can be repeated."""
        is_empty = not (Agreement.objects.exists() or Party.objects.exists())
        if is_empty:
            self.load(_("Loading fixtures"), "fixtures")
        else:
            self.report(_("The database contains records: fixtures and demonstration data are not loaded"))
        self.report(_("Creating demo users"))
        passwords = self.create_users()
        if is_empty and os.environ.get("DEMO") != "0":
            self.load(_("Loading demonstration data"), "demo")  # after the users, whom it names as owners and authors
        return passwords

    def load(self, step, folder):
        self.report(step)
        call_command("load_dataset", settings.BASE_DIR / folder, stdout=self.stderr)

    @transaction.atomic
    def create_users(self):
        """The passwords of the demo users by name; None for an unknown password."""
        chosen = os.environ.get("DEMO_PASSWORD")
        password = chosen or secrets.token_urlsafe(9)
        passwords: dict[str, str | None] = {}
        for name, role in ROLES.items():
            user, created = get_user_model().objects.get_or_create(
                username=name,
                defaults={"email": name + ADDRESS, "is_staff": True, "is_superuser": name == "admin"},
            )
            if created:
                user.groups.add(Group.objects.get(name=role))
            if created or (chosen and user.email == name + ADDRESS):
                if not user.check_password(password):  # setting the same password again would end the user's sessions
                    user.set_password(password)
                    user.save()
                passwords[name] = password
            else:
                passwords[name] = None
            if created and name == "officer":
                self.assign_party(user)
        return passwords

    def assign_party(self, user):
        party = Party.objects.filter(code=OFFICERS_PARTY).first()
        if party is None:
            self.report(_("The party {code} does not exist: the officer has no party").format(code=OFFICERS_PARTY))
            return
        PartyOfficer.objects.create(user=user, party=party)

    def print_summary(self, passwords):
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
            lines += [f"Users     {', '.join(unknown)}", "Password  unchanged; set DEMO_PASSWORD to change it for demo users"]
        self.stdout.write("\n".join(lines))

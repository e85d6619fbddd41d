"""`manage.py pg`: starts and stops the private PostgreSQL; opens psql, dumps and restores the configured database."""

import contextlib
import os
import shutil
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.backends.postgresql.client import DatabaseClient
from django.utils.translation import gettext as _

from tools import backup
from tools import private_postgres as postgres


class Command(BaseCommand):
    help = "Starts and stops the private PostgreSQL and shows its status. Opens psql, dumps and restores the configured database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser):
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("start", help="start the server, and create the database if it is missing")
        actions.add_parser("stop", help="stop the server")
        actions.add_parser("status", help="show whether the server is running; exit with 3 if not")
        dump = actions.add_parser("dump", help="dump the database into a new file (pg_dump --format=custom)")
        dump.add_argument("file", type=Path)
        restore = actions.add_parser("restore", help="restore a dump into an empty database")
        restore.add_argument("file", type=Path)
        restore.add_argument("--database", default="", help="another database of the same server; created if missing")
        # No option prefix, so that all arguments go to psql.
        psql = actions.add_parser("psql", help="open psql on the database; arguments go to psql", prefix_chars="\0", add_help=False)
        psql.add_argument("arguments", nargs="*")

    def handle(self, *args, action, **options):
        try:
            getattr(self, action)(**options)
        except (postgres.PostgresError, backup.BackupError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(_("{file} cannot be used: {reason}.").format(file=error.filename, reason=error.strerror)) from error

    def start(self, **options):
        if os.environ.get("DATABASE_URL"):
            self.stdout.write(_("DATABASE_URL is set: the private PostgreSQL is not used."))
            return
        started = postgres.start()
        template = _("Started: {status}") if started else _("Already running: {status}")
        self.stdout.write(template.format(status=postgres.status()))

    def stop(self, **options):
        self.stdout.write(_("PostgreSQL has stopped.") if postgres.stop() else _("PostgreSQL was not running."))

    def status(self, **options):
        running = postgres.status()
        if running is None:
            raise CommandError(_("PostgreSQL is not running."), returncode=3)
        self.stdout.write(running)

    def dump(self, file, **options):
        self.check_running()
        size = backup.dump(file)
        template = _("Wrote {file}, {size} MB. Copy the uploaded files (MEDIA_ROOT) next.")
        self.stdout.write(template.format(file=file, size=f"{size / 1_000_000:.1f}"))

    def restore(self, file, database, **options):
        self.check_running()
        name = backup.restore(file, database)
        template = _("Restored {file} into the database {database}. Next, set DATABASE_URL to it and run: manage.py migrate")
        self.stdout.write(template.format(file=file, database=name))

    def psql(self, arguments, **options):
        self.check_running()
        command, environment = DatabaseClient.settings_to_cmd_args_env(settings.DATABASES["default"], arguments)
        os.execve(self.find_psql(), command, {**os.environ, **(environment or {})})  # noqa: S606

    def check_running(self):
        if not os.environ.get("DATABASE_URL") and postgres.status() is None:
            raise CommandError(_("PostgreSQL is not running. Start it with: manage.py pg start"))

    def find_psql(self):
        path = shutil.which("psql")
        # Prefer the psql of the installed server, because it has the same version. With DATABASE_URL there may be no server here.
        with contextlib.suppress(postgres.PostgresError):
            path = shutil.which("psql", path=postgres.programs()[0]) or path
        if not path:
            raise CommandError(_("psql was not found. Install your distribution's PostgreSQL client."))
        return path

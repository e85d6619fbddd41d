"""`manage.py migrate`: Django's, which gives way to those who work meanwhile, and ends by making the triggers."""

from django.core.management.base import BaseCommand
from django.core.management.commands import migrate
from django.db import connections

from policytracker.records import installation


class Command(migrate.Command):
    def get_check_kwargs(self, options):
        # Not the checks of the database: what they would miss is made here.
        return BaseCommand.get_check_kwargs(self, options)

    def handle(self, *args, **options):
        only_shows = options["plan"] or options["check_unapplied"] or options["prune"]
        if only_shows:
            super().handle(*args, **options)
            return
        using = options["database"]
        connection = connections[using]
        limits, connection.transaction_limits = connection.transaction_limits, {"lock_timeout": installation.LOCK_TIMEOUT}
        try:
            if installation.pending_migrations(using):
                installation.again("begin", lambda: installation.free_columns(using), self.stdout.write)
            # What was applied before a lock was in the way stays, and is not applied again.
            installation.again("apply all migrations", lambda: super(Command, self).handle(*args, **options), self.stdout.write)
            installation.install(using, self.stdout.write)
        finally:
            connection.transaction_limits = limits

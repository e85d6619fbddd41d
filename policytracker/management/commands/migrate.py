"""`manage.py migrate`: Django's command, which also installs triggers and views, and retries while tables are locked."""

from django.core.management.base import BaseCommand
from django.core.management.commands import migrate
from django.db import connections
from django.utils.translation import gettext as _

from policytracker.installed import installation
from policytracker.sql.autodetector import SchemaAutodetector


class Command(migrate.Command):
    autodetector = SchemaAutodetector

    def get_check_kwargs(self, options):
        # Skip the database checks: this command installs what they would report as missing.
        return BaseCommand.get_check_kwargs(self, options)

    def handle(self, *args, **options):
        read_only = options["plan"] or options["check_unapplied"] or options["prune"]
        if read_only:
            super().handle(*args, **options)
            return
        using = options["database"]
        connection = connections[using]
        limits, connection.transaction_limits = connection.transaction_limits, {"lock_timeout": installation.LOCK_TIMEOUT}
        try:
            if options["app_label"] or installation.pending_migrations(using):
                installation.retry(_("The migration could not start"), lambda: installation.free_columns(using), self.stdout.write)
            # Migrations that were applied before a lock timeout stay applied; a retry continues with the next one.
            installation.retry(
                _("The migrations could not be applied"), lambda: super(Command, self).handle(*args, **options), self.stdout.write
            )
            installation.install(using, self.stdout.write)
        finally:
            connection.transaction_limits = limits

"""`manage.py recompute_status`: recalculate the status of all recommendations from their updates, or only report differences."""

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from policytracker.records.context import change_context
from recommendations.derived_status import inconsistent, recompute_status


class Command(BaseCommand):
    help = "Recalculates the status and status periods of all recommendations from their approved updates. Normally nothing changes."

    def add_arguments(self, parser):
        parser.add_argument(
            "--check", action="store_true", help="change nothing; list recommendations that differ, and exit with status 1 if there are any"
        )

    def handle(self, *args, check, **options):
        differing = inconsistent()
        if check and differing:
            raise CommandError(
                _("The status of these recommendations does not match their updates: {slugs}").format(slugs=", ".join(differing))
            )
        if differing:
            with change_context(None, "status recomputed", "command"):
                recompute_status()
        self.stdout.write(_("{number} recomputed.").format(number=len(differing)) if differing else _("All statuses match the updates."))

"""`manage.py recompute_status`: compute the status of every recommendation from its updates again, or only report differences."""

from django.core.management.base import BaseCommand, CommandError

from policytracker.records.context import change_context
from recommendations.derived_status import inconsistent, recompute_status


class Command(BaseCommand):
    help = "Computes status and status periods of all recommendations from their approved updates. They should already agree."

    def add_arguments(self, parser):
        parser.add_argument("--check", action="store_true", help="change nothing; list those that differ, and exit with 1 if any do")

    def handle(self, *args, check, **options):
        differing = inconsistent()
        if check and differing:
            raise CommandError("The status of these recommendations does not agree with their updates: " + ", ".join(differing))
        if differing:
            with change_context(None, "status recomputed", "command"):
                recompute_status()
        self.stdout.write(f"{len(differing)} recomputed." if differing else "All statuses agree with the updates.")

"""`manage.py settle`: work out anew where every recommendation stands, or only say which do not stand as their updates say."""

from django.core.management.base import BaseCommand, CommandError

from policytracker.records import acting
from recommendations.standing import settle, unsettled


class Command(BaseCommand):
    help = "Lets every recommendation stand as its approved updates say. They should already; --check says where they do not."

    def add_arguments(self, parser):
        parser.add_argument("--check", action="store_true", help="change nothing; name those that differ, and exit with 1 if any do")

    def handle(self, *args, check, **options):
        differing = unsettled()
        if check and differing:
            raise CommandError("These do not stand as their updates say: " + ", ".join(differing))
        if differing:
            with acting(None, "settled anew", "command"):
                settle()
        self.stdout.write(f"{len(differing)} settled anew." if differing else "All stand as their updates say.")

"""`manage.py changes`: what changed in a period, as a memo in Markdown."""

from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from agreements.models import Agreement
from policytracker.history.feed import Feed, Filters
from policytracker.records.access import FULL_ACCESS
from policytracker.representation.values import Parse, check_length, reference, timestamp
from policytracker.resources import ReadContext
from recommendations.reports.memo import Memo

MAX_ENTRIES = 10_000
PAGE = 500


class Command(BaseCommand):
    help = "Prints what changed in a period as a memo in Markdown, with all records, as an administrator reads them."

    def add_arguments(self, parser):
        parser.add_argument("--since", metavar="TIME", help="a date, which means its beginning (UTC), or a time with a time zone")
        parser.add_argument("--until", metavar="TIME", help="the end of the period, which is not included")
        parser.add_argument("--agreement", metavar="SLUG", help="only this agreement and what belongs to it or follows from it")

    def handle(self, *args, since, until, agreement, **options):
        context = ReadContext.of(FULL_ACCESS)

        def parsed(option: str, value: str | None, parse: Parse) -> Any:
            if value is None:
                return None
            try:
                check_length(value)
                return parse(value, context)
            except ValueError as error:
                raise CommandError(f"--{option}: {error}") from error

        scope = parsed("agreement", agreement, reference(Agreement))
        chosen = Filters(
            since=parsed("since", since, timestamp),
            until=parsed("until", until, timestamp),
            scope=None if scope is None else Agreement.objects.get(pk=scope),
        )
        entries = list(islice(Feed(context, chosen).all_entries(PAGE), MAX_ENTRIES + 1))
        more = _("There are more changes. Choose a shorter period.") if len(entries) > MAX_ENTRIES else ""
        self.stdout.write(str(Memo(entries[:MAX_ENTRIES], chosen, context, more)), ending="")

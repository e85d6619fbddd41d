"""`manage.py report`: files an update from a script, by the same function and with the same refusals as everybody."""

from types import SimpleNamespace
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, transaction
from rest_framework import serializers

from policytracker.errors import Refused, broken
from policytracker.models import User
from policytracker.records import acting
from policytracker.views import today
from policytracker.visibility import Reader, Role
from recommendations import progress
from recommendations.models import Recommendation, Status, UpdateKind
from recommendations.serializers import ReportSerializer

EVERYTHING = Reader(frozenset({Role.ADMINISTRATOR}))  # what may be referred to where nobody in particular reports


class Command(BaseCommand):
    help = "Files an update about a recommendation and prints its uid. Where anything is unmet, says what, and writes nothing."

    def add_arguments(self, parser):
        parser.add_argument("slug", metavar="SLUG", help="the recommendation")
        parser.add_argument("--kind", metavar="KIND", help=f"{', '.join(UpdateKind.values)}; an assessment without it")
        parser.add_argument("--status", metavar="STATUS", help=", ".join(Status.values))
        parser.add_argument("--percent", dest="progress_percent", metavar="N", help="progress, 0 to 100")
        parser.add_argument("--on", dest="reported_on", metavar="DAY", help="the day on which it was true, as 2026-11-24; today without it")
        parser.add_argument("--narrative", metavar="TEXT", help="what was found")
        parser.add_argument("--reason", metavar="TEXT", help="why it steps back, or is opened again")
        parser.add_argument("--party", metavar="CODE", help="whose claim it is")
        parser.add_argument("--assessed-by", metavar="BODY", help="the outside body whose finding it is")
        parser.add_argument(
            "--evidence",
            action="append",
            default=[],
            metavar="SOURCE[:LOCATOR]",
            help="the slug of a source that bears it out, and where in it; may be given several times",
        )
        parser.add_argument("--closes", action="store_true", help="no more is expected, although it is not implemented in full")
        parser.add_argument("--draft", action="store_true", help="keep it as a draft")
        parser.add_argument("--as", dest="user", metavar="USER", help="who reports; without it, it has no author and waits for review")
        parser.add_argument("--dry-run", action="store_true", help="judge it, and write nothing")

    def handle(self, *args, slug, user, draft, dry_run, **options):
        by = self.person(user)
        rows = Recommendation.objects.visible_to(by or EVERYTHING)
        recommendation = rows.filter(slug=slug).first()
        if recommendation is None:
            raise CommandError(f"There is no recommendation “{slug}”.")
        try:
            with transaction.atomic():
                with acting(by, door="command"):
                    update = progress.report(recommendation, self.said(options, by), by=by, today=today(), submit=not draft)
                transaction.set_rollback(dry_run)
        except Refused as refused:
            raise CommandError("\n".join(refusal.detail for refusal in refused.refusals)) from refused
        except serializers.ValidationError as error:
            raise CommandError("\n".join(lines(error.detail))) from error
        except ValidationError as error:
            raise CommandError("\n".join(error.messages)) from error
        except DatabaseError as error:
            if (rule := broken(error)) is None:
                raise
            raise CommandError(rule.sentence) from error
        self.stdout.write(f"It would be {update.get_review_display().lower()}." if dry_run else str(update.uid))

    def person(self, name: str | None) -> User | None:
        if name is None:
            return None
        found = User.objects.filter(username=name, is_active=True).first()
        if found is None:
            raise CommandError(f"There is no user “{name}”.")
        return found

    def said(self, options: dict[str, Any], by: User | None) -> progress.Report:
        """The report, read as the API reads it. Raises ValidationError."""
        body: dict[str, Any] = {str(name): options.get(str(name)) for name in ReportSerializer().fields}
        body = {name: value for name, value in body.items() if value not in (None, [], False)}
        if "evidence" in body:
            body["evidence"] = [dict(zip(("source", "locator"), row.split(":", 1), strict=False)) for row in body["evidence"]]
        asked = ReportSerializer(data=body, context={"request": SimpleNamespace(user=by or EVERYTHING)})
        asked.is_valid(raise_exception=True)
        return asked.report()


def lines(detail: Any, field: str = "") -> list[str]:
    """Each sentence of a refusal on a line, with the field that it is about."""
    if isinstance(detail, dict):
        return [line for name, inner in detail.items() for line in lines(inner, name)]
    if isinstance(detail, list):
        return [line for inner in detail for line in lines(inner, field)]
    return [f"{field}: {detail}"]

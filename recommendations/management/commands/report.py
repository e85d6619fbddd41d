"""`manage.py report`: submit an update from a script, with the same conditions as in the API."""

from types import SimpleNamespace
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, transaction
from django.db.models import BooleanField
from django.utils.translation import gettext as _
from rest_framework import serializers

from policytracker.accounts.models import User
from policytracker.records.access import FULL_ACCESS
from policytracker.records.context import change_context
from policytracker.records.exceptions import Refused
from policytracker.records.violations import constraint_of
from policytracker.resources import today
from recommendations import progress
from recommendations.models import ProgressUpdate, Recommendation
from recommendations.progress import REPORT_FIELDS
from recommendations.serializers import ReportSerializer

OPTION_NAMES = {"progress_percent": "--percent", "reported_on": "--on"}  # where the option is not named like the field


class Command(BaseCommand):
    help = "Submits an update on a recommendation and prints its uid. If conditions are not met, lists them and writes nothing."

    def add_arguments(self, parser):
        parser.add_argument("slug", metavar="SLUG", help="the recommendation")
        for name in REPORT_FIELDS:
            field = ProgressUpdate._meta.get_field(name)
            flag, codes = OPTION_NAMES.get(name, f"--{name.replace('_', '-')}"), ", ".join(code for code, _label in field.choices or [])
            options = {"dest": name, "help": str(field.help_text or codes or field.verbose_name)}
            if isinstance(field, BooleanField):
                parser.add_argument(flag, action="store_true", **options)
            else:
                parser.add_argument(flag, metavar="CODE" if field.choices else flag[2:].upper(), **options)
        parser.add_argument(
            "--evidence",
            action="append",
            default=[],
            metavar="SOURCE[:LOCATOR]",
            help="slug of a supporting source, optionally with a locator; can be given several times",
        )
        parser.add_argument("--draft", action="store_true", help="create a draft and do not submit it")
        parser.add_argument(
            "--as", dest="user", metavar="USER", help="username of the author; without it, the update has no author and waits for review"
        )
        parser.add_argument("--dry-run", action="store_true", help="validate the update and write nothing")

    def handle(self, *args, slug, user, draft, dry_run, **options):
        by = self.get_user(user)
        recommendation = Recommendation.objects.visible_to(by or FULL_ACCESS).filter(slug=slug).first()
        if recommendation is None:
            raise CommandError(_("There is no recommendation “{slug}”.").format(slug=slug))
        try:
            with transaction.atomic():
                with change_context(by, channel="command"):
                    update = progress.report_progress(recommendation, self.read_report(options, by), by=by, today=today(), submit=not draft)
                transaction.set_rollback(dry_run)
        except Refused as refused:
            raise CommandError("\n".join(refusal.detail for refusal in refused.refusals)) from refused
        except serializers.ValidationError as error:
            raise CommandError("\n".join(error_lines(error.detail))) from error
        except ValidationError as error:
            raise CommandError("\n".join(error.messages)) from error
        except DatabaseError as error:
            raise CommandError(constraint_of(error).message) from error
        preview = _("Dry run: the update would be {review}.").format(review=update.get_review_display().lower())
        self.stdout.write(preview if dry_run else str(update.uid))

    def get_user(self, name: str | None) -> User | None:
        if name is None:
            return None
        user = User.objects.filter(username=name, is_active=True).first()
        if user is None:
            raise CommandError(_("There is no user “{name}”.").format(name=name))
        return user

    def read_report(self, options: dict[str, Any], by: User | None) -> progress.Report:
        """The report, parsed like a request body of the API. Raises serializers.ValidationError."""
        body: dict[str, Any] = {str(name): options.get(str(name)) for name in ReportSerializer().fields}
        body = {name: value for name, value in body.items() if value not in (None, [], False)}
        if "evidence" in body:
            body["evidence"] = [dict(zip(("source", "locator"), row.split(":", 1), strict=False)) for row in body["evidence"]]
        serializer = ReportSerializer(data=body, context={"request": SimpleNamespace(user=by or FULL_ACCESS)})
        serializer.is_valid(raise_exception=True)
        return serializer.report()


def error_lines(detail: Any, field: str = "") -> list[str]:
    """One line per error: the field and the message."""
    if isinstance(detail, dict):
        return [line for name, inner in detail.items() for line in error_lines(inner, name)]
    if isinstance(detail, list):
        return [line for inner in detail for line in error_lines(inner, field)]
    return [_("{field}: {message}").format(field=field, message=detail)]

"""`manage.py data_checks`: prints the findings of the data checks by rule, for people and CI."""

from django.core.management.base import BaseCommand, CommandError

from policytracker.quality import engine
from policytracker.quality.engine import Severity
from policytracker.records.access import Reader, Role
from policytracker.resources import ReadContext

ADMINISTRATOR = Reader(frozenset({Role.ADMINISTRATOR}))


class Command(BaseCommand):
    help = "Prints the findings of the data checks by rule. Does not change the database."

    def add_arguments(self, parser):
        parser.add_argument(
            "--fail-on",
            choices=Severity.values,
            metavar="SEVERITY",
            help="exit with 1 if there is a finding of this or a higher severity: %(choices)s",
        )

    def handle(self, *args, fail_on, **options):
        context, failing, total = engine.CheckContext(ReadContext.of(ADMINISTRATOR)), 0, 0
        for rule in engine.RULES.values():
            findings = list(engine.all_findings(rule.checks, context))
            if not findings:
                continue
            total += len(findings)
            failing += len(findings) if fail_on and rule.severity in Severity(fail_on).or_worse() else 0
            self.stdout.write(f"{rule.severity} {rule.id}: {len(findings)}. {rule.means}")
            for finding in findings:
                self.stdout.write(f"  {name_of(finding.record)}: {finding.sentence}")
        self.stdout.write(f"{total} findings." if total else "No findings.")
        if failing:
            raise CommandError(f"{failing} findings have the severity {fail_on} or higher.")


def name_of(record) -> str:
    """The record's type with its key, or with its label if the key is a uid."""
    return f"{record._meta.verbose_name} {record.display_title if record.key == 'uid' else record.natural_key()[0]}"

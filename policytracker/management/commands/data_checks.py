"""`manage.py data_checks`: what may be wrong with the whole register, by rule; for people and for CI."""

from django.core.management.base import BaseCommand, CommandError

from policytracker.api.parameters import today
from policytracker.quality import engine
from policytracker.quality.engine import Severity
from policytracker.records.access import Reader, Role

EVERYTHING = Reader(frozenset({Role.ADMINISTRATOR}))


class Command(BaseCommand):
    help = "Prints what the data checks find in the whole register, rule by rule. Writes nothing."

    def add_arguments(self, parser):
        parser.add_argument(
            "--fail-on", choices=Severity.values, metavar="SEVERITY", help="exit 1 where something as bad or worse is found: %(choices)s"
        )

    def handle(self, *args, fail_on, **options):
        context, bad, total = engine.CheckContext(EVERYTHING, today()), 0, 0
        for rule in engine.RULES.values():
            found = list(engine.all_findings(rule.checks, context))
            if not found:
                continue
            total += len(found)
            bad += len(found) if fail_on and rule.severity in Severity(fail_on).or_worse() else 0
            self.stdout.write(f"{rule.severity} {rule.id}: {len(found)}. {rule.means}")
            for finding in found:
                self.stdout.write(f"  {named(finding.record)}: {finding.sentence}")
        self.stdout.write(f"{total} findings." if total else "Nothing found.")
        if bad:
            raise CommandError(f"{bad} findings are as bad as {fail_on}, or worse.")


def named(record) -> str:
    """By which a person finds the record: its key, or what tells it apart where that is a uid."""
    return f"{record._meta.verbose_name} {record.display_title if record.key == 'uid' else record.natural_key()[0]}"

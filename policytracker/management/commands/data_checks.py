"""`manage.py data_checks`: prints the findings of the data checks by rule, for people and CI."""

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from policytracker.quality import engine
from policytracker.quality.engine import Severity
from policytracker.records.access import FULL_ACCESS
from policytracker.resources import ReadContext

RULE = gettext_lazy("{severity} {rule}: {number}. {means}")
FINDING = gettext_lazy("  {record}: {sentence}")


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
        context, failing, total = engine.CheckContext(ReadContext.of(FULL_ACCESS)), 0, 0
        for rule in engine.RULES.values():
            findings = list(engine.all_findings(rule.checks, context))
            if not findings:
                continue
            total += len(findings)
            failing += len(findings) if fail_on and rule.severity in Severity(fail_on).or_worse() else 0
            self.stdout.write(RULE.format(severity=rule.severity, rule=rule.id, number=len(findings), means=rule.means))
            for finding in findings:
                self.stdout.write(FINDING.format(record=name_of(finding.record), sentence=finding.sentence))
        self.stdout.write(ngettext("{number} finding.", "{number} findings.", total).format(number=total) if total else _("No findings."))
        if failing:
            template = ngettext(
                "{number} finding has the severity {severity} or higher.",
                "{number} findings have the severity {severity} or higher.",
                failing,
            )
            raise CommandError(template.format(number=failing, severity=fail_on))


def name_of(record) -> str:
    """The record's type with its key, or with its label if the key is a uid."""
    name = record.display_title if record.key == "uid" else record.natural_key()[0]
    return _("{type} {name}").format(type=record._meta.verbose_name, name=name)

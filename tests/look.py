"""What the data checks find, on a day that a test chooses."""

from datetime import date

from policytracker.quality import engine
from policytracker.records.access import Reader, Role
from policytracker.resources import ReadContext

TODAY = date(2026, 1, 15)
EVERYTHING = Reader(frozenset({Role.ADMINISTRATOR}))


def look(user=EVERYTHING, on=TODAY, whole=None):
    return engine.CheckContext(ReadContext.of(user, on), whole)


def findings(rule, user=EVERYTHING, on=TODAY, whole=None):
    """The findings of one rule, in order."""
    return list(engine.all_findings(engine.RULES[rule].checks, look(user, on, whole)))


def found(rule, user=EVERYTHING, on=TODAY, whole=None):
    """The records that break one rule."""
    return {finding.record for finding in findings(rule, user, on, whole)}


def sentence(rule, user=EVERYTHING, on=TODAY):
    """What is said of the only record that breaks a rule."""
    (finding,) = findings(rule, user, on)
    return finding.sentence

"""Findings of the data checks on a given date."""

from datetime import date

from policytracker.quality import engine
from policytracker.records.access import FULL_ACCESS
from policytracker.resources import ReadContext

TODAY = date(2026, 1, 15)


def check_context(user=FULL_ACCESS, on=TODAY, scope=None):
    return engine.CheckContext(ReadContext.of(user, on), scope)


def findings(rule, user=FULL_ACCESS, on=TODAY, scope=None):
    """The findings of one rule, in order."""
    return list(engine.all_findings(engine.RULES[rule].checks, check_context(user, on, scope)))


def violations(rule, user=FULL_ACCESS, on=TODAY, scope=None):
    """The records that violate one rule."""
    return {finding.record for finding in findings(rule, user, on, scope)}


def sentence(rule, user=FULL_ACCESS, on=TODAY):
    """The sentence of the only finding of a rule."""
    (finding,) = findings(rule, user, on)
    return finding.sentence

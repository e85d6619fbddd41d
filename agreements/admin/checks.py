"""The page of data checks: possible errors and gaps, by rule, with a link to each record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from agreements import models
from policytracker.admin import apply_theme
from policytracker.admin.querysets import visible
from policytracker.api.keyset import InvalidCursor
from policytracker.api.values import reference
from policytracker.quality import engine
from policytracker.resources import ReadContext
from policytracker.web.heavy import REPORT, heavy

COUNTED_PER_RULE = 500  # findings of a rule are counted no further, which limits the cost of the page
PAGE_SIZE = 50
COLOURS = {engine.Severity.ERROR: "danger", engine.Severity.WARNING: "warning", engine.Severity.INFO: "info"}


class FindingFilterForm(forms.Form):
    """The filters of the page: rule, severity and agreement. Empty fields do not filter."""

    autocomplete = {"agreement": models.Participation._meta.get_field("agreement")}

    rule = forms.ChoiceField(required=False)
    severity = forms.ChoiceField(required=False, choices=[("", _("All")), *engine.Severity.choices])
    agreement = forms.ModelChoiceField(models.Agreement.objects.none(), required=False)

    def __init__(self, query, user):
        data = {name: query.get(name, "") for name in ("rule", "severity", "agreement")}
        data["agreement"] = agreement_id(data["agreement"], user)
        super().__init__(data)
        self.fields["rule"].choices = [("", _("All")), *((rule.id, rule.title) for rule in engine.RULES.values())]
        self.fields["agreement"].queryset = visible(models.Agreement, user)


def agreement_id(text: str, user: Any) -> str:
    """The id of an agreement, which the URL names by id or slug; "0", which no record has, for an unknown slug."""
    if not text or (text.isascii() and text.isdigit() and len(text) < 19):
        return text
    try:
        return str(reference(models.Agreement)(text, ReadContext.of(user)))
    except ValueError:
        return "0"


@dataclass(frozen=True)
class RuleLine:
    """A rule, the number of its findings, and the URL that lists them. `more` is true if there are more than `count`."""

    rule: engine.Rule
    colour: str
    count: int
    more: bool
    url: str


@dataclass(frozen=True)
class FindingLine:
    """A finding as the page shows it."""

    finding: engine.Finding
    colour: str
    record_title: str
    record_type: str
    url: str


def rule_lines(selected: dict[str, str], context: engine.CheckContext) -> dict[str, list[RuleLine]]:
    """The rules of the selected severity: those with findings and those without."""
    lines: dict[str, list[RuleLine]] = {"with_findings": [], "without_findings": []}
    rules = engine.select_rules((), [selected["severity"]] if selected["severity"] else [], context.scope)
    counts = engine.counts([check for rule in rules for check in rule.checks], context, COUNTED_PER_RULE)
    for rule in rules:
        count = min(sum(counts[check.name] for check in rule.checks), COUNTED_PER_RULE + 1)
        url = "?" + urlencode({**{name: value for name, value in selected.items() if value}, "rule": rule.id})
        more = count > COUNTED_PER_RULE
        line = RuleLine(rule, COLOURS[rule.severity], min(count, COUNTED_PER_RULE), more, url)
        lines["with_findings" if line.count else "without_findings"].append(line)
    return lines


@heavy(REPORT)
def count_findings(request: HttpRequest) -> JsonResponse:
    """The number of findings, for the home page, which loads it last: counting takes longer than the rest of the page."""
    lines = rule_lines({"severity": ""}, engine.CheckContext(ReadContext.of(request.user)))["with_findings"]
    return JsonResponse({"count": sum(line.count for line in lines), "more": any(line.more for line in lines)})


def finding_line(finding: engine.Finding) -> FindingLine:
    record, opts = finding.record, finding.record._meta
    return FindingLine(
        finding,
        COLOURS[finding.rule.severity],
        record.display_title or record.natural_key()[0],
        str(opts.verbose_name),
        reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[record.pk]),
    )


@heavy(REPORT)
def page(request: HttpRequest) -> HttpResponse:
    """All findings on records that the user may read."""
    form = FindingFilterForm(request.GET, request.user)
    context = admin.site.each_context(request) | {"title": _("Data checks"), "form": apply_theme(form), "is_nav_sidebar_enabled": True}
    if form.is_valid():
        agreement = form.cleaned_data["agreement"]
        rule, severity = form.cleaned_data["rule"], form.cleaned_data["severity"]
        selected = {"rule": rule, "severity": severity, "agreement": str(agreement.pk) if agreement else ""}
        check_context = engine.CheckContext(ReadContext.of(request.user), agreement)
        checks = engine.select_checks([rule] if rule else [], [severity] if severity else [], agreement)
        rules = None if rule else rule_lines(selected, check_context)
        total = None if rules is None else sum(line.count for line in rules["with_findings"])
        try:
            findings = engine.findings(checks, check_context, request.GET.get("cursor"), PAGE_SIZE, total)
        except InvalidCursor:
            context["cursor_error"] = _("Invalid page link. Showing the first page.")
            findings = engine.findings(checks, check_context, None, PAGE_SIZE, total)
        query = urlencode({name: value for name, value in selected.items() if value})
        count = findings.count or 0
        context |= {
            "rules": rules,
            "rule": engine.RULES.get(rule),
            "findings": [finding_line(finding) for finding in findings.results],
            "count": min(count, engine.MAX_COUNT),
            "more": count > engine.MAX_COUNT or bool(rules and any(line.more for line in rules["with_findings"])),
            "filtered": bool(query),
            **{way: f"?{query}&{urlencode({'cursor': cursor})}" for way in ("next", "previous") if (cursor := getattr(findings, way))},
        }
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/checks.html", context)

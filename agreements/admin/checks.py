"""The page of data checks: possible errors and gaps, by rule, with a link to each record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from agreements import models
from policytracker.admin import Page, add_page, apply_theme
from policytracker.admin.querysets import id_from_url, load_labels, visible
from policytracker.quality import engine
from policytracker.representation.keyset import InvalidCursor
from policytracker.resources import ReadContext
from policytracker.web.heavy import REPORT, heavy, take_turn

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

COUNTED = 1000  # findings of a check are counted among so many candidates, which limits the cost of the page
PAGE_SIZE = 20  # findings of many rules are of many record types, each of which takes queries
COLOURS = {engine.Severity.ERROR: "danger", engine.Severity.WARNING: "warning", engine.Severity.INFO: "info"}

add_page(Page(_("Data checks"), "data_checks", "troubleshoot", 7, guides=("checks",)))


class FindingFilterForm(forms.Form):
    """The filters of the page: rule, severity and agreement. Empty fields do not filter."""

    autocomplete = {"agreement": models.Participation._meta.get_field("agreement")}

    rule = forms.ChoiceField(required=False)
    severity = forms.ChoiceField(required=False, choices=[("", _("All")), *engine.Severity.choices])
    agreement = forms.ModelChoiceField(
        models.Agreement.objects.none(),
        required=False,
        error_messages={"invalid_choice": _("This agreement does not exist, or you may not read it.")},
    )

    def __init__(self, query, user):
        data = {name: query.get(name, "") for name in ("rule", "severity", "agreement")}
        data["agreement"] = id_from_url(models.Agreement, data["agreement"], user)
        super().__init__(data)
        self.fields["rule"].choices = [("", _("All")), *((rule.id, rule.title) for rule in engine.RULES.values())]
        self.fields["agreement"].queryset = visible(models.Agreement, user)


@dataclass(frozen=True)
class RuleLine:
    """A rule, the number of its findings, and the URL that lists them. With `more`, there may be more than `count`."""

    rule: engine.Rule
    remedy: StrOrPromise
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


@dataclass(frozen=True)
class Selection:
    """The selected rule, severity and agreement."""

    rule: str
    severity: str
    agreement: models.Agreement | None

    @classmethod
    def of(cls, form: FindingFilterForm) -> Selection:
        return cls(**{name: form.cleaned_data[name] for name in ("rule", "severity", "agreement")})

    def query(self, **changed: str) -> str:
        """The query string of this selection with other values. Without the `?`."""
        values = {"rule": self.rule, "severity": self.severity, "agreement": self.agreement and self.agreement.pk, **changed}
        return urlencode({name: value for name, value in values.items() if value})


def remedy(rule: engine.Rule, user: Any) -> StrOrPromise:
    """How to fix the findings of a rule, "" for a user who may not change the records that it checks."""
    models = (check.model._meta for check in rule.checks)
    return rule.remedy if any(user.has_perm(f"{opts.app_label}.change_{opts.model_name}") for opts in models) else ""


def has_records(user: Any) -> bool:
    """Whether the user may read any record that is checked. Records with parents need not be looked for."""
    models = {check.model for rule in engine.RULES.values() for check in rule.checks if not check.model.access_parents}
    return any(visible(model, user).exists() for model in models)


def rule_lines(selected: Selection, context: engine.CheckContext, user: Any) -> dict[str, list[RuleLine]]:
    """The rules of the selected severity: those with findings, or with candidates that are not examined, and the others."""
    lines: dict[str, list[RuleLine]] = {"with_findings": [], "without_findings": []}
    rules = engine.select_rules((), [selected.severity] if selected.severity else [], context.scope)
    counts = engine.counts([check for rule in rules for check in rule.checks], context, COUNTED)
    for rule in rules:
        numbers = [counts[check.name] for check in rule.checks]
        count, more = sum(number.counted for number in numbers), not all(number.complete for number in numbers)
        line = RuleLine(rule, remedy(rule, user), COLOURS[rule.severity], count, more, f"?{selected.query(rule=rule.id)}")
        lines["with_findings" if count or more else "without_findings"].append(line)
    return lines


def total(lines: dict[str, list[RuleLine]]) -> dict[str, Any]:
    """The number of findings of all rules, and whether there may be more."""
    return {"count": sum(line.count for line in lines["with_findings"]), "more": any(line.more for line in lines["with_findings"])}


@heavy(REPORT)
def count_findings(request: HttpRequest) -> JsonResponse:
    """The number of findings, for the home page, which loads it last: counting takes longer than the rest of the page."""
    take_turn(request)
    return JsonResponse(total(rule_lines(Selection("", "", None), engine.CheckContext(ReadContext.of(request.user)), request.user)))


def finding_line(finding: engine.Finding) -> FindingLine:
    record, opts = finding.record, finding.record._meta
    return FindingLine(
        finding,
        COLOURS[finding.rule.severity],
        record.full_label(),
        str(opts.verbose_name),
        reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[record.pk]),
    )


@heavy(REPORT)
def page(request: HttpRequest) -> HttpResponse:
    """All findings on records that the user may read."""
    form = apply_theme(FindingFilterForm(request.GET, request.user))
    form.fields["agreement"].widget.placeholder = _("All")
    context = admin.site.each_context(request) | {
        "title": _("Data checks"),
        "form": form,
        "is_nav_sidebar_enabled": True,
        "filtered": True,
    }
    if form.is_valid():
        take_turn(request)
        selected = Selection.of(form)
        check_context = engine.CheckContext(ReadContext.of(request.user), selected.agreement)
        names, severities = ([value] if value else [] for value in (selected.rule, selected.severity))
        checks = engine.select_checks(names, severities, selected.agreement)
        rules = None if selected.rule else rule_lines(selected, check_context, request.user)
        try:
            findings = engine.findings(checks, check_context, request.GET.get("cursor"), PAGE_SIZE, counted=rules is not None)
        except InvalidCursor:
            context["cursor_error"] = _("Invalid page link. Showing the first page.")
            findings = engine.findings(checks, check_context, None, PAGE_SIZE, counted=rules is not None)
        load_labels([finding.record for finding in findings.results], request.user)
        query, count = selected.query(), findings.count or 0
        context |= {
            "rules": rules,
            "rule": engine.RULES.get(selected.rule),
            "remedy": remedy(engine.RULES[selected.rule], request.user) if selected.rule else "",
            "findings": [finding_line(finding) for finding in findings.results],
            "is_empty": not (findings.results or query or has_records(request.user)),
            **(total(rules) if rules is not None else {"count": min(count, engine.MAX_COUNT), "more": count > engine.MAX_COUNT}),
            "filtered": bool(query),
            **{way: f"?{query}&{urlencode({'cursor': cursor})}" for way in ("next", "previous") if (cursor := getattr(findings, way))},
        }
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/checks.html", context)

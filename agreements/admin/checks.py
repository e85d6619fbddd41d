"""The page of data checks: what may be wrong with the register, by rule, with the way to the record that a person would mend."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from agreements import models
from policytracker.admin import apply_theme
from policytracker.admin.querysets import visible
from policytracker.api.filters import reference
from policytracker.api.pagination import InvalidCursor
from policytracker.quality import engine
from policytracker.resources import ReadContext, today

OF_ONE_RULE = 500  # findings are counted no further, so that the page costs no more than a page
ON_PAGE = 50
COLOURS = {engine.Severity.ERROR: "danger", engine.Severity.WARNING: "warning", engine.Severity.INFO: "info"}


class AskForm(forms.Form):
    """Which findings are asked for; by itself, all of them."""

    found_by = {"agreement": models.Participation._meta.get_field("agreement")}

    rule = forms.ChoiceField(required=False)
    severity = forms.ChoiceField(required=False, choices=[("", "All"), *engine.Severity.choices])
    agreement = forms.ModelChoiceField(models.Agreement.objects.none(), required=False)

    def __init__(self, asked, user):
        asked = {name: asked.get(name, "") for name in ("rule", "severity", "agreement")}
        asked["agreement"] = by_id(asked["agreement"], user)
        super().__init__(asked)
        self.fields["rule"].choices = [("", "All"), *((rule.id, said(rule.id)) for rule in engine.RULES.values())]
        self.fields["agreement"].queryset = visible(models.Agreement, user)
        for field in self.fields.values():
            field.error_messages |= {"invalid_choice": "There is no such answer.", "invalid": "There is no such answer."}


def by_id(text: str, user) -> str:
    """The id of an agreement, which an address may give by its key too; what is neither is left for the form to refuse."""
    if not text or (text.isascii() and text.isdigit() and len(text) < 19):
        return text
    try:
        return str(reference(models.Agreement)(text, ReadContext.of(user)))
    except ValueError:
        return "0"


@dataclass(frozen=True)
class Counted:
    """A rule, how many findings it has, and the address that shows them."""

    rule: engine.Rule
    name: str
    colour: str
    count: int
    more: bool
    url: str


@dataclass(frozen=True)
class Told:
    """A finding as the page shows it."""

    finding: engine.Finding
    name: str
    colour: str
    kind: str
    url: str


def said(rule: str) -> str:
    return rule.replace("_", " ").capitalize()


def counted(asked: dict[str, str], look: engine.CheckContext) -> dict[str, list[Counted]]:
    """The rules that are broken, and those that are kept."""
    found: dict[str, list[Counted]] = {"broken": [], "kept": []}
    for rule in engine.RULES.values():
        if asked["severity"] and rule.severity != asked["severity"]:
            continue
        number = engine.count(rule.checks, look, OF_ONE_RULE)
        url = "?" + urlencode({**{name: value for name, value in asked.items() if value}, "rule": rule.id})
        one = Counted(rule, said(rule.id), COLOURS[rule.severity], min(number, OF_ONE_RULE), number > OF_ONE_RULE, url)
        found["broken" if one.count else "kept"].append(one)
    return found


def told(finding: engine.Finding) -> Told:
    opts = finding.record._meta
    return Told(
        finding,
        said(finding.rule.id),
        COLOURS[finding.rule.severity],
        str(opts.verbose_name),
        reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[finding.record.pk]),
    )


def page(request: HttpRequest) -> HttpResponse:
    """Everything that the rules find among what this person may read."""
    form = AskForm(request.GET, request.user)
    context = admin.site.each_context(request) | {"title": "Data checks", "form": apply_theme(form), "is_nav_sidebar_enabled": True}
    if form.is_valid():
        whole = form.cleaned_data["agreement"]
        asked = {"rule": form.cleaned_data["rule"], "severity": form.cleaned_data["severity"], "agreement": str(whole.pk) if whole else ""}
        look = engine.CheckContext(request.user, today(), whole)
        chosen = engine.select_checks(*([[value] if value else [] for value in (asked["rule"], asked["severity"])]))
        rules = None if asked["rule"] else counted(asked, look)
        total = None if rules is None else sum(one.count for one in rules["broken"])
        try:
            found = engine.findings(chosen, look, request.GET.get("cursor"), ON_PAGE, total)
        except InvalidCursor:
            context["refused"] = "This page is none of ours; here is the first."
            found = engine.findings(chosen, look, None, ON_PAGE, total)
        rest = urlencode({name: value for name, value in asked.items() if value})
        context |= {
            "counted": rules,
            "rule": engine.RULES.get(asked["rule"]),
            "found": [told(finding) for finding in found.results],
            "count": min(found.count, engine.MAX_COUNT),
            "more": found.count > engine.MAX_COUNT or bool(rules and any(one.more for one in rules["broken"])),
            "asked": rest,
            **{way: f"?{rest}&{urlencode({'cursor': cursor})}" for way in ("next", "previous") if (cursor := getattr(found, way))},
        }
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/engine.html", context)

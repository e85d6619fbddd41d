"""The forms of a recommendation's page: the new update, the review of an update, and the bulk edit."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import DatabaseError

from agreements.models import Party, Source
from agreements.models.sources import Confidence, Stance
from policytracker.admin.error_summary import FieldError, errors_of_form, errors_of_formset
from policytracker.admin.forms import Day, PartialDate, stale
from policytracker.admin.querysets import visible
from policytracker.models import User
from policytracker.records import exceptions, violations
from policytracker.records.context import MAX_REASON, change_context
from recommendations import progress
from recommendations.models import Evidence, ProgressUpdate, Recommendation, Review, Status, UpdateKind
from recommendations.progress import EvidenceRow, Report
from recommendations.serializers import ProgressUpdateSerializer, RecommendationSerializer


class EvidenceForm(forms.Form):
    """One source that supports or contradicts the update: an existing one, or a URL."""

    found_by = {"source": Evidence._meta.get_field("source")}

    source = forms.ModelChoiceField(Source.objects.none(), required=False, label="Existing source")
    url = forms.URLField(required=False, max_length=2000, label="Or URL", assume_scheme="https")
    title = forms.CharField(required=False, max_length=500, label="Page title")
    locator = forms.CharField(required=False, max_length=300, label="Locator", help_text="Page, section or row.")
    quote = forms.CharField(required=False, max_length=100_000, strip=False, label="Quote", widget=forms.Textarea(attrs={"rows": 2}))
    stance = forms.ChoiceField(choices=Stance.choices, initial=Stance.SUPPORTS)
    confidence = forms.ChoiceField(choices=Confidence.choices, initial=Confidence.REPORTED)

    def __init__(self, *args, user: User, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["source"].queryset = visible(Source, user)


EvidenceForms = forms.formset_factory(EvidenceForm, extra=3, max_num=23, absolute_max=23)


class ReportForm(forms.Form):
    """A progress update. progress.py decides whether it is accepted."""

    found_by = {"party": ProgressUpdate._meta.get_field("party")}

    kind = forms.ChoiceField(choices=UpdateKind.choices, initial=UpdateKind.ASSESSMENT)
    status = forms.ChoiceField(choices=[("", "—"), *Status.choices], required=False)
    progress_percent = forms.IntegerField(required=False, min_value=0, max_value=100, label="Progress (%)")
    reported_on = Day(
        required=False,
        label="Report date",
        help_text="The date for which the update is true.",
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    narrative = forms.CharField(
        required=False, max_length=100_000, strip=False, label="Narrative", widget=forms.Textarea(attrs={"rows": 3})
    )
    party = forms.ModelChoiceField(Party.objects.none(), required=False, label="Claimed by")
    reason = forms.CharField(
        required=False,
        max_length=100_000,
        label="Reason",
        help_text="Required when the status goes back or a closed recommendation is reopened.",
    )
    assessed_by = forms.CharField(
        required=False, max_length=300, label="Assessed by", help_text="The external organisation, if the assessment is not ours."
    )
    closes = forms.BooleanField(required=False, label="Close without full implementation")
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    revises = forms.ModelChoiceField(
        ProgressUpdate.objects.none(),
        required=False,
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": "The update that you edit no longer exists."},
    )

    def __init__(self, data: Any, recommendation: Recommendation, user: User, today: date, revises: ProgressUpdate | None = None):
        first = {"version": recommendation.version, "reported_on": today, "status": recommendation.status}
        evidence: list[dict[str, Any]] = []
        if revises:
            said = Report.of(revises)
            first |= {name: getattr(said, name) for name in progress.REPORT_FIELDS if name != "corrects"}
            first |= {"revises": revises.pk, "version": revises.version}
            evidence = [{name: getattr(row, name) for name in progress.EVIDENCE_FIELDS} for row in said.evidence]
        if not recommendation.updates.in_effect(UpdateKind.ASSESSMENT).exists():
            first["status"] = first["status"] if revises else ""
        super().__init__(data, prefix="report", initial=first)
        self.recommendation, self.user, self.today = recommendation, user, today
        self.evidence = EvidenceForms(data, prefix="evidence", initial=evidence, form_kwargs={"user": user})
        self.fields["party"].queryset = visible(Party, user)
        self.fields["revises"].queryset = recommendation.updates.visible_to(user).filter(author=user)
        if not progress.roles(user) & progress.EDITORS:
            self.fields["kind"].choices = [(UpdateKind.CLAIM.value, UpdateKind.CLAIM.label)]
            self.initial |= (
                {"kind": UpdateKind.CLAIM, "status": "", "party": getattr(user.office, "party_id", None)} if hasattr(user, "office") else {}
            )

    def is_valid(self) -> bool:
        return super().is_valid() and self.evidence.is_valid()

    def report(self) -> Report:
        said = {name: self.cleaned_data[name] for name in progress.REPORT_FIELDS if name != "corrects"}
        if revises := self.cleaned_data["revises"]:
            said["corrects"] = revises.corrects  # set through the API; this form does not show it
        if said["kind"] == UpdateKind.NOTE and said["status"] == self.initial["status"]:
            said["status"] = ""  # the initial value of the form; a note has no status
        rows = [form.cleaned_data for form in self.evidence if form.cleaned_data and (form.has_changed() or form.initial)]
        return Report(**said, evidence=tuple(EvidenceRow(**row) for row in rows))

    def error_summary(self) -> list[FieldError]:
        """Every error of the update and its evidence."""
        return [*errors_of_form(self), *errors_of_formset(self.evidence, "Evidence")] if self.is_bound else []

    def file(self, *, submit: bool) -> ProgressUpdate | None:
        """Submit the update or save it as a draft. If it is rejected, returns None and has the errors on its fields."""
        if not self.is_valid():
            return None
        said, by = self.cleaned_data, {"by": self.user, "today": self.today}
        try:
            with change_context(self.user, channel="admin"):
                if update := said["revises"]:
                    update = progress.revise(update, self.report(), **by, version=said["version"])
                    return progress.submit(update, **by) if submit else update
                return progress.report_progress(self.recommendation, self.report(), **by, version=said["version"], submit=submit)
        except exceptions.Refused as refused:
            for refusal in refused.refusals:
                field = refusal.reason.field
                if field == "evidence" and self.evidence.forms:
                    self.evidence[0].add_error("source", refusal.detail)
                else:
                    self.add_error(field if field in self.fields else None, refusal.detail)
        except exceptions.Stale as error:
            self.refuse_stale(error.current_version)
        except ValidationError as error:
            for name, sentences in (error.message_dict if hasattr(error, "error_dict") else {"": error.messages}).items():
                self.add_error(name if name in self.fields else None, sentences)
        except DatabaseError as error:
            if (rule := violations.violated_constraint(error)) is None:
                raise
            self.add_error(rule.field if rule.field in self.fields else None, rule.message)
        return None

    def refuse_stale(self, version: int) -> None:
        seen, update = self.cleaned_data["version"], self.cleaned_data["revises"]
        serializer = ProgressUpdateSerializer if update else RecommendationSerializer
        self.add_error(None, stale(update or self.recommendation, seen, serializer, self.user))
        self.data = self.data.copy()
        self.data[self.add_prefix("version")] = str(version)


class ReviewForm(forms.Form):
    """An act of review on one update, with its note."""

    update = forms.ModelChoiceField(ProgressUpdate.objects.none())
    _move = forms.ChoiceField(choices=[(name, name) for name in ("submit", "approve", "return", "void", "discard")])
    note = forms.CharField(required=False, max_length=100_000)

    def __init__(self, data: Any, recommendation: Recommendation, user: User):
        super().__init__(data)
        self.user = user
        self.fields["update"].queryset = recommendation.updates.visible_to(user)

    def act(self, today: date) -> str:
        """Carry it out. Returns a confirmation; raises Refused."""
        said = self.cleaned_data
        return move(said["update"], said["_move"], said["note"], by=self.user, today=today)


def move(update: ProgressUpdate, name: str, note: str, *, by: User, today: date) -> str:
    """One act of review. Returns a confirmation; raises Refused."""
    with change_context(by, channel="admin"):
        match name:
            case "submit":
                return submitted(progress.submit(update, by=by, today=today))
            case "approve":
                progress.approve(update, by=by, today=today, note=note)
                return "Update approved."
            case "return":
                progress.send_back(update, by=by, note=note)
                return "Update returned to its author."
            case "void":
                progress.void(update, by=by, reason=note)
                return "Update voided."
            case "discard":
                progress.discard(update, by=by)
                return "Draft discarded."
    return ""


def submitted(update: ProgressUpdate) -> str:
    """The confirmation of an update that was saved or submitted."""
    match update.review:
        case Review.APPROVED:
            return "Update submitted and approved."
        case Review.SUBMITTED:
            return "Update submitted for review."
    return "Draft saved."


class BulkEditForm(forms.Form):
    """Changes for several recommendations at once. Empty fields change nothing."""

    owner = forms.ModelChoiceField(User.objects.none(), required=False, label="Owner", empty_label="—")
    due_on = PartialDate(required=False, label="Due date", help_text="2027-06-30, 30 June 2027, June 2027 or 2027.")
    narrative = forms.CharField(required=False, max_length=100_000, strip=False, label="Note", widget=forms.Textarea(attrs={"rows": 3}))
    change_reason = forms.CharField(
        required=False, max_length=MAX_REASON, label="Reason for change", help_text="Required for moving a due date."
    )

    def __init__(self, data: Any, user: User, today: date):
        super().__init__(data)
        self.user, self.today = user, today
        self.fields["owner"].queryset = User.objects.filter(is_active=True).order_by("username")

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        if not self.errors and not any(said[name] for name in ("owner", "due_on", "narrative")):
            raise ValidationError("Change at least one field.")
        return said

    def act(self, recommendation: Recommendation) -> list[str]:
        """Change one recommendation. Returns the error messages; if there are any, nothing was changed."""
        said = self.cleaned_data
        given = {name: said[name] for name in ("owner", "due_on") if said[name]}
        try:
            with change_context(self.user, said["change_reason"], "admin"):
                for name, value in given.items():
                    setattr(recommendation, name, value)
                if given:
                    recommendation.save(update_fields=list(given))
                if said["narrative"]:
                    note = Report(kind=UpdateKind.NOTE, narrative=said["narrative"])
                    progress.report_progress(recommendation, note, by=self.user, today=self.today)
        except exceptions.Refused as refused:
            return [refusal.detail for refusal in refused.refusals]
        except DatabaseError as error:
            if (rule := violations.violated_constraint(error)) is None:
                raise
            return [rule.message]
        return []

"""The form on a recommendation's page by which an update is filed, and the buttons by which it is reviewed."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import DatabaseError

from agreements.models import Party, Source
from agreements.models.sources import Confidence, Stance
from policytracker import edtf, errors
from policytracker.forms import stale
from policytracker.models import User
from policytracker.records import acting
from policytracker.rows import visible
from recommendations import progress
from recommendations.models import Evidence, ProgressUpdate, Recommendation, Status, UpdateKind
from recommendations.progress import EvidenceRow, Report
from recommendations.serializers import ProgressUpdateSerializer, RecommendationSerializer


class EvidenceForm(forms.Form):
    """One source that bears the update out, or contradicts it: on record, or by its address."""

    found_by = {"source": Evidence._meta.get_field("source")}

    source = forms.ModelChoiceField(Source.objects.none(), required=False, label="Source on record")
    url = forms.URLField(required=False, max_length=2000, label="Or its address", assume_scheme="https")
    title = forms.CharField(required=False, max_length=500, label="Title of what stands there")
    locator = forms.CharField(required=False, max_length=300, label="Where in it", help_text="Page, section, row.")
    quote = forms.CharField(
        required=False, max_length=100_000, strip=False, label="Its own words", widget=forms.Textarea(attrs={"rows": 2})
    )
    stance = forms.ChoiceField(choices=Stance.choices, initial=Stance.SUPPORTS)
    confidence = forms.ChoiceField(choices=Confidence.choices, initial=Confidence.REPORTED)

    def __init__(self, *args, user: User, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["source"].queryset = visible(Source, user)


EvidenceForms = forms.formset_factory(EvidenceForm, extra=3, max_num=23, absolute_max=23)


class ReportForm(forms.Form):
    """What somebody says of a recommendation. Whether it may be said is for progress.py to judge."""

    found_by = {"party": ProgressUpdate._meta.get_field("party")}

    kind = forms.ChoiceField(choices=UpdateKind.choices, initial=UpdateKind.ASSESSMENT)
    status = forms.ChoiceField(choices=[("", "—"), *Status.choices], required=False)
    progress_percent = forms.IntegerField(required=False, min_value=0, max_value=100, label="Progress in percent")
    reported_on = forms.DateField(required=False, label="True on", widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}))
    narrative = forms.CharField(
        required=False, max_length=100_000, strip=False, label="What was found", widget=forms.Textarea(attrs={"rows": 3})
    )
    party = forms.ModelChoiceField(Party.objects.none(), required=False, label="Whose claim")
    reason = forms.CharField(required=False, max_length=100_000, label="Reason", help_text="Where it steps back, or is opened again.")
    assessed_by = forms.CharField(
        required=False, max_length=300, label="Found by", help_text="The outside body whose finding it is, if not ours."
    )
    closes = forms.BooleanField(required=False, label="No more is expected")
    draft = forms.BooleanField(required=False, label="Keep it as a draft")
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    revises = forms.ModelChoiceField(ProgressUpdate.objects.none(), required=False, widget=forms.HiddenInput)

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
            said["corrects"] = revises.corrects  # it was named over the API; a change of the words is not meant to drop it
        if said["kind"] == UpdateKind.NOTE and said["status"] == self.initial["status"]:
            said["status"] = ""  # which the form had filled in, and nobody has said
        rows = [form.cleaned_data for form in self.evidence if form.cleaned_data and (form.has_changed() or form.initial)]
        return Report(**said, evidence=tuple(EvidenceRow(**row) for row in rows))

    def file(self) -> ProgressUpdate | None:
        """File it, or say at each field why not; then nothing is written."""
        if not self.is_valid():
            return None
        said, by = self.cleaned_data, {"by": self.user, "today": self.today}
        try:
            with acting(self.user, door="admin"):
                if update := said["revises"]:
                    update = progress.revise(update, self.report(), **by, version=said["version"])
                    return update if said["draft"] else progress.submit(update, **by)
                return progress.report_progress(self.recommendation, self.report(), **by, version=said["version"], submit=not said["draft"])
        except errors.Refused as refused:
            for refusal in refused.refusals:
                field = refusal.reason.field
                self.add_error(field if field in self.fields else None, refusal.detail)
        except errors.Stale as error:
            self.refuse_stale(error.current_version)
        except ValidationError as error:
            for name, sentences in (error.message_dict if hasattr(error, "error_dict") else {"": error.messages}).items():
                self.add_error(name if name in self.fields else None, sentences)
        except DatabaseError as error:
            if (rule := errors.broken(error)) is None:
                raise
            self.add_error(rule.field if rule.field in self.fields else None, rule.sentence)
        return None

    def refuse_stale(self, version: int) -> None:
        seen, update = self.cleaned_data["version"], self.cleaned_data["revises"]
        serializer = ProgressUpdateSerializer if update else RecommendationSerializer
        self.add_error(None, stale(update or self.recommendation, seen, serializer, self.user))
        self.data = self.data.copy()
        self.data[self.add_prefix("version")] = str(version)


class MoveForm(forms.Form):
    """A button beside an update, and what was written to it."""

    update = forms.ModelChoiceField(ProgressUpdate.objects.none())
    _move = forms.ChoiceField(choices=[(name, name) for name in ("submit", "approve", "return", "void", "discard")])
    note = forms.CharField(required=False, max_length=100_000)

    def __init__(self, data: Any, recommendation: Recommendation, user: User):
        super().__init__(data)
        self.user = user
        self.fields["update"].queryset = recommendation.updates.visible_to(user)

    def act(self, today: date) -> str:
        """Do it, and say what was done. Raises Refused."""
        said = self.cleaned_data
        return move(said["update"], said["_move"], said["note"], by=self.user, today=today)


def move(update: ProgressUpdate, name: str, note: str, *, by: User, today: date) -> str:
    """One act of review. Returns what was done, as a sentence; raises Refused."""
    with acting(by, door="admin"):
        match name:
            case "submit":
                progress.submit(update, by=by, today=today)
                return "The update was submitted."
            case "approve":
                progress.approve(update, by=by, today=today, note=note)
                return "The update was approved."
            case "return":
                progress.send_back(update, by=by, note=note)
                return "The update was returned to its author."
            case "void":
                progress.void(update, by=by, reason=note)
                return "The update was voided, and counts no more."
            case "discard":
                progress.discard(update, by=by)
                return "The draft was thrown away."
    return ""


class TogetherForm(forms.Form):
    """What is done to several recommendations at once; what is left empty is left alone."""

    owner = forms.ModelChoiceField(User.objects.none(), required=False, label="Give them an owner", empty_label="—")
    due_on = forms.CharField(required=False, max_length=11, validators=[edtf.validate], label="Set their due day", help_text=edtf.EXAMPLES)
    narrative = forms.CharField(
        required=False, max_length=100_000, strip=False, label="File a note", widget=forms.Textarea(attrs={"rows": 3})
    )
    change_reason = forms.CharField(
        required=False, max_length=2000, label="Reason for the change", help_text="Needed where a due day moves."
    )

    def __init__(self, data: Any, user: User, today: date):
        super().__init__(data)
        self.user, self.today = user, today
        self.fields["owner"].queryset = User.objects.filter(is_active=True).order_by("username")

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        if not self.errors and not any(said[name] for name in ("owner", "due_on", "narrative")):
            raise ValidationError("Say what is to be done.")
        return said

    def act(self, recommendation: Recommendation) -> list[str]:
        """Do it to one. Returns why not, and then nothing was done to it."""
        said = self.cleaned_data
        given = {name: said[name] for name in ("owner", "due_on") if said[name]}
        try:
            with acting(self.user, said["change_reason"], "admin"):
                for name, value in given.items():
                    setattr(recommendation, name, value)
                if given:
                    recommendation.save(update_fields=list(given))
                if said["narrative"]:
                    note = Report(kind=UpdateKind.NOTE, narrative=said["narrative"])
                    progress.report_progress(recommendation, note, by=self.user, today=self.today)
        except errors.Refused as refused:
            return [refusal.detail for refusal in refused.refusals]
        except DatabaseError as error:
            if (rule := errors.broken(error)) is None:
                raise
            return [rule.sentence]
        return []

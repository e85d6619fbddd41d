"""Forms of recommendations: progress update, review of an update, bulk edit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import DatabaseError
from django.utils.translation import gettext_lazy as _

from agreements.models import Party, Source
from agreements.models.sources import Confidence, Stance
from policytracker.accounts.models import User
from policytracker.admin.bulk import BulkEditForm
from policytracker.admin.error_summary import FieldError, errors_of_form, errors_of_formset
from policytracker.admin.forms import Day, PartialDate, VerbatimField
from policytracker.admin.querysets import visible
from policytracker.admin.stale import MERGED, STALE, ChangesSince
from policytracker.records import exceptions, violations
from policytracker.records.context import change_context
from policytracker.resources import today
from recommendations import progress
from recommendations.models import Evidence, Priority, ProgressUpdate, Recommendation, Review, Status, UpdateKind
from recommendations.progress import EvidenceRow, Report
from recommendations.refusals import errors_of_refusals
from recommendations.serializers import ProgressUpdateSerializer, RecommendationSerializer


class EvidenceForm(forms.Form):
    """One source that supports or contradicts the update: an existing one, or a URL."""

    autocomplete = {"source": Evidence._meta.get_field("source")}

    source = forms.ModelChoiceField(Source.objects.none(), required=False, label=_("Existing source"))
    url = forms.URLField(required=False, max_length=2000, label=_("Or URL"), assume_scheme="https")
    title = forms.CharField(required=False, max_length=500, label=_("Page title"))
    locator = forms.CharField(required=False, max_length=300, label=_("Locator"), help_text=_("Page, section or row."))
    quote = VerbatimField(required=False, max_length=100_000, label=_("Quote"), widget=forms.Textarea(attrs={"rows": 2}))
    stance = forms.ChoiceField(choices=Stance.choices, initial=Stance.SUPPORTS)
    confidence = forms.ChoiceField(choices=Confidence.choices, initial=Confidence.REPORTED)

    def __init__(self, *args, user: User, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["source"].queryset = visible(Source, user)


EvidenceForms = forms.formset_factory(EvidenceForm, extra=3, max_num=23, absolute_max=23)


STORED_EVIDENCE = _("The stored evidence differs from yours. If you save again, yours replaces it: %(sources)s")


ALREADY_SUBMITTED = _("You already saved or submitted this update. It is in the list of updates.")


def has_submitted(recommendation: Recommendation, user: User, report: Report) -> bool:
    """Whether the user has saved or submitted this report before, as when a form is posted twice."""
    content = {name: getattr(report, name) for name in ("kind", "reported_on", "narrative")}
    return bool(report.narrative) and recommendation.updates.filter(author=user, voided_at=None, **content).exists()


def initial_values(report: Report) -> dict[str, Any]:
    """The initial values of the fields for the content of an update."""
    return {name: getattr(report, name) for name in progress.REPORT_FIELDS if name != "corrects"}


class ReportForm(forms.Form):
    """A progress update. progress.py decides whether it is accepted. `claimant` is the party of an officer, otherwise None."""

    autocomplete = {"party": ProgressUpdate._meta.get_field("party")}

    kind = forms.ChoiceField(choices=UpdateKind.choices, initial=UpdateKind.ASSESSMENT)
    status = forms.ChoiceField(choices=[("", "—"), *Status.choices], required=False)
    progress_percent = forms.IntegerField(required=False, min_value=0, max_value=100, label=_("Progress (%)"))
    reported_on = Day(
        required=False,
        label=_("Report date"),
        help_text=_("The date to which the update applies."),
    )
    narrative = VerbatimField(required=False, max_length=100_000, label=_("Narrative"), widget=forms.Textarea(attrs={"rows": 3}))
    party = forms.ModelChoiceField(Party.objects.none(), required=False, label=_("Claimed by"))
    reason = forms.CharField(
        required=False,
        max_length=100_000,
        label=_("Reason"),
        help_text=_("Required for a step back or for reopening."),
    )
    assessed_by = forms.CharField(
        required=False, max_length=300, label=_("Assessed by"), help_text=_("The external organisation, if the assessment is not ours.")
    )
    closes = forms.BooleanField(required=False, label=_("Close without full implementation"))
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    revises = forms.ModelChoiceField(
        ProgressUpdate.objects.none(),
        required=False,
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": _("This update no longer exists.")},
    )

    def __init__(self, data: Any, recommendation: Recommendation, user: User, today: date, revises: ProgressUpdate | None = None):
        initial = {"version": recommendation.version, "reported_on": today, "status": recommendation.status}
        evidence: list[dict[str, Any]] = []
        if revises:
            report = Report.of(revises)
            initial |= initial_values(report) | {"revises": revises.pk, "version": revises.version}
            hidden = progress.hidden_sources(report, user)  # kept by progress.revise()
            shown = [row for row in report.evidence if row.source.pk not in hidden]
            evidence = [{name: getattr(row, name) for name in progress.EVIDENCE_FIELDS} for row in shown]
        if not recommendation.updates.in_effect(UpdateKind.ASSESSMENT).exists():
            initial["status"] = initial["status"] if revises else ""
        super().__init__(data, prefix="report", initial=initial)
        self.recommendation, self.user, self.today = recommendation, user, today
        self.evidence = EvidenceForms(data, prefix="evidence", initial=evidence, form_kwargs={"user": user})
        self.fields["party"].queryset = visible(Party, user)
        self.fields["revises"].queryset = recommendation.updates.visible_to(user).filter(author=user)
        self.claimant = None if progress.roles(user) & progress.EDITORS else user.office.party
        self.claimant_is_not_addressed = bool(self.claimant) and not recommendation.addressees.filter(party=self.claimant).exists()
        if self.claimant:
            self.show_own_claim(self.claimant)
        else:
            self.fields["status"].choices = self.status_choices(initial["reported_on"])

    @property
    def edited(self) -> int | None:
        """The id of the update that the form changes; None for a new one."""
        value = str(self["revises"].value() or "")
        return int(value) if value.isdecimal() else None

    def status_choices(self, day: date) -> list[Any]:
        """The statuses that an assessment of this day may set, and the others, which only a claim may have."""
        options = progress.transitions(self.recommendation, by=self.user, today=day)
        groups = {_("Allowed"): True, _("For claims only"): False}
        grouped = [(name, [(o.status.value, o.label) for o in options if o.allowed == allowed]) for name, allowed in groups.items()]
        return [("", "—"), *((name, choices) for name, choices in grouped if choices)]

    def show_own_claim(self, party: Party) -> None:
        """Reduce the form to what an officer may submit: a claim of the own party."""
        self.autocomplete = {}
        self.fields["kind"].choices = [(UpdateKind.CLAIM.value, UpdateKind.CLAIM.label)]
        self.initial |= {"kind": UpdateKind.CLAIM, "party": party.pk} | ({} if self.initial.get("revises") else {"status": ""})
        for name in ("kind", "party"):
            self.fields[name].widget = forms.HiddenInput()
        for name in ("assessed_by", "reason", "closes"):
            del self.fields[name]

    def clean(self) -> dict[str, Any]:
        """Rejects an update that the user has submitted before: the form was posted twice."""
        values = self.cleaned_data
        report = Report(**{name: values.get(name) for name in ("kind", "reported_on", "narrative")})
        if not values.get("revises") and has_submitted(self.recommendation, self.user, report):
            raise ValidationError(ALREADY_SUBMITTED, "already_submitted")
        return values

    def is_valid(self) -> bool:
        return all([super().is_valid(), self.evidence.is_valid()])

    def report(self) -> Report:
        """The update in the form. Fields with invalid values have their defaults."""
        values = {name: self.cleaned_data[name] for name in progress.REPORT_FIELDS if name in self.cleaned_data}
        if revises := self.cleaned_data.get("revises"):
            values["corrects"] = revises.corrects  # set through the API; this form does not show it
        if values.get("kind") == UpdateKind.NOTE and values.get("status") == self.initial["status"]:
            values["status"] = ""  # the initial value of the form; a note has no status
        rows = [form.cleaned_data for form in self.evidence if form.cleaned_data and (form.has_changed() or form.initial)]
        return Report(**values, evidence=tuple(EvidenceRow(**row) for row in rows))

    def error_summary(self) -> list[FieldError]:
        """Every error of the update and its evidence."""
        return [*errors_of_form(self), *errors_of_formset(self.evidence, str(_("Evidence")))] if self.is_bound else []

    def save(self, *, submit: bool) -> ProgressUpdate | None:
        """Submit the update or save it as a draft. If it is rejected, returns None and adds the errors to the fields."""
        if not self.is_valid():
            self.add_other_errors(submit)
            return None
        values, context = self.cleaned_data, {"by": self.user, "today": self.today}
        try:
            with change_context(self.user, channel="admin"):
                if update := values["revises"]:
                    update = progress.revise(update, self.report(), **context, version=values["version"])
                    return progress.submit(update, **context) if submit else update
                return progress.report_progress(self.recommendation, self.report(), **context, version=values["version"], submit=submit)
        except exceptions.Refused as refused:
            self.add_errors(errors_of_refusals(refused.refusals, ()))
        except exceptions.Stale as error:
            self.reject_stale(error.current_version)
        except ValidationError as error:
            self.add_errors(error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.error_list})
        except DatabaseError as error:
            rule = violations.constraint_of(error)
            self.add_error(rule.field if rule.field in self.fields else None, rule.message)
        return None

    def add_other_errors(self, submit: bool) -> None:
        """Add what else is wrong, so that one value that cannot be read does not hide it."""
        names = {*self.errors, *(["evidence"] if any(self.evidence.errors) else [])}
        self.add_errors(progress.errors_beside(names, self.recommendation, self.report(), by=self.user, today=self.today, submit=submit))

    def add_errors(self, errors: Mapping[str, Iterable[ValidationError]]) -> None:
        for name, reasons in errors.items():
            if name == "evidence" and self.evidence.forms:
                self.evidence[0].add_error("source", list(reasons))
            else:
                self.add_error(name if name in self.fields else None, list(reasons))

    def reject_stale(self, version: int) -> None:
        """Reject an update that is based on an older version. A revised one is merged with what has changed since."""
        seen, revised = self.cleaned_data["version"], self.cleaned_data["revises"]
        if revised:
            update = ProgressUpdate.objects.get(pk=revised.pk)
            changes, template = ChangesSince(update, seen, ProgressUpdateSerializer, self.user), MERGED
            self.show_stored_evidence(Report.of(update))
            self.initial |= initial_values(Report.of(update))
            changes.merge_into(self)
        else:
            changes, template = ChangesSince(self.recommendation, seen, RecommendationSerializer, self.user), STALE
            self.data = self.data.copy()
        self.data[self.add_prefix("version")] = str(version)
        self.add_error(None, ValidationError(changes.message(template), code="stale"))

    def show_stored_evidence(self, stored: Report) -> None:
        """Say what the stored evidence is, if it differs from that in the form: saving again would replace it."""
        entered, hidden = self.report().evidence, progress.hidden_sources(stored, self.user)
        shown = [row for row in stored.evidence if row.source.pk not in hidden]
        if self.evidence.forms and [replace(row, url="", title="") for row in entered] != shown:
            sources = "; ".join(str(row.source) for row in shown) or "—"
            self.evidence[0].add_error("source", ValidationError(STORED_EVIDENCE, "changed_by_both", {"sources": sources}))


class ReviewForm(forms.Form):
    """A review action on one update, with its note."""

    update = forms.ModelChoiceField(ProgressUpdate.objects.none())
    _action = forms.ChoiceField(choices=[(name, name) for name in ("submit", "approve", "return", "void", "discard")])
    note = forms.CharField(required=False, max_length=100_000)

    def __init__(self, data: Any, recommendation: Recommendation, user: User):
        super().__init__(data)
        self.user = user
        self.fields["update"].queryset = recommendation.updates.visible_to(user)

    def apply(self, today: date) -> str:
        """Perform the action. Returns the success message. Raises Refused."""
        values = self.cleaned_data
        return perform(values["update"], values["_action"], values["note"], by=self.user, today=today)


def perform(update: ProgressUpdate, action: str, note: str, *, by: User, today: date) -> str:
    """Perform a review action. Returns the success message. Raises Refused."""
    with change_context(by, channel="admin"):
        match action:
            case "submit":
                return saved_message(progress.submit(update, by=by, today=today))
            case "approve":
                progress.approve(update, by=by, today=today, note=note)
                return str(_("Update approved."))
            case "return":
                progress.send_back(update, by=by, note=note)
                return str(_("Update returned to its author."))
            case "void":
                progress.void(update, by=by, reason=note)
                return str(_("Update voided."))
            case "discard":
                progress.discard(update, by=by)
                return str(_("Draft discarded."))
    return ""


def saved_message(update: ProgressUpdate) -> str:
    """The success message for an update that was saved or submitted."""
    match update.review:
        case Review.APPROVED:
            return str(_("Update submitted and approved."))
        case Review.SUBMITTED:
            return str(_("Update submitted for review."))
    return str(_("Draft saved."))


class RecommendationBulkEditForm(BulkEditForm):
    """Bulk edit of recommendations, with a note as a progress update."""

    columns, added = ("owner", "priority", "due_on"), ("narrative",)

    owner = forms.ModelChoiceField(User.objects.none(), required=False, label=_("Owner"), empty_label="—")
    priority = forms.ChoiceField(choices=[("", "—"), *Priority.choices], required=False)
    due_on = PartialDate(required=False, label=_("Due date"))
    narrative = VerbatimField(required=False, max_length=100_000, label=_("Note"), widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, data: Any, user: User):
        super().__init__(data, user)
        self.fields["owner"].queryset = User.editors().order_by("username")

    def change(self, record: Any) -> None:
        super().change(record)
        if narrative := self.cleaned_data["narrative"]:
            progress.report_progress(record, Report(kind=UpdateKind.NOTE, narrative=narrative), by=self.user, today=today())

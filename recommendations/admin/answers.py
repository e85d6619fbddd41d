"""The page on which an officer records responses and submits claims for several recommendations. All are saved, or none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Page
from django.db import DatabaseError, transaction
from django.db.models import Case, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agreements.models import Party
from policytracker.admin import apply_theme
from policytracker.admin.error_summary import FieldError, errors_of_form
from policytracker.admin.forms import VerbatimField
from policytracker.admin.querysets import CappedPaginator, visible
from policytracker.records import exceptions, violations
from policytracker.records.context import change_context
from policytracker.resources import today
from recommendations import progress
from recommendations.admin.addressees import ResponseForm
from recommendations.admin.forms import ALREADY_SUBMITTED, has_submitted
from recommendations.admin.home import party_of
from recommendations.models import Addressee, Recommendation, Response, Status, UpdateKind
from recommendations.progress import EvidenceRow, Report
from recommendations.refusals import errors_of_refusals

ROWS = 15  # recommendations of a page


class ClaimForm(forms.Form):
    """A claim of the officer's party on one recommendation. Without a status and a narrative there is none."""

    status = forms.ChoiceField(choices=[("", "—"), *Status.choices], required=False, label=_("Claimed status"))
    narrative = VerbatimField(required=False, max_length=100_000, label=_("Narrative"), widget=forms.Textarea(attrs={"rows": 2}))
    url = forms.URLField(required=False, max_length=2000, label=_("Source (URL)"), assume_scheme="https")

    def __init__(self, data: Any, recommendation: Recommendation, party: Party, user: Any):
        super().__init__(data, prefix=f"claim-{recommendation.pk}")
        self.recommendation, self.party, self.user = recommendation, party, user

    def report(self) -> Report:
        values = self.cleaned_data
        evidence = (EvidenceRow(url=values["url"]),) if values.get("url") else ()
        return Report(
            kind=UpdateKind.CLAIM,
            party=self.party,
            status=values.get("status", ""),
            narrative=values.get("narrative", ""),
            reported_on=today(),
            evidence=evidence,
        )

    def save(self) -> bool:
        """Submit the claim. If it is rejected, adds all errors to the fields."""
        context = {"by": self.user, "today": today()}
        if not self.is_valid():
            self.add_errors(progress.errors_beside(set(self.errors), self.recommendation, self.report(), **context, submit=True))
            return False
        report = self.report()
        if has_submitted(self.recommendation, self.user, report):
            self.add_error(None, ValidationError(ALREADY_SUBMITTED, "already_submitted"))
            return False
        try:
            with change_context(self.user, channel="admin"):
                progress.report_progress(self.recommendation, report, **context)
        except exceptions.Refused as refused:
            self.add_errors(errors_of_refusals(refused.refusals, ()))
        except ValidationError as error:
            self.add_errors(error.error_dict if hasattr(error, "error_dict") else {"": error.error_list})
        except DatabaseError as error:
            self.add_error(None, violations.constraint_of(error).message)
        return not self.errors

    def add_errors(self, errors: dict[str, list[ValidationError]]) -> None:
        for name, reasons in errors.items():
            field = "url" if name == "evidence" else name
            self.add_error(field if field in self.fields else None, reasons)


@dataclass(frozen=True)
class Row:
    """A recommendation that is addressed to the party, with the forms of a response and of a claim."""

    addressee: Addressee
    recommendation: Recommendation
    response: ResponseForm
    claim: ClaimForm

    def save(self) -> int:
        """Save what was entered. Returns how many responses and claims that were, without those that were rejected."""
        return sum(form.save() for form in self.entered())

    def entered(self) -> list[ResponseForm | ClaimForm]:
        """The forms in which something was entered. The version of a response is no input."""
        return [form for form in (self.response, self.claim) if set(form.changed_data) - {"version"}]

    @property
    def rejected(self) -> bool:
        return any(form.errors for form in self.entered())

    def errors(self) -> Iterator[FieldError]:
        for form in self.entered():
            yield from errors_of_form(form, row=str(self.recommendation))


def addressed(user: Any, party: Party) -> Any:
    """The open recommendations that are addressed to the party, those without a response first."""
    rows = Addressee.objects.visible_to(user).filter(party=party, recommendation__in=open_recommendations(user))
    unanswered = Case(When(response=Response.NONE_RECORDED, then=Value(0)), default=Value(1))
    return rows.order_by(unanswered, "recommendation__due_on_first", "pk")


def open_recommendations(user: Any) -> Any:
    return Recommendation.objects.visible_to(user).filter(closed_on=None).order_by().values("pk")


def rows_of(page: Page, data: Any, party: Party, user: Any) -> list[Row]:
    addressees = list(page)
    recommendations = visible(Recommendation, user).in_bulk([addressee.recommendation_id for addressee in addressees])
    rows = []
    for addressee in addressees:
        recommendation = recommendations[addressee.recommendation_id]
        addressee.recommendation = recommendation
        forms_of_row = ResponseForm(data, addressee, user), ClaimForm(data, recommendation, party, user)
        rows.append(Row(addressee, recommendation, *forms_of_row))
    return rows


def sent_page(request: HttpRequest, party: Party) -> list[Any]:
    """The addressees whose forms were sent: those of the page when it was opened, in their order."""
    keys = [key for key in request.POST.getlist("addressee")[:ROWS] if key.isascii() and key.isdigit() and len(key) < 19]
    found = addressed(request.user, party).in_bulk([int(key) for key in keys])
    return [found[int(key)] for key in keys if int(key) in found]


def page(request: HttpRequest) -> HttpResponse:
    """The page *Answer several*, for officers."""
    party = party_of(request.user)
    if party is None:
        raise PermissionDenied
    paginator = CappedPaginator(addressed(request.user, party), ROWS)
    paginator.user = request.user
    listed = paginator.get_page(request.GET.get("p"))
    if request.method == "POST":
        listed.object_list = sent_page(request, party)
    rows = rows_of(listed, request.POST if request.method == "POST" else None, party, request.user)
    if request.method == "POST" and (saved := save(rows)) is not None:
        messages.success(request, ngettext("%d response or claim saved.", "%d responses and claims saved.", saved) % saved)
        return HttpResponseRedirect(request.get_full_path())
    context = admin.site.each_context(request) | {
        "title": _("Answer several recommendations"),
        "party": party,
        "page": listed,
        "rows": [show(row) for row in rows],
        "errors": [error for row in rows if row.rejected for error in row.errors()],
        "list_url": f"{reverse('admin:recommendations_recommendation_changelist')}?party={party.code}&open=true",
    }
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/answers.html", context)


def save(rows: list[Row]) -> int | None:
    """Save all that was entered. If anything is rejected, saves nothing and returns None; the rows have the errors."""
    with transaction.atomic():
        saved = sum(row.save() for row in rows)
        if any(row.rejected for row in rows):
            transaction.set_rollback(True)
            return None
    return saved


def show(row: Row) -> Row:
    row.response.fields["responded_on"].help_text = ""  # the same in each row
    apply_theme(row.response)
    apply_theme(row.claim)
    return row

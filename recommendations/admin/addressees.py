"""Addressees, milestones and dependencies on the tab *Progress*, with the form of a response."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from agreements.admin import deadline_label
from policytracker.admin import apply_theme
from policytracker.admin.error_summary import FieldError, errors_of_form
from policytracker.admin.forms import PartialDate, VerbatimField
from policytracker.admin.querysets import references
from policytracker.admin.stale import MERGED, ChangesSince
from policytracker.records import versions, violations
from policytracker.records.context import MAX_REASON, change_context
from policytracker.records.exceptions import NotPermitted, Stale
from policytracker.records.models import lock_for_change
from policytracker.resources import today
from recommendations import responses
from recommendations.deadlines import with_deadline_state
from recommendations.models import Addressee, Dependency, Recommendation, Response
from recommendations.serializers import AddresseeSerializer

DELETED_ADDRESSEE = _("This addressee no longer exists. Nothing was changed.")
LEAD_FIRST = ["role", "party__name", "id"]  # the order of addressees


class ResponseForm(forms.Form):
    """The response of an addressee. responses.py decides whether it is accepted."""

    response = forms.ChoiceField(choices=Response.choices)
    responded_on = PartialDate(required=False, label=_("Response date"))
    response_text = VerbatimField(required=False, max_length=100_000, label=_("Response text"), widget=forms.Textarea(attrs={"rows": 3}))
    change_reason = forms.CharField(required=False, max_length=MAX_REASON, label=_("Reason for change"))
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any, addressee: Addressee, user: Any):
        initial = {name: getattr(addressee, name) for name in ("response", "responded_on", "response_text", "version")}
        super().__init__(data, prefix=f"response-{addressee.pk}", initial=initial)
        self.addressee, self.user = addressee, user

    def error_summary(self) -> list[FieldError]:
        return list(errors_of_form(self))

    def save(self) -> bool:
        """Record the response. If it is rejected, adds the errors to the fields."""
        if not self.is_valid():
            return False
        values = self.cleaned_data
        seen = values.pop("version")
        try:
            with change_context(self.user, values.pop("change_reason"), "admin"):
                addressee = lock_for_change(Addressee.objects.visible_to(self.user)).get(pk=self.addressee.pk)
                versions.check(addressee, seen)
                responses.respond(addressee, values, by=self.user, today=today())
        except Stale as error:
            self.reject_stale(seen, error.current_version)
        except Addressee.DoesNotExist:
            self.add_error(None, DELETED_ADDRESSEE)
        except NotPermitted as error:
            self.add_error(None, str(error))
        except ValidationError as error:
            for name, messages in error.message_dict.items():
                self.add_error(name if name in self.fields else None, messages)
        except DatabaseError as error:
            rule = violations.constraint_of(error)
            self.add_error(rule.field if rule.field in self.fields else None, rule.message)
        return not self.errors

    def reject_stale(self, seen: int, version: int) -> None:
        """Reject a response to an older version of the addressee, merged with what has changed since."""
        changes = ChangesSince(self.addressee, seen, AddresseeSerializer, self.user)
        changes.merge_into(self)
        self.data[self.add_prefix("version")] = str(version)
        self.add_error(None, ValidationError(changes.message(MERGED), code="stale"))


@dataclass(frozen=True)
class AddresseeLine:
    """An addressee, with the form of its response if the user may record it."""

    addressee: Addressee
    form: ResponseForm | None


def addressees_of(recommendation: Recommendation, user: Any) -> Iterable[Addressee]:
    """The addressees that the user may read, the lead first."""
    rows = recommendation.addressees.visible_to(user).order_by(*LEAD_FIRST)
    return rows.prefetch_related(*references(Addressee, user, ["party", "source"]))


def save_response(request: HttpRequest, recommendation: Recommendation) -> ResponseForm | None:
    """Record the response that the request contains. Returns its form, or None if the addressee does not exist."""
    key = request.POST["_response"]
    rows = recommendation.addressees.visible_to(request.user)
    addressee = rows.filter(pk=key).first() if key.isascii() and key.isdigit() and len(key) < 19 else None
    if addressee is None:
        return None
    form = ResponseForm(request.POST, addressee, request.user)
    form.save()
    return form


def related(request: HttpRequest, recommendation: Recommendation, rejected: ResponseForm | None) -> dict[str, Any]:
    """The variables of the template. `rejected` is the form of a response, if it was sent and rejected."""
    user, lines = request.user, []
    for addressee in addressees_of(recommendation, user):
        form = None
        if responses.may_respond(addressee, user):
            form = rejected if rejected and rejected.addressee.pk == addressee.pk else ResponseForm(None, addressee, user)
        lines.append(AddresseeLine(addressee, apply_theme(form) if form else None))
    milestones: Any = with_deadline_state(recommendation.milestones.visible_to(user), today())
    dependencies = Dependency.objects.visible_to(user).select_related("recommendation", "depends_on")
    return {
        "addressees": lines,
        "milestones": [(row, deadline_label(row.deadline_state)) for row in milestones.order_by("position", "due_on_first", "pk")],
        "depends_on": [
            row.depends_on for row in dependencies.filter(recommendation=recommendation).order_by("depends_on__key_action", "pk")
        ],
        "needed_by": [
            row.recommendation for row in dependencies.filter(depends_on=recommendation).order_by("recommendation__key_action", "pk")
        ],
    }

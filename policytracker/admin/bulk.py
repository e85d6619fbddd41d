"""Bulk edit: the same changes for several records of a list, each of which is changed wholly or not at all."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from policytracker.accounts.models import User
from policytracker.admin.base import RecordAdmin
from policytracker.admin.error_summary import errors_of_form
from policytracker.admin.theme import apply_theme
from policytracker.records import exceptions, publishing, violations
from policytracker.records.access import Publication
from policytracker.records.context import MAX_REASON, change_context
from policytracker.records.models import RegistryRecord

BULK_EDIT_LIMIT = 500  # records


class BulkEditForm(forms.Form):
    """Changes for several records. Empty fields change nothing. `columns` are the fields of the form that set a field of the record."""

    columns: tuple[str, ...] = ()
    field_order: list[str] | None = None

    publish = forms.BooleanField(required=False, label=_("Publish drafts"))
    change_reason = forms.CharField(required=False, max_length=MAX_REASON, label=_("Reason for change"))

    def __init__(self, data: Any, user: User):
        super().__init__(data)
        self.user = user
        if "due_on" in self.columns:
            self.fields["change_reason"].help_text = _("Required for moving a due date.")
        self.order_fields([*(name for name in self.fields if name != "change_reason"), "change_reason"])

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        if not self.errors and not any(value for name, value in values.items() if name != "change_reason"):
            raise ValidationError(_("Change at least one field."), code="required")
        return values

    def changes(self, record: RegistryRecord) -> dict[str, Any]:
        """The new values of the fields of the record."""
        values = {name: self.cleaned_data[name] for name in self.columns if self.cleaned_data[name]}
        if self.cleaned_data["publish"] and record.publication == Publication.DRAFT:
            values["publication"] = Publication.PUBLISHED
        return values

    def change(self, record: Any) -> None:
        """Change one record."""
        if changes := self.changes(record):
            publishing.check_changes(self.user, record, changes)
            for name, value in changes.items():
                setattr(record, name, value)
            record.save(update_fields=list(changes))

    def apply(self, record: Any) -> list[str]:
        """Change one record. Returns the error messages; if there are any, nothing was changed."""
        try:
            with change_context(self.user, self.cleaned_data["change_reason"], "admin"):
                self.change(record)
        except exceptions.Refused as refused:
            return [refusal.detail for refusal in refused.refusals]
        except exceptions.NotPermitted as error:
            return [str(error)]
        except DatabaseError as error:
            return [str(violations.constraint_of(error).message)]
        return []


class BulkEditAdmin(RecordAdmin):
    """Base class of the lists of registry records, with the action *Bulk edit*."""

    actions = ["bulk_edit"]
    bulk_edit_form: type[BulkEditForm] = BulkEditForm

    @admin.action(description=_("Bulk edit"), permissions=["change"])
    def bulk_edit(self, request, queryset):
        """Change several records. A rejected one is reported and does not stop the others. The list keeps its filters."""
        form = self.bulk_edit_form(request.POST if "_bulk_edit" in request.POST else None, request.user)
        selected = list(queryset[: BULK_EDIT_LIMIT + 1])
        if len(selected) > BULK_EDIT_LIMIT:
            self.message_user(request, _("Select at most %d records. Nothing was changed.") % BULK_EDIT_LIMIT, messages.ERROR)
            return None
        if not form.is_valid():
            context = self.admin_site.each_context(request) | {
                "title": _("Bulk edit"),
                "opts": self.opts,
                "form": apply_theme(form),
                "error_summary": list(errors_of_form(form)),
                "selected": selected,
            }
            return TemplateResponse(request, "admin/bulk_edit.html", context)
        rejected = {record: errors for record in selected if (errors := form.apply(record))}
        for record, errors in rejected.items():
            self.message_user(request, f"{record}: {' '.join(errors)}", messages.ERROR)
        if changed := len(selected) - len(rejected):
            names = {"changed": changed, "selected": len(selected), "records": self.opts.verbose_name_plural}
            self.message_user(request, _("%(changed)d of %(selected)d %(records)s changed.") % names, messages.SUCCESS)
        return None

"""Bulk edit: the same changes for several records of a list, each of which is changed wholly or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from policytracker.accounts.models import User
from policytracker.admin.base import RecordAdmin
from policytracker.admin.error_summary import errors_of_form
from policytracker.admin.history import display_value
from policytracker.admin.theme import apply_theme
from policytracker.records import exceptions, publishing, versions, violations
from policytracker.records.access import Publication
from policytracker.records.context import MAX_REASON, change_context, check_constraints
from policytracker.records.models import RegistryRecord

BULK_EDIT_LIMIT = 500  # records


CHANGED_MEANWHILE = _("It was changed since the preview. Look at it, and edit it again.")


@dataclass(frozen=True)
class PlannedChange:
    """What a bulk edit will change in a record: the label of each field, its value and its new value, or why it is rejected."""

    record: Any
    version: int
    values: list[tuple[str, str, str]]
    errors: list[str]


class BulkEditForm(forms.Form):
    """Changes for several records. Empty fields change nothing. `columns` are the fields of the form that set a field of the record."""

    columns: tuple[str, ...] = ()
    added: tuple[str, ...] = ()  # fields of the form that add something to the record
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

    def apply(self, record: Any, seen: versions.Seen = None) -> list[str]:
        """Change one record, of which the user has seen this version. Returns the error messages; if there are any, nothing was changed."""
        try:
            with change_context(self.user, self.cleaned_data["change_reason"], "admin"):
                versions.check(record, seen)
                self.change(record)
                check_constraints()
        except exceptions.Stale:
            return [str(CHANGED_MEANWHILE)]
        except exceptions.Refused as refused:
            return [refusal.detail for refusal in refused.refusals]
        except exceptions.NotPermitted as error:
            return [str(error)]
        except DatabaseError as error:
            return [str(violations.constraint_of(error).message)]
        return []

    def planned(self, record: Any) -> PlannedChange:
        """What applying the form to a record would change, or why it would be rejected. Nothing is changed."""
        values = [self.planned_value(record, name, value) for name, value in self.changes(record).items()]
        values += [(str(self.fields[name].label), "", str(self.cleaned_data[name])) for name in self.added if self.cleaned_data[name]]
        different = [value for value in values if value[1] != value[2]]
        version = record.version
        with transaction.atomic():
            errors = self.apply(record)
            transaction.set_rollback(True)
        return PlannedChange(record, version, [] if errors else different, errors)

    def planned_value(self, record: Any, name: str, value: Any) -> tuple[str, str, str]:
        """The label of a field of the record, its present and its new value."""
        field = record._meta.get_field(name)
        before, after = (
            str(each or "") if field.is_relation else str(display_value(field, each) if each else "")
            for each in (getattr(record, name), value)
        )
        return str(capfirst(field.verbose_name)), before, after


class BulkEditAdmin(RecordAdmin):
    """Base class of the lists of registry records, with the action *Bulk edit*."""

    actions = ["bulk_edit"]
    bulk_edit_form: type[BulkEditForm] = BulkEditForm

    @admin.action(description=_("Bulk edit"), permissions=["change"])
    def bulk_edit(self, request, queryset):
        """Change several records, after a preview. A rejected one is reported and does not stop the others. The list keeps its filters."""
        sent = request.POST.keys() & {"_preview", "_edit", "_bulk_edit"}
        form = self.bulk_edit_form(request.POST if sent else None, request.user)
        selected = list(queryset[: BULK_EDIT_LIMIT + 1])
        if len(selected) > BULK_EDIT_LIMIT:
            self.message_user(request, _("Select at most %d records. Nothing was changed.") % BULK_EDIT_LIMIT, messages.ERROR)
            return None
        if not form.is_valid() or "_edit" in sent:
            context = self.admin_site.each_context(request) | {
                "title": _("Bulk edit"),
                "opts": self.opts,
                "form": apply_theme(form),
                "error_summary": list(errors_of_form(form)),
                "selected": selected,
            }
            return TemplateResponse(request, "admin/bulk_edit.html", context)
        if "_preview" in sent:
            plans = [form.planned(record) for record in selected]
            context = self.admin_site.each_context(request) | {
                "title": _("Preview of the bulk edit"),
                "opts": self.opts,
                "plans": plans,
                "changed": sum(bool(plan.values) for plan in plans),
                "rejected": sum(bool(plan.errors) for plan in plans),
                "sent": [(name, request.POST[name]) for name in form.fields if request.POST.get(name)],
            }
            return TemplateResponse(request, "admin/bulk_preview.html", context)
        seen = {record.pk: request.POST.get(f"version-{record.pk}") for record in selected}
        rejected = {record: errors for record in selected if (errors := form.apply(record, seen[record.pk]))}
        for record, errors in rejected.items():
            self.message_user(request, f"{record}: {' '.join(errors)}", messages.ERROR)
        if changed := len(selected) - len(rejected):
            names = {"changed": changed, "selected": len(selected), "records": self.opts.verbose_name_plural}
            self.message_user(request, _("%(changed)d of %(selected)d %(records)s changed.") % names, messages.SUCCESS)
        return None

"""Stale edits in forms: what others changed since a form was opened, and merging it into what the user has entered.

The form contains the version of the record that it was opened with. The history knows the values of that version, so no copy of them
travels with the form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from policytracker.admin.history import display_value
from policytracker.history.record import History
from policytracker.records.access import Reader
from policytracker.records.models import Record
from policytracker.representation.diffs import display_text

SHOWN_CHANGES = 5
MAX_CHANGES = 200  # that are read; with more of them, every difference to the stored record counts as a change by both
SHOWN_TEXT = 5_000  # characters of a stored value
STALE = _("This record has changed since you opened it. %(changes)s Your text is kept. Check it and save again.")
STALE_HIDDEN = _("This record has changed since you opened it. Your text is kept. Check it and save again.")  # the changes are hidden
MERGED = _(
    "Not saved, because this record has changed since you opened it. %(changes)s Fields that you did not change have the stored values "
    "now. What you entered is kept. Check it and save again."
)
MORE = _("and more")
CONFLICT = _("You and %(user)s changed this field. If you save again, your value replaces the stored one: “%(stored)s”")


@dataclass
class ChangesSince:
    """The changes of a record since a version, as far as the user may see them."""

    record: Record
    seen: int
    serializer: type
    user: Any
    lines: list[str] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)  # the initial values that the fields of a form had, if they have changed
    changed_by: dict[str, str] = field(default_factory=dict)  # who changed the field last
    complete: bool = True

    def __post_init__(self):
        history = History(self.record, self.serializer().fields, Reader.of(self.user))
        since = history.shown().filter(op="update", before__version__gte=self.seen).order_by("id")
        changes = list(since[: MAX_CHANGES + 1])
        self.complete = len(changes) <= MAX_CHANGES
        stored = history.values.stored(changes)
        for change, entry in zip(changes, history.entries(changes), strict=True):
            self.lines.append(entry.data["line"])
            for name in entry.edited:
                before, _after = stored[change.id][name]
                model_field = self.record._meta.get_field(history.fields[name].source)
                self.before.setdefault(model_field.name, initial_value(model_field, before))
                self.changed_by[model_field.name] = entry.data["user"] or entry.data["channel"]

    def summary(self) -> str:
        """The changes as text, the oldest first; "" if the user may see none."""
        lines = self.lines[:SHOWN_CHANGES] + ([str(MORE)] if len(self.lines) > SHOWN_CHANGES else [])
        return f"{'; '.join(lines)}." if lines else ""

    def message(self, template: Any) -> str:
        """The error message of the form: the template with the changes in it."""
        return str(template) % {"changes": self.summary()} if self.lines else str(STALE_HIDDEN)

    def merge_into(self, form: forms.BaseForm) -> None:
        """Show the stored values in the fields that the user did not change, and mark those that others have changed too."""
        data, record = form.data.copy(), self.record
        for name, form_field in form.fields.items():
            if form_field.disabled or (self.complete and name not in self.before):
                continue
            bound, stored = form[name], form.get_initial_for_field(form_field, name)
            if name in self.before and not form_field.has_changed(shown(form_field, self.before[name]), bound.data):
                enter(data, bound, stored)
                form.errors.pop(name, None)
                form.cleaned_data.pop(name, None)
            elif name in record_fields(record) and form_field.has_changed(stored, bound.data):
                form.add_error(name, self.conflict(record, name))
        form.data = data

    def conflict(self, record: Record, name: str) -> ValidationError:
        values = {"user": self.changed_by.get(name) or _("unknown user"), "stored": stored_text(record, name)}
        return ValidationError(CONFLICT, code="changed_by_both", params=values)


def record_fields(record: Record) -> set[str]:
    return {f.name for f in (*record._meta.fields, *record._meta.many_to_many)}


def initial_value(model_field: Any, stored: Any) -> Any:
    """The initial value of a form field for a value in the history, which has ids in place of references."""
    if model_field.is_relation:
        return stored
    return model_field.to_python(str(stored) if isinstance(stored, float) else stored)  # Decimal would keep the error of the float


def shown(form_field: forms.Field, before: Any) -> Any:
    """An earlier initial value, without references to records that the user may not read."""
    if not isinstance(form_field, forms.ModelChoiceField):
        return before
    ids = before if isinstance(before, list) else [before]
    readable = list(form_field.queryset.filter(pk__in=[pk for pk in ids if pk is not None]).values_list("pk", flat=True))
    return readable if isinstance(form_field, forms.ModelMultipleChoiceField) else next(iter(readable), None)


def enter(data: Any, bound: forms.BoundField, value: Any) -> None:
    """Replace what the user entered in a field of a submitted form."""
    value = bound.field.prepare_value(value)
    if isinstance(value, list | tuple | models.QuerySet):
        data.setlist(bound.html_name, [str(getattr(item, "pk", item)) for item in value])
    elif value is None or value is False:
        data.pop(bound.html_name, None)
    else:
        data[bound.html_name] = str(value)


def stored_text(record: Record, name: str) -> str:
    """A stored value as people read it. References were loaded without those that the user may not read."""
    model_field: Any = record._meta.get_field(name)
    if model_field.many_to_many:
        text = ", ".join(str(target) for target in getattr(record, name).all())
    elif model_field.is_relation:
        text = getattr(record, name)
    else:
        text = display_value(model_field, model_field.value_from_object(record))
    text = display_text("" if text is None else text)
    return text if len(text) <= SHOWN_TEXT else f"{text[:SHOWN_TEXT]}…"

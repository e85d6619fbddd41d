"""Forms of records: field types and references, errors of the database, protection of hidden references, detection of stale edits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.widgets import AdminDateWidget, AutocompleteSelect
from django.contrib.postgres.forms import SimpleArrayField
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpRequest, QueryDict
from django.utils.text import capfirst, format_lazy, slugify
from django.utils.translation import gettext_lazy as _

from policytracker.admin.stale import MERGED, ChangesSince
from policytracker.date_forms import parse
from policytracker.edtf import duration_in_words, is_exact, parse_duration
from policytracker.records import publishing, versions, violations
from policytracker.records.access import Reader
from policytracker.records.context import MAX_REASON
from policytracker.records.exceptions import Stale
from policytracker.records.models import Record
from policytracker.representation import hidden

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

ROW_FIELD = _("%(field)s, row %(row)d")
NEW_ROW_FIELD = _("%(field)s, new row")
DATE_FORMAT = {"placeholder": _("YYYY-MM-DD")}
PARTIAL_DATE = _("A day, month or year, such as 2026-05-31, 2026-05 or 2026.")
SUGGESTED_KEY = 60  # characters of a suggested key, at most
KEY_HELP = _("Part of the URL. It cannot be changed later. Leave empty to create it automatically.")
NO_KEY = _("No key can be made from the title. Enter one: small letters, digits and hyphens.")
NO_TITLE = _("Enter a title, from which the key is made, or a key.")


class VerbatimField(forms.CharField):
    """A text of several lines, stored unchanged except for its line ends: browsers send CRLF."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs | {"strip": False})

    def to_python(self, value):
        return super().to_python(value).replace("\r\n", "\n")


class LinesField(SimpleArrayField):
    """A list of texts, one per line. Names may contain commas."""

    def __init__(self, base_field, **kwargs):
        super().__init__(base_field, **kwargs | {"delimiter": "\n"})

    def to_python(self, value):
        if isinstance(value, str):
            value = "\n".join(filter(None, (line.strip() for line in value.splitlines())))
        return super().to_python(value)


class DateInput(AdminDateWidget):
    """A text field with a date picker."""

    class Media:
        extend = False
        js = ["admin/js/core.js", "admin/js/calendar.js", "admin/js/admin/DateTimeShortcuts.js"]


class PartialDate(forms.CharField):
    """A partial date (EDTF), which may also be typed in a common form such as `22 Oct 2022`, `October 2022` or `22.10.2022`."""

    widget = DateInput

    def __init__(self, *, help_text="", **kwargs):
        kwargs["max_length"] = None  # with a limit, browsers would silently cut off a longer form of the date
        super().__init__(help_text=format_lazy("{} {}", help_text, PARTIAL_DATE) if help_text else PARTIAL_DATE, **kwargs)

    def widget_attrs(self, widget):
        return super().widget_attrs(widget) | DATE_FORMAT

    def to_python(self, value):
        return parse(super().to_python(value))


class Day(forms.DateField):
    """An exact date. Accepts the same notations as PartialDate."""

    widget = DateInput

    def widget_attrs(self, widget):
        return super().widget_attrs(widget) | DATE_FORMAT

    def to_python(self, value):
        if isinstance(value, str) and value:
            value = PartialDate().clean(value)
            if not is_exact(value):
                raise ValidationError(_("Enter the full date, including the day."), code="invalid")
        return super().to_python(value)


class Duration(forms.CharField):
    """A duration (ISO 8601), which is shown and may also be typed in a common form such as `1 year` or `6 months`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs | {"max_length": None})

    def prepare_value(self, value):
        return duration_in_words(value) or value if isinstance(value, str) else value

    def to_python(self, value):
        return parse_duration(super().to_python(value))


class Number(forms.DecimalField):
    """A number, shown without the zeros that only fill its decimal places: `20` and not `20.0000`."""

    def prepare_value(self, value):
        return f"{value.normalize():f}" if isinstance(value, Decimal) else value


class Reference(AutocompleteSelect):
    """A field that finds a record by typing. `labels` has the labels of records that are already loaded, which saves a query.

    An empty field shows the `placeholder`.
    """

    labels: dict[str, str] = {}
    placeholder: StrOrPromise = ""

    def build_attrs(self, base_attrs, extra_attrs=None):
        return super().build_attrs(base_attrs, extra_attrs) | {"data-placeholder": self.placeholder}

    def optgroups(self, name, value, attr=None):
        chosen = [str(key) for key in value if str(key).isdecimal()]  # the query of Django fails for other keys, which no browser sends
        if not all(key in self.labels for key in chosen):
            return super().optgroups(name, chosen, attr)
        blank = [] if self.is_required else [self.create_option(name, "", "", False, 0)]
        return [(None, [*blank, *(self.create_option(name, key, self.labels[key], True, 1) for key in chosen)], 0)]


ROW_REMOVED = _("This row was deleted since you opened the page. Copy what you need. If you save again, it is left out.")
REMOVED = "0"  # the version of a row of which the user knows that it was deleted


class SeenVersion(forms.IntegerField):
    """The version of the record that the form was rendered with. It does not count as a change of the form."""

    def __init__(self):
        super().__init__(required=False, widget=forms.HiddenInput)

    def has_changed(self, initial, data):
        return False


def free_key(model: type[Record], title: str) -> str:
    """A key made of the first words of a title, which no record has yet; "" if the title has no letters that a key can contain."""
    words = slugify(title)
    key = words if len(words) <= SUGGESTED_KEY else words[: SUGGESTED_KEY + 1].rpartition("-")[0] or words[:SUGGESTED_KEY]
    taken = set(model._base_manager.filter(slug__startswith=key).values_list("slug", flat=True)) if key else set()
    if key not in taken:
        return key
    return next(numbered for number in count(2) if (numbered := f"{key}-{number}") not in taken)


class VersionedForm(forms.ModelForm):
    """The form of a record. `form_for_request` sets `request` and `serializer`."""

    request: HttpRequest
    serializer: type

    key_from: Sequence[str] = ()  # the fields from which the key of a new record is suggested, the preferred one first

    seen_version = SeenVersion()

    def __init__(self, *args, instance: Record | None = None, **kwargs):
        if instance is not None and instance.pk:
            hidden.redact([instance], self.request.user)
        super().__init__(*args, instance=instance, **kwargs)
        if not self.instance.pk and self.key_from and "slug" in self.fields:
            self.fields["slug"].required = False
            self.fields["slug"].help_text = KEY_HELP
            self.fields["slug"].max_length = SUGGESTED_KEY  # the script that suggests the key reads it
        if self.instance.pk and "seen_version" in self.fields:
            self.initial["seen_version"] = self.instance.version
        loaded = self.instance._state.fields_cache
        self.initial |= {name: None for name in self.fields if name in loaded and loaded[name] is None}  # hidden from the user, or empty
        for name, field in self.fields.items():
            # References were loaded with the record, so the widget does not need to query their labels.
            if (reference := loaded.get(name)) is not None:
                widget = getattr(field.widget, "widget", field.widget)
                widget.labels = {str(reference.pk): str(reference)}

    @property
    def is_removed(self) -> bool:
        """Whether this is a row whose record was deleted, or hidden from the user, since the page was opened."""
        return not self.instance.pk and bool(self.data.get(self.add_prefix(self._meta.model._meta.pk.name)))

    def full_clean(self) -> None:
        super().full_clean()
        if self.is_bound and self.is_removed:
            self.leave_out()

    def leave_out(self) -> None:
        """Tell the user that the row no longer exists. If the form is sent again, the row is left out."""
        name = self.add_prefix("seen_version")
        was_told = self.data.get(name) == REMOVED
        self.errors.clear()
        self.cleaned_data = {}
        if not was_told:
            self.data = self.data.copy()
            self.data[name] = REMOVED
            self.add_error(None, ValidationError(ROW_REMOVED, code="removed"))

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if self.instance.pk:
            self.reject_stale(values.get("seen_version"))  # first, while the instance has no content of hidden sources
            self.keep_hidden(values)
        elif self.key_from and not values.get("slug") and "slug" not in self.errors:
            self.set_key(values)
        return values

    def set_key(self, values: dict[str, Any]) -> None:
        """Give a new record a key that is made of its title."""
        title = next((values[name] for name in self.key_from if values.get(name)), "")
        key = free_key(type(self.instance), title)
        if "slug" not in self.fields:
            self.instance.slug = key
        elif key:
            values["slug"] = key
        elif title or not set(self.key_from) & set(self.errors):
            self.add_error("slug", ValidationError(NO_KEY if title else NO_TITLE, code="required"))

    def keep_hidden(self, values: dict[str, Any]) -> None:
        """Keep what the user may not read of the stored record, which the form shows as empty."""
        user = self.request.user
        if Reader.of(user).sees_all:
            return
        stored = type(self.instance)._base_manager.get(pk=self.instance.pk)
        try:
            hidden.keep(stored, values, lambda model, ids: hidden.readable_ids(model, ids, user))
        except ValidationError as error:
            for name, errors in error.error_dict.items():
                self.add_error(name, errors)
        for name in hidden.content_fields(type(stored)):  # redacted in the instance; the form sets those that are left in `values`
            setattr(self.instance, name, values.get(name, getattr(stored, name)))

    def reject_stale(self, seen: int | None) -> None:
        """Reject an edit of an older version, merged with what has changed since. Sending the form again saves what it shows."""
        if seen is None:
            return
        try:
            versions.check(self.instance, seen)
        except Stale as error:
            changes = ChangesSince(self.instance, seen, self.serializer, self.request.user)
            changes.merge_into(self)
            self.data[self.add_prefix("seen_version")] = str(error.current_version)
            self.add_error(None, ValidationError(changes.message(MERGED), code="stale"))

    def _update_errors(self, errors: ValidationError) -> None:
        """Put the errors of the model on the fields of the form."""
        by_field: dict[str, list[ValidationError]] = {}
        for name, messages in violations.by_field(errors, self._meta.model).items():
            by_field.setdefault(name if name in self.fields else NON_FIELD_ERRORS, []).extend(messages)
        super()._update_errors(ValidationError(by_field))


class RecordForm(VersionedForm):
    """The form of a record's own page, with a reason for the change."""

    change_reason = forms.CharField(
        label=_("Reason for change"),
        required=False,
        max_length=MAX_REASON,
        help_text=_("Shown in the history. Some changes require it, such as moving a due date, archiving or narrowing the visibility."),
    )

    def __init__(self, *args, instance: Record | None = None, **kwargs):
        # Validation writes the input into the instance. The copy lets the page still show the stored record.
        super().__init__(*args, instance=copy(instance), **kwargs)

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        for field, message in publishing.denied_changes(self.request.user, self.instance, values).items():
            self.add_error(field, message)
        if rule := getattr(self.request, "constraint_violation", None):
            self.add_error(self.field_of(rule), self.message_of(rule))
        return values

    def in_inline(self, rule: violations.ConstraintViolation) -> bool:
        """Whether an inline row violates the constraint, and not this record."""
        return not rule.code and rule.model not in (None, self._meta.model)

    def message_of(self, rule: violations.ConstraintViolation) -> str:
        return f"{capfirst(rule.model._meta.verbose_name)}: {rule.message}" if rule.model and self.in_inline(rule) else rule.message

    def field_of(self, rule: violations.ConstraintViolation) -> str | None:
        """The field of the form on which the violation is shown, or None."""
        field = "change_reason" if rule.code == "reason_required" else rule.field
        return field if field in self.fields and not self.in_inline(rule) else None


class VersionedFormSet(forms.BaseInlineFormSet):
    """Inline rows. A constraint violation is shown on its row if only one row was changed, otherwise on the record."""

    request: HttpRequest

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.is_bound:  # the rows of the form, which may be on another page by now, because others added or deleted rows
            count, pk = min(self.initial_form_count(), self.total_form_count()), self.model._meta.pk.name
            keys = [self.data.get(f"{self.add_prefix(number)}-{pk}", "") for number in range(count)]
            self._queryset = self.queryset.filter(pk__in=[key for key in keys if key.isascii() and key.isdigit() and len(key) < 19])

    def add_fields(self, form, index) -> None:
        super().add_fields(form, index)
        for field in form.fields.values():
            names = {"field": capfirst(field.label or ""), "row": (index or 0) + 1}
            widget = getattr(field.widget, "widget", field.widget)
            widget.attrs["aria-label"] = (ROW_FIELD if index is not None else NEW_ROW_FIELD) % names

    def clean(self) -> None:
        super().clean()
        rule = getattr(self.request, "constraint_violation", None)
        changed = [form for form in self.forms if form.has_changed()]
        if rule and rule.model is self.model and not rule.code and len(changed) == 1:
            changed[0].add_error(rule.field if rule.field in changed[0].fields else None, rule.message)


def pairs(data: QueryDict) -> list[tuple[str, str]]:
    """The names and values of a submitted form, in its order."""
    return [(name, value) for name, values in data.lists() for value in values]


# The fields of a form that no person fills in: by their beginning, their end, and their whole name.
HIDDEN = (("csrfmiddlewaretoken", "initial-", "_"), ("_FORMS", "version"), {"action", "select_across", "index", "form", "token"})


def entered_texts(fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The labels and values of the fields that a person fills in."""
    beginnings, ends, names = HIDDEN
    return [
        (capfirst(name.replace("_", " ")), value)
        for name, value in fields
        if value.strip() and not (name.startswith(beginnings) or name.endswith(ends) or name in names)
    ]

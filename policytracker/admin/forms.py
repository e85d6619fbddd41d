"""What a person types into a record: kept when it is refused, and never put in place of what they have not seen."""

from __future__ import annotations

import re
from copy import copy
from typing import Any

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Q
from django.http import HttpRequest
from django.utils.text import capfirst

from policytracker.edtf import first_day, is_exact
from policytracker.history.record import History
from policytracker.records import publishing, violations
from policytracker.records.access import Reader
from policytracker.records.context import MAX_REASON
from policytracker.records.models import Record

TOLD = 5  # changes


def stale(record: Record, seen: int, serializer: type, user: Any) -> str:
    """Why what was typed over version `seen` is refused: what has changed since, as far as the user may read."""
    told = History(record, serializer().fields, Reader.of(user))
    since = told.shown().filter(op="update", before__version__gte=seen).order_by("id")
    lines = "; ".join(entry["line"] for entry in told.entries(list(since[:TOLD])))
    came_between = f" {lines}." if lines else ""
    return f"This record has changed since you opened it.{came_between} Your text is kept. Check it and save again."


class VerbatimField(forms.CharField):
    """A text that is kept to the letter, but for the line ends, which a browser writes in its own way."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs | {"strip": False})

    def to_python(self, value):
        return super().to_python(value).replace("\r\n", "\n")


class LinesField(SimpleArrayField):
    """A list of words, one in a line, since names have commas."""

    def __init__(self, base_field, **kwargs):
        super().__init__(base_field, **kwargs | {"delimiter": "\n"})

    def to_python(self, value):
        if isinstance(value, str):
            value = "\n".join(filter(None, (line.strip() for line in value.splitlines())))
        return super().to_python(value)


MONTH_NAMES = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"]
MONTHS = {name[:length]: f"{number:02}" for number, name in enumerate(MONTH_NAMES, 1) for length in (3, 4, len(name))}
WITH_MONTH_NAME = [  # 22 October 2022 · October 22, 2022 · Oct 2022
    re.compile(r"(?P<day>\d{1,2})(?:st|nd|rd|th)? (?P<month>[a-z]+) (?P<year>\d{4})"),
    re.compile(r"(?P<month>[a-z]+) (?P<day>\d{1,2})(?:st|nd|rd|th)? (?P<year>\d{4})"),
    re.compile(r"(?P<month>[a-z]+) (?P<year>\d{4})"),
]
WITH_DOTS = re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})")  # 22.10.2022, always with the day first
AMBIGUOUS = "Day and month are ambiguous in %(date)s. Enter the date as 2022-10-22 or 22 Oct 2022."
NO_DATE = "Enter a date as 2022-10-22, 22 Oct 2022, October 2022 or 2022. Add ~ for an approximate date."


class PartialDate(forms.CharField):
    """A partial date (EDTF), which may also be typed in a common form such as `22 Oct 2022`, `October 2022` or `22.10.2022`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs | {"max_length": None})  # a limit would let the browser cut a date off while it is typed

    def to_python(self, value):
        return self.edtf(super().to_python(value))

    def edtf(self, text: str) -> str:
        """The date in EDTF. Raises ValidationError."""
        about = "~" if text.endswith("~") else ""
        date = " ".join(text.removesuffix("~").replace(",", " ").lower().split())
        if re.search(r"\d/\d", date):
            raise ValidationError(AMBIGUOUS, code="ambiguous_date", params={"date": text[:40]})
        if match := WITH_DOTS.fullmatch(date):
            date = f"{match['year']}-{match['month']:0>2}-{match['day']:0>2}"
        elif match := next(filter(None, (form.fullmatch(date) for form in WITH_MONTH_NAME)), None):
            parts = match.groupdict()
            month = MONTHS.get(parts["month"])
            date = f"{parts['year']}-{month}" + (f"-{parts['day']:0>2}" if "day" in parts else "")
        try:
            first_day(date + about)
        except ValueError as error:
            raise ValidationError(NO_DATE, code="invalid_date") from error
        return date + about


class Day(forms.DateField):
    """A date that is known to the day, in the forms of a partial date."""

    def to_python(self, value):
        if isinstance(value, str) and value:
            value = PartialDate().clean(value)
            if not is_exact(value):
                raise ValidationError("Enter the full date, with its day.", code="invalid")
        return super().to_python(value)


class SeenVersion(forms.IntegerField):
    """The version that the person has before their eyes; by itself it is no change."""

    def __init__(self):
        super().__init__(required=False, widget=forms.HiddenInput)

    def has_changed(self, initial, data):
        return False


class VersionedForm(forms.ModelForm):
    """Edits one record for one person. The admin sets `request` and `serializer`."""

    request: HttpRequest
    serializer: type

    seen_version = SeenVersion()

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.instance.pk and "seen_version" in self.fields:
            self.initial["seen_version"] = self.instance.version
        for name, field in self.fields.items():
            # What the record refers to was read with it: no widget need ask for its name again.
            if (there := self.instance._state.fields_cache.get(name)) is not None:
                widget = getattr(field.widget, "widget", field.widget)
                widget.known = {str(there.pk): str(there)}

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if self.instance.pk:
            self.keep_hidden(values)
            self.refuse_stale(values.get("seen_version"))
        return values

    def keep_hidden(self, values: dict[str, Any]) -> None:
        """A reference that the person may not read is not theirs to remove."""
        user, stored = self.request.user, None
        if Reader.of(user).sees_all:
            return
        for name in [n for n in self.fields if n in values]:
            far = getattr(getattr(self.fields[name], "queryset", None), "model", None)
            if far is None or not issubclass(far, Record):
                continue
            stored = stored or type(self.instance)._base_manager.get(pk=self.instance.pk)
            visible = far.objects.visible_to(user)
            if isinstance(self.fields[name], forms.ModelMultipleChoiceField):
                hidden = getattr(stored, name).exclude(pk__in=visible.values("pk"))
                if hidden := list(hidden.values_list("pk", flat=True)):
                    chosen = [row.pk for row in values[name]]
                    values[name] = far._base_manager.filter(Q(pk__in=hidden) | Q(pk__in=chosen))
            elif values[name] is None and (there := getattr(stored, f"{name}_id")) and not visible.filter(pk=there).exists():
                values[name] = getattr(stored, name)
                if name == "source":
                    values |= {said: getattr(stored, said) for said in ("locator", "quote") if values.get(said) == ""}

    def refuse_stale(self, seen: int | None) -> None:
        """Refuses what was typed over another version, telling what came between; the next time it may pass."""
        if seen in (None, self.instance.version):
            return
        self.add_error(None, stale(self.instance, seen, self.serializer, self.request.user))
        self.data = self.data.copy()
        self.data[self.add_prefix("seen_version")] = str(self.instance.version)

    def _update_errors(self, found: ValidationError) -> None:
        """What the model found, at the fields where a person mends it."""
        at_fields: dict[str, list[ValidationError]] = {}
        for name, reasons in violations.by_field(found, self._meta.model).items():
            at_fields.setdefault(name if name in self.fields else NON_FIELD_ERRORS, []).extend(reasons)
        super()._update_errors(ValidationError(at_fields))


class RecordForm(VersionedForm):
    """The form of a record's own page, where the person may say why."""

    change_reason = forms.CharField(
        label="Reason for change",
        required=False,
        max_length=MAX_REASON,
        help_text="Kept in the history. Required when a due date changes, when a record is archived or restored, when a published "
        "record goes back to draft or is shown to fewer people, and when a high or critical priority is lowered.",
    )

    def __init__(self, *args, instance: Record | None = None, **kwargs):
        # A form writes what was typed into its instance before it is valid. The page keeps the stored record.
        super().__init__(*args, instance=copy(instance), **kwargs)

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        for field, message in publishing.denied_changes(self.request.user, self.instance, values).items():
            self.add_error(field, message)
        if rule := getattr(self.request, "broken", None):
            self.add_error(self.place_of(rule), self.sentence_of(rule))
        return values

    def elsewhere(self, rule: violations.ConstraintViolation) -> bool:
        """Whether the rule is not about this record, but about one in a row below it."""
        return not rule.code and rule.model not in (None, self._meta.model)

    def sentence_of(self, rule: violations.ConstraintViolation) -> str:
        return f"{capfirst(rule.model._meta.verbose_name)}: {rule.message}" if rule.model and self.elsewhere(rule) else rule.message

    def place_of(self, rule: violations.ConstraintViolation) -> str | None:
        """Where the person mends what the database refused."""
        field = "change_reason" if rule.code == "reason_required" else rule.field
        return field if field in self.fields and not self.elsewhere(rule) else None


class VersionedFormSet(forms.BaseInlineFormSet):
    """Rows below a record, of which the database may have refused one; where only one was changed, it is known which."""

    request: HttpRequest

    def clean(self) -> None:
        super().clean()
        rule = getattr(self.request, "broken", None)
        changed = [form for form in self.forms if form.has_changed()]
        if rule and rule.model is self.model and not rule.code and len(changed) == 1:
            changed[0].add_error(rule.field if rule.field in changed[0].fields else None, rule.message)

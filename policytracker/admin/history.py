"""The history page of a record: changes with labels instead of field names and codes, and with removed and added words marked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from policytracker.edtf import DURATION, EdtfField, date_in_words, duration_in_words
from policytracker.history.record import History
from policytracker.history.values import FieldChange
from policytracker.records.changes import Change
from policytracker.representation.diffs import Budget, diff

CHANNELS = {"api": _("API"), "import": _("Import"), "data set": _("Import")}


def channel_label(channel: Any) -> Any:
    """The interface through which a change was made, as people read it."""
    return CHANNELS.get(channel, channel)


def history_entries(history: History, changes: Iterable[Change]) -> list[dict[str, Any]]:
    """The entries of a page. Adds to each `when`, `channel_label` and `fields`: label and difference of each edited field.

    A difference is a list of (" ", "-" or "+", text).
    """
    budget = Budget()
    return [
        {
            **entry.data,
            "when": parse_datetime(entry.data["at"]),
            "channel_label": channel_label(entry.data["channel"]),
            "fields": [_field_change(history, name, entry.data["changes"][name], budget) for name in entry.edited],
        }
        for entry in history.entries(list(changes))
    ]


def _field_change(history: History, name: str, change: FieldChange, budget: Budget) -> dict[str, Any]:
    field = history.model._meta.get_field(history.fields[name].source)
    before, after = display_value(field, change["before"]), display_value(field, change["after"])
    return {"label": field.verbose_name, "diff": list(diff(before, after, budget))}


def display_value(field: models.Field, value: Any) -> Any:
    """The value of a field as people read it: the label of a code, Yes or No, a time in minutes, a duration or a date in words."""
    if isinstance(field, models.DateTimeField) and isinstance(value, str) and (time := parse_datetime(value)):
        return date_format(time, "DATETIME_FORMAT")
    if isinstance(value, bool):
        return str(_("Yes") if value else _("No"))
    if field.flatchoices and value and not isinstance(value, list):
        return str(dict(field.flatchoices).get(value, value))
    if value and DURATION in field.validators:
        return duration_in_words(value)
    if value and isinstance(field, EdtfField):
        return date_in_words(value)
    return value

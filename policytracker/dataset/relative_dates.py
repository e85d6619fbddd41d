"""Data sets whose dates are relative to the day of loading.

The description of such a data set (`datapackage.json`) has a `reference_date`. A load moves all dates in the files by the number of
days from then to today, so that what was due a week after the reference date is due in a week. What was loaded before keeps its dates.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db.models import DateField, DateTimeField, Field, Min, Model

from policytracker.dataset.package import NAME
from policytracker.dataset.reading import Entry
from policytracker.edtf import EdtfField, first_day
from policytracker.records.models import key_of
from policytracker.resources import today


def shift(folder: Path, entries: Iterable[Entry]) -> Iterable[Entry]:
    """The entries of the files in a folder, with the dates that they have if they are loaded today."""
    if not (reference := reference_date(folder)):
        return entries
    if known := list(entries):
        days = loading_day(known) - reference
        for entry in known:
            options: Any = entry.model._meta
            entry.values = {name: moved(options.get_field(name), given, days) for name, given in entry.values.items()}
    return known


def reference_date(folder: Path) -> date | None:
    """The reference date in the description of a data set; None if it has none."""
    try:
        description = json.loads((folder / NAME).read_bytes())
        return date.fromisoformat(description["reference_date"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def loading_day(entries: list[Entry]) -> date:
    """The day on which one of the entries was loaded first; today if none is stored."""
    keys: dict[type[Model], list[Any]] = defaultdict(list)
    for entry in entries:
        keys[entry.model].append(entry.key)
    for model, of_model in keys.items():
        if moment := model._base_manager.filter(**{f"{key_of(model)}__in": of_model}).aggregate(at=Min("created_at"))["at"]:
            return moment.astimezone(UTC).date()
    return today()


def moved(field: Field, given: Any, days: timedelta) -> Any:
    """The value of a date field some days later, in the same precision. Other values, and dates that are not valid, stay as they are."""
    if not given or not isinstance(given, str):
        return given
    try:
        if isinstance(field, EdtfField):
            digits = given.removesuffix("~")
            day = first_day(digits)
            return given if day is None else f"{(day + days).isoformat()[: len(digits)]}{'~' if digits != given else ''}"
        if isinstance(field, DateTimeField):
            return (datetime.fromisoformat(given) + days).isoformat()
        if isinstance(field, DateField):
            return (date.fromisoformat(given) + days).isoformat()
    except (ValueError, OverflowError):
        return given
    return given

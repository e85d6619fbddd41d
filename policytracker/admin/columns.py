"""Columns of lists: the label of a code, a date, and a text with a width."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext_lazy as _

from policytracker.admin.theme import date_html, display, label_html
from policytracker.edtf import date_in_words


class CodeColours(dict):
    """The label colour of each code; "" for a code without one."""

    def __missing__(self, code):
        return ""


def code_column(name: str, codes: Any, *, ordering: str = "", blank: str = "", **colours: Iterable[str]):
    """A column that shows the label of a code. `colours` maps label colours to codes, such as `danger=["overdue"]`.

    A code without a colour is plain text. The cell of the code `blank`, which says nothing, is empty.
    """
    code_colours = CodeColours({code: colour for colour, coloured in colours.items() for code in coloured})

    @display(description=_(name.replace("_", " ")), ordering=ordering or None)
    def column(page, record):
        if (code := getattr(record, name)) in ("", None, blank):
            return None
        label = str(codes(code).label)
        return label_html(label, code_colours[code]) if code_colours[code] else label

    return column


def date_column(name: str, title: Any):
    """A column that shows a partial date in words, sorted by its first day."""

    @display(description=title, ordering=f"{name}_first")
    def column(page, record):
        return date_html(date_in_words(getattr(record, name))) or None

    return column

"""The rows of a list as plain HTML: each cell is made once, without templates, and a column without a value is left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.utils import label_for_field, quote
from django.contrib.admin.views.main import ORDER_VAR
from django.db import models
from django.urls import reverse
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from policytracker.admin.theme import display_for_field, display_for_value, label_html

CHECKBOX = "action_checkbox"
DEMO = '<span class="pt-label pt-demo">{}</span> '
LONG = 24  # characters of a cell, above which it has its text as title too, because it may be cut off


@dataclass(frozen=True)
class Header:
    """The header of a column. `url` orders the list by it, `order` is the present order: "ascending", "descending" or ""."""

    name: str
    label: str
    url: str = ""
    order: str = ""


@dataclass(frozen=True)
class Table:
    """The headers and rows of a list, and the labels of the columns that have no value in any of its rows."""

    headers: list[Header]
    rows: SafeString
    left_out: list[str]


def table(changes: Any) -> Table:
    """The rows of the page of a list."""
    page, model = changes.model_admin, changes.model
    declared, records = {name_of(column): column for column in changes.list_display}, list(changes.result_list)
    names, columns = list(declared), dict[str, list[Any]]()
    for name, column in declared.items():
        cell = value_of(page, model, column)
        columns[name] = [cell(record) for record in records]
    first = next(name for name in names if name != CHECKBOX)
    labels = {name: capfirst(str(label_for_field(declared[name], model, page))) for name in names if name != CHECKBOX}
    empty = [name for name in names if records and name not in (first, CHECKBOX) and not any(columns[name])]
    shown = [name for name in names if name not in empty]
    link = link_to(changes)
    columns[first] = [link(record, text) for record, text in zip(records, columns[first], strict=True)]
    tags = {name: tags_of(name, first, labels.get(name, "")) for name in shown}
    parts = {name: [f"{begin}{content}{end}" for content in columns[name]] for name, (begin, end) in tags.items()}
    lines = zip(*(parts[name] for name in shown), strict=True)
    rows = mark_safe("\n".join(f"<tr>{''.join(line)}</tr>" for line in lines))  # noqa: S308 - all parts are escaped
    return Table(headers(changes, {name: declared[name] for name in shown}, labels), rows, [labels[name] for name in empty])


def tags_of(name: str, first: str, label: str) -> tuple[str, str]:
    """The tags around the content of a cell of the column. A narrow window shows the label."""
    attributes = f'data-label="{conditional_escape(label)}"'
    if name == CHECKBOX:
        return '<td class="pt-cell action-checkbox">', "</td>"
    if name == first:
        return f'<th scope="row" class="pt-cell pt-first field-{name}" {attributes}>', "</th>"
    return f'<td class="pt-cell field-{name}" {attributes}>', "</td>"


def name_of(column: Any) -> str:
    """The name of a column of `list_display`, which is a name or a function."""
    return column.__name__ if callable(column) else column


def value_of(page: Any, model: type[models.Model], name: Any) -> Callable[[Any], SafeString]:
    """A function that makes the content of a cell of the column, "" without a value."""
    method = name if callable(name) else str if name == "__str__" else getattr(page, name, None)
    if callable(method):
        boolean, colours = getattr(method, "boolean", False), getattr(method, "label", None)

        def cell(record: Any) -> Any:
            value = method(record)
            if colours and value:
                return label_html(value[1], colours[value[0]])
            return value if isinstance(value, str) else display_for_value(value, "", boolean)

    else:
        field: Any = model._meta.get_field(name)

        def cell(record: Any) -> Any:
            value = getattr(record, name)
            return str(value or "") if field.is_relation else display_for_field(value, field, "")

    return lambda record: titled(conditional_escape(cell(record)))


def titled(content: SafeString) -> SafeString:
    """The content of a cell. A long text without markup may be cut off, so that it is the title too."""
    return format_html('<span title="{0}">{0}</span>', content) if len(content) > LONG and "<" not in content else content


def link_to(changes: Any) -> Callable[[Any, SafeString], str]:
    """A function that makes the link of a row to its record, which leads back to the list with its filters.

    A row of demonstration data has a label before it.
    """
    options = changes.opts
    pattern = reverse(f"admin:{options.app_label}_{options.model_name}_change", args=["0"])
    query = f"?{conditional_escape(changes.preserved_filters)}" if changes.preserved_filters else ""
    key = changes.to_field or options.pk.attname
    label = format_html(DEMO, _("Demo"))

    def link(record: Any, content: SafeString) -> str:
        address = pattern.replace("/0/", f"/{quote(record.pk)}/")
        opener = f' data-popup-opener="{conditional_escape(record.serializable_value(key))}"' if changes.is_popup else ""
        return f'{label if record.pk in changes.fictional else ""}<a href="{address}{query}"{opener}>{content}</a>'

    return link


def headers(changes: Any, columns: dict[str, Any], labels: dict[str, str]) -> list[Header]:
    present = changes.get_ordering_field_columns()
    made = []
    for name, column in columns.items():
        if name == CHECKBOX or not changes.get_ordering_field(column):
            made.append(Header(name, labels.get(name, "")))
            continue
        order = {"asc": "ascending", "desc": "descending"}.get(present.get(changes.list_display.index(column), ""), "")
        query = changes.get_query_string({ORDER_VAR: f"-{name}" if order == "ascending" else name})
        made.append(Header(name, labels[name], query, order))
    return made


def order_by_name(text: str, names: list[str]) -> str:
    """The order of a list in the form of Django, which numbers the columns: `-due.status` as `-4.2`. Unknown names are left out."""
    parts = []
    for part in text.split("."):
        name = part.removeprefix("-")
        if name in names:
            parts.append(f"{'-' if part.startswith('-') else ''}{names.index(name)}")
        elif name.isdigit():
            parts.append(part)
    return ".".join(parts)

"""A mapping file to begin with: the headers of a table, and the values of its short columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from policytracker.codes import code_of
from policytracker.importing.summary import quoted
from policytracker.importing.tables import Table, one_line
from policytracker.resources import Resource

MAX_TERMS = 30  # different values of a column that may hold codes
MAX_TERM = 60  # characters


def draft(table: Table, resource: Resource | None, addresses: list[str]) -> Iterator[str]:
    """The lines of a mapping file for this table. Without a resource, all columns are left to be mapped."""
    fields = writable_fields(resource) if resource else {}
    found = {header: name for header in table.headers if (name := field_of(header, fields))}
    yield "# " + _("A mapping to begin with. Enter our fields, remove what you do not need, and preview the import.")
    yield f"resource = {quoted(resource.address)}" if resource else f"# resource = one of: {', '.join(addresses)}"
    yield ""
    yield f"[columns]  # {_('our field')} = {_('their header')}"
    for header in filter(None, table.headers):
        yield f"{found[header]} = {quoted(header)}" if header in found else f"# ... = {quoted(header)}"
    for header in filter(None, table.headers):
        name = found.get(header, "")
        field = fields.get(name)
        if field is not None and not field.choices:
            continue
        if terms := short_terms(table, header):
            mark = "" if name else "# "
            yield ""
            yield f"[codes.{name}]" if name else f"# [codes....]  # {one_line(header)}"
            for term in terms:
                yield f"{mark}{quoted(term)} = {quoted((code_of(field, term) if field and term else None) or '')}"


def writable_fields(resource: Resource) -> Mapping[str, Any]:
    """The stored fields that an import can write, by their API name. None for those that are not stored in a column."""
    stored = {f.name: f for f in resource.model._meta.concrete_fields}
    return {
        name: stored.get(field.source)
        for name, field in resource.serializer().fields.items()
        if not field.read_only and not isinstance(field, serializers.FileField)
    }


def field_of(header: str, fields: Mapping[str, Any]) -> str:
    """The field with this name or label; "" if there is none."""
    wanted = header.strip().casefold().replace(" ", "_")
    for name, field in fields.items():
        labels = {name, str(field.verbose_name).casefold().replace(" ", "_")} if field is not None else {name}
        if wanted in labels:
            return name
    return ""


def short_terms(table: Table, header: str) -> list[str]:
    """The different values of a column, if they are few, short and repeated; they may be codes."""
    terms: dict[str, None] = {}
    filled = 0
    for _row, values in table.rows:
        value = values.get(header, "")
        if isinstance(value, list | dict):
            return []
        text = "" if value is None else str(value).strip()
        terms[text] = None
        filled += bool(text)
        if len(text) > MAX_TERM or len(terms) > MAX_TERMS:
            return []
    return list(terms) if len(terms) <= max(2, filled // 2) else []

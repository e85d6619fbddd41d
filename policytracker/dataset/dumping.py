"""Dumping a data set: the rows of its files, as everybody or only anonymous users may read them.

Draft updates, users, tokens, history and, unless they are asked for, demonstration data are not included. Of uploaded files only
the names are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, TextField, Value, When
from django.db.models.functions import Cast, Collate
from django.utils.translation import gettext as _

from policytracker.dataset.demo import PREFIX, is_demo, refers_to_demo
from policytracker.dataset.layout import fields, files, is_user_reference
from policytracker.records.access import PUBLIC, Reader
from policytracker.records.fields import SourceContent
from policytracker.records.models import Record, key_of
from policytracker.representation.hidden import can_be_hidden
from policytracker.resources import registry

ANONYMOUS = Reader(frozenset({PUBLIC}))  # who reads with PUBLIC_READ=1 without logging in


class RefersToDemo(Exception):
    """A real record refers to demonstration data, which the files would not contain. The message names both."""


def rows(model: type[Record], public: bool = False, demo: bool = False) -> Iterator[dict]:
    """The rows of a model in the format of the files, ordered by key.

    `public` leaves out what anonymous users may not read, and the references to users; `demo` includes demonstration data. Raises
    RefersToDemo.
    """
    columns = {f.name: public_column(f) if public else column(f) for f in fields(model) if not (public and is_user_reference(f))}
    excluded = registry.of(model).excluded_rows
    queryset = public_rows(model) if public else model._base_manager.all()
    queryset = queryset.exclude(excluded) if excluded else queryset
    queryset = queryset if demo else queryset.exclude(is_demo(model))
    many = {f.name for f in model._meta.local_many_to_many}
    single = {f.name for f in fields(model) if f.is_relation} - many
    to_records = [f.name for f in fields(model) if f.is_relation and not is_user_reference(f)]
    for values in queryset.order_by(by_code_point(key_of(model))).values_list(*columns.values()).iterator():
        row = dict(zip(columns, values, strict=True))
        for name in single & row.keys():
            row[name] = row[name] and [row[name]]
        for name in many & row.keys():
            row[name] = [[key] for key in row[name]]
        if not demo and any(refers_to_demo(row[name]) for name in to_records):
            raise RefersToDemo(
                _("{type} {key} refers to demonstration data ({prefix}…). Change it, or include the demonstration data.").format(
                    type=model._meta.verbose_name, key=row[key_of(model)], prefix=PREFIX
                )
            )
        yield {"model": model._meta.label_lower, "fields": row}


def column(field: Any) -> Any:
    """An expression for the value of the field; for a relation, the natural key or keys."""
    if not field.is_relation:
        return F(field.name)
    key = key_of(field.related_model)
    if not field.many_to_many:
        return F(f"{field.name}__{key}")
    far = f"{field.m2m_reverse_field_name()}__{key}"
    through = field.remote_field.through._base_manager.filter(**{field.m2m_field_name(): OuterRef("pk")})
    return ArraySubquery(through.order_by(by_code_point(far)).values_list(far, flat=True))


def public_rows(model: Any) -> QuerySet:
    """The records that anonymous users may read, if the records that they must refer to are among them too."""
    rows = model.objects.visible_to(ANONYMOUS)
    for field in model._meta.concrete_fields:
        if field.is_relation and not field.null and can_be_hidden(field.related_model) and field.name not in model.access_parents:
            rows = rows.filter(**{f"{field.name}__in": public_rows(field.related_model).values("pk")})
    return rows


def public_column(field: Any) -> Any:
    """As `column`, without references to records that anonymous users may not read, and without the content of such sources."""
    if isinstance(field, SourceContent):
        sources = public_rows(field.model._meta.get_field("source").related_model)
        is_shown = Q(source=None) | Exists(sources.filter(pk=OuterRef("source_id")))
        return Case(When(is_shown, then=F(field.name)), default=Value(""), output_field=TextField())
    if not field.is_relation or not can_be_hidden(field.related_model):
        return column(field)
    targets, key = public_rows(field.related_model), key_of(field.related_model)
    if not field.many_to_many:
        return Subquery(targets.filter(pk=OuterRef(field.attname)).order_by().values(key))
    target = field.m2m_reverse_field_name()
    through = field.remote_field.through._base_manager.filter(
        **{field.m2m_field_name(): OuterRef("pk"), f"{target}__in": targets.values("pk")}
    )
    return ArraySubquery(through.order_by(by_code_point(f"{target}__{key}")).values_list(f"{target}__{key}", flat=True))


def by_code_point(key: str) -> Any:
    """An ordering that does not depend on the collation of the database."""
    return Collate(Cast(F(key), TextField()), "C")


def dump(folder: Path, public: bool = False, demo: bool = False) -> dict[str, int]:
    """Write the files from one database snapshot. Returns the number of rows of each. For the other parameters see `rows()`."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    with snapshot():
        for name, models in files().items():
            with (folder / f"{name}.part").open("w", encoding="utf-8", newline="\n") as file:
                counts[name] = 0
                for row in chain.from_iterable(rows(model, public, demo) for model in models):
                    # Not textwrap.indent(), which also breaks lines at Unicode line separators within a text.
                    text = json.dumps(row, indent=2, ensure_ascii=False, default=plain).replace("\n", "\n  ")
                    file.write(f"{',' if counts[name] else '['}\n  {text}")
                    counts[name] += 1
                file.write("\n]\n" if counts[name] else "[]\n")
    for name in counts:
        (folder / f"{name}.part").replace(folder / name)
    return counts


def plain(value: Any) -> str:
    """Dates and times in ISO format with full precision; other types that JSON lacks as text."""
    return value.isoformat() if isinstance(value, date) else str(value)


@contextmanager
def snapshot() -> Iterator[None]:
    """A read-only transaction in which all queries see the same data."""
    outermost = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield

"""The data set: which records and fields the five files contain, and how they are written.

The format is that of Django fixtures with natural keys. Draft updates, users, tokens and history are not included. Of uploaded files
only the names are included.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection, transaction
from django.db.models import F, Field, Model, OuterRef, Q, TextField
from django.db.models.functions import Cast, Collate

# The files and their models. Every model comes after the models that it refers to.
FILES = {
    "parties.json": ["agreements.party"],
    "vocabulary.json": ["agreements.sector", "agreements.focusarea"],
    "sources.json": ["agreements.source"],
    "agreements.json": [
        "agreements.agreement",
        "agreements.agreementrelation",
        "agreements.participation",
        "agreements.treatyaction",
        "agreements.entryintoforcecondition",
        "agreements.component",
        "agreements.commitment",
        "agreements.outcome",
        "agreements.indicator",
        "agreements.measurement",
        "agreements.factcheck",
        "agreements.citation",
    ],
    "recommendations.json": [
        "recommendations.recommendation",
        "recommendations.addressee",
        "recommendations.milestone",
        "recommendations.progressupdate",
        "recommendations.evidence",
        "recommendations.dependency",
    ],
}
# Draft updates are private to their author. Submitted and returned updates are included.
EXCLUDED_ROWS = {
    "recommendations.progressupdate": Q(review="draft"),
    "recommendations.evidence": Q(update__review="draft"),
}
MAINTAINED_BY_DATABASE = {"id", "version", "created_at", "updated_at"}
# Calculated from the updates: recalculated after every load.
CALCULATED = {
    "recommendations.recommendation": {
        "status", "claimed_status", "status_since", "progress_percent", "last_update_on", "closed_on",
    },
}  # fmt: skip
IMMUTABLE = {"original_due_on"}

# Functions to call after rows of a file were loaded, by file name. Apps register them in `ready()`.
after_load: dict[str, Callable[[], Any]] = {}


def file_of(model: type[Model]) -> str:
    return next(file for file, labels in FILES.items() if model._meta.label_lower in labels)


def models_of(file: str) -> list[type[Model]]:
    """The models of a file, in loading order."""
    return [apps.get_model(label) for label in FILES[file]]


def place(path: str) -> int:
    """The position of a file in the loading order. Other files come first, because they may contain users that the data set refers to."""
    name = Path(path).name.split(".")[0] + ".json"
    return list(FILES).index(name) if name in FILES else -1


def key_of(model: Any) -> str:
    """The name of the natural key field of a model."""
    return getattr(model, "key", None) or model.USERNAME_FIELD


def is_person(field: Field) -> bool:
    return field.is_relation and field.related_model is get_user_model()


def is_kept(field: Field) -> bool:
    """Whether a load keeps the value of an existing row."""
    return is_person(field) or field.name in IMMUTABLE


def not_in_files(model: type[Model]) -> set[str]:
    """The names of the fields that are calculated by the database or by the application."""
    generated = {f.name for f in model._meta.local_concrete_fields if f.generated}
    return MAINTAINED_BY_DATABASE | CALCULATED.get(model._meta.label_lower, set()) | set(getattr(model, "derived_fields", ())) | generated


def fields(model: type[Model]) -> list[Field]:
    """The fields of a model that the files contain, in order."""
    stored = [f for f in model._meta.local_concrete_fields if f.name not in not_in_files(model)]
    return stored + list(model._meta.local_many_to_many)


# ---- Writing the files


def rows(model: type[Model], public: bool = False) -> Iterator[dict]:
    """The rows of a model in fixture format, ordered by natural key. With `public`, fields that refer to users are omitted."""
    columns = {f.name: column(f) for f in fields(model) if not (public and is_person(f))}
    included = model._base_manager.filter(~EXCLUDED_ROWS.get(model._meta.label_lower, Q(pk__in=[])))
    to_many = {f.name for f in model._meta.local_many_to_many}
    to_one = {f.name for f in fields(model) if f.is_relation} - to_many
    for values in included.order_by(by_code_point(key_of(model))).values_list(*columns.values()).iterator():
        row = dict(zip(columns, values, strict=True))
        for name in to_one & row.keys():
            row[name] = row[name] and [row[name]]
        for name in to_many & row.keys():
            row[name] = [[key] for key in row[name]]
        yield {"model": model._meta.label_lower, "fields": row}


def column(field: Any) -> Any:
    """An expression for the value of a field; for a relation, the natural key or keys of the related rows."""
    if not field.is_relation:
        return F(field.name)
    key = key_of(field.related_model)
    if not field.many_to_many:
        return F(f"{field.name}__{key}")
    related_key = f"{field.m2m_reverse_field_name()}__{key}"
    through = field.remote_field.through._base_manager.filter(**{field.m2m_field_name(): OuterRef("pk")})
    return ArraySubquery(through.order_by(by_code_point(related_key)).values_list(related_key, flat=True))


def by_code_point(key: str) -> Any:
    """An ordering that does not depend on the locale of the server."""
    return Collate(Cast(F(key), TextField()), "C")


def dump(folder: Path, public: bool = False) -> dict[str, int]:
    """Write the five files from one snapshot of the database. Returns the number of rows by file name. `public` omits users."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    with snapshot():
        for name in FILES:
            with (folder / f"{name}.part").open("w", encoding="utf-8", newline="\n") as file:
                counts[name] = 0
                for row in chain.from_iterable(rows(model, public) for model in models_of(name)):
                    # textwrap.indent would also break lines inside a text, at Unicode line separators.
                    text = json.dumps(row, indent=2, ensure_ascii=False, default=json_text).replace("\n", "\n  ")
                    file.write(f"{',' if counts[name] else '['}\n  {text}")
                    counts[name] += 1
                file.write("\n]\n" if counts[name] else "[]\n")
    for name in FILES:
        (folder / f"{name}.part").replace(folder / name)
    return counts


def json_text(value: Any) -> str:
    """The text of a value that JSON has no type for. Times keep their microseconds."""
    return value.isoformat() if isinstance(value, date) else str(value)


@contextmanager
def snapshot() -> Iterator[None]:
    """All reads in this block see the same snapshot of the database."""
    outermost = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


# ---- Loading


def finish(loaded: Iterable[type[Model]]) -> None:
    """Recalculate derived values after rows of these models were loaded."""
    for file, recalculate in after_load.items():
        if not set(loaded).isdisjoint(models_of(file)):
            recalculate()

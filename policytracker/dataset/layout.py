"""The data set: five files that hold every record by its natural key. What a row of them says, and how it comes out of the database.

The layout is that of Django's fixtures. Drafts of updates, users, tokens and history are in no file, and neither are the files that
people uploaded, only their names.
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

# The files and what is in them, each after what it refers to.
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
# What somebody has only begun to write is nobody else's yet. What was submitted or returned has been seen, and stays.
LEFT_OUT = {
    "recommendations.progressupdate": Q(review="draft"),
    "recommendations.evidence": Q(update__review="draft"),
}
COUNTED = {"id", "version", "created_at", "updated_at"}
# Follows from the updates: whoever loads them has it worked out anew.
DERIVED = {
    "recommendations.recommendation": {
        "status", "claimed_status", "status_since", "progress_percent", "last_update_on", "closed_on",
    },
}  # fmt: skip
NEVER_CHANGED = {"original_due_on"}

# What to do once rows of a file were loaded, by the name of the file; the apps above fill it.
after_load: dict[str, Callable[[], Any]] = {}


def file_of(model: type[Model]) -> str:
    return next(file for file, labels in FILES.items() if model._meta.label_lower in labels)


def models_of(file: str) -> list[type[Model]]:
    """The models whose rows are in the file, in order."""
    return [apps.get_model(label) for label in FILES[file]]


def place(path: str) -> int:
    """Where a file stands in the order of loading; others come first, since they may hold people that ours name."""
    name = Path(path).name.split(".")[0] + ".json"
    return list(FILES).index(name) if name in FILES else -1


def key_of(model: Any) -> str:
    """The field by which the files refer to a row of the model."""
    return getattr(model, "key", None) or model.USERNAME_FIELD


def is_person(field: Field) -> bool:
    return field.is_relation and field.related_model is get_user_model()


def is_kept(field: Field) -> bool:
    """Whether a load leaves the field of an existing row alone, whatever the file says."""
    return is_person(field) or field.name in NEVER_CHANGED


def not_in_files(model: type[Model]) -> set[str]:
    """The names of the fields that the database, or a function of the domain, works out."""
    generated = {f.name for f in model._meta.local_concrete_fields if f.generated}
    return COUNTED | DERIVED.get(model._meta.label_lower, set()) | set(getattr(model, "derived_fields", ())) | generated


def fields(model: type[Model]) -> list[Field]:
    """What the files say of a row of the model, in order."""
    stored = [f for f in model._meta.local_concrete_fields if f.name not in not_in_files(model)]
    return stored + list(model._meta.local_many_to_many)


# ---- out of the database


def rows(model: type[Model], public: bool = False) -> Iterator[dict]:
    """The rows of a model as the files say them, in the order of their keys."""
    columns = {f.name: column(f) for f in fields(model) if not (public and is_person(f))}
    found = model._base_manager.filter(~LEFT_OUT.get(model._meta.label_lower, Q(pk__in=[])))
    many = {f.name for f in model._meta.local_many_to_many}
    one = {f.name for f in fields(model) if f.is_relation} - many
    for values in found.order_by(in_code_points(key_of(model))).values_list(*columns.values()).iterator():
        said = dict(zip(columns, values, strict=True))
        for name in one & said.keys():
            said[name] = said[name] and [said[name]]
        for name in many & said.keys():
            said[name] = [[key] for key in said[name]]
        yield {"model": model._meta.label_lower, "fields": said}


def column(field: Any) -> Any:
    """The value, or the keys of what it refers to."""
    if not field.is_relation:
        return F(field.name)
    key = key_of(field.related_model)
    if not field.many_to_many:
        return F(f"{field.name}__{key}")
    far = f"{field.m2m_reverse_field_name()}__{key}"
    through = field.remote_field.through._base_manager.filter(**{field.m2m_field_name(): OuterRef("pk")})
    return ArraySubquery(through.order_by(in_code_points(far)).values_list(far, flat=True))


def in_code_points(key: str) -> Any:
    """The order of keys that is the same on every server."""
    return Collate(Cast(F(key), TextField()), "C")


def dump(folder: Path, public: bool = False) -> dict[str, int]:
    """Write the five files, all as of one moment, and say how many rows each has. `public` leaves people out."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    with snapshot():
        for name in FILES:
            with (folder / f"{name}.part").open("w", encoding="utf-8", newline="\n") as file:
                counts[name] = 0
                for row in chain.from_iterable(rows(model, public) for model in models_of(name)):
                    # Not textwrap.indent: it would break lines within a text, at what Unicode calls a line separator.
                    text = json.dumps(row, indent=2, ensure_ascii=False, default=plain).replace("\n", "\n  ")
                    file.write(f"{',' if counts[name] else '['}\n  {text}")
                    counts[name] += 1
                file.write("\n]\n" if counts[name] else "[]\n")
    for name in FILES:
        (folder / f"{name}.part").replace(folder / name)
    return counts


def plain(value: Any) -> str:
    """A day or moment to its last digit; whatever else JSON has no word for, as text."""
    return value.isoformat() if isinstance(value, date) else str(value)


@contextmanager
def snapshot() -> Iterator[None]:
    """Everything read within is of one moment."""
    outermost = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


# ---- into the database


def finish(loaded: Iterable[type[Model]]) -> None:
    """Work out what follows from the rows that were loaded."""
    for file, follow in after_load.items():
        if not set(loaded).isdisjoint(models_of(file)):
            follow()

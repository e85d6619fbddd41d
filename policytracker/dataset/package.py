"""The description of a dumped data set: `datapackage.json` in the format of Frictionless Data Packages (specs.frictionlessdata.io).

It names each file with its size and hash, and describes the fields of the records in it. It contains no date, so that a dump of the
same register is the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.text import capfirst

from policytracker.dataset.layout import fields, files, is_user_reference
from policytracker.records.models import key_of

NAME = "datapackage.json"
CHUNK = 1024 * 1024  # bytes
TYPES: dict[type[models.Field], str] = {
    models.ManyToManyField: "array",
    ArrayField: "array",
    models.BooleanField: "boolean",
    models.DateTimeField: "datetime",
    models.DateField: "date",
    models.DecimalField: "string",  # keeps all digits
    models.IntegerField: "integer",
}


def write(folder: Path, counts: dict[str, int], public: bool = False) -> None:
    """Write the description of the files in the folder. `counts` are their numbers of records."""
    package = {
        "profile": "data-package",
        "name": "policy-tracker",
        "title": "Policy Tracker data set",
        "description": "Records as Django fixtures: each has a model and its fields, and refers to other records by natural key.",
        "resources": [resource(folder / name, counts[name], public) for name in files()],
    }
    text = json.dumps(package, indent=2, ensure_ascii=False)
    (folder / NAME).write_text(f"{text}\n", encoding="utf-8", newline="\n")


def resource(path: Path, count: int, public: bool) -> dict[str, Any]:
    """The description of one file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return {
        "profile": "data-resource",
        "name": path.stem,
        "path": path.name,
        "format": "json",
        "mediatype": "application/json",
        "encoding": "utf-8",
        "bytes": path.stat().st_size,
        "hash": f"sha256:{digest.hexdigest()}",
        "records": count,
        "models": {model._meta.label_lower: schema(model, public) for model in files()[path.name]},
    }


def schema(model: type[models.Model], public: bool) -> dict[str, Any]:
    """The fields of a model, in the format of a Frictionless Table Schema."""
    shown = [field for field in fields(model) if not (public and is_user_reference(field))]
    return {"primaryKey": [key_of(model)], "fields": [field_description(field) for field in shown]}


def field_description(field: Any) -> dict[str, Any]:
    description = {"name": field.name, "type": next((name for kind, name in TYPES.items() if isinstance(field, kind)), "string")}
    description |= {"title": capfirst(str(field.verbose_name))}
    if field.is_relation:
        description["references"] = field.related_model._meta.label_lower
    if field.help_text:
        description["description"] = str(field.help_text)
    constraints: dict[str, Any] = {} if field.blank or field.null or field.has_default() else {"required": True}
    if field.choices:
        constraints["enum"] = [code for code, _ in field.flatchoices]
    elif getattr(field, "max_length", None) and description["type"] == "string":
        constraints["maxLength"] = field.max_length
    return description | ({"constraints": constraints} if constraints else {})

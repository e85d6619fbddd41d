"""What a record holds and its reader may not read: the content of a hidden source, and references to hidden records.

Where a record is shown, `redact` leaves the content out. Where it is written, `keep` keeps both: the writer saw them as empty, which
must not clear them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from policytracker.records.access import Reader
from policytracker.records.fields import SourceContent
from policytracker.records.models import Record, RegistryRecord

CONTENT_IS_HIDDEN = ValidationError(
    _("This belongs to a source that you may not read, so it cannot be changed. Leave it empty, or select another source."),
    "hidden_source",
)
Shown = TypeVar("Shown", bound=Record)


def content_fields(model: type[models.Model]) -> list[str]:
    """The names of the fields with content of the record's source."""
    return [field.name for field in model._meta.fields if isinstance(field, SourceContent)]


def can_be_hidden(model: type[models.Model]) -> bool:
    """Whether there are records of this type that some users may not read."""
    return issubclass(model, RegistryRecord) or (issubclass(model, Record) and bool(model.access_parents))


def readable_ids(model: type[Record], ids: Iterable[int], reader: Any) -> set[int]:
    """The ids of those records that the reader may read."""
    return set(model.objects.visible_to(reader).filter(pk__in=ids).values_list("pk", flat=True)) if ids else set()


def linked_ids(record: Record, name: str) -> set[int]:
    """The ids in a many-to-many field of a stored record."""
    return set(getattr(record, name).order_by().values_list("pk", flat=True))


def redact(records: Iterable[Shown], reader: Any) -> list[Shown]:
    """Clear the content of those sources that the reader may not read, and return the records. They must not be saved like that.

    A source that was loaded with regard to the reader (None if hidden) is not looked up again.
    """
    records = list(records)
    citing = [record for record in records if content_fields(type(record)) and record.source_id]  # type: ignore[attr-defined]
    if not citing or Reader.of(reader).sees_all:
        return records
    field: Any = citing[0]._meta.get_field("source")
    loaded = {record.pk: record._state.fields_cache["source"] for record in citing if "source" in record._state.fields_cache}
    readable = readable_ids(field.related_model, {record.source_id for record in citing if record.pk not in loaded}, reader)  # type: ignore[attr-defined]
    for record in citing:
        if loaded[record.pk] is None if record.pk in loaded else record.source_id not in readable:  # type: ignore[attr-defined]
            for name in content_fields(type(record)):
                setattr(record, name, "")
            field.set_cached_value(record, None if field.null else field.related_model())  # a required source is shown as an empty one
    return records


def hideable_references(model: type[Record]) -> Iterator[Any]:
    """The foreign keys and many-to-many fields of a model whose records some users may not read."""
    fields: list[Any] = [*model._meta.fields, *model._meta.many_to_many]
    return (field for field in fields if field.is_relation and can_be_hidden(field.related_model))


def keep(
    stored: Record,
    values: dict[str, Any],
    readable: Callable[[type[Record], set[int]], set[int]],
    links: Callable[[Record, str], set[int]] = linked_ids,
) -> None:
    """Complete the new values of a stored record, by field, with what the writer may not read of it.

    A hidden reference that is empty in `values` stays: it is removed from `values`, and so is the content of a hidden source. If the
    writer selects another source, content that is missing in `values` is cleared, because it belongs to the replaced one.
    `readable(model, ids)` returns the ids that the writer may read, `links(record, name)` the ids in a many-to-many field.
    Raises ValidationError, by field, for new content of a source that stays hidden.
    """
    for field in hideable_references(type(stored)):
        content = content_fields(type(stored)) if field.name == "source" else []
        if not values.keys() & {field.name, *content}:
            continue
        if field.many_to_many:
            linked = links(stored, field.name)
            values[field.name] = [*values[field.name], *(linked - readable(field.related_model, linked))]
            continue
        stored_id = getattr(stored, field.attname)
        if not stored_id or readable(field.related_model, {stored_id}):
            continue
        if values.get(field.name) is not None:
            values |= {name: "" for name in content if name not in values}
        elif entered := [name for name in content if values.get(name)]:
            raise ValidationError({name: [CONTENT_IS_HIDDEN] for name in entered})
        else:
            for name in (field.name, *content):
                values.pop(name, None)

"""Base serializers: the fields of a resource, how they are read, written and validated, and references by natural key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from django.core.exceptions import ValidationError as ModelError
from django.db import models
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.validators import UniqueValidator

from policytracker.codes import invalid_choice, required_code
from policytracker.edtf import EdtfField, parse_day
from policytracker.records import violations
from policytracker.records.access import Reader
from policytracker.records.fields import Text, hides_source_content
from policytracker.records.models import Record, RegistryRecord
from policytracker.representation import hidden
from policytracker.representation.errors import error_details
from policytracker.representation.json_sql import SourceContentField, UrlField
from policytracker.representation.references import KeyField, KeyListField
from policytracker.resources import registry

HEAD = ["url", "version", "created_at", "updated_at"]
IGNORED_ON_WRITE = {"url", "created_at", "updated_at"}


def not_an_object() -> serializers.ErrorDetail:
    return serializers.ErrorDetail(_("Send a JSON object."), "invalid")


def unknown_field() -> serializers.ErrorDetail:
    return serializers.ErrorDetail(_("Unknown field."), "unknown_field")


def read_only() -> serializers.ErrorDetail:
    return serializers.ErrorDetail(_("Read-only: calculated from other records."), "read_only")


class Code(serializers.ChoiceField):
    """A code of a code list. The error message lists the codes."""

    def fail(self, key, **values):
        if key != "invalid_choice":
            super().fail(key, **values)
        message = invalid_choice(values["input"], self.choices) if values["input"] != "" else required_code(self.choices)
        raise serializers.ValidationError(message, key)


class Number(serializers.DecimalField):
    """A decimal. Rejects what only Python accepts: underscores and non-ASCII digits."""

    def to_internal_value(self, data: Any):
        if isinstance(data, str) and ("_" in data or not data.isascii()):
            self.fail("invalid")
        return super().to_internal_value(data)


class Day(serializers.DateField):
    """A day, in the one form that filters accept too."""

    def to_internal_value(self, data: Any):
        try:
            return parse_day(data) if isinstance(data, str) else super().to_internal_value(data)
        except ValueError as error:
            raise serializers.ValidationError(str(error), "invalid") from error


class Uid(serializers.UUIDField):
    """A UUID as a string. Rejects numbers, which DRF would convert."""

    def to_internal_value(self, data: Any):
        return super().to_internal_value(data) if isinstance(data, str) else self.fail("invalid", value=data)


class FieldsOfModel(serializers.ModelSerializer):
    """A serializer whose fields are built from the model once: building them takes longer than many a write. Each instance has copies."""

    _built: dict[str, serializers.Field]

    def get_fields(self) -> dict[str, serializers.Field]:
        if "_built" not in type(self).__dict__:
            type(self)._built = super().get_fields()
        return deepcopy(self._built)


class RecordSerializer(FieldsOfModel):
    """Reads and writes one type of record.

    `Meta.fields` lists the fields besides key, URL, version and timestamps, which every record has. `Meta.names` maps a field name
    of the API to a different name in the model. `example` is a request body that creates a record. To validate, `context["user"]` is the
    user, or Reader, whose records can be referred to.
    """

    example: dict[str, Any] | None = None
    context: dict[str, Any]  # it can be added to
    _fields: dict[str, serializers.Field]  # of `declared_fields()`

    serializer_field_mapping = serializers.ModelSerializer.serializer_field_mapping | {
        models.DecimalField: Number,
        models.DateField: Day,
    }
    serializer_related_field = KeyField
    serializer_choice_field = Code

    class Meta:
        model: type[Record]
        fields: list[str]

    # ---- the declaration

    def get_field_names(self, declared_fields, info):
        model = self.Meta.model
        published = ["visibility", "publication"] if issubclass(model, RegistryRecord) else []
        return [model.key, *HEAD, *published, *self.Meta.fields]

    def build_field(self, field_name, info, model_class, nested_depth):
        if field_name == "url":
            return UrlField, {"address": registry.of(model_class).address, "key": model_class.key}
        name = getattr(self.Meta, "names", {}).get(field_name, field_name)
        field_class, kwargs = super().build_field(name, info, model_class, nested_depth)
        field = model_class._meta.get_field(name)
        if name != field_name:
            kwargs["source"] = name
        if name == "uid":
            return Uid, {"required": False}
        if hides_source_content(model_class, field):
            field_class = SourceContentField
        if "validators" in kwargs:  # full_clean() of the model checks uniqueness
            kwargs["validators"] = [v for v in kwargs["validators"] if not isinstance(v, UniqueValidator)]
        if isinstance(field, Text) and not kwargs.get("read_only"):
            kwargs |= {"trim_whitespace": False} if field.blank else {"required": True}  # quotes are stored verbatim
        if isinstance(field, EdtfField):
            kwargs.pop("max_length", None)  # a text of any length that is no date gets one message
            if not field.blank:
                kwargs["required"] = True
        return field_class, kwargs

    def build_relational_field(self, field_name, relation_info):
        field = relation_info.model_field
        kwargs: dict[str, Any] = {"model": relation_info.related_model}
        if relation_info.to_many:
            kwargs |= {"many": True, "required": False}
        elif field.null:
            kwargs |= {"required": False, "allow_null": True}
        if not field.editable:
            kwargs = {"model": relation_info.related_model, "read_only": True}
        if field.help_text:
            kwargs["help_text"] = field.help_text
        return KeyField, kwargs

    def get_uniqueness_extra_kwargs(self, field_names, declared_fields, extra_kwargs):
        return extra_kwargs, {}  # a unique constraint does not make its fields required

    def get_unique_together_validators(self):
        return []

    # ---- writing

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError({"non_field_errors": [not_an_object()]})
        fields = self.fields
        rejected = {name: [unknown_field()] for name in data if name not in fields and name not in ("version", "change_reason")}
        rejected |= self._read_only_changes(data)
        clean = {}
        for name, value in data.items():
            is_empty = value is None or value == ""
            if name in fields and not fields[name].read_only and not (is_empty and name == "uid"):
                clean[name] = empty_value(fields[name]) if is_empty else value
        try:
            values = super().to_internal_value(clean)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**flat_fields(error.detail), **rejected}) from error
        if rejected:
            raise serializers.ValidationError(rejected)
        return values

    def _read_only_changes(self, data: Mapping[str, Any]) -> dict[str, list[serializers.ErrorDetail]]:
        """Errors for stored read-only fields whose value differs from the current one. Sending back the current value is allowed."""
        if not (sent := self.stored_read_only(data)):
            return {}
        current = self.context["current"]() if self.instance else self._initial_values(data)
        same = lambda a, b: (a if a != "" else None) == (b if b != "" else None)  # noqa: E731
        return {name: [read_only()] for name in sent if not same(data[name], current.get(name))}

    def stored_read_only(self, data: Mapping[str, Any]) -> list[str]:
        """The names of the stored read-only fields in a request body, whose values are compared with the current ones."""
        sent = {name: self.fields[name] for name in data if name in self.fields and name != "version" and name not in IGNORED_ON_WRITE}
        stored = {f.name for f in self.Meta.model._meta.concrete_fields}
        return [name for name, field in sent.items() if field.read_only and field.source in stored]

    def _initial_values(self, data: Mapping[str, Any]) -> dict[str, Any]:
        model = self.Meta.model
        initial = {f.name: f.get_default() for f in model._meta.concrete_fields if f.has_default()}
        return initial | {name: data.get(other) for name, other in model.first_values.items()}

    def reset_omitted(self, values: dict[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
        """Complete the values of a PUT: omitted fields are reset to their default, except key, visibility, publication and files."""
        model = self.Meta.model
        fields: Mapping[str, Any] = self.fields
        for name, field in fields.items():
            if field.read_only or name in body or name in (model.key, "visibility", "publication"):
                continue
            if isinstance(field, KeyListField):
                values.setdefault(field.source, [])
            elif field.source != "file":
                stored: Any = model._meta.get_field(field.source)
                values.setdefault(field.source, stored.get_default())
        return values

    def create(self, values: dict[str, Any]) -> Record:
        return self._write(self.Meta.model(), values, force_insert=True)

    def update(self, instance: Record, values: dict[str, Any]) -> Record:
        return self._write(instance, self.keep_hidden(instance, values))

    def complete(self, instance: Record, values: dict[str, Any]) -> dict[str, Any]:
        """The values to store: those that were sent, and those that follow from them. For single writes and lists."""
        return values

    def _write(self, instance: Record, values: dict[str, Any], **save) -> Record:
        values = self.complete(instance, values)
        links = self.links(values)
        for name, value in values.items():
            setattr(instance, name, value)
        if refusal := self.refusal(instance):
            raise refusal
        instance.save(**save)
        for name, targets in links.items():
            getattr(instance, name).set(targets)
        return instance

    def links(self, values: dict[str, Any]) -> dict[str, list[Any]]:
        """Remove the values of many-to-many fields from `values` and return them."""
        return {
            name: values.pop(name) for name in [f.source for f in self._writable_fields if isinstance(f, KeyListField)] if name in values
        }

    def refusal(self, instance: Record) -> serializers.ValidationError | None:
        """The validation errors of the model for an unsaved record, if any."""
        try:
            instance.full_clean()
        except ModelError as error:
            return self.model_refusal(instance, error)
        return None

    def model_refusal(self, instance: Record, error: ModelError) -> serializers.ValidationError:
        """The model's errors by API field name; `_existing` has the keys of readable records that already use a unique value."""
        user, by_field, existing = self.context["user"], violations.by_field(error, self.Meta.model), {}
        for field, reasons in by_field.items():
            if record := next(filter(None, (violations.existing(instance, reason, field, user) for reason in reasons)), None):
                existing[self.api_name(field)] = record.natural_key()[0]
        detail = {self.api_name(field): error_details(reasons) for field, reasons in by_field.items()}
        return serializers.ValidationError(detail | ({"_existing": existing} if existing else {}))

    def keep_hidden(self, instance: Record, values: dict[str, Any]) -> dict[str, Any]:
        """The values of a write, without those that it must not change because the user may not read them. Raises ValidationError."""
        if not Reader.of(self.context["user"]).sees_all:
            references = self.context.get("references")  # in a list: looked up for all entries at once
            links = references.links if references else hidden.linked_ids
            hidden.keep(instance, values, self.readable_ids, links)
        return values

    def readable_ids(self, model: type[Record], ids: set[int]) -> set[int]:
        """The ids of those records that the current user may read."""
        user = self.context["user"]
        if "references" in self.context:
            return self.context["references"].readable_ids(model, ids, user)
        return hidden.readable_ids(model, ids, user)

    @classmethod
    def api_name(cls, name: str) -> str:
        """The API's name of a model field."""
        if name == "__all__":
            return "non_field_errors"
        return next((api_name for api_name, model_name in getattr(cls.Meta, "names", {}).items() if model_name == name), name)


def declared_fields(serializer_class: type[RecordSerializer]) -> dict[str, serializers.Field]:
    """The fields of the serializer, cached, because creating them takes longer than reading a page."""
    if "_fields" not in serializer_class.__dict__:
        serializer_class._fields = dict(serializer_class().fields)
    return serializer_class._fields


def flat_fields(detail: Any) -> dict[str, list[serializers.ErrorDetail]]:
    """Errors by field. Nested errors become errors of the field, with their position in the message."""
    return {name: list(flat_errors(errors)) for name, errors in detail.items()}


def flat_errors(errors: Any, place: Sequence[str] = ()) -> Iterator[serializers.ErrorDetail]:
    if isinstance(errors, Mapping):
        for name, inner in errors.items():
            yield from flat_errors(inner, place if name == "non_field_errors" else [*place, position(name)])
        return
    for number, error in enumerate(errors):
        if isinstance(error, Mapping):
            yield from flat_errors(error, [*place, position(number)])
        else:
            yield serializers.ErrorDetail(": ".join([*place, error]), error.code)


def position(name: str | int) -> str:
    """The name of a nested field, or the number of a list item, counted from 1."""
    return _("item {number}").format(number=name + 1) if isinstance(name, int) else str(name)


def empty_value(field: serializers.Field) -> Any:
    """The value that a field stores for null and ""."""
    if isinstance(field, KeyListField | serializers.ListField):
        return []
    if isinstance(field, serializers.CharField | serializers.ChoiceField) and not field.allow_null:
        return ""
    return None


class StrictSerializer(serializers.Serializer):
    """The body of an action. Unknown fields are rejected; null and "" mean the same as an omitted field."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError({"non_field_errors": [not_an_object()]})
        rejected = {str(name)[:100]: [unknown_field()] for name in data if name not in self.fields}
        try:
            values = super().to_internal_value({name: value for name, value in data.items() if value is not None and value != ""})
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**flat_fields(error.detail), **rejected}) from error
        if rejected:
            raise serializers.ValidationError(rejected)
        return values

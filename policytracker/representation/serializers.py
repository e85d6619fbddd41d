"""Base serializers: the fields of a resource, how they are read, written and validated, and references by natural key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import EmptyResultSet
from django.core.exceptions import ValidationError as ModelError
from django.db import models
from django.db.models import F, OuterRef, Subquery, TextField
from django.db.models.functions import Cast, Coalesce
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.validators import UniqueValidator

from policytracker.codes import invalid_choice, required_code
from policytracker.edtf import EdtfField, parse_day
from policytracker.records import violations
from policytracker.records.access import Reader
from policytracker.records.fields import Text, hides_source_content
from policytracker.records.models import Record, RegistryRecord, key_of
from policytracker.representation import hidden
from policytracker.representation.errors import error_details
from policytracker.representation.json_sql import JsonObject, SourceContentField, UrlField, link
from policytracker.resources import registry
from policytracker.sql.parameters import ExistsForRow, Parameter, Statement

HEAD = ["url", "version", "created_at", "updated_at"]
MAX_KEYS = 1000
IGNORED_ON_WRITE = {"url", "created_at", "updated_at"}


def not_an_object() -> serializers.ErrorDetail:
    return serializers.ErrorDetail(_("Send a JSON object."), "invalid")


def unknown_field() -> serializers.ErrorDetail:
    return serializers.ErrorDetail(_("Unknown field."), "unknown_field")


def read_only() -> serializers.ErrorDetail:
    return serializers.ErrorDetail(_("Read-only: calculated from other records."), "read_only")


def referable(model: Any, reader: Any) -> models.QuerySet:
    """The records or people that the reader may read, and so may refer to."""
    return model.objects.visible_to(reader) if issubclass(model, Record) else model.visible_to(reader)


def valid_keys(model: type[models.Model], keys: Iterable[str]) -> list[Any]:
    """Those keys that are valid values of the key field."""
    field, values = model._meta.get_field(key_of(model)), []
    for key in keys:
        with suppress(ModelError):
            values.append(field.clean(key, None))
    return values


def find_by_key(model: type[models.Model], keys: Iterable[str], reader: Any) -> dict[str, models.Model]:
    """The records with these keys that the reader may refer to, by key; at most one query."""
    name, values = key_of(model), valid_keys(model, keys)
    records = referable(model, reader).filter(**{f"{name}__in": values}) if values else []
    return {str(getattr(record, name)): record for record in records}


def find_id(model: type[models.Model], key: str, reader: Reader) -> int | None:
    """The id of the record with this key. None if it does not exist, or the reader may not refer to it."""
    statement = statement_of_id(model, reader.roles, reader.as_of)
    values = valid_keys(model, [key])
    found = statement.row({"user": reader.id, "key": values[0]}) if statement and values else None
    return found and found[0]


@lru_cache(1024)
def statement_of_id(model: type[models.Model], roles: frozenset[str], as_of: bool) -> Statement | None:
    """The statement that returns the id of the record with a key; None for readers who may refer to no record."""
    name = key_of(model)
    key = Parameter("key", model._meta.get_field(name))
    rows = referable(model, Reader(roles, Parameter("user"), as_of)).filter(**{name: key}).order_by()
    with suppress(EmptyResultSet):
        return Statement.of(rows.values("pk")).marked(as_of)
    return None


def does_not_exist(model: type[models.Model], key: str) -> serializers.ErrorDetail:
    """The error for a key without a record, or with a record that the reader may not read."""
    return serializers.ErrorDetail(_("There is no {type} “{key}”.").format(type=model._meta.verbose_name, key=key[:100]), "does_not_exist")


class KeyListField(serializers.ManyRelatedField):
    """References to several records by key, looked up in one query."""

    def to_internal_value(self, data: Any) -> list[models.Model]:
        if not isinstance(data, list) or not all(isinstance(key, str) for key in data):
            raise serializers.ValidationError(_("Send a list of keys."), "not_a_list")
        if len(data) > MAX_KEYS:
            raise serializers.ValidationError(_("Send at most {maximum} keys.").format(maximum=f"{MAX_KEYS:,}"), "max_length")
        records = self.child_relation.find(data)
        if missing := [key for key in data if key not in records]:
            raise serializers.ValidationError([self.child_relation.missing(key) for key in missing])
        return list(records.values())

    def to_representation(self, value: Any) -> list[str]:
        return sorted(super().to_representation(value))

    def column(self, reader: Reader, expand: bool = False):
        return self.child_relation.columns(reader, expand, self.source)

    @property
    def hides(self) -> bool:
        return self.child_relation.hides


class KeyField(serializers.RelatedField):
    """A reference to a record by its natural key, or to a user by user name."""

    def __init__(self, model: type[models.Model], **kwargs):
        self.model = model
        self.key = key_of(model)
        self.is_visible: Any = None  # the condition of `visible()`, where a statement has computed it already
        if not kwargs.get("read_only"):
            kwargs["queryset"] = model._default_manager.none()
        super().__init__(**kwargs)

    @classmethod
    def many_init(cls, *args, **kwargs):
        list_kwargs = {
            name: kwargs.pop(name) for name in ("required", "allow_empty", "help_text", "label", "source", "read_only") if name in kwargs
        }
        return KeyListField(child_relation=cls(*args, **kwargs), **list_kwargs)

    @property
    def hides(self) -> bool:
        """Whether some users may not read the referenced records."""
        return hidden.can_be_hidden(self.model)

    @property
    def of_people(self) -> bool:
        """Whether the field refers to users."""
        return not issubclass(self.model, Record)

    def rows(self) -> models.QuerySet:
        """The records or users that the current user may read, and so may refer to."""
        return referable(self.model, self.context["request"].user)

    def find(self, keys: list[str]) -> dict[str, models.Model]:
        """The records with these keys that the current user may read, by key."""
        if "references" in self.context:  # in a list: looked up for all entries at once
            records = self.context["references"].find(self, valid_keys(self.model, keys))
            return {str(getattr(record, self.key)): record for record in records}
        return find_by_key(self.model, keys, self.context["request"].user)

    def missing(self, key: str) -> serializers.ErrorDetail:
        """The error for a key without a record, or with a record that the current user may not read."""
        return does_not_exist(self.model, key)

    def to_internal_value(self, data: Any) -> models.Model:
        if not isinstance(data, str):
            raise serializers.ValidationError(_("Send the {field} as a string.").format(field=self.key), "incorrect_type")
        records = self.find([data])
        if not records:
            raise serializers.ValidationError([self.missing(data)])
        return next(iter(records.values()))

    def use_pk_only_optimization(self) -> bool:
        return False

    def to_representation(self, value: models.Model) -> str:
        return str(getattr(value, self.key))

    def get_choices(self, cutoff=None):
        return {}

    def visible(self, reader: Reader) -> Any:
        """The condition that the reader may read the referenced record."""
        return self.is_visible or ExistsForRow(self.model.objects.visible_to(reader).filter(pk=OuterRef(f"{self.source}_id")))

    def unknown(self, reader: Reader) -> models.Q:
        """The condition that the reference is empty, or its record is hidden from the reader."""
        return ~models.Q(self.visible(reader)) if self.hides and not reader.sees_all else models.Q(**{f"{self.source}__isnull": True})

    def _representation(self, path: str, expand: bool):
        """The key; if expanded, an object with key, title (or name) and URL."""
        key = F(f"{path}{self.key}")
        if not expand or not issubclass(self.model, Record):
            return key
        name, value = title(self.model, path)
        return JsonObject({self.key: key, name: value, "url": link(registry.of(self.model).address, key)})

    def column(self, reader: Reader, expand: bool = False):
        if self.of_people and not reader.sees_people:
            return Cast(models.Value(None), TextField())
        if (self.hides and not reader.sees_all) or (reader.as_of and issubclass(self.model, Record)):
            visible = self.model.objects.all() if self.is_visible else self.model.objects.visible_to(reader)
            rows = visible.filter(pk=OuterRef(f"{self.source}_id")).order_by()
            found = Subquery(rows.values_list(self._representation("", expand), flat=True))
            return models.Case(models.When(self.is_visible, then=found)) if self.is_visible else found
        representation = self._representation(f"{self.source}__", expand)
        if not expand or not issubclass(self.model, Record):
            return representation
        return models.Case(models.When(**{f"{self.source}__isnull": False}, then=representation), output_field=models.JSONField())

    def columns(self, reader: Reader, expand: bool, source: str):
        """The references of the many-to-many field `source`, ordered by key."""
        if self.of_people and not reader.sees_people:
            return Cast(models.Value("[]"), models.JSONField())
        field = self.parent.parent.Meta.model._meta.get_field(source)
        through = field.remote_field.through._default_manager.filter(**{field.m2m_field_name(): OuterRef("pk")})
        target = field.m2m_reverse_field_name()
        if self.hides and not reader.sees_all:
            through = through.filter(**{f"{target}__in": self.model.objects.visible_to(reader).values("pk")})
        return ArraySubquery(through.order_by(f"{target}__{self.key}").values_list(self._representation(f"{target}__", expand), flat=True))


def title(model: type[Record], path: str = "") -> tuple[str, Any]:
    """The name (`name` or `title`) and the expression of the text that identifies a record to people."""
    parts = [F(f"{path}{part}") for part in model.label_parts]
    joined = models.functions.Concat(*_separated(parts), output_field=TextField()) if len(parts) > 1 else parts[0]
    return "name" if model.label_parts == ("name",) else "title", joined


def _separated(parts: list[Any]) -> list[Any]:
    result: list[Any] = []
    for part in parts:
        result += [models.Value(" · "), Coalesce(Cast(part, TextField()), models.Value(""), output_field=TextField())]
    return result[1:]


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


class RecordSerializer(serializers.ModelSerializer):
    """Reads and writes one type of record.

    `Meta.fields` lists the fields besides key, URL, version and timestamps, which every record has. `Meta.names` maps a field name
    of the API to a different name in the model. `example` is a request body that creates a record.
    """

    example: dict[str, Any] | None = None

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

    def _read_only_changes(self, data: Mapping[str, Any]) -> dict[str, list[str]]:
        """Errors for stored read-only fields whose value differs from the current one. Sending back the current value is allowed."""
        stored = {f.name for f in self.Meta.model._meta.concrete_fields}
        sent = [
            n
            for n, f in self.fields.items()
            if n in data and f.read_only and f.source in stored and n not in IGNORED_ON_WRITE and n != "version"
        ]
        if not sent:
            return {}
        current = self.context["current"] if self.instance else self._initial_values(data)
        same = lambda a, b: (a if a != "" else None) == (b if b != "" else None)  # noqa: E731
        return {n: [read_only()] for n in sent if not same(data[n], current.get(n))}

    def _initial_values(self, data: Mapping[str, Any]) -> dict[str, Any]:
        model = self.Meta.model
        initial = {f.name: f.get_default() for f in model._meta.concrete_fields if f.has_default()}
        return initial | {name: data.get(other) for name, other in model.first_values.items()}

    def reset_omitted(self, values: dict[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
        """Complete the values of a PUT: omitted fields are reset to their default, except key, visibility, publication and files."""
        model = self.Meta.model
        for name, field in self.fields.items():
            if field.read_only or name in body or name in (model.key, "visibility", "publication"):
                continue
            if isinstance(field, KeyListField):
                values.setdefault(field.source, [])
            elif field.source != "file":
                default = model._meta.get_field(field.source).get_default()
                values.setdefault(field.source, default)
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
        user, by_field, existing = self.context["request"].user, violations.by_field(error, self.Meta.model), {}
        for field, reasons in by_field.items():
            if record := next(filter(None, (violations.existing(instance, reason, field, user) for reason in reasons)), None):
                existing[self.api_name(field)] = record.natural_key()[0]
        detail = {self.api_name(field): error_details(reasons) for field, reasons in by_field.items()}
        return serializers.ValidationError(detail | ({"_existing": existing} if existing else {}))

    def keep_hidden(self, instance: Record, values: dict[str, Any]) -> dict[str, Any]:
        """The values of a write, without those that it must not change because the user may not read them. Raises ValidationError."""
        if not Reader.of(self.context["request"].user).sees_all:
            references = self.context.get("references")  # in a list: looked up for all entries at once
            links = references.links if references else hidden.linked_ids
            hidden.keep(instance, values, self.readable_ids, links)
        return values

    def readable_ids(self, model: type[Record], ids: set[int]) -> set[int]:
        """The ids of those records that the current user may read."""
        user = self.context["request"].user
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


def flat_fields(detail: Mapping[str, Any]) -> dict[str, list[serializers.ErrorDetail]]:
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

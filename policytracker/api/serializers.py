"""The one declaration of each resource: what it shows, what may be written, and by which names it refers to others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import ValidationError as ModelError
from django.db import models
from django.db.models import Exists, F, OuterRef, Subquery, TextField
from django.db.models.functions import Cast, Coalesce
from rest_framework import serializers
from rest_framework.validators import UniqueValidator

from policytracker.api import errors
from policytracker.api.json_sql import Address, JsonObject, link, source_text_fields
from policytracker.codes import invalid_choice
from policytracker.edtf import EdtfField
from policytracker.records import violations
from policytracker.records.access import Reader
from policytracker.records.fields import Text
from policytracker.records.models import Record, RegistryRecord

NOT_AN_OBJECT = serializers.ErrorDetail("Send a JSON object.", "invalid")
UNKNOWN_FIELD = serializers.ErrorDetail("Unknown field.", "unknown_field")
READ_ONLY = serializers.ErrorDetail("Read-only: calculated from other records.", "read_only")
HEAD = ["url", "version", "created_at", "updated_at"]
PASSED_OVER = {"url", "created_at", "updated_at"}


class KeyListField(serializers.ManyRelatedField):
    """References to several records, by key; read in one query, however many they are."""

    def to_internal_value(self, data: Any) -> list[models.Model]:
        if not isinstance(data, list) or not all(isinstance(key, str) for key in data):
            raise serializers.ValidationError("Send a list of keys.", "not_a_list")
        if len(data) > 1000:
            raise serializers.ValidationError("Send at most 1,000 keys.", "max_length")
        found = self.child_relation.find(data)
        if missing := [key for key in data if key not in found]:
            raise serializers.ValidationError([self.child_relation.missing(key) for key in missing])
        return list(found.values())

    def to_representation(self, value: Any) -> list[str]:
        return sorted(super().to_representation(value))

    def column(self, reader: Reader, expand: bool = False):
        return self.child_relation.columns(reader, expand, self.source)

    @property
    def hides(self) -> bool:
        return self.child_relation.hides


class KeyField(serializers.RelatedField):
    """A reference to a record by its natural key, both ways; people are user names."""

    def __init__(self, model: type[models.Model], **kwargs):
        self.model = model
        self.key = getattr(model, "key", "username")
        if not kwargs.get("read_only"):
            kwargs["queryset"] = model._default_manager.none()
        super().__init__(**kwargs)

    @classmethod
    def many_init(cls, *args, **kwargs):
        outer = {
            name: kwargs.pop(name) for name in ("required", "allow_empty", "help_text", "label", "source", "read_only") if name in kwargs
        }
        return KeyListField(child_relation=cls(*args, **kwargs), **outer)

    @property
    def hides(self) -> bool:
        """Whether some readers may not read what it refers to."""
        return issubclass(self.model, Record) and (issubclass(self.model, RegistryRecord) or bool(self.model.access_parents))

    @property
    def of_people(self) -> bool:
        return not issubclass(self.model, Record)

    def rows(self) -> models.QuerySet:
        """What the caller may refer to: the records that they may read, the people whose names they may know."""
        rows = self.model.visible_to if self.of_people else self.model.objects.visible_to
        return rows(self.context["request"].user)

    def find(self, keys: list[str]) -> dict[str, models.Model]:
        """The records with these keys that the caller may refer to."""
        field = self.model._meta.get_field(self.key)
        plausible = []
        for key in keys:
            try:
                plausible.append(field.clean(key, None))
            except ModelError:
                continue
        if "references" in self.context:  # of a list: read for all of its entries at once
            found = self.context["references"].find(self, plausible)
        else:
            found = self.rows().filter(**{f"{self.key}__in": plausible}) if plausible else []
        return {str(getattr(row, self.key)): row for row in found}

    def readable_ids(self, ids: set[int]) -> set[int]:
        """Those of the ids whose records the caller may read."""
        if "references" in self.context:
            return self.context["references"].readable_ids(self, ids)
        return set(self.rows().filter(pk__in=ids).values_list("pk", flat=True)) if ids else set()

    def missing(self, key: str) -> serializers.ErrorDetail:
        """What is said of a key for which the caller can read no record."""
        return serializers.ErrorDetail(f"There is no {self.model._meta.verbose_name} “{key[:100]}”.", "does_not_exist")

    def to_internal_value(self, data: Any) -> models.Model:
        if not isinstance(data, str):
            raise serializers.ValidationError(f"Send the {self.key} as a string.", "incorrect_type")
        found = self.find([data])
        if not found:
            raise serializers.ValidationError([self.missing(data)])
        return next(iter(found.values()))

    def use_pk_only_optimization(self) -> bool:
        return False

    def to_representation(self, value: models.Model) -> str:
        return str(getattr(value, self.key))

    def get_choices(self, cutoff=None):
        return {}

    def visible(self, reader: Reader) -> Exists:
        return Exists(self.model.objects.visible_to(reader).filter(pk=OuterRef(f"{self.source}_id")))

    def unknown(self, reader: Reader) -> models.Q:
        """Where it refers to nothing, or to what the reader may not read."""
        return ~models.Q(self.visible(reader)) if self.hides and not reader.sees_all else models.Q(**{f"{self.source}__isnull": True})

    def shown(self, path: str, expand: bool):
        """The key; where expanded an object of key, title (or name, or a line made of its parts) and address."""
        key = F(f"{path}{self.key}")
        if not expand or not issubclass(self.model, Record):
            return key
        name, told = title(self.model, path)
        return JsonObject({self.key: key, name: told, "url": link(ADDRESSES[self.model], key)})

    def column(self, reader: Reader, expand: bool = False):
        if self.of_people and not reader.sees_people:
            return Cast(models.Value(None), TextField())
        if self.hides and not reader.sees_all:
            rows = self.model.objects.visible_to(reader).filter(pk=OuterRef(f"{self.source}_id")).order_by()
            return Subquery(rows.values_list(self.shown("", expand), flat=True))
        shown = self.shown(f"{self.source}__", expand)
        if not expand or not issubclass(self.model, Record):
            return shown
        return models.Case(models.When(**{f"{self.source}__isnull": False}, then=shown), output_field=models.JSONField())

    def columns(self, reader: Reader, expand: bool, source: str):
        # One link table away, and in the order of the keys.
        if self.of_people and not reader.sees_people:
            return Cast(models.Value("[]"), models.JSONField())
        owner = self.parent.parent.Meta.model._meta.get_field(source)
        through = owner.remote_field.through._default_manager.filter(**{owner.m2m_field_name(): OuterRef("pk")})
        far = owner.m2m_reverse_field_name()
        if self.hides and not reader.sees_all:
            through = through.filter(**{f"{far}__in": self.model.objects.visible_to(reader).values("pk")})
        return ArraySubquery(through.order_by(f"{far}__{self.key}").values_list(self.shown(f"{far}__", expand), flat=True))


# The address of each resource, by its model; `policytracker.api.urls` fills it, as the one list of addresses.
ADDRESSES: dict[type[models.Model], str] = {}


def title(model: type[models.Model], path: str = "") -> tuple[str, Any]:
    """Under which name, and by which expression, a record is told apart when it is referred to."""
    names = {field.name for field in model._meta.get_fields()}
    if "name" in names:
        return "name", F(f"{path}name")
    for name in ("title", "key_action", "statement"):
        if name in names:
            return "title", F(f"{path}{name}")
    parts = [F(f"{path}{part}") for part in model.label_parts]
    joined = models.functions.Concat(*_between(parts), output_field=TextField()) if len(parts) > 1 else parts[0]
    return "title", joined


def _between(parts: list[Any]) -> list[Any]:
    spaced: list[Any] = []
    for part in parts:
        spaced += [models.Value(" · "), Coalesce(Cast(part, TextField()), models.Value(""), output_field=TextField())]
    return spaced[1:]


class Code(serializers.ChoiceField):
    """One code of a list; the error lists the codes."""

    def fail(self, key, **values):
        if key != "invalid_choice":
            super().fail(key, **values)
        raise serializers.ValidationError(invalid_choice(values["input"], self.choices), key)


class Number(serializers.DecimalField):
    """A decimal as JSON writes one; Python would also read underscores, and the digits of other scripts."""

    def to_internal_value(self, data: Any):
        if isinstance(data, str) and ("_" in data or not data.isascii()):
            self.fail("invalid")
        return super().to_internal_value(data)


class Uid(serializers.UUIDField):
    """The key of a record without a name; a number is none, although Python could make one of it."""

    def to_internal_value(self, data: Any):
        return super().to_internal_value(data) if isinstance(data, str) else self.fail("invalid", value=data)


class RecordSerializer(serializers.ModelSerializer):
    """Reads and writes one kind of record.

    `Meta.fields` names what the record has beside its key, address, version and times, which are always shown.
    `Meta.names` gives the model's name of a field that is called otherwise outside. `example` is a body that makes one.
    """

    example: dict[str, Any] | None = None

    serializer_field_mapping = serializers.ModelSerializer.serializer_field_mapping | {models.DecimalField: Number}
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
            return Address, {"address": ADDRESSES.get(model_class, ""), "key": model_class.key}
        name = getattr(self.Meta, "names", {}).get(field_name, field_name)
        field_class, kwargs = super().build_field(name, info, model_class, nested_depth)
        field = model_class._meta.get_field(name)
        if name != field_name:
            kwargs["source"] = name
        if name == "uid":
            return Uid, {"required": False}
        if "validators" in kwargs:  # the model judges uniqueness, in full_clean(), and says it in its own words
            kwargs["validators"] = [v for v in kwargs["validators"] if not isinstance(v, UniqueValidator)]
        if isinstance(field, Text) and not kwargs.get("read_only"):
            kwargs |= {"trim_whitespace": False} if field.blank else {"required": True}  # a quote is verbatim
        if isinstance(field, EdtfField) and not field.blank:
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
        return extra_kwargs, {}  # what is required does not hang on what must differ

    def get_unique_together_validators(self):
        return []

    # ---- writing

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError({"non_field_errors": [NOT_AN_OBJECT]})
        fields = self.fields
        wrong = {name: [UNKNOWN_FIELD] for name in data if name not in fields and name not in ("version", "change_reason")}
        wrong |= self._system_written(data)
        clean = {}
        for name, value in data.items():
            nothing = value is None or value == ""
            if name in fields and not fields[name].read_only and not (nothing and name == "uid"):
                clean[name] = empty(fields[name]) if nothing else value
        try:
            values = super().to_internal_value(clean)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**flat_fields(error.detail), **wrong}) from error
        if wrong:
            raise serializers.ValidationError(wrong)
        return values

    def _system_written(self, data: Mapping[str, Any]) -> dict[str, list[str]]:
        """What only progress functions or the database write may be sent back as it was read, and not otherwise."""
        stored = {f.name for f in self.Meta.model._meta.concrete_fields}
        given = [
            n
            for n, f in self.fields.items()
            if n in data and f.read_only and f.source in stored and n not in PASSED_OVER and n != "version"
        ]
        if not given:
            return {}
        now = self.context["current"] if self.instance else self._newborn(data)
        same = lambda a, b: (a if a != "" else None) == (b if b != "" else None)  # noqa: E731
        return {n: [READ_ONLY] for n in given if not same(data[n], now.get(n))}

    def _newborn(self, data: Mapping[str, Any]) -> dict[str, Any]:
        model = self.Meta.model
        fresh = {f.name: f.get_default() for f in model._meta.concrete_fields if f.has_default()}
        return fresh | ({"original_due_on": data.get("due_on")} if "original_due_on" in self.fields else {})

    def whole(self, values: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """What a PUT means: what it leaves out goes back to its default, except who may see it and what the caller cannot see."""
        model = self.Meta.model
        for name, field in self.fields.items():
            if field.read_only or name in given or name in (model.key, "visibility", "publication"):
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

    def _write(self, instance: Record, values: dict[str, Any], **save) -> Record:
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
        """Take the values of many-to-many fields out of the values."""
        return {
            name: values.pop(name) for name in [f.source for f in self._writable_fields if isinstance(f, KeyListField)] if name in values
        }

    def refusal(self, instance: Record) -> serializers.ValidationError | None:
        """What the model finds wrong with a record before it is written."""
        try:
            instance.full_clean()
        except ModelError as error:
            return self.model_refusal(instance, error)
        return None

    def model_refusal(self, instance: Record, error: ModelError) -> serializers.ValidationError:
        """The model's errors by the field names of the API, with the readable record that has a value already, if any."""
        user, found, taken = self.context["request"].user, violations.by_field(error, self.Meta.model), {}
        for field, reasons in found.items():
            if holder := next(filter(None, (violations.existing(instance, reason, field, user) for reason in reasons)), None):
                taken[self.outside(field)] = holder.natural_key()[0]
        detail = {self.outside(field): errors.error_details(reasons) for field, reasons in found.items()}
        return serializers.ValidationError(detail | ({"_existing": taken} if taken else {}))

    def keep_hidden(self, instance: Record, values: dict[str, Any]) -> dict[str, Any]:
        """A write keeps the references that its caller may not read, and the words of a source that is one of them."""
        user = self.context["request"].user
        for field in self._writable_fields:
            reference = field.child_relation if isinstance(field, KeyListField) else field
            words = source_text_fields(self.Meta.model, self.fields) if field.source == "source" else set()
            if (
                not values.keys() & {field.source, *words}
                or not isinstance(reference, KeyField)
                or not reference.hides
                or Reader.of(user).sees_all
            ):
                continue
            if isinstance(field, KeyListField):
                values[field.source] = [*values[field.source], *self.hidden_links(instance, field)]
                continue
            there = getattr(instance, f"{field.source}_id")
            if not there or reference.readable_ids({there}):
                continue
            if values.get(field.source) is None:
                for name in (field.source, *words):
                    values.pop(name, None)
            else:  # another source says something else
                values |= dict.fromkeys(words - values.keys(), "")
        return values

    def hidden_links(self, instance: Record, field: KeyListField) -> set[int]:
        """The ids to which a many-to-many field of a stored record leads, and that the caller may not read."""
        reference = field.child_relation
        if "references" in self.context:
            stored = self.context["references"].links(instance, field.source)
            return stored - reference.readable_ids(stored)
        hidden = getattr(instance, field.source).exclude(pk__in=reference.rows().values("pk"))
        return set(hidden.values_list("pk", flat=True))

    @classmethod
    def outside(cls, name: str) -> str:
        """The name by which the API knows a field of the model."""
        if name == "__all__":
            return "non_field_errors"
        return next((out for out, inner in getattr(cls.Meta, "names", {}).items() if inner == name), name)


def flat_fields(detail: Mapping[str, Any]) -> dict[str, list[serializers.ErrorDetail]]:
    """Errors by field; errors inside a field's rows or items become errors of the field, which say where they are."""
    return {name: list(flat(errors)) for name, errors in detail.items()}


def flat(errors: Any, place: str = "") -> Iterator[serializers.ErrorDetail]:
    if isinstance(errors, Mapping):
        for name, inner in errors.items():
            step = f"item {int(name) + 1}: " if str(name).isdigit() else "" if name == "non_field_errors" else f"{name}: "
            yield from flat(inner, place + step)
        return
    for number, error in enumerate(errors):
        if isinstance(error, Mapping):
            yield from flat(error, f"{place}item {number + 1}: ")
        else:
            yield serializers.ErrorDetail(f"{place}{error}", error.code)


def empty(field: serializers.Field) -> Any:
    """What null and "" both mean for a field."""
    if isinstance(field, KeyListField | serializers.ListField):
        return []
    if isinstance(field, serializers.CharField | serializers.ChoiceField) and not field.allow_null:
        return ""
    return None


class StrictSerializer(serializers.Serializer):
    """What is sent to an act: an unknown field is refused, and null and "" mean that nothing is said."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError({"non_field_errors": [NOT_AN_OBJECT]})
        wrong = {str(name)[:100]: [UNKNOWN_FIELD] for name in data if name not in self.fields}
        try:
            values = super().to_internal_value({name: value for name, value in data.items() if value is not None and value != ""})
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**flat_fields(error.detail), **wrong}) from error
        if wrong:
            raise serializers.ValidationError(wrong)
        return values

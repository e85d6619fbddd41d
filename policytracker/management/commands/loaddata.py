"""`manage.py loaddata`: Django's, that also takes the files of a data set in any order, and counts each record once."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.core.management.commands import loaddata
from django.core.serializers.base import DeserializationError, DeserializedObject
from django.db import DatabaseError, transaction

from policytracker import dataset
from policytracker.errors import broken
from policytracker.records import Record, acting


class Command(loaddata.Command):
    help = f"{loaddata.Command.help} Files of a data set may be named in any order, and people in them may be unknown here."
    objs_with_deferred_fields: list[Any]

    def handle(self, *labels, **options):
        ordered = sorted(labels, key=dataset.place)
        self.last, self.models = ordered[-1], set()
        try:
            with acting(None, "data set", "data set"):
                super().handle(*ordered, **options)
                dataset.finish(self.models)
        except dataset.DatasetError as error:
            raise CommandError(str(error)) from error
        except DeserializationError as error:
            raise CommandError(f"{error} {error.__cause__ or ''}".strip()) from error
        except UnicodeDecodeError as error:
            raise CommandError(str(error.args[0])) from error
        except DatabaseError as error:
            if not (rule := broken(error)):
                raise
            raise CommandError(rule.sentence) from error

    def load_label(self, label):
        """What waited for something further down is written at the end of its file: once, and whole."""
        super().load_label(label)
        self.write_complete()
        if label == self.last:
            # Two may wait for each other; then Django comes back to the first with what it lacked.
            for one in list(self.objs_with_deferred_fields):
                if one.waits and one.is_saved_in_part(self.using):
                    self.write_complete()

    def write_complete(self):
        before = None
        while before != len(self.objs_with_deferred_fields):
            before = len(self.objs_with_deferred_fields)
            self.objs_with_deferred_fields = [one for one in self.objs_with_deferred_fields if not one.is_complete(self.using)]

    def save_obj(self, obj):
        return super().save_obj(WholeObject(obj))


class WholeObject(DeserializedObject):
    """A row of a fixture that waits for what it refers to.

    A record is judged by its model, and of one that is there already only what files may change is written.
    """

    def __init__(self, obj: DeserializedObject):
        super().__init__(obj.object, obj.m2m_data, obj.deferred_fields or {})
        self.links = dict(obj.m2m_data or {})
        self.leave_people()
        self.waits = bool(self.deferred_fields)

    def leave_people(self):
        """Who is unknown here is nobody."""
        for field in [f for f in self.deferred_fields if dataset.is_person(f) and isinstance(self.object, Record)]:
            names = self.deferred_fields.pop(field)
            if field.many_to_many:
                people = get_user_model()._base_manager.filter(username__in=[name for one in names for name in one])
                self.links[field.name] = list(people.values_list("pk", flat=True))

    def is_complete(self, using) -> bool:
        """Save it if everything that it refers to is there by now."""
        self.waits = False
        try:
            super().save_deferred_fields(using)
        except DeserializationError:
            self.waits = True
            return False
        return True

    def is_saved_in_part(self, using) -> bool:
        """Save it without what it still lacks, if it can be without."""
        if not all(field.null or field.many_to_many for field in self.deferred_fields):
            return False
        self.waits = False
        try:
            with transaction.atomic(using):
                self.save(using=using)
        except dataset.DatasetError:
            self.waits = True
        return not self.waits

    def save_deferred_fields(self, using=None):
        """Asked last of all, of what still lacks something."""
        self.waits = False
        try:
            super().save_deferred_fields(using)
        except DeserializationError as error:
            raise dataset.DatasetError(f"{self.name}: {error}") from error

    @property
    def name(self) -> str:
        key = self.object.natural_key()[0] if hasattr(self.object, "natural_key") else self.object.pk
        return f"{self.object._meta.label_lower} {key}"

    def save(self, save_m2m=True, using=None, **kwargs):
        if self.waits:
            return
        self.m2m_data = self.links | (self.m2m_data or {})
        if isinstance(self.object, Record):
            dataset.judge(self.object, self.name)
            kwargs |= self.only_what_may_change(using)
        with dataset.named(self.name):
            super().save(save_m2m, using, **kwargs)

    def only_what_may_change(self, using) -> dict:
        """Of a record that is there already: leaves out its links to people, and names the fields to write."""
        model = type(self.object)
        if not self.object.pk or not model._base_manager.using(using).filter(pk=self.object.pk).exists():
            return {}
        changing = {f.name: f for f in dataset.fields(model) if not dataset.is_kept(f)}
        self.m2m_data = {name: keys for name, keys in (self.m2m_data or {}).items() if name in changing}
        return {"update_fields": [name for name, f in changing.items() if not f.many_to_many]}

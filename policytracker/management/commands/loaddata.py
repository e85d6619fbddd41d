"""`manage.py loaddata`: Django's, that also takes the files of a data set in any order, and counts each record once."""

from django.core.management.base import CommandError
from django.core.management.commands import loaddata
from django.core.serializers.base import DeserializationError, DeserializedObject
from django.db import DatabaseError

from policytracker import dataset
from policytracker.errors import broken
from policytracker.records import Record, acting


class Command(loaddata.Command):
    help = f"{loaddata.Command.help} Files of a data set may be named in any order, and people in them may be unknown here."

    def handle(self, *labels, **options):
        self.models = set()
        try:
            with acting(None, "data set", "data set"):
                super().handle(*sorted(labels, key=dataset.place), **options)
                dataset.finish(self.models)
        except dataset.BadData as error:
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
        """What waited for a record further down is written at the end of its file: once, and whole."""
        super().load_label(label)
        waiting: list = []
        while len(waiting) != len(self.objs_with_deferred_fields):
            waiting = self.objs_with_deferred_fields
            self.objs_with_deferred_fields = [one for one in waiting if not one.is_complete(self.using)]

    def save_obj(self, obj):
        return super().save_obj(RecordOfFile(obj) if isinstance(obj.object, Record) else obj)


class RecordOfFile(DeserializedObject):
    """A record as a fixture says it: judged by its model, and of an existing row only what files may change."""

    def __init__(self, obj: DeserializedObject):
        super().__init__(obj.object, obj.m2m_data, obj.deferred_fields or {})
        self.links = dict(obj.m2m_data or {})
        self.waits = False
        self.leave_people()
        self.waits = bool(self.deferred_fields)

    def leave_people(self):
        """Who is unknown here is nobody."""
        for field in [f for f in self.deferred_fields if dataset.is_person(f)]:
            names = self.deferred_fields.pop(field)
            if field.many_to_many:
                people = field.related_model.objects.filter(username__in=[name for one in names for name in one])
                self.links[field.name] = list(people.values_list("pk", flat=True))

    def is_complete(self, using) -> bool:
        """Save it if everything that it refers to is there by now."""
        self.waits = False
        try:
            super().save_deferred_fields(using)
        except DeserializationError:
            return False
        return True

    def save_deferred_fields(self, using=None):
        """Asked last of all, of what still refers to something that is not there."""
        try:
            super().save_deferred_fields(using)
        except DeserializationError as error:
            raise dataset.BadData(f"{self.name}: {error}") from error

    @property
    def name(self) -> str:
        return f"{self.object._meta.label_lower} {self.object.natural_key()[0]}"

    def save(self, save_m2m=True, using=None, **kwargs):
        if self.waits:
            return
        model = type(self.object)
        dataset.judge(self.object, self.name)
        links = self.links | (self.m2m_data or {})
        if self.object.pk and model._base_manager.using(using).filter(pk=self.object.pk).exists():
            kwargs["update_fields"] = [f.name for f in dataset.fields(model) if not f.many_to_many and not dataset.is_kept(f)]
            links = {field: keys for field, keys in links.items() if not dataset.is_kept(model._meta.get_field(field))}
        self.m2m_data = links
        with dataset.named(self.name):
            super().save(save_m2m, using, **kwargs)

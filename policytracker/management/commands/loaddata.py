"""`manage.py loaddata`: Django's, that also takes the files of a data set in any order, and counts each record once."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import loaddata
from django.core.serializers.base import DeserializationError
from django.db import DEFAULT_DB_ALIAS, DatabaseError
from django.db.models import Model

from policytracker.dataset import layout
from policytracker.dataset.loading import DatasetError, Entry, Loader, entries, parse
from policytracker.records.context import change_context
from policytracker.records.violations import violated_constraint


class Command(loaddata.Command):
    help = f"{loaddata.Command.help} Files of a data set may be named in any order, and people in them may be unknown here."
    objs_with_deferred_fields: list[Any]

    def handle(self, *labels, **options):
        # Other fixtures come first, since they may hold people that the files of a data set name.
        ordered = sorted(labels, key=layout.place)
        self.last, self.models = ordered[-1], set()
        self.entries: list[Entry] = []
        try:
            with change_context(None, "data set", "data set"):
                super().handle(*ordered, **options)
                layout.finish(self.models)
        except DatasetError as error:
            raise CommandError(str(error)) from error
        except DeserializationError as error:
            raise CommandError(f"{error} {error.__cause__ or ''}".strip()) from error
        except UnicodeDecodeError as error:
            raise CommandError(str(error.args[0])) from error
        except DatabaseError as error:
            if not (rule := violated_constraint(error)):
                raise
            raise CommandError(rule.message) from error

    def load_label(self, label):
        """Keep the files of a data set until all are there; Django loads the others."""
        paths = [Path(path) for path, _, _ in self.find_fixtures(label)]
        if paths and self.using == DEFAULT_DB_ALIAS and all(is_dataset(path) for path in paths):
            for path in paths:
                self.keep(path)
        else:
            super().load_label(label)
        if label == self.last and self.entries:
            Loader(self.entries).load()

    def keep(self, path: Path) -> None:
        excluded = {app.label for app in self.excluded_apps}
        models = [model for file in layout.FILES for model in layout.models_of(file)]
        found = list(entries(path.name, parse(path), models, self.passes_over))
        kept = [entry for entry in found if entry.model not in self.excluded_models and entry.model._meta.app_label not in excluded]
        self.entries += kept
        self.fixture_count += 1
        self.fixture_object_count += len(found)
        self.loaded_object_count += len(kept)

    def passes_over(self, model: type[Model], name: str) -> bool:
        """Django's own fixtures also have what is worked out here."""
        return name in layout.not_in_files(model) or (self.ignore and name not in {field.name for field in layout.fields(model)})

    def save_obj(self, obj):
        """A record that cannot be without what comes further down is saved when that is there."""
        if any(field.many_to_one and not field.null for field in obj.deferred_fields or ()):
            self.objs_with_deferred_fields.append(obj)
            return True
        return super().save_obj(obj)


def is_dataset(path: Path) -> bool:
    """Whether a file has the name of one of a data set, or else nothing in it but records by their natural keys."""
    if path.name in layout.FILES:
        return True
    if path.suffix != ".json":
        return False
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        return False  # Django tells what is wrong
    labels = {label for labels in layout.FILES.values() for label in labels}
    return (
        bool(found)
        and isinstance(found, list)
        and all(isinstance(row, dict) and "pk" not in row and str(row.get("model")).lower() in labels for row in found)
    )

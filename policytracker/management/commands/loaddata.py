"""`manage.py loaddata`: Django's command, which also loads the files of a data set, in any order."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import loaddata
from django.core.serializers.base import DeserializationError
from django.db import DEFAULT_DB_ALIAS, DatabaseError
from django.db.models import Model

from policytracker.dataset import layout, package, relative_dates
from policytracker.dataset.loading import Loader, recalculate
from policytracker.dataset.reading import DatasetError, Entry, entries, parse
from policytracker.records.context import change_context
from policytracker.records.violations import constraint_of
from policytracker.resources import registry


class Command(loaddata.Command):
    help = f"{loaddata.Command.help} Files of a data set can be given in any order and may refer to unknown users."
    objs_with_deferred_fields: list[Any]

    def handle(self, *labels, **options):
        labels = tuple(label for label in labels if Path(label).name != package.NAME)  # a dump with all of its files
        # Other fixtures come first, because they may contain users that the data set refers to.
        ordered = sorted(labels, key=layout.position)
        self.last, self.models = ordered[-1], set()
        self.files: list[Path] = []
        try:
            with change_context(None, "data set", "data set"):
                super().handle(*ordered, **options)
                recalculate(self.models)
        except DatasetError as error:
            raise CommandError(str(error)) from error
        except DeserializationError as error:
            raise CommandError(f"{error} {error.__cause__ or ''}".strip()) from error
        except UnicodeDecodeError as error:
            raise CommandError(str(error.args[0])) from error
        except DatabaseError as error:
            raise CommandError(constraint_of(error).message) from error

    def load_label(self, label):
        """Collect the files of a data set until the last label; Django loads other fixtures."""
        paths = [Path(path) for path, _, _ in self.find_fixtures(label)]
        if paths and self.using == DEFAULT_DB_ALIAS and all(is_dataset(path) for path in paths):
            self.files += paths
        else:
            super().load_label(label)
        if label == self.last and self.files:
            Loader().load(entry for path in self.files for entry in self.included(path))

    def included(self, path: Path) -> Iterator[Entry]:
        """The entries of a file that the options do not exclude, which are counted."""
        excluded = {app.label for app in self.excluded_apps}
        models = [resource.model for resource in registry]
        self.fixture_count += 1
        for entry in relative_dates.shift(path.parent, entries(path.name, parse(path), models, self.ignores)):
            self.fixture_object_count += 1
            if entry.model not in self.excluded_models and entry.model._meta.app_label not in excluded:
                self.loaded_object_count += 1
                yield entry

    def ignores(self, model: type[Model], name: str) -> bool:
        """Whether to skip a field: fixtures of Django's dumpdata contain calculated fields."""
        return name in layout.not_in_files(model) or (self.ignore and name not in {field.name for field in layout.fields(model)})

    def save_obj(self, obj):
        """Defer a record with a required reference to a record that comes later."""
        if any(field.many_to_one and not field.null for field in obj.deferred_fields or ()):
            self.objs_with_deferred_fields.append(obj)
            return True
        return super().save_obj(obj)


def is_dataset(path: Path) -> bool:
    """Whether the file has a name of the data set, or contains only records of it with natural keys."""
    if path.name in layout.files():
        return True
    if path.suffix != ".json":
        return False
    labels = {resource.label for resource in registry}
    rows = parse(path)
    try:
        return is_record(next(rows, None), labels) and all(is_record(row, labels) for row in rows)
    except DatasetError:
        return False  # Django reports the error


def is_record(row: Any, labels: set[str]) -> bool:
    return isinstance(row, dict) and "pk" not in row and str(row.get("model")).lower() in labels

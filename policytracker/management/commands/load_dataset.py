"""`manage.py load_dataset`: loads the files of a data set in one transaction and writes only what differs."""

import sys
from collections.abc import Callable
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.base import ProgressBar
from django.db import DatabaseError
from django.utils.translation import gettext_lazy as _

from policytracker.dataset import layout, relative_dates
from policytracker.dataset.loading import Loader
from policytracker.dataset.reading import DatasetError, read
from policytracker.records.context import change_context, mark_import
from policytracker.records.violations import constraint_of
from policytracker.resources import registry

NOTHING_LOADED = _("Nothing was loaded. {reason}")


class Command(BaseCommand):
    help = "Loads the files that dump_dataset writes, and writes only what differs. If there is any error, nothing is loaded."

    def add_arguments(self, parser):
        parser.add_argument("folder", type=Path, metavar="DIR", help=f"the folder with {', '.join(layout.files())}")
        parser.add_argument("--if-empty", action="store_true", help="do nothing if a data set was loaded before")

    def handle(self, *args, folder, if_empty, **options):
        if if_empty and registry.scope.model._base_manager.exists():
            records = registry.scope.model._meta.verbose_name_plural
            self.stdout.write(_("The database already contains {records}. Nothing was loaded.").format(records=records))
            return
        try:
            with change_context(None, "data set", "data set"):
                mark_import()
                counts = Loader().load(relative_dates.shift(folder, read(folder, progress_bar(folder))))
        except DatasetError as error:
            raise CommandError(NOTHING_LOADED.format(reason=error)) from error
        except DatabaseError as error:
            raise CommandError(NOTHING_LOADED.format(reason=constraint_of(error).message)) from error
        for file in layout.files():
            numbers = {outcome: f"{counts[file][outcome]:,}" for outcome in ("created", "changed", "unchanged")}
            self.stdout.write(_("{file}: {created} created, {changed} changed, {unchanged} unchanged").format(file=file, **numbers))


def progress_bar(folder: Path) -> Callable[[int], None]:
    """A function that takes the number of bytes that were read, and shows on a terminal how much of the files that is."""
    paths = [folder / name for name in layout.files()]
    bar = ProgressBar(sys.stderr if sys.stderr.isatty() else None, sum(path.stat().st_size for path in paths if path.is_file()))
    done = 0

    def advance(size: int) -> None:
        nonlocal done
        done += size
        bar.update(done)

    return advance

"""`manage.py load_dataset`: loads the five files of a data set in one transaction and writes only what differs."""

from pathlib import Path

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils.translation import gettext_lazy as _

from policytracker.dataset import layout
from policytracker.dataset.loading import DatasetError, Loader, read
from policytracker.records.context import change_context
from policytracker.records.violations import violated_constraint

NOTHING_LOADED = _("Nothing was loaded. {reason}")


class Command(BaseCommand):
    help = "Loads the five files that dump_dataset writes, and writes only what differs. If there is any error, nothing is loaded."

    def add_arguments(self, parser):
        parser.add_argument("folder", type=Path, metavar="DIR", help="the folder with parties.json and the other four files")
        parser.add_argument("--if-empty", action="store_true", help="do nothing if the database contains agreements")

    def handle(self, *args, folder, if_empty, **options):
        if if_empty and apps.get_model("agreements.agreement")._base_manager.exists():
            self.stdout.write(_("The database already contains agreements. Nothing was loaded."))
            return
        try:
            with change_context(None, "data set", "data set"):
                counts = Loader(read(folder)).load()
        except DatasetError as error:
            raise CommandError(NOTHING_LOADED.format(reason=error)) from error
        except DatabaseError as error:
            if not (rule := violated_constraint(error)):
                raise
            raise CommandError(NOTHING_LOADED.format(reason=rule.message)) from error
        for file in layout.FILES:
            numbers = {outcome: f"{counts[file][outcome]:,}" for outcome in ("created", "changed", "unchanged")}
            self.stdout.write(_("{file}: {created} created, {changed} changed, {unchanged} unchanged").format(file=file, **numbers))

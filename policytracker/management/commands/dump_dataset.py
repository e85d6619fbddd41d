"""`manage.py dump_dataset`: writes the records into files, which `load_dataset` and `loaddata` read."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from policytracker.dataset import dumping, layout, package


class Command(BaseCommand):
    help = (
        f"Writes every real record, restricted ones included unless --public is given, into {', '.join(layout.files())}. "
        "Drafts that only their author sees, users, tokens, history and uploaded files are not included; the names of the files are."
    )

    def add_arguments(self, parser):
        parser.add_argument("folder", type=Path, metavar="DIR", help="the folder for the files; created if missing")
        parser.add_argument(
            "--public",
            action="store_true",
            help="only what everybody may read: no drafts, internal or restricted records, nothing about them, and no names of users",
        )
        parser.add_argument("--demo", action="store_true", help="include the demonstration data")

    def handle(self, *args, folder, public, demo, **options):
        try:
            counts = dumping.dump(folder, public, demo)
            package.write(folder, counts, public)
        except dumping.RefersToDemo as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(_("{file} cannot be written: {reason}.").format(file=error.filename, reason=error.strerror)) from error
        for file, count in counts.items():
            self.stdout.write(ngettext("{file}: {number} record", "{file}: {number} records", count).format(file=file, number=f"{count:,}"))

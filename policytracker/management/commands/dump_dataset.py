"""`manage.py dump_dataset`: the register as five files, which `load_dataset` and `loaddata` read."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from policytracker.dataset import layout


class Command(BaseCommand):
    help = (
        "Writes every record, restricted ones included, into parties.json, vocabulary.json, sources.json, agreements.json and "
        "recommendations.json. Drafts of updates, users, tokens and history are left out, and so are uploaded files; their names stay."
    )

    def add_arguments(self, parser):
        parser.add_argument("folder", type=Path, metavar="DIR", help="where to write the files; made if it is missing")
        parser.add_argument("--public", action="store_true", help="leave out the fields that name users, such as lead and author")

    def handle(self, *args, folder, public, **options):
        try:
            counts = layout.dump(folder, public)
        except OSError as error:
            raise CommandError(f"{error.filename} cannot be written: {error.strerror}.") from error
        for file, count in counts.items():
            self.stdout.write(f"{file}: {count:,} records")

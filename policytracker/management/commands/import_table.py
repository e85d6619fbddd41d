"""`manage.py import_table`: imports a table, all rows or none."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.base import ProgressBar
from django.utils.translation import gettext as _

from policytracker.dataset import formats, mapping, table_files
from policytracker.dataset.encodings import ENCODINGS, known
from policytracker.dataset.importing import Importer, Result
from policytracker.dataset.mapping import FileMapping, MappingError, RecordMapping
from policytracker.dataset.record_import import Line, display_value, mapping_types
from policytracker.dataset.tables import TableError
from policytracker.dataset.writer import Outcome
from policytracker.models import User
from policytracker.records.exceptions import NotPermitted

SHOWN_LENGTH = 60  # characters of a value in a line
MAX_ROWS = 10  # row numbers shown for an unmatched name


class Command(BaseCommand):
    help = "Imports a table. Prints what would be created, changed or refused (--dry-run), or writes all rows, or none if one is refused."

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, metavar="FILE", help=f"a file of one of these types: {', '.join(formats.FORMATS)}")
        parser.add_argument("--resource", metavar="R", default="", help="the type of the records, as in the URLs of the API")
        parser.add_argument("--map", type=Path, metavar="MAP.toml", help="a mapping file, if the columns or codes are not ours")
        parser.add_argument("--encoding", default="", metavar="E", help="the encoding of a text file; otherwise it is found")
        parser.add_argument("--source", default="", metavar="SLUG", help="the source of new records that have none")
        parser.add_argument("--user", metavar="NAME", help="the user who imports; named in the history")
        parser.add_argument("--dry-run", action="store_true", help="print what would happen, row by row, and write nothing")

    def handle(self, *args, file, resource, map, encoding, source, user, dry_run, **options):
        try:
            columns = self.read_mapping(map, resource)
            table = table_files.read(file, columns.path, self.known_encoding(encoding) or columns.encoding)
            by = self.find_user(user)
            importer = Importer(table, columns, by=by, source=source, reason=_("Import of %(name)s") % {"name": file.name[:200]})
        except (MappingError, TableError, NotPermitted) as error:
            raise CommandError(str(error)) from error
        for note in table.notes:
            self.stdout.write(note)
        bar = ProgressBar(sys.stderr if sys.stderr.isatty() else None, len(table.rows))
        result = importer.run(dry_run=dry_run, report=lambda line: self.show(line, dry_run), show_done=bar.update)
        self.show_unmatched(importer, result)
        refused = result.counts[Outcome.REFUSED]
        if refused and not dry_run:
            self.stdout.write(_("Nothing was written."))
        self.stdout.write(", ".join(f"{result.counts[outcome]} {outcome}" for outcome in Outcome))
        if refused:
            raise SystemExit(1)

    def read_mapping(self, path: Path | str | None, resource: str) -> FileMapping:
        types = mapping_types()
        if path:
            return mapping.read(Path(path), types, resource)
        if resource not in types:
            raise CommandError(_("--resource must be one of: %(names)s.") % {"names": ", ".join(types)})
        return FileMapping((RecordMapping(resource),))

    def known_encoding(self, name: str) -> str:
        if name and not known(name):
            raise CommandError(_("--encoding must be one of: %(names)s.") % {"names": ", ".join(ENCODINGS)})
        return known(name) if name else ""

    def find_user(self, name: str | None) -> User | None:
        if name is None:
            return None
        user = User.objects.filter(username=name, is_active=True).first()
        if user is None:
            raise CommandError(_("There is no user “%(name)s”.") % {"name": name})
        return user

    # ---- output

    def show(self, line: Line, dry_run: bool) -> None:
        if line.outcome == Outcome.REFUSED:
            for place, message in line.errors:
                self.stdout.write(_("%(place)s: refused. %(message)s") % {"place": place, "message": message})
        elif dry_run:
            head = _("%(place)s: %(outcome)s %(resource)s %(key)s") % vars(line)
            self.stdout.write("; ".join([head, *(change(name, *values) for name, values in line.changes.items())]))

    def show_unmatched(self, importer: Importer, result: Result) -> None:
        if result.unmatched:
            self.stdout.write(_("Names without a match:"))
        for (model, name), rows in result.unmatched.items():
            index = importer.names(model)
            similar = ", ".join(index.similar(name)) if index else ""
            listed = ", ".join(map(str, rows[:MAX_ROWS])) + (", …" if len(rows) > MAX_ROWS else "")
            suggestion = _("Similar: %(similar)s.") % {"similar": similar} if similar else _("Nothing similar.")
            self.stdout.write(f"  {name[:100]} ({listed}). {suggestion}")


def change(name: str, old: Any, new: Any) -> str:
    new_text = display_value(new, SHOWN_LENGTH)
    return f"{name}: {new_text}" if old is None else f"{name}: {display_value(old, SHOWN_LENGTH)} → {new_text}"

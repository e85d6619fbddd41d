"""`manage.py import_table`: imports tables, all rows or none."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.base import ProgressBar
from django.utils.translation import gettext as _

from policytracker.accounts.models import User
from policytracker.importing import formats, mapping, table_files
from policytracker.importing.draft import draft
from policytracker.importing.encodings import ENCODINGS, known
from policytracker.importing.importer import Import
from policytracker.importing.mapping import FileMapping, MappingError
from policytracker.importing.summary import ImportLine, Summary, display_value, expected_duration, row_numbers
from policytracker.importing.tables import TableError
from policytracker.records.exceptions import NotPermitted
from policytracker.resources import registry
from policytracker.writing.writer import Outcome

SHOWN_LENGTH = 60  # characters of a value in a line
SIGN_OF_LIFE = 10  # seconds between two lines that say how many rows are done, if no progress bar can be shown


class Command(BaseCommand):
    help = "Imports tables. Prints what would be created, changed or refused (--dry-run), or writes all rows, or none if one is refused."

    def add_arguments(self, parser):
        types = ", ".join(formats.FORMATS)
        parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help=f"files of these types: {types}; all are written, or none")
        parser.add_argument("--resource", metavar="R", default="", help="the type of the records, as in the URLs of the API")
        parser.add_argument("--map", type=Path, metavar="MAP.toml", help="a mapping file, if the columns or codes are not ours")
        parser.add_argument(
            "--set", action="append", default=[], metavar="FIELD=VALUE", help="a value for all rows, instead of a column of the mapping"
        )
        parser.add_argument("--encoding", default="", metavar="E", help="the encoding of a text file; otherwise it is found")
        parser.add_argument("--source", default="", metavar="SLUG", help="the source of new records that have none")
        parser.add_argument("--user", metavar="NAME", help="the user who imports; named in the history")
        parser.add_argument("--dry-run", action="store_true", help="print a summary of what would happen, and write nothing")
        parser.add_argument("--verbose", action="store_true", help="print every row, not only ten of each kind")
        parser.add_argument("--leave-out-refused", action="store_true", help="write the other rows if rows are refused")
        parser.add_argument("--update-others", action="store_true", help="permit changes of records whose sources are all others")
        parser.add_argument("--draft", action="store_true", help="print a mapping to begin with, and write nothing")

    def handle(self, *args, files, resource, map, encoding, source, user, dry_run, **options):
        constants = dict(self.constant(text) for text in options["set"])
        try:
            encoding = self.known_encoding(encoding)
            if options["draft"]:
                self.print_draft(files[0], resource, map, encoding)
                return
            columns = self.read_mapping(map, resource, constants)
            tables = [(file.name, table_files.read(file, columns.path, encoding or columns.encoding)) for file in files]
            table_import = Import(
                tables,
                columns,
                by=self.find_user(user),
                source=source,
                update_others=options["update_others"],
                with_changes=dry_run,
                leave_out_refused=options["leave_out_refused"],
            )
        except (MappingError, TableError, NotPermitted) as error:
            raise CommandError(str(error)) from error
        for note in table_import.notes:
            self.stdout.write(note)
        summary = Summary(table_import.names)
        shown = [Outcome.REFUSED, *([Outcome.CREATED, Outcome.CHANGED, Outcome.UNCHANGED] if dry_run else [])] if options["verbose"] else []

        def report(line: ImportLine) -> None:
            summary.add(line)
            if line.outcome in shown:
                self.show(line)

        begun = time.monotonic()
        done = self.progress(sum(len(table.rows) for _name, table in tables))
        written = table_import.run(report, done, dry_run=dry_run)
        self.show_summary(summary, dry_run, bool(shown))
        if dry_run:
            self.stdout.write(expected_duration(time.monotonic() - begun))
        elif not written:
            self.stdout.write(_("Nothing was written."))
        self.stdout.write(", ".join(f"{summary.counts[outcome]} {outcome}" for outcome in Outcome))
        if summary.counts[Outcome.REFUSED]:
            raise SystemExit(1)

    # ---- input

    def constant(self, text: str) -> tuple[str, str]:
        name, separator, value = text.partition("=")
        if not separator or not name.strip():
            raise CommandError(_("--set must be FIELD=VALUE, such as visibility=internal."))
        return name.strip(), value.strip()

    def read_mapping(self, path: Path | None, resource: str, constants: dict[str, str]) -> FileMapping:
        if path:
            return mapping.read(Path(path), resource, constants)
        self.check_resource(resource)
        return mapping.own_layout(resource, constants)

    def check_resource(self, resource: str) -> None:
        if resource not in mapping.importable():
            raise CommandError(_("--resource must be one of: %(names)s.") % {"names": ", ".join(mapping.importable())})

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

    def print_draft(self, file: Path, resource: str, path: Path | None, encoding: str) -> None:
        if resource:
            self.check_resource(resource)
        table = table_files.read(file, mapping.read(Path(path), resource).path if path else (), encoding)
        for line in draft(table, registry.at(resource) if resource else None, list(mapping.importable())):
            self.stdout.write(line)

    def progress(self, total: int) -> Callable[[int], Any]:
        """A function that shows how many rows are done: as a bar in a terminal, otherwise as a line from time to time."""
        if sys.stderr.isatty():
            return ProgressBar(sys.stderr, total).update
        last = time.monotonic()

        def show(done: int) -> None:
            nonlocal last
            if time.monotonic() - last >= SIGN_OF_LIFE:
                last = time.monotonic()
                self.stderr.write(_("%(done)s of %(total)s rows") % {"done": f"{done:,}", "total": f"{total:,}"})

        return show

    def show_summary(self, summary: Summary, dry_run: bool, all_shown: bool) -> None:
        outcomes = [Outcome.CREATED, Outcome.CHANGED, Outcome.REFUSED] if dry_run else [Outcome.REFUSED]
        titles = {Outcome.CREATED: _("Created"), Outcome.CHANGED: _("Changed"), Outcome.REFUSED: _("Refused")}
        for outcome in outcomes:
            if not summary.counts[outcome]:
                continue
            self.stdout.write(f"{titles[outcome]}: {summary.by_type(outcome)}")
            for line in [] if all_shown else summary.examples[outcome]:
                self.show(line)
            more = summary.counts[outcome] - len(summary.examples[outcome])
            if more and not all_shown:
                self.stdout.write(_("… and %(number)s more. Use --verbose for all.") % {"number": f"{more:,}"})
        if any(len(group.rows) > 1 for group in summary.refusals):
            self.stdout.write(_("Why rows are refused:"))
            for group in summary.refusals:
                column = f"“{group.column}”: " if group.column else ""
                self.stdout.write(f"  {len(group.rows)}x {column}{group.message} ({group.row_numbers})")
        self.show_terms(summary)

    def show(self, line: ImportLine) -> None:
        file = f"{line.file}: " if line.file else ""
        if line.outcome == Outcome.REFUSED:
            for problem in line.problems:
                self.stdout.write(file + _("%(place)s: refused. %(message)s") % {"place": problem.place, "message": problem.message})
        else:
            head = _("%(place)s: %(outcome)s %(resource)s %(key)s") % vars(line)
            self.stdout.write(file + "; ".join([head, *(change(name, *values) for name, values in line.changes.items())]))

    def show_terms(self, summary: Summary) -> None:
        if not summary.terms:
            return
        self.stdout.write(_("Names without a match:"))
        for term, rows in summary.terms.items():
            similar = ", ".join(summary.similar(term))
            suggestion = _("Similar: %(similar)s.") % {"similar": similar} if similar else _("Nothing similar.")
            self.stdout.write(f"  {term.text[:100]} ({row_numbers(rows)}). {suggestion}")
        self.stdout.write(_("To translate them, copy these lines into the mapping, and enter our codes:"))
        for line in summary.codes_blocks():
            self.stdout.write(f"  {line}")


def change(name: str, old: Any, new: Any) -> str:
    new_text = display_value(new, SHOWN_LENGTH)
    return f"{name}: {new_text}" if old is None else f"{name}: {display_value(old, SHOWN_LENGTH)} → {new_text}"

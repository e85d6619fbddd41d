"""`manage.py makemessages`: Django's command, which also collects derived names of models and fields, and definitions of record types."""

from pathlib import Path

from django.core.management.commands import makemessages

from policytracker.records.names import derived_names
from policytracker.resources import registry

NAMES = Path("derived_names.py")  # exists only while the command reads the texts


class Command(makemessages.Command):
    def handle(self, *args, **options):
        texts = [*derived_names(), *(resource.definition for resource in registry)]
        NAMES.write_text("".join(f"_({text!r})\n" for text in texts), encoding="utf-8")
        try:
            super().handle(*args, **options)
        finally:
            NAMES.unlink()

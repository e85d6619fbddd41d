"""`manage.py makemessages`: Django's command, which also collects the names that Django derives for models and fields."""

from pathlib import Path

from django.core.management.commands import makemessages

from policytracker.records.names import derived_names

NAMES = Path("derived_names.py")  # exists only while the command reads the texts


class Command(makemessages.Command):
    def handle(self, *args, **options):
        NAMES.write_text("".join(f"_({name!r})\n" for name in derived_names()), encoding="utf-8")
        try:
            super().handle(*args, **options)
        finally:
            NAMES.unlink()

"""`manage.py remove_demo`: deletes the demonstration data with its history, and nothing else."""

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils.translation import gettext as _

from policytracker.dataset import demo


class Command(BaseCommand):
    help = f"Deletes all records whose key begins with {demo.PREFIX}, with their parts and their history. Users are not deleted."

    def handle(self, *args, **options):
        try:
            deleted = demo.remove()
        except demo.StillReferenced as error:
            raise CommandError(str(error)) from error
        except OperationalError as error:
            raise CommandError(_("Nothing was removed: {reason}").format(reason=str(error).strip())) from error
        if not deleted:
            self.stdout.write(_("There is no demonstration data."))
        for model, number in deleted.items():
            self.stdout.write(_("Removed {rows}: {number}").format(rows=model._meta.verbose_name_plural, number=f"{number:,}"))

"""`manage.py housekeeping`: deletes expired data and unused files. Run it every night."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand
from django.db.models import FileField, QuerySet
from django.db.models.fields.json import KT
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from policytracker.accounts.models import Token
from policytracker.api.models import IdempotencyKey
from policytracker.importing import uploads
from policytracker.records.changes import Change

KEYS_KEPT = timedelta(days=1)  # a POST can be repeated for a day
LOGINS_KEPT = timedelta(days=90)
FILES_KEPT = timedelta(days=30)  # after they were replaced, so that a backup of that age still has its files
FILES_WITHOUT_RECORDS = gettext_lazy(
    "No {type} has a file, but the number of stored files is {number}. Nothing was deleted. Check MEDIA_ROOT and DATABASE_URL."
)
NEW = timedelta(days=1)  # age of an upload whose record may not be saved yet


class Command(BaseCommand):
    help = "Deletes old idempotency keys, expired tokens and sessions, old login records, and files that are no longer needed."

    def handle(self, *args, **options):
        for name, rows in outdated().items():
            number, _by_model = rows.delete()
            self.stdout.write(_("Deleted {rows}: {number}").format(rows=name, number=number))
        for field in file_fields():
            self.delete_replaced_files(field)
        self.delete_uploads()

    def delete_replaced_files(self, field: Any) -> None:
        """Deletes the files that no record has referred to for 30 days."""
        storage, now, model = field.storage, timezone.now(), field.model
        current = set(model._base_manager.exclude(**{field.name: ""}).values_list(field.name, flat=True))
        recent = Change.objects.filter(tbl=model._meta.db_table, at__gt=now - FILES_KEPT)
        kept = current | set(recent.values_list(KT(f"before__{field.column}"), flat=True))
        unused = [
            name for name in files_below(storage, field.upload_to) if name not in kept and storage.get_modified_time(name) < now - NEW
        ]
        if unused and not current:
            # Probably the settings combine the database of one site with the files of another.
            self.stderr.write(FILES_WITHOUT_RECORDS.format(type=model._meta.verbose_name, number=len(unused)))
            return
        for name in unused:
            storage.delete(name)
        self.stdout.write(
            _("Deleted replaced files of {types}: {number}").format(types=model._meta.verbose_name_plural, number=len(unused))
        )

    def delete_uploads(self) -> None:
        """Deletes the tables that were previewed and not imported."""
        oldest = timezone.now() - uploads.KEPT
        names = [name for name in files_below(default_storage, uploads.FOLDER) if default_storage.get_modified_time(name) < oldest]
        for name in names:
            default_storage.delete(name)
        self.stdout.write(_("Deleted tables that were not imported: {number}").format(number=len(names)))


def outdated() -> dict[str, QuerySet]:
    """The rows to delete, by a name for people."""
    now = timezone.now()
    return {
        _("idempotency keys"): IdempotencyKey.objects.filter(created_at__lt=now - KEYS_KEPT),
        _("expired tokens"): Token.objects.filter(expiry__lt=now),
        _("expired sessions"): Session.objects.filter(expire_date__lt=now),
        _("failed logins"): AccessAttempt.objects.filter(attempt_time__lt=now - LOGINS_KEPT),
        _("failed login log entries"): AccessFailureLog.objects.filter(attempt_time__lt=now - LOGINS_KEPT),
        _("login log entries"): AccessLog.objects.filter(attempt_time__lt=now - LOGINS_KEPT),
    }


def file_fields() -> Iterator[FileField]:
    for model in apps.get_models():
        yield from (field for field in model._meta.local_fields if isinstance(field, FileField))


def files_below(storage, folder: str) -> list[str]:
    """The names of the files in a folder of the storage; none if the folder does not exist."""
    return [f"{folder}{name}" for name in storage.listdir(folder)[1]] if storage.exists(folder) else []

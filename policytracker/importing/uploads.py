"""Tables that wait between their preview and their import: private files that `housekeeping` deletes after a day.

Each owner, such as a user and a type of records, has one at most.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection

FOLDER = "imports/"
KEPT = timedelta(days=1)
LOCK = "SELECT pg_try_advisory_xact_lock(hashtext(%s))"


def keep(owner: str, data: bytes) -> str:
    """Store the content of a file in place of the earlier one of the owner. Returns the name by which `read` finds it."""
    discard(owner)
    return default_storage.save(f"{FOLDER}{owner}.{uuid.uuid4().hex}", ContentFile(data))


def discard(owner: str) -> None:
    """Delete the file of the owner, if there is one."""
    if default_storage.exists(FOLDER):
        for name in default_storage.listdir(FOLDER)[1]:
            if name.rpartition(".")[0] == owner:
                default_storage.delete(f"{FOLDER}{name}")


def read(name: str) -> bytes:
    """The content of a stored file. Raises FileNotFoundError after it was deleted."""
    with default_storage.open(name) as file:
        return file.read()


def take(name: str) -> None:
    """Delete a stored file that is imported in this transaction. Only one caller can: raises FileNotFoundError for the others."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [name])
        locked = cursor.fetchone()[0]
    if not (locked and default_storage.exists(name)):
        raise FileNotFoundError(name)
    default_storage.delete(name)

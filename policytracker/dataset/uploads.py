"""Tables that wait between their preview and their import: private files that `housekeeping` deletes after a day."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

FOLDER = "imports/"
KEPT = timedelta(days=1)


def keep(data: bytes) -> str:
    """Store the content of a file. Returns the name by which `read` finds it."""
    return default_storage.save(f"{FOLDER}{uuid.uuid4().hex}", ContentFile(data))


def read(name: str) -> bytes:
    """The content of a stored file. Raises FileNotFoundError after it was deleted."""
    with default_storage.open(name) as file:
        return file.read()


def delete(name: str) -> None:
    default_storage.delete(name)

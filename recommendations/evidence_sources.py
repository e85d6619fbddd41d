"""Sources that evidence names by their address."""

from __future__ import annotations

import re
from secrets import token_hex
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.translation import gettext_lazy as _

from agreements.models import Source
from agreements.models.sources import SourceKind
from policytracker.accounts.models import User


def find_or_create_source(url: str, title: str, by: User | None) -> Source:
    """The source with this URL, if the user can read one, otherwise a new draft source. Raises ValidationError."""
    if not url:
        raise ValidationError(_("Select a source or enter its URL."))
    with connection.cursor() as cursor:
        # Serialize, so that two concurrent reports with the same new URL create one source.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('source_at'))")
    sources = Source.objects.visible_to(by) if by else Source.objects.all()
    if existing := sources.filter(original_url=url).order_by("-publication", "pk").first():  # published before draft
        return existing
    source = Source(kind=SourceKind.OTHER, title=title, original_url=url)
    source.clean_fields(exclude={"slug"})
    address = urlsplit(url)
    words = re.sub(r"[^a-z0-9]+", "-", f"{address.hostname}{address.path}".lower()).strip("-")[:100]
    # The random part is not only for addresses with the same words, or none in ASCII: a number would tell that another source,
    # which the user may not read, has this address.
    source.slug = f"{words or SourceKind.OTHER}-{token_hex(4)}"
    source.save()
    return source

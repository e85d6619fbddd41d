"""The table of the search index."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models


class SearchEntry(models.Model):
    """The words of one record, for the full-text search. Only triggers and `migrate` write it (installed/search_index.py).

    It is not a column of the record, so that it is in no version, history, export or past moment. The table has one partition per
    record type, so that PostgreSQL knows how frequent a word is in each.
    """

    pk = models.CompositePrimaryKey("tbl", "row_id")
    tbl = models.TextField()
    row_id = models.BigIntegerField()
    vector = SearchVectorField()

    class Meta:
        default_permissions = ()
        indexes = [GinIndex(fields=["vector"], name="search_entry_words")]

"""The change history of all tables."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Func, Q
from django.db.models.fields.json import KeyTextTransform

from policytracker.sql.moment import ACCESS_COLUMNS, moment_read


class TransactionIdField(models.TextField):
    """A 64-bit transaction ID of PostgreSQL, which does not wrap around."""

    def db_type(self, connection):
        return "xid8"


class ChangeQuerySet(models.QuerySet):
    def until_moment(self) -> ChangeQuerySet:
        """Without the changes after the moment that is read. The table of changes itself is the same at every moment."""
        moment = moment_read.get()
        return self.all() if moment is None else self.filter(at__lte=moment)


class Change(models.Model):
    """One change of one row of any table. Only triggers write it (installed/triggers.py).

    `before` is the complete old row; for a many-to-many link it is the link, and `row_id` is the record that holds it. `changed` has
    the new values of an update, by column. `since` is the time of the previous change of the row. `actor` is {"id", "user", "reason",
    "channel"}, or null for a change by plain SQL. Numbers of transactions (`txid`) increase within an `era`; a new one begins when the
    database is restored on a server whose numbers are lower (`installed/installation.py`). `moved` is true if the change removed the
    row, or gave it another parent: queries by parent no longer find it in the table.
    """

    id = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(db_default=RandomUUID())
    tbl = models.TextField()
    row_id = models.BigIntegerField()
    op = models.TextField()
    since = models.DateTimeField(null=True)
    at = models.DateTimeField()
    txid = TransactionIdField(db_default=Func(function="pg_current_xact_id"))
    era = models.IntegerField(db_default=0)
    actor: Any = models.JSONField(null=True)
    before: Any = models.JSONField(null=True)
    changed: Any = models.JSONField(null=True)
    moved = models.BooleanField(db_default=False)

    objects = ChangeQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["tbl", "row_id", "id"], name="change_of_a_row"),
            models.Index(fields=["tbl", "at"], name="change_by_time"),
            models.Index(fields=["era", "txid", "id"], name="change_of_an_era_in_order"),
            models.Index(fields=["tbl", "era", "txid", "id"], name="change_of_a_table_in_order"),
            models.Index(KeyTextTransform("user", "actor"), "era", "txid", "id", name="change_of_a_user_in_order"),
            models.Index(fields=["tbl", "row_id"], condition=Q(op="delete"), name="change_that_deleted"),
            models.Index(fields=["tbl", "op", "at"], include=["row_id"], condition=Q(moved=True), name="change_that_moved"),
            models.Index(fields=["tbl", "row_id", "at"], condition=Q(changed__has_any_keys=ACCESS_COLUMNS), name="change_of_access"),
        ]

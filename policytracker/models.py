"""People, their tokens, the history of every record, and what a repeated POST is answered with."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Func
from django.utils.functional import cached_property
from knox.models import AbstractAuthToken


class User(AbstractUser):
    """A person, or another system, that signs in."""

    @cached_property
    def roles(self) -> frozenset[str]:
        """The names of the user's groups; a superuser is an administrator."""
        groups = frozenset(self.groups.values_list("name", flat=True))
        return groups | {"administrator"} if self.is_superuser else groups


class Token(AbstractAuthToken):
    """A credential for the API, hashed at rest, with a name by which its owner knows it."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=100, blank=True, default="")


class TransactionIdField(models.TextField):
    """The number of a transaction, which never wraps around; it orders what a clock cannot."""

    def db_type(self, connection):
        return "xid8"


class Change(models.Model):
    """One write to one row of any table, kept by triggers (see triggers.py) and written by nothing else.

    `before` is the whole row as it was; for a link, the link, and `row_id` is that of its owner. `changed` has what an update
    changed, by column. `since` is when the row had become what `before` says. The actor is {"id", "user", "reason", "door"},
    null for a bare SQL session.
    """

    id = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(db_default=RandomUUID())
    tbl = models.TextField()
    row_id = models.BigIntegerField()
    op = models.TextField()
    since = models.DateTimeField(null=True)
    at = models.DateTimeField()
    txid = TransactionIdField(db_default=Func(function="pg_current_xact_id"))
    actor = models.JSONField(null=True)
    before = models.JSONField(null=True)
    changed = models.JSONField(null=True)

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["tbl", "row_id", "id"], name="change_of_a_row"),
            models.Index(fields=["tbl", "at"], name="change_by_time"),
            models.Index(fields=["txid", "id"], name="change_in_order"),
        ]


class IdempotencyKey(models.Model):
    """The first answer to a POST, given again to the same request for 24 hours."""

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    address = models.TextField()
    key = models.CharField(max_length=255)
    body_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    headers = models.JSONField(default=dict)
    body = models.TextField(default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "address", "key"], name="idempotency_key_is_used_once")]

"""People, their tokens, the history of every record, and what a repeated POST is answered with."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.functions import RandomUUID
from django.db import connection, models, transaction
from django.db.models import Exists, Func, OuterRef, Q
from django.utils import timezone
from django.utils.functional import cached_property
from knox.models import AbstractAuthToken

from policytracker.records.access import Reader, Role
from policytracker.records.models import Record


class User(AbstractUser):
    """A person, or another system, that signs in."""

    @cached_property
    def roles(self) -> frozenset[str]:
        """The names of the user's groups; a superuser is an administrator."""
        groups = frozenset(self.groups.values_list("name", flat=True))
        return groups | {"administrator"} if self.is_superuser else groups

    def check_password(self, raw_password: str | None) -> bool:
        """Whether this is the user's password. Django may store a stronger hash of it then, which ends no token."""

        def store(password: str) -> None:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL policytracker.same_password = 'on'")
                self.set_password(password)
                self._password = None  # no change of the password for Django's validators either
                self.save(update_fields=["password"])
                cursor.execute("SET LOCAL policytracker.same_password = ''")

        return check_password(raw_password, self.password, store)

    @classmethod
    def visible_to(cls, who: Any) -> models.QuerySet[User]:
        """The people whose user names this reader may know: all for those who write; else oneself, and who is named where one reads."""
        reader, people = Reader.of(who), cls._default_manager.all()
        if reader.roles & {Role.ANALYST, Role.REVIEWER, Role.ADMINISTRATOR}:
            return people
        if not reader.roles or not reader.sees_people:
            return people.none()
        named = Q(pk=reader.id)
        for model in apps.get_models():
            if not issubclass(model, Record):
                continue
            rows = model.objects.visible_to(reader).order_by()
            for field in (*model._meta.fields, *model._meta.many_to_many):
                if field.related_model is cls:
                    named |= Q(Exists(rows.filter(**{field.name: OuterRef("pk")})))
        return people.filter(named)


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
    changed, by column. `since` is when the row had become what `before` says. The actor is {"id", "user", "reason", "channel"},
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


class IdempotencyKeyQuerySet(models.QuerySet):
    def delete_expired(self, at_most: int = 1000) -> None:
        """Delete keys that are older than a day, except those that another transaction holds."""
        expired = self.filter(created_at__lt=timezone.now() - timedelta(hours=24)).select_for_update(skip_locked=True)
        self.filter(pk__in=list(expired.values_list("pk", flat=True)[:at_most])).delete()


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

    objects = IdempotencyKeyQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_by_age")]
        constraints = [models.UniqueConstraint(fields=["user", "address", "key"], name="idempotency_key_is_used_once")]

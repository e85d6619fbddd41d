"""Users, API tokens, the change history, the search index and idempotency keys."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import connection, models, transaction
from django.db.models import Exists, Func, OuterRef, Q
from django.db.models.fields.json import KeyTextTransform
from django.utils import timezone
from django.utils.functional import cached_property
from knox.models import AbstractAuthToken

from policytracker.records.access import Reader, Role
from policytracker.records.constraints import OwnTrigger
from policytracker.records.models import Record
from policytracker.sql.moment import ACCESS_COLUMNS


class User(AbstractUser):
    """A person or another system that signs in."""

    own_triggers = (
        # Tokens end with the password. check_password() makes the setting when it stores a stronger hash of the same password.
        OwnTrigger(
            "end_tokens",
            "AFTER UPDATE",
            """IF OLD.is_active AND NOT NEW.is_active OR coalesce(current_setting('policytracker.same_password', true), '') <> 'on' THEN
    DELETE FROM policytracker_token WHERE user_id = NEW.id;
  END IF;
  RETURN NULL;""",
            condition="OLD.password <> NEW.password OR OLD.is_active AND NOT NEW.is_active",
        ),
        # The admin of Django lets in whoever has `is_staff`: users with a role.
        OwnTrigger(
            "staff_have_a_role",
            "BEFORE INSERT OR UPDATE",
            """NEW.is_staff := NEW.is_superuser OR EXISTS (SELECT FROM policytracker_user_groups WHERE user_id = NEW.id);
  RETURN NEW;""",
        ),
        OwnTrigger(
            "role_makes_staff",
            "AFTER INSERT OR DELETE",
            """UPDATE policytracker_user SET is_staff = is_staff WHERE id = coalesce(NEW.user_id, OLD.user_id);
  RETURN NULL;""",
            links="groups",
        ),
    )

    @cached_property
    def roles(self) -> frozenset[str]:
        """The names of the user's groups; a superuser is an administrator."""
        return self.roles_in(self.groups.values_list("name", flat=True))

    def roles_in(self, groups: Iterable[str]) -> frozenset[str]:
        """The roles of the user as a member of these groups."""
        return frozenset(groups) | {Role.ADMINISTRATOR.value} if self.is_superuser else frozenset(groups)

    def check_password(self, raw_password: str | None) -> bool:
        """Whether this is the user's password. If Django upgrades its hash, the user's tokens and sessions stay valid."""

        def store(password: str) -> None:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL policytracker.same_password = 'on'")
                self.set_password(password)
                self._password = None  # otherwise Django reports a changed password to its validators
                self.save(update_fields=["password"])
                cursor.execute("SET LOCAL policytracker.same_password = ''")

        return check_password(raw_password, self.password, store)

    @classmethod
    def editors(cls) -> models.QuerySet[User]:
        """The active users who may edit registry records, and so own them. Without readers and officers."""
        has_role = Q(groups__name__in=[Role.ANALYST, Role.REVIEWER, Role.ADMINISTRATOR]) | Q(is_superuser=True)
        return cls._default_manager.filter(pk__in=cls._default_manager.filter(has_role).order_by().values("pk"), is_active=True)

    @classmethod
    def visible_to(cls, user: Any) -> models.QuerySet[User]:
        """The users whose names this user may see: all for analysts and above, else itself and those that readable records name."""
        reader, users = Reader.of(user), cls._default_manager.all()
        if reader.roles & {Role.ANALYST, Role.REVIEWER, Role.ADMINISTRATOR}:
            return users
        if not reader.roles or not reader.sees_people:
            return users.none()
        named = Q(pk=reader.id)
        for model in apps.get_models():
            if not issubclass(model, Record):
                continue
            rows = model.objects.visible_to(reader).order_by()
            for field in (*model._meta.fields, *model._meta.many_to_many):
                if field.related_model is cls:
                    named |= Q(Exists(rows.filter(**{field.name: OuterRef("pk")})))
        return users.filter(named)


class Token(AbstractAuthToken):
    """An API token, stored as a hash, with a name that its owner chooses."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=100, blank=True, default="")


class TransactionIdField(models.TextField):
    """A 64-bit transaction ID of PostgreSQL, which does not wrap around."""

    def db_type(self, connection):
        return "xid8"


class Change(models.Model):
    """One change of one row of any table. Only triggers write it (records/triggers.py).

    `before` is the complete old row; for a many-to-many link it is the link, and `row_id` is the record that holds it. `changed` has
    the new values of an update, by column. `since` is the time of the previous change of the row. `actor` is {"id", "user", "reason",
    "channel"}, or null for a change by plain SQL. Numbers of transactions (`txid`) increase within an `era`; a new one begins when the
    database is restored on a server whose numbers are lower (`records/installation.py`). `moved` is true if the change removed the
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
    actor = models.JSONField(null=True)
    before = models.JSONField(null=True)
    changed = models.JSONField(null=True)
    moved = models.BooleanField(db_default=False)

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


class SearchEntry(models.Model):
    """The words of one record, for the full-text search. Only triggers and `migrate` write it (search/index.py).

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


class IdempotencyKeyQuerySet(models.QuerySet):
    def delete_expired(self, at_most: int = 1000) -> None:
        """Delete at most so many keys that are older than a day, except those that another transaction has locked."""
        expired = self.filter(created_at__lt=timezone.now() - timedelta(hours=24)).select_for_update(skip_locked=True)
        self.filter(pk__in=list(expired.values_list("pk", flat=True)[:at_most])).delete()


class IdempotencyKey(models.Model):
    """The response to a POST, which is returned again for the same request within 24 hours."""

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

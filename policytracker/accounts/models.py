"""Users and their API tokens."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import AbstractUser
from django.db import connection, models, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.functional import cached_property
from knox.models import AbstractAuthToken

from policytracker.records.access import EDITORS, Reader, Role
from policytracker.records.constraints import OwnTrigger
from policytracker.records.models import Record


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
        has_role = Q(groups__name__in=EDITORS) | Q(is_superuser=True)
        return cls._default_manager.filter(pk__in=cls._default_manager.filter(has_role).order_by().values("pk"), is_active=True)

    @classmethod
    def visible_to(cls, user: Any) -> models.QuerySet[User]:
        """The users whose names this user may see: all, or itself and those that readable records name, or none."""
        reader, users = Reader.of(user), cls._default_manager.all()
        if reader.sees_all_people:
            return users
        if not reader.sees_people:
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

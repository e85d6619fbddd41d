"""Stored responses to requests that may be repeated."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone


class IdempotencyKeyQuerySet(models.QuerySet):
    def delete_expired(self, at_most: int = 1000) -> None:
        """Delete at most so many keys that are older than a day, except those that another transaction has locked."""
        expired = self.filter(created_at__lt=timezone.now() - timedelta(hours=24)).select_for_update(skip_locked=True)
        self.filter(pk__in=list(expired.values_list("pk", flat=True)[:at_most])).delete()


class IdempotencyKey(models.Model):
    """The response to a POST, which is returned again for the same request within 24 hours."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
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

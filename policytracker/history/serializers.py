"""The form of an entry of the history."""

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

FIELD_CHANGE = inline_serializer("FieldChange", {"before": serializers.JSONField(), "after": serializers.JSONField()})


class ChangeSerializer(serializers.Serializer):
    uid = serializers.UUIDField()
    at = serializers.DateTimeField()
    user = serializers.CharField(allow_null=True)
    operation = serializers.ChoiceField(["create", "update", "delete"])
    version = serializers.IntegerField()
    reason = serializers.CharField()
    channel = serializers.CharField()
    line = serializers.CharField()
    changes = serializers.DictField(child=FIELD_CHANGE)

"""The form of the response of `standing/`."""

from rest_framework import serializers

from agreements.models.treaty_actions import ConditionKind
from agreements.standing import PartyStanding, TextStanding


class ReasonsSerializer(serializers.Serializer):
    """Since when, and why."""

    since = serializers.CharField(allow_null=True)
    actions = serializers.ListField(child=serializers.UUIDField())
    approximate = serializers.BooleanField()
    sentence = serializers.CharField()


class TextStandingSerializer(ReasonsSerializer):
    standing = serializers.ChoiceField(TextStanding.choices)


class PartyStandingSerializer(ReasonsSerializer):
    party = serializers.CharField()
    standing = serializers.ChoiceField(PartyStanding.choices)
    bound = serializers.BooleanField()
    incomplete = serializers.BooleanField()
    via = serializers.CharField(allow_null=True)


class PairSerializer(serializers.Serializer):
    parties = serializers.ListField(child=serializers.CharField())
    since = serializers.CharField(allow_null=True)
    actions = serializers.ListField(child=serializers.UUIDField())
    via = serializers.CharField(allow_null=True)


class MissingSerializer(serializers.Serializer):
    """What a condition still requires."""

    number = serializers.IntegerField(allow_null=True)
    parties = serializers.ListField(child=serializers.CharField())
    on = serializers.CharField(allow_null=True)


class ConditionResultSerializer(serializers.Serializer):
    uid = serializers.UUIDField()
    kind = serializers.ChoiceField(ConditionKind.choices)
    met = serializers.BooleanField()
    met_on = serializers.CharField(allow_null=True)
    missing = MissingSerializer()
    text = serializers.CharField()


class StandingSerializer(serializers.Serializer):
    agreement = serializers.CharField()
    on = serializers.DateField()
    text = TextStandingSerializer()
    actions_complete_as_of = serializers.DateField(allow_null=True)
    parties = PartyStandingSerializer(many=True)
    pairs = PairSerializer(many=True)
    conditions = ConditionResultSerializer(many=True)

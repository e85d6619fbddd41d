"""The form of the response of `standing/`, made of a `StandingDocument`."""

from rest_framework import serializers

from agreements.models.treaty_actions import ConditionKind
from agreements.standing import PartyStanding, TextStanding


class OptionalText(serializers.CharField):
    """A partial date or a key; null if there is none."""

    def __init__(self, **options):
        super().__init__(allow_null=True, **options)

    def to_representation(self, value):
        return value or None


class ActionsField(serializers.ListField):
    """The uids of treaty actions."""

    child = serializers.UUIDField()

    def to_representation(self, actions):
        return [action.uid for action in actions]


class TextStandingSerializer(serializers.Serializer):
    standing = serializers.ChoiceField(TextStanding.choices, source="code")
    since = OptionalText()
    actions = ActionsField()
    approximate = serializers.BooleanField()
    sentence = serializers.CharField()


class PartyStandingSerializer(serializers.Serializer):
    party = serializers.CharField()
    standing = serializers.ChoiceField(PartyStanding.choices, source="code")
    bound = serializers.BooleanField()
    since = OptionalText()
    actions = ActionsField()
    approximate = serializers.BooleanField()
    incomplete = serializers.BooleanField()
    via = OptionalText()
    sentence = serializers.CharField()


class PairSerializer(serializers.Serializer):
    parties = serializers.ListField(child=serializers.CharField())
    since = serializers.CharField(allow_null=True)
    actions = ActionsField()
    via = OptionalText()


class MissingSerializer(serializers.Serializer):
    """What a condition still requires."""

    number = serializers.IntegerField(allow_null=True)
    parties = serializers.ListField(child=serializers.CharField())
    on = OptionalText()


class ConditionResultSerializer(serializers.Serializer):
    uid = serializers.UUIDField(source="condition.uid")
    kind = serializers.ChoiceField(ConditionKind.choices, source="condition.kind")
    met = serializers.BooleanField()
    met_on = OptionalText()
    missing = MissingSerializer()
    text = serializers.CharField(source="condition.text")


class StandingSerializer(serializers.Serializer):
    agreement = serializers.CharField(source="record.slug")
    on = serializers.DateField()
    text = TextStandingSerializer()
    actions_complete_as_of = serializers.DateField(allow_null=True, source="record.actions_complete_as_of")
    parties = PartyStandingSerializer(many=True)
    pairs = PairSerializer(many=True)
    conditions = ConditionResultSerializer(many=True)

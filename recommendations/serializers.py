"""What the records of this app look like outside, and what is sent to file an update."""

from django.db.models import JSONField, Value
from django.db.models.functions import Cast

from agreements.deadlines import ON
from agreements.serializers import CITED, STATE
from policytracker.reading import Computed, Nested
from policytracker.serializers import RecordSerializer
from recommendations.deadlines import Freshness, deadline, freshness
from recommendations.models import Addressee, Evidence, ProgressUpdate, Recommendation

CLAIM = {
    "type": "object",
    "properties": {"party": {"type": "string"}, "status": {"type": "string"}, "reported_on": {"type": "string", "format": "date"}},
}


class RecommendationSerializer(RecordSerializer):
    deadline_state = Computed(lambda reader: deadline(ON), STATE)
    freshness = Computed(lambda reader: freshness(ON), {"type": "string", "enum": Freshness.values})
    # No claim can be filed yet.
    claims = Computed(lambda reader: Cast(Value("[]"), JSONField()), {"type": "array", "items": CLAIM})

    class Meta:
        model = Recommendation
        fields = [
            "key_action", "details", "expected_outcome", "focus_area", "agreements", "components", "sectors", "parent", "made_by",
            "made_by_text", "made_on", *CITED, "priority", "owner", "due_on", "original_due_on", "update_every", "superseded_by",
            "source_scheme", "source_code", "status", "claimed_status", "status_since", "progress_percent", "last_update_on",
            "closed_on", "deadline_state", "freshness", "claims",
        ]  # fmt: skip


class AddresseeSerializer(RecordSerializer):
    class Meta:
        model = Addressee
        fields = ["recommendation", "party", "role", "response", "responded_on", "response_text", *CITED]


class EvidenceSerializer(RecordSerializer):
    class Meta:
        model = Evidence
        parent = "update"
        fields = ["uid", *CITED, "stance", "confidence"]
        list_serializer_class = Nested

    def get_field_names(self, declared_fields, info):
        return self.Meta.fields


class ProgressUpdateSerializer(RecordSerializer):
    evidence = EvidenceSerializer(many=True, read_only=True)

    class Meta:
        model = ProgressUpdate
        fields = [
            "recommendation", "kind", "status", "progress_percent", "reported_on", "narrative", "reason", "party", "assessed_by",
            "author", "review", "reviewed_by", "reviewed_at", "review_note", "voided_at", "voided_by", "void_reason", "corrects",
            "closes", "evidence",
        ]  # fmt: skip

"""Serializers of recommendations and related records, and of the requests that report and review progress."""

from dataclasses import replace

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef
from django.utils.translation import gettext as _
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from agreements.serializers import CITED, STATE
from policytracker.api.errors import RefusalSerializer
from policytracker.representation.json_sql import ON, ComputedField, JsonObject, NestedRecords
from policytracker.representation.references import KeyField
from policytracker.representation.serializers import FieldsOfModel, RecordSerializer, StrictSerializer
from policytracker.writing.entries import MAX_ENTRIES
from recommendations import responses
from recommendations.deadlines import Freshness, deadline, freshness
from recommendations.models import Addressee, Dependency, Evidence, Milestone, ProgressUpdate, Recommendation, UpdateKind
from recommendations.progress import EVIDENCE_FIELDS, REPORT_FIELDS, EvidenceRow, Report

CLAIM = {
    "type": "object",
    "properties": {"party": {"type": "string"}, "status": {"type": "string"}, "reported_on": {"type": "string", "format": "date"}},
}


def claims():
    """The newest claim of each party on the date `on`, by party code. No update has a future date, so the same query serves today."""
    newest = ProgressUpdate.objects.in_effect(UpdateKind.CLAIM, on=ON).filter(recommendation=OuterRef("pk")).newest_for("party__code")
    columns = {"party": F("party__code"), "status": F("status"), "reported_on": F("reported_on")}
    return ArraySubquery(newest.values_list(JsonObject(columns), flat=True))


class RecommendationSerializer(RecordSerializer):
    example = {"slug": "rec-hubs-by-2030", "key_action": "Open two hubs", "agreements": ["aukus"], "due_on": "2030", "priority": "high"}

    deadline_state = ComputedField(lambda reader: deadline(ON), STATE)
    freshness = ComputedField(lambda reader: freshness(ON), {"type": "string", "enum": Freshness.values})
    claims = ComputedField(lambda reader: claims(), {"type": "array", "items": CLAIM})

    class Meta:
        model = Recommendation
        fields = [
            "key_action", "details", "expected_outcome", "focus_area", "agreements", "components", "sectors", "parent", "made_by",
            "made_by_text", "made_on", *CITED, "priority", "owner", "due_on", "original_due_on", "update_every", "superseded_by",
            "source_scheme", "source_code", "status", "claimed_status", "status_since", "progress_percent", "last_update_on",
            "closed_on", "deadline_state", "freshness", "claims",
        ]  # fmt: skip


class AddresseeSerializer(RecordSerializer):
    example = {"recommendation": "rec-processing-hubs", "party": "GBR", "role": "support"}

    class Meta:
        model = Addressee
        fields = ["recommendation", "party", "role", "response", "responded_on", "response_text", *CITED]


class MilestoneSerializer(RecordSerializer):
    example = {"recommendation": "rec-processing-hubs", "position": 1, "title": "Sites are chosen", "due_on": "2027-06"}

    class Meta:
        model = Milestone
        fields = ["recommendation", "position", "title", "due_on", "completed_on"]


class DependencySerializer(RecordSerializer):
    example = {"recommendation": "rec-processing-hubs", "depends_on": "rec-interoperability"}

    class Meta:
        model = Dependency
        fields = ["recommendation", "depends_on"]


class EvidenceSerializer(RecordSerializer):
    class Meta:
        model = Evidence
        parent = "update"
        fields = ["uid", *CITED, "stance", "confidence"]
        list_serializer_class = NestedRecords

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


class OptionalFieldsSerializer(FieldsOfModel):
    """The fields of `Meta.fields`, with their limits from the model. All are optional."""

    class Meta:
        fields: list[str]

    def get_field_names(self, declared_fields, info):
        return [*self.Meta.fields, *declared_fields]

    def build_field(self, field_name, info, model_class, nested_depth):
        field_class, kwargs = super().build_field(field_name, info, model_class, nested_depth)
        return field_class, kwargs | {"required": False}

    def build_relational_field(self, field_name, relation_info):
        return KeyField, {"model": relation_info.related_model}


class EvidenceRowSerializer(StrictSerializer, OptionalFieldsSerializer):
    """One piece of evidence. The source is identified by its slug, or by address and title."""

    url = serializers.URLField(max_length=2000, required=False)
    title = serializers.CharField(max_length=500, required=False)

    class Meta:
        model = Evidence
        fields = EVIDENCE_FIELDS
        extra_kwargs = {"quote": {"trim_whitespace": False}}

    def validate(self, values):
        if ("source" in values) == ("url" in values):
            raise serializers.ValidationError({"source": [_("Enter either the source, or its url and title.")]})
        return values


class ChangeReasonSerializer(StrictSerializer):
    """Base class of requests: every one accepts a change reason for the history."""

    change_reason = serializers.CharField(max_length=2000, required=False)


class ReportSerializer(ChangeReasonSerializer, OptionalFieldsSerializer):
    """A progress update to submit. The defaults make an assessment of today."""

    serializer_field_mapping = RecordSerializer.serializer_field_mapping

    evidence = EvidenceRowSerializer(many=True, required=False, max_length=100)  # type: ignore[call-arg]

    class Meta:
        model = ProgressUpdate
        fields = REPORT_FIELDS

    def report(self, previous: Report | None = None) -> Report:
        """The report in the request. Fields that were not sent keep the values of `previous`, or the defaults."""
        names = [*REPORT_FIELDS, "evidence"]
        values = {name: getattr(Report(), name) for name in self.initial_data if name in names} | self.validated_data
        if "evidence" in values:
            values["evidence"] = tuple(EvidenceRow(**row) for row in values["evidence"])
        return replace(previous or Report(), **{name: values[name] for name in values if name in names})


class FilingSerializer(ReportSerializer):
    """A report of progress, with options."""

    example = {
        "status": "in_progress",
        "progress_percent": 20,
        "narrative": "Two sites were chosen.",
        "evidence": [{"source": "source-article"}],
    }

    submit = serializers.BooleanField(required=False, default=True, help_text="Use false to save a draft.")
    dry_run = serializers.BooleanField(required=False, default=False, help_text="Use true to get the response without saving anything.")
    version = serializers.IntegerField(required=False, help_text="The version of the recommendation that this change is based on.")


class FilingEntrySerializer(FilingSerializer):
    """A report of progress in a list, with its recommendation."""

    example = {"recommendation": "rec-processing-hubs"} | FilingSerializer.example

    recommendation = serializers.CharField(max_length=120, help_text="The slug of the recommendation.")


class RevisionSerializer(ReportSerializer):
    """New content of an update that is a draft or was returned."""

    version = serializers.IntegerField(required=False, help_text="The version of the update that this change is based on.")


class ActSerializer(ChangeReasonSerializer):
    """A transition of an update without further input."""

    version = serializers.IntegerField(required=False, help_text="The version of the update that this change is based on.")


class NoteSerializer(ActSerializer):
    """A transition of an update with a note of the reviewer."""

    note = serializers.CharField(max_length=100_000, required=False, allow_blank=True, default="")


class ApprovalsSerializer(ChangeReasonSerializer):
    """The updates to approve."""

    updates = serializers.ListField(
        child=serializers.CharField(max_length=36), max_length=MAX_ENTRIES, help_text="The uids of the updates."
    )
    note = serializers.CharField(max_length=100_000, required=False, allow_blank=True, default="")


class ReasonSerializer(ActSerializer):
    """A transition of an update with a reason."""

    reason = serializers.CharField(max_length=100_000, required=False, allow_blank=True, default="")


class ResponseSerializer(AddresseeSerializer):
    """The response of an addressee."""

    example = {"response": "accepted", "responded_on": "2026-11-01", "response_text": "We will do it by 2027."}

    class Meta(AddresseeSerializer.Meta):
        fields = responses.FIELDS

    def get_field_names(self, declared_fields, info):
        return self.Meta.fields


class PublishSerializer(ChangeReasonSerializer):
    """Which related drafts to publish with an agreement."""

    components = serializers.BooleanField(required=False, default=True)
    recommendations = serializers.BooleanField(required=False, default=True)
    sources = serializers.BooleanField(required=False, default=True)
    dry_run = serializers.BooleanField(
        required=False, default=False, help_text="Use true to list what would be published without saving anything."
    )


# ---- responses


class ResultSerializer(serializers.Serializer):
    """A progress update and its recommendation, after the change."""

    update = ProgressUpdateSerializer()  # type: ignore[assignment] # the name of a method of serializers
    recommendation = RecommendationSerializer()


class TransitionSerializer(serializers.Serializer):
    status = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment] # the name of an attribute of fields
    allowed = serializers.BooleanField()
    unmet = RefusalSerializer(many=True)


class PublishedSerializer(serializers.Serializer):
    published = inline_serializer("PublishedRecord", {"type": serializers.CharField(), "key": serializers.CharField()}, many=True)

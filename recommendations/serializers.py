"""What the records of this app look like outside, and what is sent to file an update."""

import dataclasses
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef
from rest_framework import serializers

from agreements.models import Party, Source
from agreements.models.sources import Confidence, Stance
from agreements.serializers import CITED, STATE
from policytracker.bulk import MAX_ENTRIES
from policytracker.reading import ON, Computed, JsonObject, Nested
from policytracker.serializers import Body, Key, RecordSerializer
from recommendations.deadlines import Freshness, deadline, freshness
from recommendations.models import Addressee, Dependency, Evidence, Milestone, ProgressUpdate, Recommendation, Status, UpdateKind
from recommendations.progress import EvidenceRow, Report
from recommendations.standing import reported_by

CLAIM = {
    "type": "object",
    "properties": {"party": {"type": "string"}, "status": {"type": "string"}, "reported_on": {"type": "string", "format": "date"}},
}


def claims(by=None):
    """The newest claim of each party, by code."""
    newest = ProgressUpdate.objects.newest_claims(by=by).filter(recommendation=OuterRef("pk"))
    told = {"party": F("party__code"), "status": F("status"), "reported_on": F("reported_on")}
    return ArraySubquery(newest.values_list(JsonObject(told), flat=True))


class RecommendationSerializer(RecordSerializer):
    example = {"slug": "rec-hubs-by-2030", "key_action": "Open two hubs", "agreements": ["aukus"], "due_on": "2030", "priority": "high"}

    deadline_state = Computed(lambda reader: deadline(ON), STATE)
    freshness = Computed(lambda reader: freshness(ON), {"type": "string", "enum": Freshness.values})
    claims = Computed(lambda reader: claims(), {"type": "array", "items": CLAIM}, then=lambda reader: claims(by=ON))

    class Meta:
        model = Recommendation
        fields = [
            "key_action", "details", "expected_outcome", "focus_area", "agreements", "components", "sectors", "parent", "made_by",
            "made_by_text", "made_on", *CITED, "priority", "owner", "due_on", "original_due_on", "update_every", "superseded_by",
            "source_scheme", "source_code", "status", "claimed_status", "status_since", "progress_percent", "last_update_on",
            "closed_on", "deadline_state", "freshness", "claims",
        ]  # fmt: skip
        then = staticmethod(reported_by)


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
    example = {"recommendation": "rec-processing-hubs", "needs": "rec-interoperability"}

    class Meta:
        model = Dependency
        fields = ["recommendation", "needs"]


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


class EvidenceRowSerializer(Body):
    """The words that bear it out; the source is named by its slug, or by address and title."""

    source = Key(Source, required=False)
    url = serializers.URLField(max_length=2000, required=False)
    title = serializers.CharField(max_length=500, required=False)
    locator = serializers.CharField(max_length=300, required=False)
    quote = serializers.CharField(max_length=100_000, required=False, trim_whitespace=False)
    stance = serializers.ChoiceField(Stance.choices, required=False)
    confidence = serializers.ChoiceField(Confidence.choices, required=False)

    def validate(self, values):
        if ("source" in values) == ("url" in values):
            raise serializers.ValidationError({"source": ["Name the source, or give its url and title, and not both."]})
        return values


def flat(told: Any, place: str = "") -> Iterator[str]:
    """What is wrong with rows inside a body, as sentences about one field."""
    if isinstance(told, dict):
        for name, inner in told.items():
            step = f"row {int(name) + 1}: " if str(name).isdigit() else "" if name == "non_field_errors" else f"{name}: "
            yield from flat(inner, place + step)
    else:
        yield from (f"{place}{sentence}" for sentence in told)


class Act(Body):
    """What any act may be told for the history."""

    change_reason = serializers.CharField(max_length=2000, required=False)


class ReportSerializer(Act):
    """What is filed about a recommendation; without more an assessment of today."""

    kind = serializers.ChoiceField(UpdateKind.choices, required=False)
    status = serializers.ChoiceField(Status.choices, required=False)
    progress_percent = serializers.IntegerField(min_value=0, max_value=100, required=False)
    reported_on = serializers.DateField(required=False, input_formats=["%Y-%m-%d"])
    # Blanks are for progress.py to judge, as nothing is.
    narrative = serializers.CharField(max_length=100_000, required=False, allow_blank=True)
    reason = serializers.CharField(max_length=100_000, required=False, allow_blank=True)
    party = Key(Party, required=False)
    assessed_by = serializers.CharField(max_length=300, required=False)
    corrects = Key(ProgressUpdate, required=False)
    closes = serializers.BooleanField(required=False)
    evidence = EvidenceRowSerializer(many=True, required=False, max_length=100)  # type: ignore[call-arg]

    def to_internal_value(self, data):
        try:
            return super().to_internal_value(data)
        except serializers.ValidationError as error:
            if "evidence" in error.detail:
                error.detail["evidence"] = list(flat(error.detail["evidence"]))
            raise

    def report(self, otherwise: Report | None = None) -> Report:
        """The report that was sent; what it leaves out is as in `otherwise`."""
        nothing = {name: getattr(Report(), name) for name in self.initial_data if name in REPORTED}
        said = nothing | self.validated_data
        if "evidence" in said:
            said["evidence"] = tuple(EvidenceRow(**row) for row in said["evidence"])
        return replace(otherwise or Report(), **{name: said[name] for name in said if name in REPORTED})


REPORTED = {field.name for field in dataclasses.fields(Report)}


class FilingSerializer(ReportSerializer):
    """A report, and how it is to be filed."""

    example = {
        "status": "in_progress",
        "progress_percent": 20,
        "narrative": "Two sites were chosen.",
        "evidence": [{"source": "source-article"}],
    }

    submit = serializers.BooleanField(required=False, default=True, help_text="False keeps a draft.")
    dry_run = serializers.BooleanField(required=False, default=False, help_text="True answers as if, and writes nothing.")
    version = serializers.IntegerField(required=False, help_text="The version of the recommendation that you have read.")


class FilingEntrySerializer(FilingSerializer):
    """A report, and the recommendation of which it tells."""

    example = {"recommendation": "rec-processing-hubs"} | FilingSerializer.example

    recommendation = serializers.CharField(max_length=120, help_text="A recommendation, by slug.")


class RevisionSerializer(ReportSerializer):
    """A report, said otherwise."""

    version = serializers.IntegerField(required=False, help_text="The version of the update that you have read.")


class ActSerializer(Act):
    """Nothing more need be said."""

    version = serializers.IntegerField(required=False, help_text="The version of the update that you have read.")


class NoteSerializer(ActSerializer):
    """What the reviewer says to it."""

    note = serializers.CharField(max_length=100_000, required=False, allow_blank=True, default="")


class ApprovalsSerializer(Act):
    """The updates that are to count."""

    updates = serializers.ListField(child=serializers.CharField(max_length=36), max_length=MAX_ENTRIES, help_text="Updates, by uid.")
    note = serializers.CharField(max_length=100_000, required=False, allow_blank=True, default="")


class ReasonSerializer(ActSerializer):
    """Why."""

    reason = serializers.CharField(max_length=100_000, required=False, allow_blank=True, default="")

"""Serializers of agreements and related records. Export, filters and OpenAPI derive from them."""

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Case, F, OuterRef, Q, TextField, Value, When
from django.db.models.functions import Concat
from rest_framework import serializers

from agreements.deadlines import DeadlineState, of_component
from agreements.models import (
    Agreement,
    AgreementRelation,
    Citation,
    Commitment,
    Component,
    EntryIntoForceCondition,
    FactCheck,
    FocusArea,
    Indicator,
    Measurement,
    Outcome,
    Participation,
    Party,
    Sector,
    Source,
    TreatyAction,
)
from agreements.models.agreements import team_with_caller
from agreements.models.components import DueAnchor
from agreements.models.relations import INVERSE_LABELS
from policytracker.records.access import Visibility
from policytracker.representation.json_sql import ON, ComputedField, JsonObject, url_of
from policytracker.representation.serializers import RecordSerializer

CITED = ["source", "locator", "quote"]


class PartySerializer(RecordSerializer):
    example = {"code": "OECD", "name": "Organisation for Economic Co-operation and Development", "kind": "international_organisation"}

    class Meta:
        model = Party
        fields = ["name", "kind", "iso_alpha2", "iso_numeric", "parent", "since", "until", "aliases"]


class SectorSerializer(RecordSerializer):
    example = {"code": "sector-shipbuilding", "name": "Shipbuilding"}

    class Meta:
        model = Sector
        fields = ["name", "description"]


class FocusAreaSerializer(RecordSerializer):
    example = {"code": "workforce", "name": "Workforce"}

    class Meta:
        model = FocusArea
        fields = ["name", "description"]


class Attachment(serializers.FileField):
    """An uploaded file. Reads return its download URL. Write it as multipart/form-data; sending the current URL keeps the file."""

    def to_internal_value(self, data):
        source = self.parent.instance
        if source and source.file and data == self.parent.context["current"]()["file"]:
            return source.file
        return super().to_internal_value(data)

    def column(self, reader, expand=False):
        return Case(When(file="", then=None), default=Concat(url_of("sources", F("slug")), Value("file/")), output_field=TextField())


class SourceSerializer(RecordSerializer):
    example = {"slug": "gov-uk-2025-07-26", "kind": "official_statement", "publisher": "UK Government", "published_on": "2025-07-26"}

    file = Attachment(required=False, allow_null=True)

    class Meta:
        model = Source
        fields = [
            "kind", "title", "publisher", "author", "original_url", "archived_url", "published_on", "retrieved_on", "language",
            "file", "sha256", "notes",
        ]  # fmt: skip


def relations(reader):
    """The relations of an agreement in both directions. `label` is the kind of relation as read from this agreement."""
    outward = Q(from_agreement=OuterRef("pk"))
    rows = AgreementRelation.objects.visible_to(reader).filter(outward | Q(to_agreement=OuterRef("pk")))
    labels = [When(outward & Q(kind=kind), then=Value(kind.replace("_", " "))) for kind in INVERSE_LABELS]
    labels += [When(kind=kind, then=Value(inverse)) for kind, inverse in INVERSE_LABELS.items()]
    columns = {
        "uid": F("uid"),
        "kind": F("kind"),
        "label": Case(*labels, output_field=TextField()),
        "agreement": Case(When(outward, then=F("to_agreement__slug")), default=F("from_agreement__slug")),
    }
    return ArraySubquery(rows.order_by("id").values_list(JsonObject(columns), flat=True))


RELATION = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("uid", "kind", "label", "agreement")},
    "required": ["uid", "kind", "label", "agreement"],
}
STATE = {"type": "string", "enum": DeadlineState.values}


class AgreementSerializer(RecordSerializer):
    example = {"slug": "darwin-treaty", "title": "Darwin Treaty", "kind": "treaty", "legal_force": "binding", "status": "signed"}

    relations = ComputedField(relations, {"type": "array", "items": RELATION})

    class Meta:
        model = Agreement
        fields = [
            "title", "short_title", "kind", "legal_force", "status", "summary", "purpose", "signed_at_place", "registration",
            "depositary", "expires_on", "next_review_on", "actions_complete_as_of", "later_joiner_delay", "signed_on", "in_force_on",
            "sectors", "lead", "team", "relations",
        ]  # fmt: skip

    def complete(self, instance, values):
        visibility = values.get("visibility", instance.visibility)
        if visibility != Visibility.RESTRICTED:
            return values
        team = values["team"] if "team" in values else instance.team.all() if instance.pk else []
        return values | {"team": team_with_caller(self.context["user"], visibility, team)}


class AgreementRelationSerializer(RecordSerializer):
    example = {"from": "aukus", "kind": "consistent_with", "to": "us-au-critical-minerals-framework-2025"}

    class Meta:
        model = AgreementRelation
        fields = ["from", "kind", "to", "note", *CITED]
        names = {"from": "from_agreement", "to": "to_agreement"}


class ParticipationSerializer(RecordSerializer):
    example = {"agreement": "aukus", "party": "GBR", "role": "host", "since": "2021-09", "until": "2021-10"}

    class Meta:
        model = Participation
        fields = ["agreement", "party", "role", "since", "until", "focus_area", "contribution", "note"]


class TreatyActionSerializer(RecordSerializer):
    example = {"agreement": "aukus", "kind": "reaffirmation", "party": "GBR", "acted_on": "2025-12", "note": "Said at a press conference."}

    class Meta:
        model = TreatyAction
        fields = [
            "agreement", "kind", "party", "acted_on", "counterparty", "effective_on", "place", "signed_by", "targets", "text", "note",
            *CITED,
        ]  # fmt: skip


class EntryIntoForceConditionSerializer(RecordSerializer):
    example = {"agreement": "aukus", "kind": "named_parties", "parties": ["AUS", "GBR"], "delay": "P30D", "text": "Article 9"}

    class Meta:
        model = EntryIntoForceCondition
        fields = ["agreement", "kind", "number", "parties", "fixed_on", "delay", "text", *CITED]


class ComponentSerializer(RecordSerializer):
    example = {
        "slug": "aukus-shipyard-exchange",
        "agreement": "aukus",
        "title": "Exchange of shipyard workers",
        "lead_parties": ["AUS", "GBR", "USA"],
        "due_on": "2030",
    }

    deadline_state = ComputedField(lambda reader: of_component(ON), STATE)

    class Meta:
        model = Component
        fields = [
            "agreement", "parent", "position", "title", "description", "status", "lead_parties", "starts_on", "due_on",
            "original_due_on", "due_anchor", "due_offset", "completed_on", "deadline_state",
        ]  # fmt: skip

    def reset_omitted(self, values, given):
        # The due date of a relative deadline is calculated, so a PUT without it must not clear it.
        if values.get("due_anchor", DueAnchor.NONE) != DueAnchor.NONE:
            values.setdefault("due_on", self.instance.due_on)
        return super().reset_omitted(values, {**given, "due_on": values["due_on"]} if "due_on" in values else given)


class CommitmentSerializer(RecordSerializer):
    example = {
        "agreement": "us-au-critical-minerals-framework-2025",
        "payer": "AUS",
        "stage": "announced",
        "amount": "13000000000",
        "bound": "about",
        "currency": "AUD",
    }

    class Meta:
        model = Commitment
        fields = [
            "agreement", "component", "payer", "stage", "amount", "bound", "currency", "stated_on", "description", "disputes",
            "part_of", *CITED,
        ]  # fmt: skip


class OutcomeSerializer(RecordSerializer):
    example = {"slug": "out-shared-standards", "agreement": "aukus", "statement": "Shared standards"}

    class Meta:
        model = Outcome
        fields = ["agreement", "component", "sector", "statement"]


class IndicatorSerializer(RecordSerializer):
    example = {"slug": "ind-boats-delivered", "outcome": "obj-military-integration", "name": "Submarines delivered", "target_value": "3"}

    class Meta:
        model = Indicator
        fields = ["outcome", "name", "unit", "direction", "baseline_value", "baseline_on", "target_value", "target_on"]


class MeasurementSerializer(RecordSerializer):
    example = {"indicator": "ind-nolans-ndpr-output", "measured_on": "2027", "value": "0"}

    class Meta:
        model = Measurement
        fields = ["indicator", "measured_on", "value", *CITED, "note"]


class FactCheckSerializer(RecordSerializer):
    example = {"slug": "claim-pact", "source": "source-article", "statement": "AUKUS is a pact", "verdict": "imprecise"}

    class Meta:
        model = FactCheck
        fields = ["agreement", *CITED, "statement", "verdict", "correction", "correcting_source", "checked_on"]


class CitationSerializer(RecordSerializer):
    example = {"source": "source-article", "agreement": "aukus", "field": "title", "quote": "the Aukus defence pact"}

    class Meta:
        model = Citation
        fields = ["source", "agreement", "component", "participation", "outcome", "field", "locator", "quote", "confidence", "stance"]

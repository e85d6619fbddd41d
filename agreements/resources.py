"""The record types of this app, in loading order."""

from agreements import events, filters, serializers, sheets, statements
from agreements.deadlines import DeadlineState
from agreements.models import Agreement
from agreements.models.parties import comparable
from agreements.models.sources import CITABLE
from agreements.standing import PartyStanding, TextStanding
from policytracker.resources import Naming, Resource, Search, Section, registry

registry.register(
    Resource(
        "parties",
        serializers.PartySerializer,
        "parties.json",
        filters=filters.PARTIES,
        naming=Naming(lambda parties: parties.names(), comparable),
        search=Search(("name", "aliases"), spelling="name"),
    ),
    Resource("sectors", serializers.SectorSerializer, "vocabulary.json"),
    Resource("focus-areas", serializers.FocusAreaSerializer, "vocabulary.json"),
    Resource(
        "sources",
        serializers.SourceSerializer,
        "sources.json",
        search=Search(("title",), ("publisher", "author", "notes"), within=("text",), spelling="title"),
    ),
    Resource("", serializers.SourceTextSerializer, "sources.json"),  # shown with its source
    Resource(
        "agreements",
        serializers.AgreementSerializer,
        "agreements.json",
        source_paths=("citations__source", "actions__source", "conditions__source", "commitments__source"),
        filters=filters.AGREEMENTS,
        scope_paths=("pk",),
        events=events.AGREEMENT,
        sheet_columns=sheets.AGREEMENT,
        search=Search(("title", "short_title"), ("summary", "purpose", "signed_at_place", "registration", "depositary"), spelling="title"),
    ),
    Resource(
        "agreement-relations",
        serializers.AgreementRelationSerializer,
        "agreements.json",
        states=statements.RELATION_OF_AGREEMENTS,
        scope_paths=("from_agreement", "to_agreement"),
        section=Section("relations", "from kind to note source"),
    ),
    Resource(
        "participations",
        serializers.ParticipationSerializer,
        "agreements.json",
        source_paths=("citations__source",),
        scope_paths=("agreement",),
        events=events.PARTICIPATION,
        section=Section("participations", "party role since until focus_area contribution note"),
    ),
    Resource(
        "treaty-actions",
        serializers.TreatyActionSerializer,
        "agreements.json",
        states=statements.TREATY_ACTION,
        scope_paths=("agreement",),
        events=events.TREATY_ACTION,
        section=Section(
            "treaty_actions", "acted_on kind party counterparty effective_on place signed_by targets text note source", sorted_by="acted_on"
        ),
    ),
    Resource(
        "entry-into-force-conditions",
        serializers.EntryIntoForceConditionSerializer,
        "agreements.json",
        states=statements.ENTRY_CONDITION,
        scope_paths=("agreement",),
        section=Section("conditions", "kind number parties fixed_on delay text source"),
    ),
    Resource(
        "components",
        serializers.ComponentSerializer,
        "agreements.json",
        source_paths=("citations__source", "commitments__source"),
        filters=filters.COMPONENTS,
        scope_paths=("agreement",),
        events=events.COMPONENT,
        section=Section("components", "slug title description status deadline_state lead_parties starts_on due_on completed_on parent"),
        search=Search(("title",), ("description",), spelling="title"),
    ),
    Resource(
        "commitments",
        serializers.CommitmentSerializer,
        "agreements.json",
        states=statements.COMMITMENT,
        scope_paths=("agreement",),
        events=events.COMMITMENT,
        section=Section("commitments", "stage bound amount currency payer stated_on component description disputes part_of source"),
    ),
    Resource(
        "outcomes",
        serializers.OutcomeSerializer,
        "agreements.json",
        source_paths=("citations__source",),
        scope_paths=("agreement",),
        section=Section("outcomes", "slug statement component sector"),
        search=Search(("statement",)),
    ),
    Resource(
        "indicators",
        serializers.IndicatorSerializer,
        "agreements.json",
        source_paths=("measurements__source",),
        scope_paths=("outcome__agreement",),
        events=events.INDICATOR,
        section=Section("indicators", "slug outcome name unit direction baseline_value baseline_on target_value target_on"),
    ),
    Resource(
        "measurements",
        serializers.MeasurementSerializer,
        "agreements.json",
        states=statements.MEASUREMENT,
        scope_paths=("indicator__outcome__agreement",),
        events=events.MEASUREMENT,
        section=Section("measurements", "indicator measured_on value note source", sorted_by="measured_on"),
    ),
    Resource(
        "fact-checks",
        serializers.FactCheckSerializer,
        "agreements.json",
        states=statements.FACT_CHECK,
        scope_paths=("agreement",),
        events=events.FACT_CHECK,
        section=Section("fact_checks", "statement verdict correction source correcting_source checked_on"),
        search=Search(("statement",), ("correction", "quote", "locator")),
    ),
    Resource(
        "citations",
        serializers.CitationSerializer,
        "agreements.json",
        states=statements.CITATION,
        scope_paths=tuple(target if target == "agreement" else f"{target}__agreement" for target in CITABLE),
        section=Section("citations", "agreement component participation outcome field source stance confidence"),
    ),
    codes={"deadline_state": DeadlineState, "standing.text": TextStanding, "standing.party": PartyStanding},
    scope=Agreement,
)

"""The forms of the responses of reports."""

from functools import cache

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from agreements.deadlines import DeadlineState
from agreements.models.commitments import Stage
from agreements.models.components import ComponentStatus
from agreements.serializers import AgreementSerializer
from agreements.standing.serializers import StandingSerializer
from policytracker.codes import Codes
from policytracker.representation.serializers import RecordSerializer
from recommendations.deadlines import Freshness
from recommendations.models import Status
from recommendations.reports.coverage import MAX_COLUMNS, MAX_ROWS
from recommendations.reports.dossier import MAX_RECORDS, sections
from recommendations.serializers import AddresseeSerializer, ProgressUpdateSerializer, RecommendationSerializer

AMOUNT = r"^-?\d+(\.\d+)?$"


@cache
def count_serializer(codes: type[Codes]) -> type[serializers.Serializer]:
    """A count for each code of a list."""
    fields: dict[str, serializers.Field] = {code: serializers.IntegerField() for code in codes.values}
    return type(inline_serializer(f"{codes.__name__}Counts", fields))


class UnknownSerializer(serializers.Serializer):
    count = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True, min_value=0, max_value=1, help_text="Null if `total` is 0.")


class TallySerializer(serializers.Serializer):
    total = serializers.IntegerField()
    by_status = count_serializer(Status)()
    by_deadline_state = count_serializer(DeadlineState)()
    by_freshness = count_serializer(Freshness)()
    claim_differs = serializers.IntegerField()
    unknown = UnknownSerializer()


class GroupSerializer(TallySerializer):
    key = serializers.CharField(allow_null=True)
    title = serializers.CharField(allow_null=True)
    url = serializers.CharField(allow_null=True)


class ComponentTallySerializer(serializers.Serializer):
    total = serializers.IntegerField()
    by_status = count_serializer(ComponentStatus)()
    by_deadline_state = count_serializer(DeadlineState)()


class MoneySerializer(serializers.Serializer):
    stage = serializers.ChoiceField(Stage.choices)
    currency = serializers.CharField()
    figures = serializers.IntegerField(help_text="The number of commitments in the total.")
    total = serializers.RegexField(AMOUNT)
    disputed = serializers.IntegerField(help_text="The number of commitments that dispute another one. They are not in the total.")


class IndicatorValuesSerializer(serializers.Serializer):
    slug = serializers.CharField()
    name = serializers.CharField()
    unit = serializers.CharField()
    latest_value = serializers.RegexField(AMOUNT, allow_null=True)
    latest_on = serializers.CharField(allow_null=True)
    baseline_value = serializers.RegexField(AMOUNT, allow_null=True)
    target_value = serializers.RegexField(AMOUNT, allow_null=True)
    target_on = serializers.CharField(allow_null=True)


class ScorecardSerializer(serializers.Serializer):
    agreement = serializers.CharField()
    on = serializers.DateField()
    components = ComponentTallySerializer()
    recommendations = TallySerializer()
    money = MoneySerializer(many=True)
    indicators = IndicatorValuesSerializer(many=True)


class GapsSerializer(serializers.Serializer):
    rows = serializers.ListField(child=serializers.CharField())
    columns = serializers.ListField(child=serializers.CharField())


class MatrixSerializer(GapsSerializer):
    cells = serializers.ListField(child=serializers.ListField(child=serializers.ChoiceField([0, 1])))
    gaps = GapsSerializer()
    complete = serializers.BooleanField(
        required=False,
        help_text=f"False if rows above {MAX_ROWS} or columns above {MAX_COLUMNS} were omitted. Absent otherwise.",
    )


class CoverageSerializer(serializers.Serializer):
    party_component = MatrixSerializer()
    sector_recommendation = MatrixSerializer()


class TimelineEntrySerializer(serializers.Serializer):
    on = serializers.CharField(help_text="The date as recorded: a partial date in EDTF notation.")
    type = serializers.CharField(help_text="The name of the resource in URLs, such as components.")
    key = serializers.CharField()
    title = serializers.CharField()
    url = serializers.URLField()


class DossierRecommendationSerializer(RecommendationSerializer):
    addressees = AddresseeSerializer(many=True)
    newest_update = ProgressUpdateSerializer(allow_null=True)

    class Meta(RecommendationSerializer.Meta):
        fields = [*RecommendationSerializer.Meta.fields, "addressees", "newest_update"]


def section(serializer: type[RecordSerializer]) -> serializers.Serializer:
    """One section of a dossier."""
    shown = DossierRecommendationSerializer if serializer is RecommendationSerializer else serializer
    fields: dict[str, serializers.Field] = {
        "count": serializers.IntegerField(),
        "next": serializers.URLField(allow_null=True, help_text=f"The URL of the remaining records, if there are more than {MAX_RECORDS}."),
        "results": shown(many=True),
    }
    return inline_serializer(f"{serializer.__name__.removesuffix('Serializer')}Section", fields)


DOSSIER = inline_serializer(
    "Dossier",
    {"agreement": AgreementSerializer(), "on": serializers.DateField(), "standing": StandingSerializer()}
    | {part.name: section(resource.serializer) for part, resource in sections()},
)


class QueueSerializer(serializers.Serializer):
    due = serializers.IntegerField()
    stale = serializers.IntegerField()
    returned = serializers.IntegerField()
    waiting_for_review = serializers.IntegerField()


class MeSerializer(serializers.Serializer):
    username = serializers.CharField()
    name = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    party = serializers.CharField(allow_null=True)
    permissions = serializers.ListField(child=serializers.CharField())
    queue = QueueSerializer()

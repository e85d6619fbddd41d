"""The resources of this app, and the door by which progress is filed."""

from recommendations import filters, serializers

from policytracker.views import RecordViewSet


class RecommendationViewSet(RecordViewSet):
    serializer_class = serializers.RecommendationSerializer
    questions = filters.RECOMMENDATIONS


class AddresseeViewSet(RecordViewSet):
    serializer_class = serializers.AddresseeSerializer
    questions = filters.ADDRESSEES


class ProgressUpdateViewSet(RecordViewSet):
    serializer_class = serializers.ProgressUpdateSerializer
    questions = filters.UPDATES
    http_method_names = ["get", "head", "options"]

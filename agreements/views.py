"""The resources of this app."""

from django.http import FileResponse, Http404
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser

from agreements import filters, serializers
from policytracker.parsers import Json
from policytracker.views import RecordViewSet, only


class PartyViewSet(RecordViewSet):
    serializer_class = serializers.PartySerializer


class SectorViewSet(RecordViewSet):
    serializer_class = serializers.SectorSerializer


class FocusAreaViewSet(RecordViewSet):
    serializer_class = serializers.FocusAreaSerializer


class SourceViewSet(RecordViewSet):
    serializer_class = serializers.SourceSerializer
    parser_classes = [Json, MultiPartParser]

    @action(detail=True, methods=["get"])
    def file(self, request, *args, **kwargs):
        """The document itself, as an attachment: it is never shown inside this site."""
        only(request, set())
        source = self.find()
        if not source.file or not source.file.storage.exists(source.file.name):
            raise Http404
        name = f"{source.slug}.{source.file.name.rpartition('.')[2]}"
        return FileResponse(source.file.open(), as_attachment=True, filename=name, content_type="application/octet-stream")


class AgreementViewSet(RecordViewSet):
    serializer_class = serializers.AgreementSerializer
    questions = filters.AGREEMENTS


class AgreementRelationViewSet(RecordViewSet):
    serializer_class = serializers.AgreementRelationSerializer
    questions = filters.RELATIONS


class ParticipationViewSet(RecordViewSet):
    serializer_class = serializers.ParticipationSerializer


class ComponentViewSet(RecordViewSet):
    serializer_class = serializers.ComponentSerializer
    questions = filters.COMPONENTS


class OutcomeViewSet(RecordViewSet):
    serializer_class = serializers.OutcomeSerializer


class FactCheckViewSet(RecordViewSet):
    serializer_class = serializers.FactCheckSerializer


class CitationViewSet(RecordViewSet):
    serializer_class = serializers.CitationSerializer
    questions = filters.CITATIONS

"""The resources of this app, and the doors by which progress is filed and reviewed."""

import json

from django.db import transaction
from django.http import HttpResponse, JsonResponse
from rest_framework.decorators import action

from policytracker import reading
from policytracker.views import RecordViewSet, only, today
from recommendations import filters, progress, serializers

BOTH = {
    "type": "object",
    "required": ["update", "recommendation"],
    "properties": {
        "update": {"$ref": "#/components/schemas/ProgressUpdate"},
        "recommendation": {"$ref": "#/components/schemas/Recommendation"},
    },
}
MOVE = {
    "type": "object",
    "required": ["status", "label", "allowed", "unmet"],
    "properties": {
        "status": {"type": "string"},
        "label": {"type": "string"},
        "allowed": {"type": "boolean"},
        "unmet": {"type": "array", "items": {"$ref": "#/components/schemas/Error"}},
    },
}


class ProgressDoor(RecordViewSet):
    """Answers an act upon a recommendation with both records as they then are."""

    def filed(self, update, status=200, dry_run=False) -> HttpResponse:
        def text(serializer, pk):
            return self.texts([pk], reading.Shape(serializer, self.reader.roles))[0]

        told = text(serializers.ProgressUpdateSerializer, update.pk)
        if dry_run:
            told = json.dumps(json.loads(told) | {"uid": None, "url": None})
        now = text(serializers.RecommendationSerializer, update.recommendation_id)
        return HttpResponse(f'{{"update": {told}, "recommendation": {now}}}', status=status, content_type="application/json")


class RecommendationViewSet(ProgressDoor):
    serializer_class = serializers.RecommendationSerializer
    questions = filters.RECOMMENDATIONS
    asks = {"report": serializers.FilingSerializer}
    answers = {"report": {"200": BOTH, "201": BOTH}, "transitions": {"200": {"type": "array", "items": MOVE}}}

    @action(detail=True, methods=["post"], url_path="progress", judged_by_function=True)
    def report(self, request, *args, **kwargs):
        """File how far it has come. Refused with all that is unmet, and then nothing is written."""
        only(request, set())
        return self.once(self.file_once)

    def file_once(self) -> HttpResponse:
        asked = self.body(serializers.FilingSerializer)
        dry_run, submit = asked.validated_data["dry_run"], asked.validated_data["submit"]
        with transaction.atomic():
            with self.acting():
                recommendation = self.find()
                seen = self.still_current(recommendation, self.request.data)
                said = asked.report()
                update = progress.report(recommendation, said, by=self.request.user, today=today(), version=seen, submit=submit)
                response = self.filed(update, 200 if dry_run else 201, dry_run)
            transaction.set_rollback(dry_run)
        return response

    @action(detail=True, methods=["get"])
    def transitions(self, request, *args, **kwargs):
        """Each status in turn: whether it may come next, and what its report must bring and who must agree, or why not."""
        only(request, set())
        moves = progress.transitions(self.find(), by=request.user, today=today())
        told = [
            {"status": move.status, "label": move.label, "allowed": move.allowed, "unmet": [vars(refusal) for refusal in move.unmet]}
            for move in moves
        ]
        return JsonResponse(told, safe=False)


class AddresseeViewSet(RecordViewSet):
    serializer_class = serializers.AddresseeSerializer
    questions = filters.ADDRESSEES


class ProgressUpdateViewSet(ProgressDoor):
    serializer_class = serializers.ProgressUpdateSerializer
    questions = filters.UPDATES
    judged_by_function = True
    asks = {
        "update": serializers.RevisionSerializer,
        "partial_update": serializers.RevisionSerializer,
        "submit": serializers.Body,
        "approve": serializers.NoteSerializer,
        "send_back": serializers.NoteSerializer,
        "void": serializers.ReasonSerializer,
    }
    answers = {act: {"200": BOTH} for act in ("submit", "approve", "send_back", "void")}
    create = None  # an update is made by progress/ of its recommendation

    def act(self, do) -> HttpResponse:
        """Do it to the update at this address; `do(update, seen)` is judged once its recommendation is locked."""
        only(self.request, set())
        with self.acting():
            update = self.find()
            return self.filed(do(update, self.still_current(update, self.request.data)))

    def write(self, *, partial: bool) -> HttpResponse:
        """Its author says it otherwise, while it is a draft or after it was returned."""
        only(self.request, set())
        asked = self.body(serializers.RevisionSerializer)
        with self.acting():
            update = self.find()
            seen = self.still_current(update, self.request.data)
            report = asked.report(progress.Report.of(update) if partial else None)
            update = progress.revise(update, report, by=self.request.user, today=today(), version=seen)
        return self.one(update)

    def destroy(self, request, *args, **kwargs) -> HttpResponse:
        only(request, set())
        with self.acting():
            update = self.find()
            progress.discard(update, by=request.user, version=self.still_current(update))
        return HttpResponse(status=204)

    @action(detail=True, methods=["post"])
    def submit(self, request, *args, **kwargs):
        """Hand in a draft, or a returned update once more."""
        self.body(serializers.Body)
        return self.once(lambda: self.act(lambda update, seen: progress.submit(update, by=request.user, today=today(), version=seen)))

    @action(detail=True, methods=["post"])
    def approve(self, request, *args, **kwargs):
        """Let it count."""
        note = self.body(serializers.NoteSerializer).validated_data["note"]
        return self.once(
            lambda: self.act(lambda update, seen: progress.approve(update, by=request.user, today=today(), note=note, version=seen))
        )

    @action(detail=True, methods=["post"], url_path="return")
    def send_back(self, request, *args, **kwargs):
        """Return it to its author, with a note."""
        note = self.body(serializers.NoteSerializer).validated_data["note"]
        return self.once(lambda: self.act(lambda update, seen: progress.send_back(update, by=request.user, note=note, version=seen)))

    @action(detail=True, methods=["post"])
    def void(self, request, *args, **kwargs):
        """Let an approved update count no more; it stays readable."""
        reason = self.body(serializers.ReasonSerializer).validated_data["reason"]
        return self.once(lambda: self.act(lambda update, seen: progress.void(update, by=request.user, reason=reason, version=seen)))

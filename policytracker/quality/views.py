"""The findings of the data checks, as the API tells them (API.md 6)."""

import json
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.views import APIView

from policytracker.api import filters, json_sql
from policytracker.api.pagination import InvalidCursor
from policytracker.api.parameters import InvalidParameter, only, page_size, single, today
from policytracker.api.schema import PAGE, envelope, shape
from policytracker.api.serializers import ADDRESSES
from policytracker.api.viewsets import INVALID_CURSOR, list_response
from policytracker.quality import engine

TEXT = {"type": "string"}
FINDING = shape(
    rule={"enum": list(engine.RULES)},
    severity={"enum": engine.Severity.values},
    record=shape(type=TEXT, key=TEXT, title=TEXT, url=TEXT),
    sentence=TEXT,
    link={"type": "string", "format": "uri", "description": "The record's page in the admin."},
)


def any_of(codes: list[str]) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", "enum": codes}}


class Findings(APIView):
    """What may be wrong with the register, as far as one may read it."""

    # The kind of record to which findings can be narrowed, and the parameter that names it.
    model: Any = None
    narrowed_by = "agreement"
    judged_by_function = True

    @extend_schema(
        parameters=[
            OpenApiParameter("rule", any_of(list(engine.RULES)), description="Of any of these rules."),
            OpenApiParameter("severity", any_of(engine.Severity.values), description="Of any of these severities."),
            OpenApiParameter("agreement", {"type": "string"}, description="On this agreement, what hangs on it, or what is about it."),
            *PAGE,
        ],
        responses={200: envelope(FINDING)},
    )
    def get(self, request):
        """Each record that breaks a rule, with a sentence that says how: by rule, then by record."""
        only(request, {"rule", "severity", self.narrowed_by, "page_size", "cursor"})
        chosen = engine.chosen(self.asked("rule", filters.code(engine.RULES)), self.asked("severity", filters.code(engine.Severity.values)))
        context = engine.CheckContext(request.user, today(), self.whole())
        try:
            page = engine.findings(chosen, context, single(request, "cursor") or None, page_size(request))
        except InvalidCursor as error:
            raise InvalidParameter("cursor", INVALID_CURSOR) from error
        results = ", ".join(json.dumps(self.told(finding), ensure_ascii=False) for finding in page.results)
        return list_response(request, results, count=page.count, next=page.next, previous=page.previous)

    def asked(self, name: str, read: filters.Parse) -> list[Any]:
        """The values of a parameter, as they are read."""
        context = filters.FilterContext(self.request.user, today())
        try:
            return [read(text, context) for text in self.request.query_params.getlist(name)]
        except ValueError as error:
            raise InvalidParameter(name, str(error)) from error

    def whole(self) -> Any:
        """The record to which the findings are narrowed, if any."""
        single(self.request, self.narrowed_by)
        found = self.asked(self.narrowed_by, filters.reference(self.model))
        return self.model.objects.get(pk=found[0]) if found else None

    def told(self, finding: engine.Finding) -> dict[str, Any]:
        record, model = finding.record, type(finding.record)
        address, key = ADDRESSES[model], record.natural_key()[0]
        page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[record.pk])
        return {
            "rule": finding.rule.id,
            "severity": finding.rule.severity,
            "record": {
                "type": address,
                "key": key,
                "title": record.titled,
                "url": self.request.build_absolute_uri(f"{json_sql.API}{address}/{key}/"),
            },
            "sentence": finding.sentence,
            "link": self.request.build_absolute_uri(page),
        }

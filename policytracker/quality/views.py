"""The API of the data checks."""

import json
from functools import cached_property
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.views import APIView

from policytracker.api import filters, json_sql
from policytracker.api.pagination import InvalidCursor
from policytracker.api.parameters import InvalidParameter, page_size, reject_unknown_parameters, single
from policytracker.api.schema import PAGE, envelope, shape
from policytracker.api.viewsets import INVALID_CURSOR, list_response
from policytracker.quality import engine
from policytracker.records.models import Record
from policytracker.resources import ReadContext, registry

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
    """Data checks: possible errors and gaps in the records that the user may read."""

    function_checks_permission = True

    @property
    def model(self) -> type[Record]:
        """Reading findings requires a role, as for records of the scope."""
        return registry.scope.model

    @extend_schema(
        parameters=[
            OpenApiParameter("rule", any_of(list(engine.RULES)), description="Findings of any of these rules."),
            OpenApiParameter("severity", any_of(engine.Severity.values), description="Findings of any of these severities."),
            OpenApiParameter(registry.scope_name, {"type": "string"}, description="Findings on this record and those that belong to it."),
            *PAGE,
        ],
        responses={200: envelope(FINDING)},
    )
    def get(self, request):
        """List the findings: each record that violates a rule, with a message, ordered by rule and record."""
        reject_unknown_parameters(request, {"rule", "severity", registry.scope_name, "page_size", "cursor"})
        rules = self.parameter_values("rule", filters.code(engine.RULES))
        severities = self.parameter_values("severity", filters.code(engine.Severity.values))
        checks = engine.select_checks(rules, severities)
        context = engine.CheckContext(self.read_context, self.scope())
        try:
            page = engine.findings(checks, context, single(request, "cursor") or None, page_size(request))
        except InvalidCursor as error:
            raise InvalidParameter("cursor", INVALID_CURSOR) from error
        results = ", ".join(json.dumps(self.representation(finding), ensure_ascii=False) for finding in page.results)
        return list_response(request, results, count=page.count, next=page.next, previous=page.previous)

    @cached_property
    def read_context(self) -> ReadContext:
        return ReadContext.of(self.request.user)

    def parameter_values(self, name: str, parse: filters.Parse) -> list[Any]:
        """The parsed values of a query parameter. Raises InvalidParameter."""
        try:
            return [parse(text, self.read_context) for text in self.request.query_params.getlist(name)]
        except ValueError as error:
            raise InvalidParameter(name, str(error)) from error

    def scope(self) -> Any:
        """The record by which findings are filtered, if any. Raises InvalidParameter."""
        single(self.request, registry.scope_name)
        model = registry.scope.model
        ids = self.parameter_values(registry.scope_name, filters.reference(model))
        return model.objects.get(pk=ids[0]) if ids else None

    def representation(self, finding: engine.Finding) -> dict[str, Any]:
        record, model = finding.record, type(finding.record)
        address, key = registry.of(model).address, record.natural_key()[0]
        page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[record.pk])
        return {
            "rule": finding.rule.id,
            "severity": finding.rule.severity,
            "record": {
                "type": address,
                "key": key,
                "title": record.display_title,
                "url": self.request.build_absolute_uri(f"{json_sql.API}{address}/{key}/"),
            },
            "sentence": finding.sentence,
            "link": self.request.build_absolute_uri(page),
        }

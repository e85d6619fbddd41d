"""The API of the data checks."""

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers

from policytracker.api.as_of import reads_as_of
from policytracker.api.pagination import PARAMETERS, Pagination
from policytracker.api.views import RegisterView
from policytracker.quality import engine
from policytracker.representation import json_sql
from policytracker.representation.parameters import reject_unknown_parameters
from policytracker.representation.values import code
from policytracker.resources import registry
from policytracker.web.heavy import REPORT, heavy, take_turn


class FindingSerializer(serializers.Serializer):
    rule = serializers.ChoiceField(list(engine.RULES))
    severity = serializers.ChoiceField(engine.Severity.choices)
    record = inline_serializer("FindingRecord", {name: serializers.CharField() for name in ("type", "key", "title", "url")})
    sentence = serializers.CharField()
    link = serializers.URLField(help_text="The record's page in the admin.")


def any_of(codes: list[str]) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", "enum": codes}}


class Findings(RegisterView):
    """Data checks: possible errors and gaps in the records that the user may read."""

    serializer_class = FindingSerializer
    pagination_class = Pagination
    paginator: Pagination

    @heavy(REPORT)
    @extend_schema(
        parameters=[
            OpenApiParameter("rule", any_of(list(engine.RULES)), description="Findings of any of these rules."),
            OpenApiParameter("severity", any_of(engine.Severity.values), description="Findings of any of these severities."),
            OpenApiParameter(registry.scope_name, {"type": "string"}, description="Findings on this record and those that belong to it."),
        ],
        responses=FindingSerializer(many=True),
    )
    @reads_as_of
    def get(self, request):
        """List the findings: each record that violates a rule, with a message, ordered by rule and record."""
        reject_unknown_parameters(request.query_params, {"rule", "severity", registry.scope_name} | PARAMETERS)
        rules = self.values("rule", code(engine.RULES))
        severities = self.values("severity", code(engine.Severity.values))
        scope = self.scope
        checks, context = engine.select_checks(rules, severities, scope), engine.CheckContext(self.read_context, scope)
        self.paginator.check(request, lambda cursor: engine.decode_cursor(cursor, checks))
        take_turn(request)
        findings = self.paginator.paginate(lambda cursor, size: engine.findings(checks, context, cursor, size), request)
        return self.get_paginated_response([self.representation(finding) for finding in findings])

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

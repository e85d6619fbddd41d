"""The API of the data checks."""

from functools import cached_property
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.generics import GenericAPIView

from policytracker.api import json_sql
from policytracker.api.as_of import reads_as_of
from policytracker.api.pagination import PARAMETERS, Pagination
from policytracker.api.parameters import InvalidParameter, reject_unknown_parameters, single
from policytracker.api.values import Parse, code, reference
from policytracker.quality import engine
from policytracker.records.models import Record
from policytracker.resources import ReadContext, registry


class FindingSerializer(serializers.Serializer):
    rule = serializers.ChoiceField(list(engine.RULES))
    severity = serializers.ChoiceField(engine.Severity.choices)
    record = inline_serializer("FindingRecord", {name: serializers.CharField() for name in ("type", "key", "title", "url")})
    sentence = serializers.CharField()
    link = serializers.URLField(help_text="The record's page in the admin.")


def any_of(codes: list[str]) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", "enum": codes}}


class Findings(GenericAPIView):
    """Data checks: possible errors and gaps in the records that the user may read."""

    function_checks_permission = True
    serializer_class = FindingSerializer
    pagination_class = Pagination
    paginator: Pagination

    @property
    def model(self) -> type[Record]:
        """Reading findings requires a role, as for records of the scope."""
        return registry.scope.model

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
        reject_unknown_parameters(request, {"rule", "severity", registry.scope_name} | PARAMETERS)
        rules = self.parameter_values("rule", code(engine.RULES))
        severities = self.parameter_values("severity", code(engine.Severity.values))
        checks = engine.select_checks(rules, severities)
        context = engine.CheckContext(self.read_context, self.scope())
        findings = self.paginator.paginate(lambda cursor, size: engine.findings(checks, context, cursor, size), request)
        return self.get_paginated_response([self.representation(finding) for finding in findings])

    @cached_property
    def read_context(self) -> ReadContext:
        return ReadContext.of(self.request.user)

    def parameter_values(self, name: str, parse: Parse) -> list[Any]:
        """The parsed values of a query parameter. Raises InvalidParameter."""
        try:
            return [parse(text, self.read_context) for text in self.request.query_params.getlist(name)]
        except ValueError as error:
            raise InvalidParameter(name, str(error)) from error

    def scope(self) -> Any:
        """The record by which findings are filtered, if any. Raises InvalidParameter."""
        single(self.request, registry.scope_name)
        ids = self.parameter_values(registry.scope_name, reference(self.model))
        return self.model.objects.get(pk=ids[0]) if ids else None

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

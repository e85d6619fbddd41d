"""The dossier of an agreement: its records, standing and recommendations on a date, in one document."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache, lru_cache
from typing import Any, TypedDict
from urllib.parse import urlencode

from django.db import connection
from django.db.models import Count, Window

from agreements import serializers as agreed
from agreements.models import Agreement
from agreements.standing.data import load_record, standing_document
from agreements.standing.serializers import StandingSerializer
from policytracker.records.access import Reader
from policytracker.representation import json_sql, keyset
from policytracker.representation.serializers import RecordSerializer
from policytracker.resources import ReadContext, Resource, Section, registry
from policytracker.sql.parameters import Parameter, bind_parameters
from recommendations import serializers
from recommendations.models import Addressee, ProgressUpdate, Recommendation

MAX_RECORDS = 500  # per section
AGREEMENT = Parameter("agreement")

Row = dict[str, Any]  # a record as in the API


class SectionPage(TypedDict):
    """The first MAX_RECORDS records of a section, the number of all, and the URL of the remaining ones."""

    count: int
    next: str | None
    results: list[Row]


@cache
def sections() -> list[tuple[Section, Resource]]:
    """The sections of the dossier, in order, with their record types."""
    return [(resource.section, resource) for resource in registry if resource.section]


def order(resource: Resource) -> str:
    """The default order of the list, so that a cursor can continue after the last record of the section."""
    return "id" if resource.model.key == "uid" else resource.model.key


@lru_cache(1000)
def statement(resource: Resource, roles: frozenset[str], as_of: bool) -> tuple[str, tuple]:
    """SQL and values that select the first records of a section for these roles: id, sort key and total count."""
    readable = resource.model.objects.visible_to(Reader(roles, Parameter("user"), as_of))
    rows = readable.filter(resource.belonging_to(AGREEMENT)).order_by(order(resource))
    return rows.values_list("pk", order(resource), Window(Count("pk")))[:MAX_RECORDS].query.sql_with_params()


class Dossier:
    """The agreement, its standing and its sections, for the reader and the date of the context.

    Raises Agreement.DoesNotExist if the agreement was deleted or hidden from the reader since it was found.
    """

    def __init__(self, agreement: Agreement, context: ReadContext):
        self.pk, self.context, self.reader = agreement.pk, context, context.reader
        agreements = self.records(agreed.AgreementSerializer, [agreement.pk])
        if not agreements:
            raise Agreement.DoesNotExist
        self.agreement = agreements[0]
        self.standing = standing_document(load_record(agreement, self.reader), context.on)
        self.sections = {section.name: self.section(resource) for section, resource in sections()}

    def as_dict(self) -> Row:
        """The response of the API: agreement, date, standing, and a member for each section."""
        standing = StandingSerializer(self.standing).data
        return {"agreement": self.agreement, "on": self.context.on.isoformat(), "standing": standing, **self.sections}

    def records(self, serializer: type[RecordSerializer], ids: list[int]) -> list[Row]:
        representation = json_sql.Representation(serializer, self.reader.roles, past=self.context.past)
        checked = self.context.as_of is None
        return [json.loads(text) for text in json_sql.read_many(representation, ids, self.context, checked)]

    def section(self, resource: Resource) -> SectionPage:
        sql, values = statement(resource, self.reader.roles, self.reader.as_of)
        with connection.cursor() as cursor:
            cursor.execute(sql, bind_parameters(values, user=self.reader.id, agreement=self.pk))
            first = cursor.fetchall()
        count = first[0][2] if first else 0
        ids = [pk for pk, *_ in first]
        results = self.records(resource.serializer, ids)
        if resource.model is Recommendation:
            self.add_details(results, ids)
        return {"count": count, "next": self.next_url(resource, first[-1][1]) if count > MAX_RECORDS else None, "results": results}

    def next_url(self, resource: Resource, last: Any) -> str:
        """The URL of the remaining records: the list of the resource, after the record with the sort key `last`."""
        cursor = keyset.encode_cursor(True, [last], [keyset.Column(order(resource))], resource.address)
        parameters = {"agreement": self.agreement["slug"], "page_size": MAX_RECORDS}
        if "on" in resource.filters:
            parameters |= {"on": self.context.on.isoformat()}
        if self.context.as_of:
            parameters |= {"as_of": self.context.as_of.isoformat()}
        return f"{self.context.base_url}{json_sql.API}{resource.address}/?{urlencode(parameters | {'cursor': cursor})}"

    def add_details(self, recommendations: list[Row], ids: list[int]) -> None:
        """Add to each recommendation its addressees and the newest update in effect on the date."""
        readable = Addressee.objects.visible_to(self.reader).filter(recommendation__in=ids)
        in_effect = ProgressUpdate.objects.visible_to(self.reader).in_effect(on=self.context.on).filter(recommendation__in=ids)
        newest = in_effect.newest_for("recommendation_id")
        addressees, updates = defaultdict(list), {}
        addressee_ids = list(readable.order_by("party__code", "pk").values_list("pk", flat=True))
        for addressee in self.records(serializers.AddresseeSerializer, addressee_ids):
            addressees[addressee["recommendation"]].append(addressee)
        for update in self.records(serializers.ProgressUpdateSerializer, list(newest.values_list("pk", flat=True))):
            updates[update["recommendation"]] = update
        for recommendation in recommendations:
            slug = recommendation["slug"]
            recommendation |= {"addressees": addressees[slug], "newest_update": updates.get(slug)}

"""The dossier of an agreement: its records, standing and recommendations on a date, in one document."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from django.db.models import Count, QuerySet, Window

from agreements import serializers as agreed
from agreements.filters import TARGETS, by_any
from agreements.models import Agreement
from agreements.standing.data import load_record, standing_document
from policytracker.api import json_sql, pagination
from policytracker.api.serializers import ADDRESSES, RecordSerializer
from policytracker.records.access import Reader
from policytracker.records.parameters import Parameter, bind_parameters
from policytracker.resources import ReadContext
from recommendations import serializers
from recommendations.models import Addressee, ProgressUpdate

MAX_RECORDS = 500  # per section
AGREEMENT = Parameter("agreement")


@dataclass(frozen=True)
class Section:
    """The records of one kind that belong to an agreement.

    `paths` are the field paths from a record to the agreement. `date_dependent` means that the list accepts `on`.
    """

    serializer: type[RecordSerializer]
    paths: tuple[str, ...] = ("agreement",)
    date_dependent: bool = False

    @property
    def model(self) -> Any:
        return self.serializer.Meta.model

    @property
    def order(self) -> str:
        """The default order of the list, so that a cursor can continue after the last record of the section."""
        return "id" if self.model.key == "uid" else self.model.key

    def rows(self, reader: Reader) -> QuerySet:
        return self.model.objects.visible_to(reader).filter(by_any(self.model, self.paths, AGREEMENT))


@lru_cache(1000)
def statement(section: Section, roles: frozenset[str], as_of: bool) -> tuple[str, tuple]:
    """SQL and values that select the first records of a section for these roles: id, sort key and total count."""
    rows = section.rows(Reader(roles, Parameter("user"), as_of)).order_by(section.order)
    return rows.values_list("pk", section.order, Window(Count("pk")))[:MAX_RECORDS].query.sql_with_params()


SECTIONS = {
    "participations": Section(agreed.ParticipationSerializer),
    "treaty_actions": Section(agreed.TreatyActionSerializer),
    "conditions": Section(agreed.EntryIntoForceConditionSerializer),
    "components": Section(agreed.ComponentSerializer, date_dependent=True),
    "commitments": Section(agreed.CommitmentSerializer),
    "outcomes": Section(agreed.OutcomeSerializer),
    "indicators": Section(agreed.IndicatorSerializer, ("outcome__agreement",)),
    "measurements": Section(agreed.MeasurementSerializer, ("indicator__outcome__agreement",)),
    "citations": Section(agreed.CitationSerializer, tuple(TARGETS)),
    "fact_checks": Section(agreed.FactCheckSerializer),
    "recommendations": Section(serializers.RecommendationSerializer, ("agreements",), date_dependent=True),
    "relations": Section(agreed.AgreementRelationSerializer, ("from_agreement", "to_agreement")),
}


class Dossier:
    """The dossier of an agreement for the reader and the date of the context."""

    def __init__(self, agreement: Agreement, context: ReadContext):
        self.agreement, self.context, self.reader = agreement, context, context.reader

    def as_dict(self) -> dict[str, Any]:
        """The agreement, its standing, and each section: at most 500 records, the total count, and the URL of the remaining records."""
        return {
            "agreement": self.records(agreed.AgreementSerializer, [self.agreement.pk])[0],
            "on": self.context.on.isoformat(),
            "standing": standing_document(load_record(self.agreement, self.reader), self.context.on),
            **{name: self.section(section) for name, section in SECTIONS.items()},
        }

    def records(self, serializer: type[RecordSerializer], ids: list[int]) -> list[dict[str, Any]]:
        shape = json_sql.Representation(serializer, self.reader.roles, past=self.context.past)
        return [json.loads(text) for text in json_sql.texts(shape, ids, self.context)]

    def section(self, section: Section) -> dict[str, Any]:
        sql, values = statement(section, self.reader.roles, self.reader.as_of)
        with connection.cursor() as cursor:
            cursor.execute(sql, bind_parameters(values, user=self.reader.id, agreement=self.agreement.pk))
            first = cursor.fetchall()
        count = first[0][2] if first else 0
        ids = [pk for pk, *_ in first]
        results = self.records(section.serializer, ids)
        if section.serializer is serializers.RecommendationSerializer:
            self.add_details(results, ids)
        return {"count": count, "next": self.next_url(section, first[-1][1]) if count > MAX_RECORDS else None, "results": results}

    def next_url(self, section: Section, last: Any) -> str:
        """The URL of the remaining records: the list of the resource, after the record with the sort key `last`."""
        address = ADDRESSES[section.model]
        cursor = pagination.encode_cursor(True, [last], [pagination.Column(section.order)], address)
        parameters = {"agreement": self.agreement.slug, "page_size": MAX_RECORDS}
        if section.date_dependent:
            parameters |= {"on": self.context.on.isoformat()}
        if self.context.as_of:
            parameters |= {"as_of": self.context.as_of.isoformat()}
        return f"{self.context.base_url}{json_sql.API}{address}/?{urlencode(parameters | {'cursor': cursor})}"

    def add_details(self, recommendations: list[dict[str, Any]], ids: list[int]) -> None:
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

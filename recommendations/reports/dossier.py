"""All that is known of one agreement, in one document, for a day (API.md 6)."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
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
from recommendations import serializers
from recommendations.models import Addressee, ProgressUpdate

MOST = 500  # of each kind
AGREEMENT = Parameter("agreement")


@dataclass(frozen=True)
class Section:
    """The records of one kind that belong to an agreement, by any of the paths that lead to it; `of_a_day` where `on` tells them apart."""

    serializer: type[RecordSerializer]
    paths: tuple[str, ...] = ("agreement",)
    of_a_day: bool = False

    @property
    def model(self) -> Any:
        return self.serializer.Meta.model

    @property
    def order(self) -> str:
        """The order of the list, so that its cursor goes on from here."""
        return "id" if self.model.key == "uid" else self.model.key

    def rows(self, reader: Reader) -> QuerySet:
        return self.model.objects.visible_to(reader).filter(by_any(self.model, self.paths, AGREEMENT))


@lru_cache(1000)
def statement(section: Section, roles: frozenset[str]) -> tuple[str, tuple]:
    """The first records of a section for readers of these roles: id, key and how many there are, as SQL with its values."""
    rows = section.rows(Reader(roles, Parameter("user"))).order_by(section.order)
    return rows.values_list("pk", section.order, Window(Count("pk")))[:MOST].query.sql_with_params()


SECTIONS = {
    "participations": Section(agreed.ParticipationSerializer),
    "treaty_actions": Section(agreed.TreatyActionSerializer),
    "conditions": Section(agreed.EntryIntoForceConditionSerializer),
    "components": Section(agreed.ComponentSerializer, of_a_day=True),
    "commitments": Section(agreed.CommitmentSerializer),
    "outcomes": Section(agreed.OutcomeSerializer),
    "indicators": Section(agreed.IndicatorSerializer, ("outcome__agreement",)),
    "measurements": Section(agreed.MeasurementSerializer, ("indicator__outcome__agreement",)),
    "citations": Section(agreed.CitationSerializer, tuple(TARGETS)),
    "fact_checks": Section(agreed.FactCheckSerializer),
    "recommendations": Section(serializers.RecommendationSerializer, ("agreements",), of_a_day=True),
    "relations": Section(agreed.AgreementRelationSerializer, ("from_agreement", "to_agreement")),
}


class Dossier:
    """What one reader may read of an agreement. `by` is the day where it is gone by: then only what was reported by then counts."""

    def __init__(self, agreement: Agreement, user: Any, *, on: date, by: date | None, base: str):
        self.agreement, self.user, self.on, self.by, self.base = agreement, user, on, by, base
        self.reader = Reader.of(user)

    def told(self) -> dict[str, Any]:
        """The agreement, its standing, and each section with at most 500 records, how many there are, and where the rest is read."""
        return {
            "agreement": self.records(agreed.AgreementSerializer, [self.agreement.pk])[0],
            "on": self.on.isoformat(),
            "standing": standing_document(load_record(self.agreement, self.user), self.on),
            **{name: self.section(section) for name, section in SECTIONS.items()},
        }

    def records(self, serializer: type[RecordSerializer], ids: list[int]) -> list[dict[str, Any]]:
        shape = json_sql.Representation(serializer, self.reader.roles, past=self.by is not None)
        assert self.reader.id is None or isinstance(self.reader.id, int)
        return [json.loads(text) for text in json_sql.texts(shape, ids, user=self.reader.id, on=self.on, base=self.base)]

    def section(self, section: Section) -> dict[str, Any]:
        sql, values = statement(section, self.reader.roles)
        with connection.cursor() as cursor:
            cursor.execute(sql, bind_parameters(values, user=self.reader.id, agreement=self.agreement.pk))
            found = cursor.fetchall()
        count = found[0][2] if found else 0
        ids = [pk for pk, *_ in found]
        results = self.records(section.serializer, ids)
        if section.serializer is serializers.RecommendationSerializer:
            self.complete(results, ids)
        return {"count": count, "next": self.rest(section, found[-1][1]) if count > MOST else None, "results": results}

    def rest(self, section: Section, last: Any) -> str:
        """The address of what comes after the last record that is told: the list of the resource, from there on."""
        address = ADDRESSES[section.model]
        cursor = pagination.encode_cursor(True, [last], [pagination.Column(section.order)], address)
        asked = {"agreement": self.agreement.slug, "page_size": MOST} | ({"on": self.on.isoformat()} if section.of_a_day else {})
        return f"{self.base}{json_sql.API}{address}/?{urlencode(asked | {'cursor': cursor})}"

    def complete(self, recommendations: list[dict[str, Any]], ids: list[int]) -> None:
        """Give each its addressees, and the newest update that counts on the day."""
        addressed = Addressee.objects.visible_to(self.user).filter(recommendation__in=ids)
        in_effect = ProgressUpdate.objects.visible_to(self.user).in_effect(on=self.on).filter(recommendation__in=ids)
        newest = in_effect.newest_for("recommendation_id")
        addressees, updates = defaultdict(list), {}
        parties = list(addressed.order_by("party__code", "pk").values_list("pk", flat=True))
        for addressee in self.records(serializers.AddresseeSerializer, parties):
            addressees[addressee["recommendation"]].append(addressee)
        for update in self.records(serializers.ProgressUpdateSerializer, list(newest.values_list("pk", flat=True))):
            updates[update["recommendation"]] = update
        for one in recommendations:
            one |= {"addressees": addressees[one["slug"]], "newest_update": updates.get(one["slug"])}

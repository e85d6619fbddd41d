"""The dossier in Markdown: the same records with labels instead of codes, and a list of the sources with their URLs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from typing import Any

from django.contrib.auth import get_user_model
from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, ngettext

from agreements import serializers as agreed
from agreements.deadlines import DeadlineState
from agreements.models import Party, Source
from agreements.models.treaty_actions import ConditionKind
from agreements.standing import ConditionResult, Missing
from policytracker.api.markdown import document, escaped, link, paragraphs, table
from policytracker.codes import Codes
from policytracker.edtf import EdtfField, first_day
from policytracker.records.models import UidRecord
from recommendations import serializers
from recommendations.deadlines import Freshness
from recommendations.models import Recommendation, Status
from recommendations.reports.dossier import Dossier, Row, sections

ADDRESSEES = ["party", "role", "response", "responded_on", "response_text", "source"]
COMPUTED: dict[str, type[Codes]] = {"deadline_state": DeadlineState, "freshness": Freshness}
COMPUTED_LABELS = {"deadline_state": gettext_lazy("Deadline state"), "freshness": gettext_lazy("Freshness")}
PARTIES = {"party", "counterparty", "payer", "parties", "lead_parties", "made_by"}
SOURCES = {"source", "correcting_source"}
OMITTED = {"url", "version", "created_at", "updated_at", "locator", "quote", "relations", "claims", "addressees", "newest_update"}
NONE = gettext_noop("None recorded.")


def collect_keys(data: Any, names: Collection[str]) -> set[str]:
    """The natural keys in fields with these names, at any depth of the data."""
    if isinstance(data, list):
        return set().union(*(collect_keys(item, names) for item in data))
    keys: set[str] = set()
    for name, value in data.items() if isinstance(data, dict) else ():
        if name in names:
            values = value if isinstance(value, list) else [value]
            keys |= {key for key in values if isinstance(key, str)}
        if isinstance(value, list | dict):
            keys |= collect_keys(value, names)
    return keys


def label(serializer: Any, name: str) -> str:
    """The label of a field of the API."""
    return str(COMPUTED_LABELS[name] if name in COMPUTED_LABELS else capfirst(model_field(serializer, name).verbose_name))


def model_field(serializer: Any, name: str) -> models.Field:
    return serializer.Meta.model._meta.get_field(getattr(serializer.Meta, "names", {}).get(name, name))


class DossierText:
    """A dossier in Markdown. Text that people entered is escaped; everything else is a code, key, date or number."""

    def __init__(self, dossier: Dossier, user: Any):
        self.dossier = dossier
        records = [dossier.agreement, dossier.sections]
        parties = Party.objects.visible_to(user).filter(code__in=collect_keys(records, PARTIES))
        self.names = {**dossier.standing.record.names, **dict(parties.values_list("code", "name"))}
        self.sources = Source.objects.visible_to(user).filter(slug__in=collect_keys(records, SOURCES)).order_by("slug")
        named = ("treaty_actions", "commitments")
        self.lines = {row["uid"]: self.line(row) for name in named for row in dossier.sections[name]["results"]}

    def __str__(self) -> str:
        return document(self.blocks())

    def blocks(self) -> Iterator[str]:
        agreement = self.dossier.agreement
        yield f"# {escaped(agreement['title'])}"
        yield _("As of {date}. {url}").format(date=self.dossier.context.on, url=link(agreement["url"]))
        yield from self.facts(agreed.AgreementSerializer, agreement, exclude={"title"})
        yield heading(_("Standing"))
        yield from self.standing()
        for section, resource in sections():
            part = self.dossier.sections[section.name]
            title = capfirst(resource.model._meta.verbose_name_plural)
            yield heading(_("{title} ({count})").format(title=title, count=part["count"]))
            if not part["results"]:
                yield _(NONE)
            elif resource.model is Recommendation:
                for recommendation in part["results"]:
                    yield from self.recommendation(recommendation)
            else:
                records = sorted_by_date(part["results"], section.sorted_by)
                yield from self.rows(resource.serializer, records, section.columns.split())
            if part["next"]:
                others = part["count"] - len(part["results"])
                yield ngettext("{number} more: {url}", "{number} more: {url}", others).format(number=others, url=link(part["next"]))
        yield heading(_("Sources"))
        yield "\n".join(map(self.source, self.sources)) or _(NONE)

    # ---- Sections

    def standing(self) -> Iterator[str]:
        standing, text = self.dossier.standing, self.dossier.standing.text
        template = _("**{standing}** since {since}. {sentence}") if text.since else _("**{standing}**. {sentence}")
        yield template.format(standing=text.code.label, since=text.since, sentence=escaped(text.sentence))
        if standing.parties:
            rows = [[self.party(row.party), str(row.code.label), row.since, escaped(row.sentence)] for row in standing.parties]
            yield from table([_("Party"), _("Standing"), _("Since"), _("Reason")], rows)
        if standing.pairs:
            rows = [[self.pair(*pair.parties), pair.since] for pair in standing.pairs]
            yield from table([_("In force between"), _("Since")], rows)
        if standing.conditions:
            rows = [
                [str(ConditionKind(row.condition.kind).label), met(row), self.missing(row.missing), escaped(row.condition.text)]
                for row in standing.conditions
            ]
            yield from table([_("Condition of entry into force"), _("Met"), _("Missing"), _("Text")], rows)

    def pair(self, party: str, other: str) -> str:
        return _("{party} and {other}").format(party=self.party(party), other=self.party(other))

    def missing(self, missing: Missing) -> str:
        number = missing.number
        consents = ngettext("{number} consent", "{number} consents", number).format(number=number) if number else ""
        parts = [consents, ", ".join(map(self.party, missing.parties)), missing.on]
        return "; ".join(filter(None, parts))

    def recommendation(self, record: Row) -> Iterator[str]:
        yield f"### {escaped(record['key_action'])}"
        yield from self.facts(serializers.RecommendationSerializer, record, exclude={"key_action"})
        if record["claims"]:
            claims = [[self.party(claim["party"]), str(Status(claim["status"]).label), claim["reported_on"]] for claim in record["claims"]]
            yield from table([_("Claimed by"), _("Status"), _("Reported on")], claims)
        if record["addressees"]:
            yield _("Addressees:")
            yield from self.rows(serializers.AddresseeSerializer, record["addressees"], ADDRESSEES)
        if update := record["newest_update"]:
            yield _("Newest update:")
            yield from self.facts(serializers.ProgressUpdateSerializer, update, exclude={"recommendation", "narrative", "evidence"})
            yield from paragraphs(update["narrative"])
            if update["evidence"]:
                yield from self.rows(serializers.EvidenceSerializer, update["evidence"], ["source", "stance", "confidence"])

    def source(self, source: Source) -> str:
        about = [str(source.get_kind_display()), source.title, source.author, source.publisher]
        description = ", ".join([*(escaped(text) for text in about if text), *([source.published_on] if source.published_on else [])])
        links = [link(url) for url in (source.original_url, source.archived_url) if url]
        return f"- `{source.slug}`: {' '.join([f'{description}.', *links])}"

    # ---- Records and values

    def facts(self, serializer: Any, record: Row, exclude: Collection[str]) -> Iterator[str]:
        """A table of the fields of a record that have a value."""
        cells = [(name, self.cell(serializer, record, name)) for name in record if name not in OMITTED and name not in exclude]
        yield from table([_("Field"), _("Value")], [[label(serializer, name), cell] for name, cell in cells if cell])

    def rows(self, serializer: Any, records: list[Row], names: Sequence[str]) -> Iterator[str]:
        """A table of records. Columns that are empty in all of them are omitted."""
        cells = [{name: self.cell(serializer, record, name) for name in names} for record in records]
        used = [name for name in names if any(row[name] for row in cells)]
        yield from table([label(serializer, name) for name in used], [[row[name] for name in used] for row in cells])

    def cell(self, serializer: Any, record: Row, name: str) -> str:
        value = record[name]
        if name == "source":
            return self.reference_to_source(record)
        if value is None or value == "" or value == []:
            return ""
        if name in COMPUTED:
            return str(COMPUTED[name](value).label)
        field = model_field(serializer, name)
        return ", ".join(self.value(field, item) for item in (value if isinstance(value, list) else [value]))

    def value(self, field: models.Field, value: Any) -> str:
        if field.is_relation:
            return self.reference(field.related_model, value)
        if isinstance(value, bool):
            return _("Yes") if value else _("No")
        if isinstance(field, EdtfField | models.DateField | models.DecimalField | models.IntegerField):
            return str(value)
        if field.choices:
            return escaped(str(dict(field.flatchoices)[value]))
        return f"`{value}`" if isinstance(field, models.SlugField | models.UUIDField) else escaped(str(value))

    def reference(self, model: Any, key: str) -> str:
        if model is Party:
            return self.party(key)
        if model is get_user_model():
            return escaped(key)
        return self.lines.get(key, f"`{key}`") if issubclass(model, UidRecord) else f"`{key}`"

    def party(self, code: str) -> str:
        return f"{escaped(self.names.get(code, ''))} ({escaped(code)})".strip()

    def line(self, record: Row) -> str:
        """A short description of a record that has no name."""
        if "amount" in record:
            return f"{record['currency']} {record['amount']}"
        serializer = agreed.TreatyActionSerializer
        return ", ".join(filter(None, (self.cell(serializer, record, name) for name in ("kind", "party", "acted_on"))))

    def reference_to_source(self, record: Row) -> str:
        """Source, locator and quote of a record."""
        place = ", ".join([f"`{record['source']}`"] * bool(record["source"]) + [escaped(record["locator"])] * bool(record["locator"]))
        return ": ".join(filter(None, [place, f"“{escaped(record['quote'])}”" if record["quote"] else ""]))


def heading(text: str) -> str:
    return f"## {text}"


def met(condition: ConditionResult) -> str:
    """Whether a condition of entry into force is met, and since when."""
    if not condition.met:
        return _("No")
    return _("Yes, {date}").format(date=condition.met_on) if condition.met_on else _("Yes")


def sorted_by_date(records: list[Row], name: str) -> list[Row]:
    """The records by the first possible day of this date field, those without a date last; in the given order without a name."""
    return sorted(records, key=lambda record: first_day(record[name] or "") or date.max) if name else records

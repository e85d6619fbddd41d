"""The changes of a period as a memo in Markdown: statuses, deadlines, new and withdrawn records, new evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils.dateparse import parse_datetime

from agreements.models import Citation, Source
from policytracker.api import json_sql
from policytracker.api.markdown import document, escaped
from policytracker.api.serializers import ADDRESSES, SERIALIZERS, declared_fields, title
from policytracker.history.feed import Entry, Filters
from policytracker.records.access import Publication
from policytracker.records.models import DeadlineFields, Record
from policytracker.resources import ReadContext
from recommendations.models import Evidence, Milestone, ProgressUpdate, Review, Status

STATUS, DEADLINES, NEW, WITHDRAWN, EVIDENCE, OTHER = SECTIONS = [
    "Status changes",
    "Deadlines moved",
    "New records",
    "Withdrawn records",
    "New evidence",
    "Other changes",
]
NOTHING = "Nothing changed in this period."
STATUS_FIELDS = {"status": "status", "claimed_status": "claimed status"}
# Values that follow from the other changes of the same entry.
FOLLOWING = {"status_since", "last_update_on", "original_due_on", "signed_on_first", "reviewed_at", "reviewed_by", "voided_at", "voided_by"}
MAX_VALUE = 200  # characters
TITLES = ("title", "name", "key_action", "statement")


class Memo:
    """A memo about entries of the feed. Text that people entered is escaped. `more` says where the entries that are left out are."""

    def __init__(self, entries: Sequence[Entry], filters: Filters, context: ReadContext, more: str = ""):
        self.entries, self.filters, self.context, self.more = entries, filters, context, more
        self.updates = self.live(ProgressUpdate, "recommendation")
        self.citations = self.live(Citation, "source", "agreement", "component", "participation", "outcome")
        self.evidence = self.evidence_of(self.updates)
        self.titles = self.titles_of(
            [
                *((entry.model, entry.pk) for entry in entries),
                *((type(update.recommendation), update.recommendation_id) for update in self.updates.values()),
                *((type(citation.target), citation.target.pk) for citation in self.citations.values()),
            ]
        )

    def __str__(self) -> str:
        return document(self.blocks())

    def blocks(self) -> Iterator[str]:
        subject = f"{escaped(str(self.filters.scope))}: changes" if self.filters.scope else "Changes"
        yield f"# {subject} {self.period()}".rstrip()
        sections: dict[str, list[str]] = defaultdict(list)
        for entry in self.entries:
            for section, sentence in self.sentences(entry):
                sections[section].append(f"- {sentence} {self.details(entry)}")
        if not sections:
            yield NOTHING
        for section in SECTIONS:
            if sections[section]:
                yield f"## {section}"
                yield "\n".join(sections[section])
        if self.more:
            yield self.more

    def period(self) -> str:
        since, until = (day_or_time(time) for time in (self.filters.since, self.filters.until))
        return " ".join(filter(None, [f"from {since}" if since else "", f"until {until}" if until else ""]))

    def details(self, entry: Entry) -> str:
        """When, by whom and why."""
        at, user, reason = parse_datetime(entry.data["at"]), entry.data["user"], entry.data["reason"]
        by = f", {escaped(user)}" if user else ""
        return f"({at:%Y-%m-%d}{by})" + (f" Reason: {escaped(shortened(reason))}" if reason else "")

    # ---- sentences

    def sentences(self, entry: Entry) -> Iterator[tuple[str, str]]:
        """The sections that mention this entry, each with a sentence."""
        if entry.model is ProgressUpdate:
            yield from self.about_update(entry)
        elif entry.data["operation"] == "delete":
            yield WITHDRAWN, f"{self.subject(entry)} was deleted."
        elif entry.model is Citation and entry.data["operation"] == "create" and entry.pk in self.citations:
            yield EVIDENCE, self.citation(self.citations[entry.pk])
        elif entry.data["operation"] == "create":
            yield NEW, f"{self.subject(entry)} was created."
        else:
            yield from self.about_fields(entry)

    def about_fields(self, entry: Entry) -> Iterator[tuple[str, str]]:
        subject, rest = self.subject(entry), []
        for name, change in entry.data["changes"].items():
            before, after = change["before"], change["after"]
            if name in STATUS_FIELDS:
                yield STATUS, f"{subject}: {STATUS_FIELDS[name]} {self.from_to(entry.model, name, before, after)}."
            elif name == "due_on" and issubclass(entry.model, DeadlineFields | Milestone):
                yield DEADLINES, f"{subject}: {deadline(before, after)}."
            elif name == "publication":
                yield publication(subject, before, after)
            elif name not in FOLLOWING:
                rest.append(f"{label(entry.model, name)} {self.from_to(entry.model, name, before, after)}")
        if rest:
            yield OTHER, f"{subject}: {'; '.join(rest)}."
        elif not entry.data["changes"]:
            yield OTHER, f"{subject} was changed."

    def about_update(self, entry: Entry) -> Iterator[tuple[str, str]]:
        """An update counts when it is approved or voided. Its status is in the entry of the recommendation."""
        update, changes, operation = self.updates.get(entry.pk), entry.data["changes"], entry.data["operation"]
        subject = self.update_subject(update) if update else self.subject(entry)
        review = changes.get("review", {}).get("after")
        if operation == "delete":
            yield WITHDRAWN, f"{subject} was deleted."
        elif changes.get("voided_at", {}).get("after"):
            yield WITHDRAWN, f"{subject} was voided."
        elif review == Review.APPROVED and self.evidence.get(entry.pk):
            yield EVIDENCE, f"{subject} was approved, with evidence: {'; '.join(self.evidence[entry.pk])}."
        elif operation == "create":
            yield NEW, f"{subject} was created."
        elif review:
            yield OTHER, f"{subject} is {Review(review).label.lower()}."
        else:
            yield OTHER, f"{subject} was changed."

    def from_to(self, model: type[Record], name: str, before: Any, after: Any) -> str:
        if isinstance(before, list) and isinstance(after, list):
            return changed_list([str(value) for value in before], [str(value) for value in after])
        old, new = self.value(model, name, before), self.value(model, name, after)
        if before in (None, ""):
            return f"set to {new}"
        return f"changed from {old} to {new}" if after not in (None, "") else f"removed (was {old})"

    def value(self, model: type[Record], name: str, value: Any) -> str:
        """A value as people read it: the label of a code, Yes or No, or the text itself."""
        if value is None or value == "":
            return "empty"
        if isinstance(value, bool):
            return "Yes" if value else "No"
        field = stored_field(model, name)
        choices = {} if field.is_relation else dict(field.flatchoices)
        return f"*{escaped(str(choices[value]))}*" if value in choices else escaped(shortened(str(value)))

    def citation(self, citation: Citation) -> str:
        target = self.reference(type(citation.target), citation.target.pk, citation.target.natural_key()[0])
        about = f", {escaped(citation.field.replace('_', ' '))}" if citation.field else ""
        verb = str(citation.get_stance_display()).lower()
        return f"{self.source(citation.source)} {verb} {target}{about}{words(citation)}."

    def update_subject(self, update: ProgressUpdate) -> str:
        kind, recommendation = str(update.get_kind_display()), update.recommendation
        status = f" (*{escaped(str(Status(update.status).label))}*)" if update.status else ""
        target = self.reference(type(recommendation), recommendation.pk, recommendation.slug)
        return f"{kind}{status} of {target} for {update.reported_on}"

    def source(self, source: Source) -> str:
        return linked(source.title or source.slug, self.url(Source, source.slug))

    # ---- records

    def subject(self, entry: Entry) -> str:
        """The type of the record, with its title and a link. A deleted record has no link."""
        name = str(entry.model._meta.verbose_name).capitalize()
        if entry.data["operation"] == "delete":
            text = next((entry.row[field] for field in TITLES if entry.row.get(field)), entry.data["key"])
            return f"{name} {escaped(shortened(text))}"
        return f"{name} {self.reference(entry.model, entry.pk, entry.data['key'])}"

    def reference(self, model: type[Record], pk: int, key: str) -> str:
        return linked(self.titles.get((model, pk)) or key, self.url(model, key))

    def url(self, model: type[Record], key: str) -> str:
        return f"{self.context.base_url}{json_sql.API}{ADDRESSES[model]}/{key}/"

    def live(self, model: Any, *related: str) -> dict[int, Any]:
        """The records of the model in the memo that still exist and that the reader may read."""
        ids = {entry.pk for entry in self.entries if entry.model is model}
        return model.objects.visible_to(self.context.reader).select_related(*related).in_bulk(ids) if ids else {}

    def evidence_of(self, updates: Iterable[int]) -> dict[int, list[str]]:
        """The evidence of each update that cites a source that the reader may read."""
        rows = Evidence.objects.visible_to(self.context.reader).filter(
            update__in=updates, source__in=Source.objects.visible_to(self.context.reader).values("pk")
        )
        found: dict[int, list[str]] = defaultdict(list)
        for row in rows.select_related("source").order_by("id"):
            stance = "" if row.stance == row._meta.get_field("stance").default else f" ({str(row.get_stance_display()).lower()} it)"
            found[row.update_id].append(f"{self.source(row.source)}{stance}{words(row)}")
        return found

    def titles_of(self, records: Iterable[tuple[type[Record], int]]) -> dict[tuple[type[Record], int], str]:
        """The titles of records that exist, by model and id."""
        ids: dict[type[Record], set[int]] = defaultdict(set)
        for model, pk in records:
            ids[model].add(pk)
        return {
            (model, pk): text
            for model, pks in ids.items()
            for pk, text in model._base_manager.filter(pk__in=pks).values_list("pk", Cast(title(model)[1], TextField()))
        }


def linked(text: str, url: str) -> str:
    return f"[{escaped(shortened(text))}](<{quote(url, safe=':/')}>)"


def words(cited: Citation | Evidence) -> str:
    """Locator and quote of a cited source."""
    locator = f", {escaped(cited.locator)}" if cited.locator else ""
    return locator + (f": “{escaped(shortened(cited.quote))}”" if cited.quote else "")


def deadline(before: str | None, after: str | None) -> str:
    if before and after:
        return f"moved from {escaped(before)} to {escaped(after)}"
    return f"set to {escaped(after)}" if after else f"removed (was {escaped(before or '')})"


def publication(subject: str, before: str | None, after: str) -> tuple[str, str]:
    """The section and the sentence of a change of the publication."""
    if after == Publication.ARCHIVED:
        return WITHDRAWN, f"{subject} was archived."
    if after == Publication.DRAFT:
        return WITHDRAWN, f"{subject} is a draft again."
    return NEW, f"{subject} was {'restored' if before == Publication.ARCHIVED else 'published'}."


def changed_list(before: list[str], after: list[str]) -> str:
    added, removed = ([value for value in these if value not in those] for these, those in ((after, before), (before, after)))
    parts = [f"{verb} {', '.join(map(escaped, values))}" for verb, values in (("added", added), ("removed", removed)) if values]
    return shortened(" and ".join(parts) or "reordered")


def stored_field(model: type[Record], name: str) -> Any:
    return model._meta.get_field(declared_fields(SERIALIZERS[model])[name].source or name)


def label(model: type[Record], name: str) -> str:
    return str(stored_field(model, name).verbose_name)


def shortened(text: str) -> str:
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"


def day_or_time(time: datetime | None) -> str:
    """The date of a midnight, or the time."""
    if time is None:
        return ""
    return f"{time:%Y-%m-%d}" if (time.hour, time.minute, time.second, time.microsecond) == (0, 0, 0, 0) else f"{time:%Y-%m-%d %H:%M} UTC"

"""The changes of a period as a memo in Markdown: statuses, deadlines, new and withdrawn records, new evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from django.db.models import prefetch_related_objects
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agreements.models import Citation, Source
from agreements.models.sources import Stance
from policytracker.api.markdown import document, escaped
from policytracker.history.feed import ChangeEntry, Filters
from policytracker.history.scope import Node
from policytracker.history.values import FieldChange
from policytracker.records.access import Publication
from policytracker.records.models import DeadlineFields, Record, RegistryRecord
from policytracker.representation import json_sql
from policytracker.representation.serializers import declared_fields
from policytracker.resources import ReadContext, registry
from recommendations.models import Evidence, Milestone, ProgressUpdate, Review, Status

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    Sentences = Iterator[tuple[StrOrPromise, str]]  # each with the section that it belongs to

STATUS, DEADLINES, NEW, WITHDRAWN, EVIDENCE, OTHER = SECTIONS = [
    gettext_lazy("Status changes"),
    gettext_lazy("Deadlines moved"),
    gettext_lazy("New records"),
    gettext_lazy("Withdrawn records"),
    gettext_lazy("New evidence"),
    gettext_lazy("Other changes"),
]
TITLES = {  # by whether the memo has a beginning and an end
    (False, False): gettext_lazy("{subject}"),
    (True, False): gettext_lazy("{subject} from {since}"),
    (False, True): gettext_lazy("{subject} until {until}"),
    (True, True): gettext_lazy("{subject} from {since} until {until}"),
}
STATUS_FIELDS = {"status", "claimed_status"}
# Values that follow from the other changes of the same entry.
FOLLOWING = {"status_since", "last_update_on", "original_due_on", "reviewed_at", "reviewed_by", "voided_at", "voided_by"}
MAX_VALUE = 200  # characters


class Memo:
    """A memo about entries of the feed. Text that people entered is escaped. `more` is a sentence about the entries that are left out.

    `str()` gives the Markdown. `labels` has the label of each record in the entries, also of deleted ones; a record whose label is not
    known is named by its key.
    """

    def __init__(self, entries: Sequence[ChangeEntry], filters: Filters, context: ReadContext, more: str = ""):
        self.entries, self.filters, self.context, self.more = entries, filters, context, more
        self.updates = self.live(ProgressUpdate, "recommendation")
        self.citations = self.live(Citation, "source", "agreement", "component", "participation", "outcome")
        self.evidence = self.evidence_of(self.updates)
        self.approved = {entry.pk for entry in entries if entry.model is ProgressUpdate and review_after(entry) == Review.APPROVED}
        self.deleted = {(entry.model, entry.pk): entry for entry in entries if entry.data["operation"] == "delete"}
        self.created = {(entry.model, entry.pk) for entry in entries if entry.data["operation"] == "create"}
        self.labels = self.labels_of_live() | self.labels_of_deleted()

    def __str__(self) -> str:
        return document(self.blocks())

    def blocks(self) -> Iterator[str]:
        yield f"# {self.title()}"
        sections: dict[StrOrPromise, list[str]] = defaultdict(list)
        for entry in self.entries:
            for section, sentence in self.sentences(entry):
                sections[section].append(f"- {sentence} {details(entry)}")
        if not sections:
            yield _("Nothing changed in this period.")
        for section in SECTIONS:
            if sections[section]:
                yield f"## {section}"
                yield "\n".join(sections[section])
        if self.more:
            yield self.more

    def title(self) -> str:
        scope, since, until = self.filters.scope, self.filters.since, self.filters.until
        subject = _("{record}: changes").format(record=escaped(str(scope))) if scope else _("Changes")
        return TITLES[bool(since), bool(until)].format(subject=subject, since=day_or_time(since), until=day_or_time(until))

    # ---- sentences

    def sentences(self, entry: ChangeEntry) -> Sentences:
        """The sections that mention this entry, each with a sentence. Of a deleted record only the deletion is mentioned."""
        record, operation, subject = (entry.model, entry.pk), entry.data["operation"], self.subject(entry)
        if record in self.deleted:
            template = _("{subject} was created and deleted.") if record in self.created else _("{subject} was deleted.")
            if entry is self.deleted[record]:
                yield WITHDRAWN, template.format(subject=subject)
        elif entry.model is ProgressUpdate:
            yield from self.about_update(entry)
        elif entry.model is Citation and operation == "create" and entry.pk in self.citations:
            yield EVIDENCE, self.citation(self.citations[entry.pk])
        elif operation == "create":
            yield NEW, _("{subject} was created.").format(subject=subject)
        else:
            yield from self.about_fields(entry)

    def about_fields(self, entry: ChangeEntry) -> Sentences:
        about = partial(_("{subject}: {changes}.").format, subject=self.subject(entry))
        rest = []
        for name, change in edits(entry).items():
            before, after = change["before"], change["after"]
            if name in STATUS_FIELDS:
                yield STATUS, about(changes=self.field_change(entry.model, name, before, after))
            elif name == "due_on" and issubclass(entry.model, DeadlineFields | Milestone):
                yield DEADLINES, about(changes=deadline(before, after))
            elif name == "publication":
                yield publication(self.subject(entry), before, after)
            elif name not in FOLLOWING:
                rest.append(self.field_change(entry.model, name, before, after))
        if rest:
            yield OTHER, about(changes="; ".join(rest))
        elif not entry.edited:
            yield OTHER, _("{subject} was changed.").format(subject=self.subject(entry))

    def about_update(self, entry: ChangeEntry) -> Sentences:
        """An update is new when it is approved, which may be at once. Its status is in the entry of the recommendation."""
        update, changes, is_new = self.updates.get(entry.pk), edits(entry), entry.data["operation"] == "create"
        subject = self.update_subject(update) if update else self.subject(entry)
        review, evidence = review_after(entry), "; ".join(self.evidence[entry.pk])
        approved_at_once = is_new and update is not None and update.review == Review.APPROVED and entry.pk not in self.approved
        if "voided_at" in changes and changes["voided_at"]["after"]:
            yield WITHDRAWN, _("{subject} was voided.").format(subject=subject)
        elif (approved_at_once or review == Review.APPROVED) and evidence:
            yield EVIDENCE, _("{subject}, with evidence: {evidence}.").format(subject=subject, evidence=evidence)
        elif is_new or review == Review.APPROVED:
            if entry.pk not in self.approved or review:  # it is mentioned once
                yield NEW, _("{subject}.").format(subject=subject)
        elif review:
            yield OTHER, _("{subject} is {review}.").format(subject=subject, review=str(Review(review).label).lower())
        else:
            yield OTHER, _("{subject} was changed.").format(subject=subject)

    def field_change(self, model: type[Record], name: str, before: Any, after: Any) -> str:
        field = label(model, name)
        if isinstance(before, list) and isinstance(after, list):
            return list_change(field, before, after)
        old, new = self.value(model, name, before), self.value(model, name, after)
        if before in (None, ""):
            return _("{field} set to {after}").format(field=field, after=new)
        template = _("{field} changed from {before} to {after}") if after not in (None, "") else _("{field} removed (was {before})")
        return template.format(field=field, before=old, after=new)

    def value(self, model: type[Record], name: str, value: Any) -> str:
        """A value as people read it: the label of a code, Yes or No, or the text itself."""
        if value is None or value == "":
            return _("empty")
        if isinstance(value, bool):
            return _("Yes") if value else _("No")
        field = stored_field(model, name)
        choices = {} if field.is_relation else dict(field.flatchoices)
        return f"*{escaped(str(choices[value]))}*" if value in choices else escaped(shortened(str(value)))

    def citation(self, citation: Citation) -> str:
        template = _("{source} {supports} {record}, {field}{words}.") if citation.field else _("{source} {supports} {record}{words}.")
        return template.format(
            source=self.record(citation.source),
            supports=str(citation.get_stance_display()).lower(),
            record=self.record(citation.target),
            field=escaped(citation.field_label),
            words=words(citation),
        )

    def update_subject(self, update: ProgressUpdate) -> str:
        template = _("{kind} (*{status}*) of {record} for {date}") if update.status else _("{kind} of {record} for {date}")
        return template.format(
            kind=update.get_kind_display(),
            status=escaped(str(Status(update.status).label)) if update.status else "",
            record=self.record(update.recommendation),
            date=update.reported_on,
        )

    # ---- records

    def subject(self, entry: ChangeEntry) -> str:
        """The type of the record, with its label and a link. A deleted record has no link."""
        name = str(entry.model._meta.verbose_name).capitalize()
        text = self.labels.get((entry.model, entry.pk)) or entry.data["key"]
        if (entry.model, entry.pk) in self.deleted:
            return f"{name} {escaped(shortened(text))}"
        return f"{name} {linked(text, entry.data['url'])}"

    def record(self, record: Record) -> str:
        return linked(str(record), self.url(type(record), record.natural_key()[0]))

    def url(self, model: type[Record], key: str) -> str:
        return f"{self.context.base_url}{json_sql.API}{registry.of(model).address}/{key}/"

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
            template = _("{source}{words}") if row.stance == Stance.SUPPORTS else _("{source}, which contradicts it{words}")
            found[row.update_id].append(template.format(source=self.record(row.source), words=words(row)))
        return found

    def labels_of_live(self) -> dict[Node, str]:
        ids: dict[type[Record], set[int]] = defaultdict(set)
        for entry in self.entries:
            ids[entry.model].add(entry.pk)
        return {
            (model, pk): record.full_label()
            for model, pks in ids.items()
            for pk, record in model._base_manager.select_related(*label_relations(model)).in_bulk(pks).items()
        }

    def labels_of_deleted(self) -> dict[Node, str]:
        """The labels of deleted records, from their last columns. Without a label if a record in it was deleted too."""
        last: dict[type[Record], dict[int, Record]] = defaultdict(dict)
        for (model, pk), entry in self.deleted.items():
            stored: list[Any] = [field for field in model._meta.concrete_fields if not field.generated and field.column in entry.row]
            last[model][pk] = model(**{field.attname: field.to_python(entry.row[field.column]) for field in stored})
        found = {}
        for model, records in last.items():
            names = label_relations(model)
            prefetch_related_objects(list(records.values()), *names)
            for pk, record in records.items():
                if all(has_related(record, name, last) for name in names):
                    found[model, pk] = record.full_label()
        return found


def edits(entry: ChangeEntry) -> dict[str, FieldChange]:
    """The fields that an update itself changed, before and after."""
    return {name: entry.data["changes"][name] for name in entry.edited}


def review_after(entry: ChangeEntry) -> str | None:
    """The review state of an update after the change, if it changed."""
    change = edits(entry).get("review")
    return change["after"] if change else None


def has_related(record: Record, name: str, deleted: Mapping[type[Record], Mapping[int, Record]]) -> bool:
    """Whether the record that a reference names is known: it exists, or is one of these deleted records."""
    field: Any = record._meta.get_field(name)
    pk = getattr(record, field.attname)
    if pk is not None and field.get_cached_value(record, default=None) is None:
        field.set_cached_value(record, deleted.get(field.related_model, {}).get(pk))
    return pk is None or field.get_cached_value(record) is not None


def label_relations(model: type[Record]) -> list[str]:
    """The references that a label can name: parents, and records that every reader may read."""
    fields: list[Any] = [field for field in model._meta.concrete_fields if field.is_relation]
    fields = [field for field in fields if issubclass(field.related_model, Record)]
    return [field.name for field in fields if field.name in model.access_parents or is_open(field.related_model)]


def is_open(model: type[Record]) -> bool:
    """Whether every reader may read all records of the model."""
    return not issubclass(model, RegistryRecord) and not model.access_parents


def linked(text: str, url: str) -> str:
    return f"[{escaped(shortened(text))}](<{quote(url, safe=':/')}>)"


def details(entry: ChangeEntry) -> str:
    """When, by whom and why."""
    user, reason = entry.data["user"], entry.data["reason"]
    when = _("({date}, {user})") if user else _("({date})")
    template = _("{when} Reason: {reason}") if reason else _("{when}")
    return template.format(
        when=when.format(date=entry.data["at"][:10], user=escaped(user or "")),
        reason=escaped(shortened(reason)),
    )


def words(cited: Citation | Evidence) -> str:
    """Locator and quote of a cited source."""
    locator = f", {escaped(cited.locator)}" if cited.locator else ""
    return locator + (f": “{escaped(shortened(cited.quote))}”" if cited.quote else "")


def deadline(before: str | None, after: str | None) -> str:
    moved, only_one = _("moved from {before} to {after}"), _("set to {after}") if after else _("removed (was {before})")
    template = moved if before and after else only_one
    return template.format(before=escaped(before or ""), after=escaped(after or ""))


def publication(subject: str, before: str | None, after: str) -> tuple[StrOrPromise, str]:
    """The section and the sentence of a change of the publication."""
    if after == Publication.ARCHIVED:
        return WITHDRAWN, _("{subject} was archived.").format(subject=subject)
    if after == Publication.DRAFT:
        return WITHDRAWN, _("{subject} is a draft again.").format(subject=subject)
    template = _("{subject} was restored.") if before == Publication.ARCHIVED else _("{subject} was published.")
    return NEW, template.format(subject=subject)


def list_change(field: str, before: list[Any], after: list[Any]) -> str:
    added, removed = (
        shortened(", ".join(escaped(str(value)) for value in these if value not in those))
        for these, those in ((after, before), (before, after))
    )
    if added and removed:
        template = _("{field}: added {added}, removed {removed}")
    else:
        template = _("{field}: added {added}") if added else _("{field}: removed {removed}") if removed else _("{field} reordered")
    return template.format(field=field, added=added, removed=removed)


def stored_field(model: type[Record], name: str) -> Any:
    return model._meta.get_field(declared_fields(registry.of(model).serializer)[name].source or name)


def label(model: type[Record], name: str) -> str:
    return str(stored_field(model, name).verbose_name)


def shortened(text: str) -> str:
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"


def day_or_time(time: datetime | None) -> str:
    """The date of a midnight, or the time."""
    if time is None:
        return ""
    return f"{time:%Y-%m-%d}" if (time.hour, time.minute, time.second, time.microsecond) == (0, 0, 0, 0) else f"{time:%Y-%m-%d %H:%M} UTC"

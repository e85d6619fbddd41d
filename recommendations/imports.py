"""The `[progress]` section of a mapping: assessments of another register, imported with the conditions of `report_progress`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from django.db.models import Max
from django.utils.translation import gettext as _

from agreements.models import Source
from policytracker.edtf import is_exact
from policytracker.importing.cells import ITEM, CellError, Cells, as_text
from policytracker.importing.context import ImportContext
from policytracker.importing.record_import import Draft, error_messages
from policytracker.importing.tables import Place, steps
from policytracker.representation.references import does_not_exist
from policytracker.writing.writer import Outcome
from recommendations import schemes
from recommendations.bulk_progress import BulkProgress, Submission
from recommendations.models import ProgressUpdate, Recommendation, Status, UpdateKind
from recommendations.progress import EvidenceRow, Report
from recommendations.schemes import Rating
from recommendations.serializers import RecommendationSerializer

KEYS = {"scheme", "codes", "status", "progress_percent", "narrative", "reported_on", "assessed_by", "reason", "path", "when", "evidence"}
EVIDENCE_KEYS = {"path", "url", "title", "locator", "quote"}
RETRIEVED = "source.retrieved_on"  # as the report date: the day on which the source was retrieved
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
Fail = Callable[..., Exception]


@dataclass(frozen=True)
class EvidenceColumns:
    """Where a row, or each item of a list within it, has the address of a source and further details."""

    path: tuple[str, ...] = ()
    url: str = "url"
    details: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, settings: Any, fail: Fail) -> EvidenceColumns:
        if isinstance(settings, str):
            return cls(steps(settings), details={"title": "title"})
        if not isinstance(settings, dict) or not all(isinstance(value, str) for value in settings.values()):
            raise fail(_("Enter a header, or a table of headers."), "evidence")
        if unknown := sorted(settings.keys() - EVIDENCE_KEYS):
            raise fail(_("Unknown key. Use one of: %(keys)s.") % {"keys": ", ".join(sorted(EVIDENCE_KEYS))}, "evidence", unknown[0])
        details = {name: header for name, header in settings.items() if name not in ("path", "url")}
        return cls(steps(settings.get("path", "")), settings.get("url", "url"), details)

    def headers(self) -> list[str]:
        return [".".join(self.path)] if self.path else [self.url, *self.details.values()]

    def rows(self, cells: Cells) -> list[EvidenceRow]:
        rows = []
        for item in cells.items(self.path):
            url = as_text(item.get(ITEM) if item.has(ITEM) else item.get(self.url)).strip()
            details: dict[str, Any] = {name: as_text(item.get(header)) for name, header in self.details.items()}
            if url:
                rows.append(EvidenceRow(url=url, **details))
        return rows


@dataclass(frozen=True)
class Assessment:
    """One assessment of another register: the report, the scheme and code of that register, and the place of the code."""

    report: Report
    scheme: str
    code: str
    place: Place

    def on(self, day: date) -> Assessment:
        """The assessment with this report date if it has none."""
        return self if self.report.reported_on else replace(self, report=replace(self.report, reported_on=day))


@dataclass(frozen=True)
class ProgressSection:
    """How a row becomes an assessment, or several if the row has a list of statuses (`path`)."""

    label: str
    ratings: dict[str, Rating]
    status: str
    reported_on: str
    progress_percent: str = ""
    narrative: str = ""
    assessed_by: str = ""
    reason: str = ""
    path: tuple[str, ...] = ()
    when: str = ""
    evidence: EvidenceColumns | None = None

    @classmethod
    def parse(cls, settings: dict[str, Any], fail: Fail) -> ProgressSection:
        """The section of a mapping file. Raises MappingError."""
        for key, value in settings.items():
            if key not in KEYS:
                raise fail(_("Unknown key. Use one of: %(keys)s.") % {"keys": ", ".join(sorted(KEYS))}, key)
            if key not in ("codes", "evidence", "path") and not isinstance(value, str | date):
                raise fail(_("Enter a text."), key)
        for key in ("status", "reported_on"):
            if not settings.get(key):
                raise fail(_("An assessment needs a status and the date for which it is true. Enter this key."), key)
        label = str(settings.get("scheme", ""))
        ratings = dict(schemes.named(label) or {})
        codes = settings.get("codes", {})
        if not isinstance(codes, dict):
            raise fail(_("Enter a table."), "codes")
        for term, code in codes.items():
            if code not in Status.values:
                raise fail(_("“%(code)s” is not one of: %(codes)s.") % {"code": code, "codes": ", ".join(Status.values)}, "codes", term)
            ratings[schemes.term(term)] = Rating(Status(code))
        if not ratings:
            names = ", ".join(schemes.SCHEMES)
            raise fail(_("Enter [progress.codes], or one of these schemes: %(names)s.") % {"names": names}, "scheme")
        path = settings.get("path", "")
        texts = {
            name: str(settings[name])
            for name in ("status", "reported_on", "progress_percent", "narrative", "assessed_by", "reason", "when")
            if name in settings
        }
        evidence = EvidenceColumns.parse(settings["evidence"], fail) if "evidence" in settings else None
        return cls(label, ratings, path=tuple(map(str, path)) if isinstance(path, list) else steps(path), evidence=evidence, **texts)

    # ---- columns

    def headers(self) -> list[str]:
        """The headers that the section uses."""
        headers = [self.status, self.progress_percent, self.narrative, self.when, *([".".join(self.path)] if self.path else [])]
        headers += [] if DAY.fullmatch(self.reported_on) or self.reported_on == RETRIEVED else [self.reported_on]
        headers += self.evidence.headers() if self.evidence else []
        return [header for header in headers if header]

    def possible_headers(self) -> list[str]:
        """The settings that are headers if the file has them, and otherwise the text itself."""
        return [text for text in (self.assessed_by, self.reason) if text]

    # ---- rows

    def read(self, cells: Cells) -> list[Assessment]:
        """The assessments of a row. Raises CellError."""
        assessments = []
        for item in cells.items(self.path):
            code = as_text(item.get(self.status)).strip()
            if code and (not self.when or item.is_filled(self.when)):
                assessments.append(Assessment(self.report(item, code), self.label, code, cells.place(self.status)))
        return assessments

    def report(self, cells: Cells, code: str) -> Report:
        rating = self.ratings.get(schemes.term(code))
        if rating is None:
            known = ", ".join(self.ratings)
            message = _("“%(code)s” is not one of: %(codes)s. Add it to [progress.codes].") % {"code": code[:100], "codes": known}
            raise CellError("invalid_choice", message, cells.place(self.status))
        narrative = as_text(cells.get(self.narrative)) if self.narrative else ""
        imported = _("Imported: %(code)s") % {"code": ", ".join(filter(None, (self.label, code)))}
        explained = rating.if_explained if narrative.strip() else None
        return Report(
            status=explained or rating.status,
            closes=rating.closes,
            progress_percent=self.percent(cells),
            reported_on=self.day(cells),
            narrative=narrative if narrative.strip() else imported,
            reason=self.text(cells, self.reason) or imported,
            assessed_by=self.text(cells, self.assessed_by),
            evidence=tuple(self.evidence.rows(cells)) if self.evidence else (),
        )

    def percent(self, cells: Cells) -> int | None:
        """The percentage: a whole number from 0 to 100, which may be followed by `%`. Raises CellError."""
        text = as_text(cells.get(self.progress_percent)).strip() if self.progress_percent else ""
        if not text:
            return None
        match = re.fullmatch(r"(\d{1,3})(?:\.0+)? ?%?", text, re.ASCII)
        if match is None or int(match[1]) > 100:
            raise CellError("invalid", _("Enter a whole number from 0 to 100."), cells.place(self.progress_percent))
        return int(match[1])

    def day(self, cells: Cells) -> date | None:
        """The report date; None if it is that of the source. Raises CellError if the file does not have it: a date is never made up."""
        if self.reported_on == RETRIEVED:
            return None
        day = self.reported_on if DAY.fullmatch(self.reported_on) else cells.date(self.reported_on)
        if not is_exact(day):
            message = _("An assessment needs the day for which it is true. Enter a full date.")
            raise CellError("required", message, cells.place(self.reported_on))
        return date.fromisoformat(day)

    def text(self, cells: Cells, header: str) -> str:
        """The cell with this header; the text itself if no column has it."""
        return (as_text(cells.get(header)) if cells.has(header) else header).strip()

    # ---- writing

    @classmethod
    def prepare(cls, drafts: Sequence[Draft], context: ImportContext) -> None:
        """Complete the report dates, and keep the code of the newest assessment in the recommendation, unless a newer one is stored."""
        sources = cls.sources(drafts, context)
        stored = newest_stored([draft.body.get("slug", "") for draft in drafts if draft.entries])
        for draft in drafts:
            slug = draft.body.get("source") or context.source
            if draft.entries and slug and slug not in sources:
                draft.line.refuse(draft.cells.place(), str(does_not_exist(Source, slug)))
            elif any(entry.report.reported_on is None for entry in draft.entries):
                if not (day := sources[slug].retrieved_on if slug else None):
                    message = _("Enter the source of the import, and its retrieval date: it is the report date.")
                    draft.line.refuse(draft.cells.place(), message)
                    continue
                draft.entries = [entry.on(day) for entry in draft.entries]
            if draft.entries and draft.line.outcome != Outcome.REFUSED:
                newest = sorted(draft.entries, key=lambda entry: entry.report.reported_on)[-1]  # the last of those on one day
                if newest.report.reported_on >= stored.get(draft.body.get("slug", ""), date.min):
                    draft.body |= {"source_scheme": newest.scheme, "source_code": newest.code}

    @classmethod
    def apply(cls, drafts: Sequence[Draft], context: ImportContext) -> None:
        """Submit the assessments of the written recommendations, approved if a reviewer imports. Those that exist are left out."""
        stored, sources = stored_reports(drafts), cls.sources(drafts, context)
        submissions: list[tuple[Draft, Assessment, Submission]] = []
        for draft in drafts:
            slug = draft.body.get("source") or context.source
            source = (EvidenceRow(source=sources[slug]),) if slug in sources else ()
            known = stored[draft.record.pk]
            for entry in draft.entries:
                if facts(entry.report) not in known:
                    known.add(facts(entry.report))  # rows can repeat an assessment too
                    report = replace(entry.report, evidence=(*source, *entry.report.evidence))
                    submissions.append((draft, entry, Submission(draft.record.pk, report)))
        before = current_values(drafts)
        BulkProgress(by=context.by, today=context.read_context.today).submit_all([submission for *_, submission in submissions])
        after = current_values(drafts)
        for draft, entry, submission in submissions:
            cls.show(draft, entry, submission, before[draft.record.pk], after[draft.record.pk])

    @classmethod
    def show(cls, draft: Draft, entry: Assessment, submission: Submission, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Add the result of a submission to the line of its row."""
        if submission.error:
            for _name, message in error_messages(submission.error, RecommendationSerializer):
                draft.line.refuse(entry.place, message)
        elif submission.update:
            review = submission.update.get_review_display().lower()
            day = _("assessment of %(day)s") % {"day": submission.report.reported_on}
            draft.line.changes |= {day: (None, f"{submission.report.status} ({review})")}
            draft.line.changes |= {name: (before[name], after[name]) for name in after if before[name] != after[name]}

    @classmethod
    def sources(cls, drafts: Sequence[Draft], context: ImportContext) -> dict[str, Source]:
        slugs = {draft.body.get("source") or context.source for draft in drafts} - {""}
        return {source.slug: source for source in Source.objects.visible_to(context.reader).filter(slug__in=slugs)}


def newest_stored(slugs: Sequence[str]) -> dict[str, date]:
    """The report date of the newest assessment of these recommendations that is not voided, by slug."""
    rows = ProgressUpdate.objects.filter(recommendation__slug__in=slugs, kind=UpdateKind.ASSESSMENT, voided_at__isnull=True)
    return dict(rows.order_by().values_list("recommendation__slug").annotate(Max("reported_on")))


def facts(report: Report | ProgressUpdate) -> tuple[Any, ...]:
    """What makes two assessments the same."""
    return report.reported_on, str(report.status), report.progress_percent, report.narrative, report.assessed_by


def stored_reports(drafts: Sequence[Draft]) -> dict[int, set[tuple[Any, ...]]]:
    """The facts of the assessments of these recommendations that are not voided, by recommendation."""
    found: dict[int, set[tuple[Any, ...]]] = defaultdict(set)
    rows = ProgressUpdate.objects.filter(
        recommendation__in=[draft.record.pk for draft in drafts], kind=UpdateKind.ASSESSMENT, voided_at__isnull=True
    )
    for update in rows:
        found[update.recommendation_id].add(facts(update))
    return found


def current_values(drafts: Sequence[Draft]) -> dict[int, dict[str, Any]]:
    """The values of these recommendations that follow from their assessments."""
    rows = Recommendation.objects.filter(pk__in=[draft.record.pk for draft in drafts])
    return {pk: {"status": status, "closed_on": closed_on} for pk, status, closed_on in rows.values_list("pk", "status", "closed_on")}

"""Data checks of sources, citations and quotes, and of duplicate sources and parties."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Exists, F, Func, OuterRef, Q, TextField, Value
from django.db.models.functions import Length
from django.utils.translation import gettext_lazy as _

from agreements.models import (
    Agreement,
    AgreementRelation,
    Citation,
    Commitment,
    Component,
    EntryIntoForceCondition,
    FactCheck,
    Measurement,
    Party,
    Source,
    TreatyAction,
)
from agreements.models.parties import comparable
from agreements.models.sources import Verdict
from policytracker.quality.engine import CheckContext, Rule, Severity, each, list_in_words, not_in_publication
from policytracker.records.access import Publication

# The notes of a source are remarks or its full text. Notes of this length are taken for the full text.
FULL_TEXT_LENGTH = 300
HOME_PAGE = r"^https?://[^/?#]+/?$"

# ---- facts and their sources

NO_SOURCE = Rule(
    "no_source",
    Severity.INFO,
    _("A fact is recorded without a source."),
    _("Add the source, with a locator."),
    title=_("Fact without a source"),
)
NO_SOURCE.check(
    Agreement,
    lambda rows, context: rows.filter(~Exists(context.rows(Citation).filter(agreement=OuterRef("pk")))),
    each(_("The agreement has no citation.")),
)


NO_SOURCE_RECORDED = each(_("No source is recorded."))


def without_source(rows: Any, context: CheckContext) -> Any:
    return rows.filter(context.lacks(rows.model, "source"))


for sourced in (TreatyAction, EntryIntoForceCondition, Commitment, Measurement):
    NO_SOURCE.check(sourced, without_source, NO_SOURCE_RECORDED)

DRAFT_PARTS = Rule(
    "draft_parts_of_published",
    Severity.WARNING,
    _("A published agreement has draft components, or a published record cites a draft source. Readers cannot see them."),
    _("Complete and publish the components and sources."),
    title=_("Published record with draft parts"),
)


def with_draft_components(rows: Any, context: CheckContext) -> Any:
    drafts = context.rows(Component).filter(publication=Publication.DRAFT, agreement=OuterRef("pk"))
    return rows.filter(Exists(drafts), publication=Publication.PUBLISHED)


def draft_components(rows: Any, context: CheckContext) -> Iterator[tuple[Agreement, str]]:
    titles: dict[int, list[str]] = defaultdict(list)
    drafts = context.rows(Component).filter(publication=Publication.DRAFT, agreement__in=rows)
    for agreement, title in drafts.order_by("slug").values_list("agreement", "title"):
        titles[agreement].append(title)
    for agreement in rows:
        yield agreement, _("Draft components: {titles}.").format(titles=list_in_words(titles[agreement.pk], separator="; "))


DRAFT_PARTS.check(Agreement, with_draft_components, draft_components)


def on_a_draft(rows: Any, context: CheckContext) -> Any:
    published = not_in_publication(Publication.DRAFT, rows.model, passing="source")
    return rows.filter(published, ~context.lacks(rows.model, "source"), source__publication=Publication.DRAFT)


cites_a_draft = each(_("The source {slug} is a draft."), "source", slug=lambda record: record.source.slug)

# ---- sources and citations

Rule(
    "source_without_title",
    Severity.WARNING,
    _("A source has no title."),
    _("Enter the title of the document."),
    title=_("Source without title"),
).check(Source, lambda rows, context: rows.filter(title=""), each(_("The source has no title.")))

Rule(
    "source_address_is_home_page",
    Severity.INFO,
    _("The address of a source is the home page of a site, not the page of the document."),
    _("Enter the address of the page."),
    title=_("Source links to a home page"),
).check(
    Source,
    lambda rows, context: rows.filter(original_url__iregex=HOME_PAGE),
    each(_("{original_url} is the home page of a site.")),
)

Rule(
    "citation_without_quote",
    Severity.INFO,
    _("A citation does not quote its source."),
    _("Add the quote, so that the fact can be checked without opening the source."),
    title=_("Citation without quote"),
).check(Citation, lambda rows, context: rows.filter(quote=""), each(_("The citation has no quote.")))

# ---- quotes

MARKS = dict.fromkeys(map(ord, "\"'“”„‟«»‹›‘’‚‛`´[]*_"), None)
DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−"), "-")
# Without the spaces around it, which normalised() removes: a pattern that begins with them takes quadratic time.
GAP = re.compile(r"…|\.\.\.|\[…\]|\[\.\.\.\]|\(…\)|\(\.\.\.\)")
SHORT_QUOTE = 300  # characters. PostgreSQL searches only shorter quotes: its time grows with quote × text, Python's with their sum


def decomposed(text: str) -> str:
    """The text with each character in its compatibility decomposition (NFKD).

    Character by character, since normalisation sorts the marks on one letter in quadratic time.
    """
    return text if text.isascii() else "".join(unicodedata.normalize("NFKD", character) for character in text)


def normalised(text: str) -> str:
    """The words of a text without quotation marks, and with uniform dashes, spaces and case."""
    words = decomposed(text.translate(DASHES)).replace("\u00ad", "").translate(MARKS).casefold()
    return " ".join(words.split())


def contains_quote(text: str, quote: str) -> bool:
    """Whether a normalised text contains the quote. An ellipsis matches omitted words."""
    at = 0
    for part in map(normalised, GAP.split(quote)):
        words = part.strip(".,;: ")
        at = text.find(words, at)
        if at < 0:
            return False
        at += len(words)
    return True


def misquotes(quotes: Iterable[tuple[Any, int, str]]) -> Iterator[tuple[Any, str]]:
    """The records whose quote is not in the text of the source. `quotes` are records with the id of the source and the quote."""
    quotes = list(quotes)
    notes = Source.objects.filter(pk__in={source for _, source, _ in quotes}).values_list("pk", "slug", "notes")
    texts = {pk: (slug, text, normalised(text)) for pk, slug, text in notes}
    for record, source, quote in quotes:
        slug, verbatim, text = texts[source]
        if quote not in verbatim and not contains_quote(text, quote):
            shortened = quote if len(quote) <= 120 else quote[:119] + "…"
            yield record, _("Not found in the text of {source}: “{quote}”.").format(source=slug, quote=shortened)


def quoting(rows: Any, context: CheckContext) -> Any:
    """Records with a quote from a source with full text, except short quotes that PostgreSQL finds in it verbatim."""
    with_sizes = rows.alias(size=Length("source__notes"), quoted=Length("quote")).exclude(quote="")
    return with_sizes.filter(
        ~context.lacks(rows.model, "source"), Q(quoted__gt=SHORT_QUOTE) | ~Q(source__notes__contains=F("quote")), size__gte=FULL_TEXT_LENGTH
    )


def misquoting(rows: Any, context: CheckContext) -> Iterator[tuple[Any, str]]:
    return misquotes((record, record.source_id, record.quote) for record in rows)


QUOTE_NOT_IN_SOURCE = Rule(
    "quote_not_in_source",
    Severity.WARNING,
    _("The stored full text of a source does not contain the quote."),
    _("Copy the exact words of the source, with … for omissions."),
    title=_("Quote not found in the source text"),
)

for quoted in (Citation, FactCheck, AgreementRelation, TreatyAction, EntryIntoForceCondition, Commitment, Measurement):
    QUOTE_NOT_IN_SOURCE.check(quoted, quoting, misquoting, confirmed_in_python=True)
    DRAFT_PARTS.check(quoted, on_a_draft, cites_a_draft)

# ---- fact checks

Rule(
    "statement_unchecked",
    Severity.INFO,
    _("A fact check has no verdict yet."),
    _("Check the statement, and enter the verdict with its source."),
    title=_("Statement not checked"),
).check(
    FactCheck,
    lambda rows, context: rows.filter(verdict=Verdict.UNCHECKED),
    each(_("Not checked yet: {statement}"), statement=lambda check: check.statement[:200]),
)
Rule(
    "verdict_without_correction",
    Severity.INFO,
    _("A statement is incorrect, imprecise or incomplete, but no correction is recorded."),
    _("Enter the correction and its source."),
    title=_("Verdict without correction"),
).check(
    FactCheck,
    lambda rows, context: rows.filter(correction="", verdict__in=[Verdict.INCORRECT, Verdict.IMPRECISE, Verdict.INCOMPLETE]),
    each(_("The verdict is “{label}”, but no correction is recorded."), label=FactCheck.get_verdict_display),
)

# ---- duplicates

# The address without protocol, `www.` and trailing slash, which do not change its meaning.
COMPARABLE_ADDRESS = Func(
    Func(F("original_url"), Value("/"), function="rtrim"),
    Value(r"^https?://(www\.)?"),
    Value(""),
    Value("i"),
    function="regexp_replace",
    output_field=TextField(),
)


def recorded_before(rows: Any, context: CheckContext) -> Any:
    others = context.rows(Source).exclude(original_url="").alias(address=COMPARABLE_ADDRESS)
    return (
        rows.exclude(original_url="")
        .alias(address=COMPARABLE_ADDRESS)
        .filter(Exists(others.filter(address=OuterRef("address"), pk__lt=OuterRef("pk"))))
    )


def with_same_address(rows: Any, context: CheckContext) -> Iterator[tuple[Source, str]]:
    rows = rows.annotate(address=COMPARABLE_ADDRESS)
    others = context.rows(Source).annotate(address=COMPARABLE_ADDRESS).filter(address__in={source.address for source in rows})
    first: dict[str, str] = {}
    for address, slug in others.order_by("pk").values_list("address", "slug"):
        first.setdefault(address, slug)
    for source in rows:
        yield source, _("{source} has the same address.").format(source=first[source.address])


Rule(
    "duplicate_sources",
    Severity.WARNING,
    _("Two sources have the same original address."),
    _("Keep the better one, change all references to it, and archive the other."),
    title=_("Duplicate sources"),
).check(Source, recorded_before, with_same_address)


def names_of(party: Party) -> set[str]:
    return {comparable(name) for name in [party.name, *party.aliases]} - {""}


def sharing_a_name(rows: Any, context: CheckContext) -> Iterator[tuple[Party, str]]:
    """Each party that shares a name with an earlier one."""
    named: dict[str, list[Party]] = defaultdict(list)
    for party in context.rows(Party).only("code", "name", "aliases").order_by("pk"):
        for name in names_of(party):
            named[name].append(party)
    for party in rows:
        others = {other.code: other for name in names_of(party) for other in named[name] if other.pk < party.pk}
        if others:
            names = ", ".join(f"{other.name} ({code})" for code, other in sorted(others.items()))
            yield party, _("Same name or alias: {parties}.").format(parties=names)


Rule(
    "near_duplicate_parties",
    Severity.WARNING,
    _("Two parties have the same name or alias, ignoring case, accents and punctuation."),
    _("Keep only one of them, or remove the alias from one. Imports match parties by these names."),
    title=_("Similar party names"),
).check(Party, lambda rows, context: rows, sharing_a_name, confirmed_in_python=True)

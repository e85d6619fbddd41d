"""Whether facts carry their sources, whether sources say what is quoted, and whether anything stands here twice."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Exists, F, Func, OuterRef, Q, TextField, Value
from django.db.models.functions import Length

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
from policytracker.quality.engine import CheckContext, Rule, Severity, each, not_in_publication
from policytracker.records.access import Publication

# Notes are remarks, or the whole text. A remark is short; the text of a document is not.
WHOLE_TEXT = 300
HOME_PAGE = r"^https?://[^/?#]+/?$"

# ---- facts and their sources

NO_SOURCE = Rule(
    "no_source",
    Severity.INFO,
    "A fact is recorded, and no source that says it.",
    "Cite the source, with the place in it.",
)
NO_SOURCE.check(
    Agreement,
    lambda rows, context: rows.filter(~Exists(context.rows(Citation).filter(agreement=OuterRef("pk")))),
    each(lambda agreement: "No source is cited for the agreement itself."),
)


def without_source(rows: Any, context: CheckContext) -> Any:
    return rows.filter(context.lacks(rows.model, "source"))


for sourced in (TreatyAction, EntryIntoForceCondition, Commitment, Measurement):
    NO_SOURCE.check(sourced, without_source, each(lambda record: "No source is named for it."))

DRAFT_PARTS = Rule(
    "draft_parts_of_published",
    Severity.WARNING,
    "A published agreement has draft components, or a published record cites a draft source; readers do not see them.",
    "Complete the components and sources, and publish them.",
)


def with_draft_components(rows: Any, context: CheckContext) -> Any:
    drafts = context.rows(Component).filter(publication=Publication.DRAFT, agreement=OuterRef("pk"))
    return rows.filter(Exists(drafts), publication=Publication.PUBLISHED)


def draft_components(rows: Any, context: CheckContext) -> Iterator[tuple[Agreement, str]]:
    found: dict[int, list[str]] = defaultdict(list)
    drafts = context.rows(Component).filter(publication=Publication.DRAFT, agreement__in=rows)
    for agreement, title in drafts.order_by("slug").values_list("agreement", "title"):
        found[agreement].append(title)
    for agreement in rows:
        titles = found[agreement.pk]
        more = f"; and {len(titles) - 3} more" if len(titles) > 3 else ""
        yield agreement, f"Draft components: {'; '.join(titles[:3])}{more}."


DRAFT_PARTS.check(Agreement, with_draft_components, draft_components)


def on_a_draft(rows: Any, context: CheckContext) -> Any:
    published = not_in_publication(Publication.DRAFT, rows.model, passing="source")
    return rows.filter(published, ~context.lacks(rows.model, "source"), source__publication=Publication.DRAFT)


cites_a_draft = each(lambda record: f"Its source {record.source.slug} is a draft.", "source")

# ---- what a source says about itself

Rule(
    "source_without_title",
    Severity.WARNING,
    "A source has no title.",
    "Enter the title that the document gives itself.",
).check(Source, lambda rows, context: rows.filter(title=""), each(lambda source: "It has no title."))

Rule(
    "source_address_is_home_page",
    Severity.INFO,
    "The address of a source is the home page of a site, and not the page that says it.",
    "Enter the address of the page itself.",
).check(
    Source,
    lambda rows, context: rows.filter(original_url__iregex=HOME_PAGE),
    each(lambda source: f"{source.original_url} is the home page of a site."),
)

Rule(
    "citation_without_quote",
    Severity.INFO,
    "A citation does not quote the words of its source.",
    "Add the words of the source, so that the fact can be checked without it.",
).check(Citation, lambda rows, context: rows.filter(quote=""), each(lambda citation: "It has no quote."))

# ---- quotes

MARKS = dict.fromkeys(map(ord, "\"'“”„‟«»‹›‘’‚‛`´[]*_"), None)
DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−"), "-")
# No blanks around it: a pattern that begins with any number of them takes the square of their number. plain() removes them.
GAP = re.compile(r"…|\.\.\.|\[…\]|\[\.\.\.\]|\(…\)|\(\.\.\.\)")
SHORT_QUOTE = 300  # characters that PostgreSQL looks up; its time grows with quote times text, Python's with their sum


def decomposed(text: str) -> str:
    """The text with each character in its compatibility decomposition (NFKD).

    Character by character, since Unicode would sort the marks on one letter, in the square of their number.
    """
    return text if text.isascii() else "".join(unicodedata.normalize("NFKD", character) for character in text)


def plain(text: str) -> str:
    """The words of a text without what typesetters add: marks of quotation, kinds of dashes and blanks, capitals."""
    words = decomposed(text.translate(DASHES)).replace("\u00ad", "").translate(MARKS).casefold()
    return " ".join(words.split())


def says(text: str, quote: str) -> bool:
    """Whether a text, plain already, says what is quoted. An ellipsis stands for words that were left out."""
    at = 0
    for part in map(plain, GAP.split(quote)):
        words = part.strip(".,;: ")
        at = text.find(words, at)
        if at < 0:
            return False
        at += len(words)
    return True


def unspoken(quotes: Iterable[tuple[Any, int, str]]) -> Iterator[tuple[Any, str]]:
    """Of records with the source and the words that they quote, those whose source does not say so."""
    quotes = list(quotes)
    notes = Source.objects.filter(pk__in={source for _, source, _ in quotes}).values_list("pk", "slug", "notes")
    known = {pk: (slug, text, plain(text)) for pk, slug, text in notes}
    for record, source, quote in quotes:
        slug, verbatim, text = known[source]
        if quote not in verbatim and not says(text, quote):
            yield record, f"The text of {slug} does not say “{quote if len(quote) <= 120 else quote[:119] + '…'}”."


def quoting(rows: Any, context: CheckContext) -> Any:
    """Those whose source has its whole text here, without short quotes that stand in it to the letter."""
    whole = rows.alias(size=Length("source__notes"), quoted=Length("quote")).exclude(quote="")
    return whole.filter(
        ~context.lacks(rows.model, "source"), Q(quoted__gt=SHORT_QUOTE) | ~Q(source__notes__contains=F("quote")), size__gte=WHOLE_TEXT
    )


def misquoting(rows: Any, context: CheckContext) -> Iterator[tuple[Any, str]]:
    return unspoken((record, record.source_id, record.quote) for record in rows)


QUOTE_NOT_IN_SOURCE = Rule(
    "quote_not_in_source",
    Severity.WARNING,
    "The whole text of a source is here, and the quote does not stand in it.",
    "Put the quote in the source's own words, with … where some are left out.",
)

for quoted in (Citation, FactCheck, AgreementRelation, TreatyAction, EntryIntoForceCondition, Commitment, Measurement):
    QUOTE_NOT_IN_SOURCE.check(quoted, quoting, misquoting, confirmed_in_python=True)
    DRAFT_PARTS.check(quoted, on_a_draft, cites_a_draft)

# ---- what sources got wrong

Rule(
    "statement_unchecked",
    Severity.INFO,
    "A statement of a source is to be checked, and has no verdict yet.",
    "Find out what is right, and give the verdict with its source.",
).check(
    FactCheck,
    lambda rows, context: rows.filter(verdict=Verdict.UNCHECKED),
    each(lambda check: f"Nobody has checked yet: {check.statement[:200]}"),
)
Rule(
    "verdict_without_correction",
    Severity.INFO,
    "A statement is found wrong or incomplete, and what is right is not said.",
    "Write the correction, and name the source that says it.",
).check(
    FactCheck,
    lambda rows, context: rows.filter(correction="", verdict__in=[Verdict.INCORRECT, Verdict.IMPRECISE, Verdict.INCOMPLETE]),
    each(lambda check: f"The verdict is “{check.get_verdict_display()}”, and what is right is not said."),
)

# ---- twice

# An address without what does not lead elsewhere: the protocol, `www.`, a last slash.
PLACE = Func(
    Func(F("original_url"), Value("/"), function="rtrim"),
    Value(r"^https?://(www\.)?"),
    Value(""),
    Value("i"),
    function="regexp_replace",
    output_field=TextField(),
)


def recorded_before(rows: Any, context: CheckContext) -> Any:
    others = context.rows(Source).exclude(original_url="").alias(place=PLACE)
    return rows.exclude(original_url="").alias(place=PLACE).filter(Exists(others.filter(place=OuterRef("place"), pk__lt=OuterRef("pk"))))


def twins(rows: Any, context: CheckContext) -> Iterator[tuple[Source, str]]:
    rows = rows.annotate(place=PLACE)
    others = context.rows(Source).annotate(place=PLACE).filter(place__in={source.place for source in rows})
    first: dict[str, str] = {}
    for place, slug in others.order_by("pk").values_list("place", "slug"):
        first.setdefault(place, slug)
    for source in rows:
        yield source, f"{first[source.place]} has the same address."


Rule(
    "duplicate_sources",
    Severity.WARNING,
    "Two sources have the same original address.",
    "Keep the better one, let everything cite it, and put the other into the archive.",
).check(Source, recorded_before, twins)


def names_of(party: Party) -> set[str]:
    return {comparable(name) for name in [party.name, *party.aliases]} - {""}


def alike(rows: Any, context: CheckContext) -> Iterator[tuple[Party, str]]:
    """Each party that shares a name with one recorded before it."""
    named: dict[str, list[Party]] = defaultdict(list)
    for party in context.rows(Party).only("code", "name", "aliases").order_by("pk"):
        for name in names_of(party):
            named[name].append(party)
    for party in rows:
        twins = {twin.code: twin for name in names_of(party) for twin in named[name] if twin.pk < party.pk}
        if twins:
            yield party, f"{', '.join(f'{twin.name} ({code})' for code, twin in sorted(twins.items()))} has the same name or alias."


Rule(
    "near_duplicate_parties",
    Severity.WARNING,
    "Two parties have the same name or alias, but for capitals, accents and signs.",
    "Keep one of them, or take the alias from one: imports match parties by these names.",
).check(Party, lambda rows, context: rows, alike, confirmed_in_python=True)

"""Quotes in the text of a source: whether the text contains them, and where."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

MARKS = dict.fromkeys(map(ord, "\"'“”„‟«»‹›‘’‚‛`´[]*_"), None)
DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−"), "-")
HYPHEN = re.compile(r"(?<=\w)-\s*")  # within a word: at the end of a line, a text does not say whether it belongs to the word
# Without the spaces around it, which normalised() removes: a pattern that begins with them takes quadratic time.
GAP = re.compile(r"…|\.\.\.|\[…\]|\[\.\.\.\]|\(…\)|\(\.\.\.\)")
PAGE_BREAK = "\f"


def decomposed(text: str) -> str:
    """The text with each character in its compatibility decomposition (NFKD).

    Character by character, since normalisation sorts the marks on one letter in quadratic time.
    """
    return text if text.isascii() else "".join(unicodedata.normalize("NFKD", character) for character in text)


def normalised(text: str) -> str:
    """The words of a text without quotation marks and hyphens, and with uniform dashes, spaces and case."""
    words = decomposed(text.translate(DASHES)).replace("\u00ad", "").translate(MARKS).casefold()
    return " ".join(HYPHEN.sub("", words).split())


def position(text: str, quote: str) -> int:
    """Where a normalised text begins to say what the quote says; -1 if it does not. An ellipsis stands for omitted words."""
    first, at = -1, 0
    for part in map(normalised, GAP.split(quote)):
        words = part.strip(".,;: ")
        at = text.find(words, at)
        if at < 0:
            return -1
        if first < 0 and words:
            first = at
        at += len(words)
    return max(first, 0)


def contains_quote(text: str, quote: str) -> bool:
    """Whether a normalised text contains the quote."""
    return position(text, quote) >= 0


@dataclass(frozen=True)
class Passage:
    """A paragraph or page of a text, and how people name its place."""

    place: str
    text: str


def passages(text: str) -> Iterator[Passage]:
    """The pages of a text with page breaks, otherwise its paragraphs: between empty lines, or each line of a text without empty lines."""
    if PAGE_BREAK in text:
        parts, name = text.split(PAGE_BREAK), _("page %(number)s")
    else:
        blocks = re.split(r"\n[^\S\n]*\n", text.strip())
        parts = [part for part in (blocks if len(blocks) > 1 else text.split("\n")) if part.strip()]
        name = _("paragraph %(number)s")
    for number, part in enumerate(parts, 1):
        if part.strip():
            yield Passage(name % {"number": number}, part.strip("\n"))


class QuotedText:
    """A text in which quotes are looked for."""

    def __init__(self, text: str):
        self.places: list[str] = []
        self.starts: list[int] = []  # of the passages, in the normalised text
        words, length = [], 0
        for passage in passages(text):
            self.places.append(passage.place)
            self.starts.append(length)
            # A word that is divided at the end of a page goes on after it.
            part = normalised(f"{passage.text}\n.")[:-1]
            words.append(part)
            length += len(part)
        self.text = "".join(words)

    def place_of(self, quote: str) -> str | None:
        """The place at which the quote begins. None if the text does not contain it."""
        at = position(self.text, quote)
        return None if at < 0 or not self.places else self.places[max(bisect_right(self.starts, at) - 1, 0)]

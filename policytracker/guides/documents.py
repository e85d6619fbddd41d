"""The documents of the folder `docs`, the words of the glossary, and searching both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.core.checks import Error, register
from django.urls import reverse

from policytracker.guides.rendering import Addresses, Rendered, Section, render

FOLDER = settings.BASE_DIR / "docs"
INDEX = "README"  # the document that lists the guides by reader
IMAGES = {".png": "image/png", ".svg": "image/svg+xml"}
EXCERPT = 90  # characters on each side of a found word
SHOWN = 30  # hits
MISSING = "The folder docs is missing. It holds the guides that the pages of Help show. Install it beside the program."


@dataclass(frozen=True)
class Hit:
    """A section that a search found, with the text around the first word that was found."""

    document: str
    title: str
    section: Section
    excerpt: str


@register()
def check_guides(app_configs, **kwargs):
    """A system check: without the folder, Help would have nothing to show."""
    return [] if (FOLDER / f"{INDEX}.md").is_file() else [Error(MISSING, id="policytracker.E010")]


def names() -> list[str]:
    """The names of all documents: their paths in the folder without `.md`."""
    return sorted(path.relative_to(FOLDER).as_posix().removesuffix(".md") for path in FOLDER.rglob("*.md"))


def file_of(name: str, types: tuple[str, ...]) -> Path | None:
    """The file at this path of the folder if it has one of these types; None for any other path, such as one that leaves the folder."""
    path = Path(FOLDER.resolve() / name)
    return path if path.resolve() == path and path.is_relative_to(FOLDER.resolve()) and path.suffix in types and path.is_file() else None


def document_url(path: str) -> str:
    """The URL of a document by its path in the folder, with `.md`; "" if it is not served."""
    if not file_of(path, (".md",)):
        return ""
    name = path.removesuffix(".md")
    return reverse("help") if name == INDEX else reverse("guide", args=[name])


def image_url(path: str) -> str:
    """The URL of an image by its path in the folder."""
    return reverse("guide_image", args=[path.removeprefix("images/")])


def title_of(path: str) -> str:
    """The title of a document by its path in the folder: its first heading."""
    return next((line[2:] for line in (FOLDER / path).read_text().splitlines() if line.startswith("# ")), path)


ADDRESSES = Addresses(document_url, image_url, title_of)


def guide(name: str) -> Rendered | None:
    """The document with this name, rendered; None if there is none."""
    path = file_of(f"{name}.md", (".md",))
    return _rendered(name, path.stat().st_mtime_ns) if path else None


@lru_cache(maxsize=100)
def _rendered(name: str, changed_at: int) -> Rendered:
    """The document as it was at this time, which is part of the key of the cache."""
    terms = {} if name == "glossary" else glossary()
    return render((FOLDER / f"{name}.md").read_text(), f"{name}.md", ADDRESSES, terms)


@lru_cache(maxsize=1)
def glossary() -> dict[str, str]:
    """The words of the glossary and their meanings, without markup."""
    path = file_of("glossary.md", (".md",))
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", path.read_text(), re.M) if path else []
    terms = ((re.sub(r" \(.*?\)", "", name), meaning) for names, meaning in rows[1:] for name in names.split(", "))
    return {name: re.sub(r"[`*]|\[(.+?)\]\(.+?\)", r"\1", meaning) for name, meaning in terms}


def index() -> list[Rendered]:
    """The parts of the index: each names the guides of one kind of reader, which is its title."""
    path = file_of(f"{INDEX}.md", (".md",))
    parts = re.split(r"^(?=## )", path.read_text(), flags=re.M)[1:] if path else []
    return [render(part, f"{INDEX}.md", ADDRESSES, {}) for part in parts]


def search(text: str) -> Iterator[Hit]:
    """The sections that have all words of a text, those with the words in the heading first."""
    words = [word.casefold() for word in text.split()]
    if not words:
        return
    found = []
    for place, name in enumerate(names()):
        document = guide(name) or Rendered()
        for section in document.sections:
            title, body = section.title.casefold(), section.text.casefold()
            if all(word in title or word in body for word in words):
                in_title = sum(word in title for word in words)
                found.append((-in_title, "/" in name, place, Hit(name, document.title, section, excerpt(section.text, words))))
    yield from (hit for *_order, hit in sorted(found, key=lambda entry: entry[:3])[:SHOWN])


def excerpt(text: str, words: list[str]) -> str:
    """The text around the first of these words."""
    folded = text.casefold()
    start = min((place for word in words if (place := folded.find(word)) >= 0), default=0)
    left, right = max(0, start - EXCERPT), start + EXCERPT
    return f"{'…' if left else ''}{text[left:right].strip()}{'…' if right < len(text) else ''}"


def section_of_records(address: str) -> str:
    """The anchor of the heading that ends with the address of a record type in backticks; "" without one."""
    document = guide("records")
    pattern = re.compile(rf"\({re.escape(address)}\)$")
    return next((section.anchor for section in document.sections if pattern.search(section.title)), "") if document else ""

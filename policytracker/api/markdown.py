"""Texts of people inside a text of ours: whatever they contain, in Markdown it is words and no markup, and nowhere HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

MEDIA_TYPE = "text/markdown; charset=utf-8"
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# What makes markup anywhere, what makes a block at the beginning of a line, and what makes a link of an address.
MARKUP = re.compile(r"[\\`*_\[\]{}|~#^$!]")
BLOCK = re.compile(r"^([-+=:]|\d+(?=[.)]))")
ADDRESS = re.compile(r"(?<=[A-Za-z]):(?=//)|(?<=www)\.", re.IGNORECASE)
LINKED = re.compile(r"(https?|ftps?)://", re.IGNORECASE)


def escaped(text: str) -> str:
    """The text on one line, to be read as it was written."""
    told = MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
    told = ADDRESS.sub(r"\\\g<0>", "".join(ENTITIES.get(character, character) for character in told))
    if begins := BLOCK.match(told):
        mark = begins.group()
        told = f"{mark}\\{told[len(mark) :]}" if mark.isdigit() else f"\\{told}"
    return told


def paragraphs(text: str) -> list[str]:
    """The text with its empty lines, and nothing else, as they were."""
    return [escaped(part) for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]


def link(address: str) -> str:
    """An address that can be followed, and is seen; what is none is told as a text."""
    if not LINKED.match(address):
        return escaped(address)
    return f"<{quote(address, safe=':/?#@!$&*+,;=%~-._')}>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of cells that are Markdown already, as one block."""
    lines = [head, ["---"] * len(head), *rows]
    return ["\n".join(f"| {' | '.join(cell or ' ' for cell in line)} |" for line in lines)]


def document(blocks: Iterable[str]) -> str:
    return "\n\n".join(blocks) + "\n"

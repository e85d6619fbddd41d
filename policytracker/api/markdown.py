"""Markdown output: user-entered text is escaped, so that it contains neither Markdown markup nor HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

MEDIA_TYPE = "text/markdown; charset=utf-8"
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# Inline markup; block markup at the start of a line; characters that make a URL an automatic link.
MARKUP = re.compile(r"[\\`*_\[\]{}|~#^$!]")
BLOCK = re.compile(r"^([-+=:]|\d+(?=[.)]))")
AUTOLINK = re.compile(r"(?<=[A-Za-z]):(?=//)|(?<=www)\.", re.IGNORECASE)
WEB_URL = re.compile(r"(https?|ftps?)://", re.IGNORECASE)


def escaped(text: str) -> str:
    """The text on one line, with all markup escaped."""
    line = MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
    line = AUTOLINK.sub(r"\\\g<0>", "".join(ENTITIES.get(character, character) for character in line))
    if match := BLOCK.match(line):
        mark = match.group()
        line = f"{mark}\\{line[len(mark) :]}" if mark.isdigit() else f"\\{line}"
    return line


def paragraphs(text: str) -> list[str]:
    """The escaped paragraphs of the text, which are separated by empty lines."""
    return [escaped(part) for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]


def link(url: str) -> str:
    """A visible link. Anything but an http, https or ftp URL becomes escaped text."""
    if not WEB_URL.match(url):
        return escaped(url)
    return f"<{quote(url, safe=':/?#@!$&*+,;=%~-._')}>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table as one block. The cells must be Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return ["\n".join(f"| {' | '.join(cell or ' ' for cell in line)} |" for line in lines)]


def document(blocks: Iterable[str]) -> str:
    return "\n\n".join(blocks) + "\n"

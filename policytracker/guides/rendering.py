"""Markdown as HTML: headings and rows with anchors, links between guides, and the words of the glossary with their meaning.

markdown-it-py renders it. HTML in a document is shown as text.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from django.utils.html import escape
from markdown_it import MarkdownIt
from markdown_it.token import Token

PARSER = MarkdownIt("commonmark", {"html": False}).enable("table")
ROW_NAMES = 2  # the cells of a row, from the first, in which a code names the row
BEGINS_VERB = "To "  # the meaning of a verb; a verb is too common a word to be marked
SHORTEST_TERM = 4  # letters; "on" would be marked everywhere


@dataclass(frozen=True)
class Section:
    """A part of a document from one heading to the next: its anchor, heading and level, and its text without markup."""

    anchor: str
    title: str
    level: int
    text: str


@dataclass
class Rendered:
    """A document as HTML without its first heading, which is the title."""

    title: str = ""
    html: str = ""
    sections: list[Section] = field(default_factory=list)


@dataclass(frozen=True)
class Addresses:
    """Where the files of the folder are served: functions from the path of a file to its URL, "" if it is not served; and its title."""

    document: Callable[[str], str]
    image: Callable[[str], str]
    title: Callable[[str], str]


def anchor_of(heading: str) -> str:
    """The anchor of a heading, as GitHub generates it."""
    return re.sub(r"[^-\w ]", "", heading.lower()).replace(" ", "-")


def plain(tokens: Sequence[Token]) -> str:
    """The text of tokens without markup."""
    return " ".join(
        "".join(" " if child.type.endswith("break") else child.content for child in token.children or [token])
        for token in tokens
        if token.content
    )


def render(text: str, path: str, addresses: Addresses, terms: Mapping[str, str]) -> Rendered:
    """The document at this path of the folder. `terms` are the words of the glossary with their meanings."""
    tokens = PARSER.parse(text)
    document = Rendered()
    add_anchors(tokens)
    for inline in (token for token in tokens if token.type == "inline"):
        inline.children = linked(inline.children or [], path, addresses)
    mark_terms(tokens, {term: meaning for term, meaning in terms.items() if is_marked(term, meaning)}, addresses)
    document.sections = sections(tokens)
    document.title = document.sections[0].title if document.sections else path
    body = tokens[3:] if tokens and tokens[0].type == "heading_open" else tokens
    document.html = PARSER.renderer.render(framed(body), PARSER.options, {})
    return document


def add_anchors(tokens: Sequence[Token]) -> None:
    """Give each heading an anchor, and each row of a table: its code if a code names it, otherwise the text of its first cell."""
    used: set[str] = set()

    def add(token: Token, anchor: str) -> None:
        if anchor and anchor not in used:
            used.add(anchor)
            token.attrSet("id", anchor)

    for heading, text in pairwise(tokens):
        if heading.type == "heading_open":
            add(heading, anchor_of(text.content))
    for number, token in enumerate(tokens):
        if token.type == "tr_open":
            end = next(place for place in range(number, len(tokens)) if tokens[place].type == "tr_close")
            cells = [cell for cell in tokens[number:end] if cell.type == "inline"][:ROW_NAMES]
            codes = [child.content for cell in cells for child in cell.children or [] if child.type == "code_inline"]
            tokens[number + 1].meta["names_row"] = True
            if tokens[number + 1].type == "td_open" and cells:
                add(token, codes[0] if codes else anchor_of(cells[0].content))


def linked(children: Sequence[Token], path: str, addresses: Addresses) -> list[Token]:
    """The tokens of a paragraph with links and images as they are served. A link to a file that is not served is its text alone."""
    found: list[Token] = []
    dropped = False
    for number, token in enumerate(children):
        if token.type == "link_open":
            target = str(token.attrGet("href") or "")
            address = served(target, path, addresses)
            dropped = not address
            token.attrSet("href", address)
            if address and children[number + 1].content == target:  # a link that shows the name of the file shows its title here
                children[number + 1].content = addresses.title(within(target, path))
        elif token.type == "image":
            token.attrSet("src", addresses.image(within(str(token.attrGet("src") or ""), path)))
            token.attrSet("loading", "lazy")
        if dropped and token.type in ("link_open", "link_close"):
            dropped = token.type == "link_open"
            continue
        found.append(token)
    return found


def within(target: str, path: str) -> str:
    """The path in the folder of a file that a document names relative to itself."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def served(target: str, path: str, addresses: Addresses) -> str:
    """The URL of the target of a link; "" if it is not served."""
    if re.match(r"[a-z]+:|#", target):
        return target
    file, _, anchor = target.partition("#")
    address = addresses.document(within(file, path))
    return f"{address}#{anchor}" if address and anchor else address


def is_marked(term: str, meaning: str) -> bool:
    """Whether a word of the glossary is marked in texts."""
    return len(term) >= SHORTEST_TERM and not meaning.startswith(BEGINS_VERB)


def mark_terms(tokens: Sequence[Token], terms: Mapping[str, str], addresses: Addresses) -> None:
    """Show the meaning of a word of the glossary where a document has it first, outside of headings, names of rows, links and code.

    Not in bold text either, which names parts of pages.
    """
    glossary = addresses.document("glossary.md")
    left = dict(terms)
    for before, token in pairwise(tokens):
        if token.type != "inline" or before.type in ("heading_open", "th_open") or before.meta.get("names_row"):
            continue
        depth = 0
        for number, child in enumerate(token.children or []):
            depth += {"link_open": 1, "link_close": -1, "strong_open": 1, "strong_close": -1}.get(child.type, 0)
            if child.type == "text" and not depth and (html := marked(child.content, left, glossary)):
                token.children[number] = Token("html_inline", "", 0, content=html)  # type: ignore[index]


def marked(text: str, left: dict[str, str], glossary: str) -> str:
    """The text as HTML with the first word of the glossary in it marked, which is taken from `left`; "" without one."""
    if not left:
        return ""
    pattern = "|".join(re.escape(term) for term in sorted(left, key=len, reverse=True))
    match = re.search(rf"\b({pattern})\b", text, re.IGNORECASE)
    if not match:
        return ""
    term = match[1].lower()
    return f"{escape(text[: match.start()])}{term_html(term, left.pop(term), glossary, match[1])}{escape(text[match.end() :])}"


def term_html(term: str, meaning: str, glossary: str, shown: str = "") -> str:
    """A word with its meaning, which appears on hover and focus. It is a link to the glossary."""
    anchor = anchor_of(term)
    return (
        f'<span class="pt-term"><a href="{escape(glossary)}#{anchor}" aria-describedby="meaning-{anchor}">{escape(shown or term)}</a>'
        f'<span role="tooltip" id="meaning-{anchor}">{escape(meaning)}</span></span>'
    )


def sections(tokens: Sequence[Token]) -> list[Section]:
    """The parts of a document by its headings, in order."""
    found: list[Section] = []
    starts = [number for number, token in enumerate(tokens) if token.type == "heading_open"]
    for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True):
        heading = tokens[start]
        title = plain(tokens[start + 1 : start + 2])
        text = plain(tokens[start + 3 : end])
        found.append(Section(str(heading.attrGet("id") or ""), title, int(heading.tag[1]), " ".join(text.split())))
    return found


def framed(tokens: Sequence[Token]) -> list[Token]:
    """The tokens with a frame around each table, in which a wide one scrolls, also by keyboard."""
    found: list[Token] = []
    for token in tokens:
        if token.type == "table_open":
            token.attrSet("class", "pt-table")
            found.append(Token("html_block", "", 0, content='<div class="pt-wide-table" tabindex="0">'))
        found.append(token)
        if token.type == "table_close":
            found.append(Token("html_block", "", 0, content="</div>\n"))
    return found

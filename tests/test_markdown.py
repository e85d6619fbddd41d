"""Texts of people in Markdown: whoever renders it reads what was written, and no more."""

import html

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from policytracker.api.markdown import document, escaped, link, paragraphs, table

# A reader that lets HTML through, so that what would be HTML shows.
READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
ANYTHING = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
MARKUP = st.text(st.sampled_from("\\`*_{}[]()#+-.!|~^$:=@<>&;1a \n\t/w"), max_size=30)


def read(markdown: str) -> str:
    return READER.render(markdown)


def as_words(text: str) -> str:
    return html.escape(" ".join(text.split()), quote=True).replace("&#x27;", "'")


@given(ANYTHING | MARKUP)
@example("<script>alert(1)</script>")
@example("**bold** _emphasis_ `code` ~~gone~~ ![x](http://x/y.png) [a](javascript:1)")
@example("- a list")
@example("1. a list")
@example("12) a list")
@example("# a heading")
@example("=== \n---")
@example("&lt;b&gt; &amp; &#60;")
@example("[ref]: http://x")
@example("> quoted")
@example("\\*not bold\\*")
@example("a | b\n--- | ---\n1 | 2")
@example("    code")
@example("+")
def test_a_text_is_read_as_it_was_written(text):
    told = read(escaped(text))

    assert told == (f"<p>{as_words(text)}</p>\n" if text.split() else "")


@given(ANYTHING | MARKUP)
@example("a | b")
@example("\\|")
@example("\\")
def test_in_a_cell_too(text):
    told = read("\n\n".join(table(["Head", "Other"], [[escaped(text), "x"]])))

    words = as_words(text)
    assert told.count("<td>") == 2 and told.count("<tr>") == 2
    assert f"<td>{words}</td>" in told


@given(ANYTHING | MARKUP)
def test_and_in_a_heading(text):
    told = read(f"### {escaped(text)}")

    assert told == f"<h3>{as_words(text)}</h3>\n"


def test_paragraphs_stay_apart():
    assert paragraphs(" One\nline.\n\n \n- Two\r\n\r\n") == ["One line.", "\\- Two"]
    assert paragraphs(" \n ") == []
    assert document(["# A", "b"]) == "# A\n\nb\n"


def test_an_address_in_a_text_becomes_no_link():
    told = escaped("see https://example.org, HTTP://example.org and WWW.example.org").lower()

    assert not any(begins in told for begins in ("https://", "http://", "www."))


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("https://example.org/a_b?x=1&y=2#z", "https://example.org/a_b?x=1&amp;y=2#z"),
        ("https://example.org/a(b)|c", "https://example.org/a%28b%29%7Cc"),
        ("https://example.org/<script>", "https://example.org/%3Cscript%3E"),
        ("https://example.org/é b", "https://example.org/%C3%A9%20b"),
        ("https://example.org/a%20b", "https://example.org/a%20b"),
    ],
)
def test_an_address_is_a_link_that_is_seen(address, target):
    assert f'<p><a href="{target}">' in read(link(address))
    assert read("\n\n".join(table(["At"], [[link(address)]]))).count("<td><a ") == 1


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "no address", ""])
def test_what_is_no_address_is_no_link(address):
    assert "<a" not in read(link(address))

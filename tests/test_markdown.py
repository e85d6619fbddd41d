"""User texts in Markdown: rendered, they show exactly the original text."""

import html

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from policytracker.api.markdown import document, escaped, link, paragraphs, table

# A renderer that accepts HTML, so that unescaped HTML is detected.
RENDERER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
MARKUP = st.text(st.sampled_from("\\`*_{}[]()#+-.!|~^$:=@<>&;1a \n\t/w"), max_size=30)


def rendered(markdown: str) -> str:
    return RENDERER.render(markdown)


def plain_html(text: str) -> str:
    return html.escape(" ".join(text.split()), quote=True).replace("&#x27;", "'")


@given(ANY_TEXT | MARKUP)
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
def test_a_paragraph_shows_the_original_text(text):
    output = rendered(escaped(text))

    assert output == (f"<p>{plain_html(text)}</p>\n" if text.split() else "")


@given(ANY_TEXT | MARKUP)
@example("a | b")
@example("\\|")
@example("\\")
def test_a_table_cell_shows_the_original_text(text):
    output = rendered("\n\n".join(table(["Head", "Other"], [[escaped(text), "x"]])))

    assert output.count("<td>") == 2 and output.count("<tr>") == 2
    assert f"<td>{plain_html(text)}</td>" in output


@given(ANY_TEXT | MARKUP)
def test_a_heading_shows_the_original_text(text):
    output = rendered(f"### {escaped(text)}")

    assert output == f"<h3>{plain_html(text)}</h3>\n"


def test_paragraphs_are_preserved():
    assert paragraphs(" One\nline.\n\n \n- Two\r\n\r\n") == ["One line.", "\\- Two"]
    assert paragraphs(" \n ") == []
    assert document(["# A", "b"]) == "# A\n\nb\n"


def test_a_url_in_a_text_does_not_become_a_link():
    output = escaped("see https://example.org, HTTP://example.org and WWW.example.org").lower()

    assert not any(prefix in output for prefix in ("https://", "http://", "www."))


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.org/a_b?x=1&y=2#z", "https://example.org/a_b?x=1&amp;y=2#z"),
        ("https://example.org/a(b)|c", "https://example.org/a%28b%29%7Cc"),
        ("https://example.org/<script>", "https://example.org/%3Cscript%3E"),
        ("https://example.org/é b", "https://example.org/%C3%A9%20b"),
        ("https://example.org/a%20b", "https://example.org/a%20b"),
    ],
)
def test_a_url_is_rendered_as_a_link(url, target):
    assert f'<p><a href="{target}">' in rendered(link(url))
    assert rendered("\n\n".join(table(["At"], [[link(url)]]))).count("<td><a ") == 1


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "not a url", ""])
def test_a_value_that_is_not_a_web_url_is_not_a_link(url):
    assert "<a" not in rendered(link(url))

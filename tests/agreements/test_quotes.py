"""Finding quotes in the text of a source, and their places."""

import pytest

from agreements.quotes import QuotedText, passages

TREATY = """Article 1
The Parties shall reduce emis-
sions of large ships.

Article 2
Each Party agrees to a long-
term plan by 2030."""


@pytest.mark.parametrize(
    ("quote", "place"),
    [
        ("The Parties shall reduce", "paragraph 1"),
        ("the parties  shall\nreduce", "paragraph 1"),
        ("reduce emissions of large ships", "paragraph 1"),
        ("reduce emis-sions of", "paragraph 1"),
        ("a long-term plan by 2030", "paragraph 2"),
        ("Each Party agrees … by 2030", "paragraph 2"),
        ("large ships. Article 2", "paragraph 1"),
        ("“Each Party agrees”", "paragraph 2"),
    ],
)
def test_white_space_line_breaks_and_hyphens_at_line_ends_may_differ(quote, place):
    assert QuotedText(TREATY).place_of(quote) == place


@pytest.mark.parametrize("quote", ["The Parties may reduce", "by 2031", "by 2030 … Each Party", "ships of large"])
def test_other_words_are_not_in_the_text(quote):
    assert QuotedText(TREATY).place_of(quote) is None


def test_a_minus_sign_is_not_a_hyphen():
    assert QuotedText("Growth was -5 per cent.").place_of("Growth was 5 per cent") is None


def test_a_text_with_page_breaks_has_pages_and_a_divided_word_goes_on():
    text = QuotedText("Title\f\fThe obli-\fgation ends.")

    assert text.place_of("Title") == "page 1"
    assert text.place_of("The obligation ends") == "page 3"
    assert text.place_of("gation ends") == "page 4"


def test_each_line_of_a_text_without_empty_lines_is_a_paragraph():
    assert [passage.place for passage in passages("One\nTwo\n  \n")] == ["paragraph 1", "paragraph 2"]
    assert list(passages(" \n\n ")) == []

"""Reading the text of a document: PDF and text files, and what is refused."""

import io
import zlib

import pytest
from pypdf import PdfWriter

from policytracker.importing import documents
from policytracker.importing.tables import TableError, TooLarge
from tests.pdf import PAGE, pdf


def test_the_pages_of_a_pdf_file_are_separated_by_page_breaks():
    text = documents.text_of("treaty.PDF", pdf(PAGE % b"First page", PAGE % b"Second page"))

    assert text.split("\f") == ["First page", "Second page"]


def test_a_text_file_is_read_in_its_encoding():
    assert documents.text_of("treaty.txt", "Übereinkommen\r\nArtikel 1".encode("windows-1252")) == "Übereinkommen\r\nArtikel 1"


def encrypted() -> bytes:
    writer = PdfWriter(clone_from=io.BytesIO(pdf(PAGE % b"Secret")))
    writer.encrypt("a password", algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("scan.pdf", pdf(b"0 0 m 9 9 l S"), "no text"),
        ("locked.pdf", encrypted(), "encrypted"),
        ("broken.pdf", pdf(PAGE % b"Text")[:180], "damaged"),
        ("picture.pdf", b"GIF89a and no PDF file", "damaged"),
        ("empty.pdf", b" ", "empty"),
        ("blank.txt", b"\x0c\n \x0c", "empty"),
        ("binary.txt", b"\xff\xfe\x00\x01\x00" * 40 + b"\x00", ""),
        ("table.xlsx", b"PK", "types"),
    ],
)
def test_a_document_that_cannot_be_read_is_refused_with_a_sentence(name, data, words):
    with pytest.raises(TableError) as refused:
        documents.text_of(name, data)

    assert words in str(refused.value)


def test_a_pdf_file_that_unpacks_without_end_is_stopped():
    packer = zlib.compressobj(1)
    bomb = zlib.compress(b"".join(packer.compress(b"\0" * 1_000_000) for _ in range(100)) + packer.flush(), 9)

    with pytest.raises(TooLarge):
        documents.text_of("bomb.pdf", pdf(bomb, filters=b"/Filter [/FlateDecode /FlateDecode]"))


def test_a_text_of_too_many_characters_is_refused():
    with pytest.raises(TooLarge):
        documents.text_of("long.txt", b"a" * (documents.MAX_TEXT + 1))

"""The process that reads the text of a document: `python -m policytracker.importing.document_process REQUEST`, started by `documents`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from policytracker.importing.encodings import decoded
from policytracker.importing.processes import answer
from policytracker.importing.tables import Limits, TableError, TooLarge

PAGE_BREAK = "\f"


def lines(data: bytes, request: dict[str, Any], limits: Limits) -> Iterator[str]:
    if not data.strip():
        raise TableError(_("The file is empty."))
    text = pdf_text(data, limits) if request["suffix"] == ".pdf" else decoded(data, "", [])
    check_length(len(text), limits)
    if not text.strip():
        raise TableError(_("The file has no text."))
    yield text


def pdf_text(data: bytes, limits: Limits) -> str:
    """The text of a PDF file, page by page. Raises TableError."""
    from pypdf import PdfReader  # here, because a text file does not need it
    from pypdf.errors import DependencyError, LimitReachedError, PyPdfError

    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise locked()
        pages: list[str] = []
        length = 0
        for page in reader.pages:
            pages.append(page.extract_text())
            length += len(pages[-1])
            check_length(length, limits)
    except DependencyError:
        raise locked() from None
    except LimitReachedError:
        raise MemoryError from None
    except (MemoryError, TableError):
        raise
    except (PyPdfError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise TableError(_("The PDF file cannot be read. It is damaged.")) from error
    if not any(page.strip() for page in pages):
        raise TableError(_("The PDF file has no text, only pictures. Use a text recognition program first, or enter the text."))
    return PAGE_BREAK.join(page.replace(PAGE_BREAK, " ") for page in pages)


def locked() -> TableError:
    return TableError(_("The PDF file is encrypted. Save a copy without a password, or enter the text."))


def check_length(length: int, limits: Limits) -> None:
    """Raises TooLarge."""
    if length > limits.characters:
        raise TooLarge(_("The file has more than %(limit)s characters of text.") % {"limit": f"{limits.characters:,}"})


if __name__ == "__main__":
    answer(lines)

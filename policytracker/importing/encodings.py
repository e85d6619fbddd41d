"""The encoding of a text file: chosen by the person who imports it, or found by a fixed rule.

A file is UTF-8, has a byte order mark, or is windows-1252, which is what Excel on Windows writes. Another encoding is used only if
windows-1252 would be wrong and nothing else fits equally well.
"""

from __future__ import annotations

import codecs
import re

from django.utils.translation import gettext as _

from policytracker.importing.tables import TableError

ENCODINGS = [
    *("utf-8", "utf-16", "utf-32"),
    *(f"windows-125{number}" for number in range(9)),
    *(f"iso-8859-{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16)),
    *("koi8-r", "koi8-u", "mac-roman", "mac-latin2", "mac-cyrillic", "mac-greek", "mac-turkish"),
    *("cp437", "cp737", "cp775", "cp850", "cp852", "cp855", "cp866", "cp874"),
    *("shift_jis", "cp932", "euc-jp", "iso2022-jp", "gb18030", "big5", "cp949"),
]
NAMES = {codecs.lookup(name).name: name for name in ENCODINGS}  # our names by those of Python
UTF_8, WESTERN = "utf-8", "windows-1252"
MARKS = {  # the mark of UTF-32 begins with that of UTF-16
    codecs.BOM_UTF8: UTF_8,
    **dict.fromkeys((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE), "utf-32"),
    **dict.fromkeys((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "utf-16"),
}
SAMPLE = 1_000_000  # bytes that decide between encodings
WORD = re.compile(r"[^\W\d_]+")
SIGN_IN_WORD = re.compile(r"[^\W\d_][¡¢£¤¥¦§©ª«¬®¯°±²³¹º»¼½¾¿×÷†‡‰][^\W\d_]")  # as in “zosta³a”, which is “została” in windows-1250
CLEARLY = 0.02, 0.05  # by how much a detected encoding must be better than each other one: disorder, and resemblance to a language


def known(name: str) -> str:
    """Our name of an encoding, which can be written in any common form; "" if tables cannot have it."""
    try:
        return NAMES.get(codecs.lookup(name).name, "")
    except (LookupError, ValueError):  # ValueError for NUL
        return ""


def decoded(data: bytes, encoding: str, notes: list[str]) -> str:
    """The text of a file. Without an encoding, it is found, and a note names it unless it is UTF-8. Raises TableError."""
    if encoding:
        return decoded_as(encoding, data)
    encoding = encoding_of(data)
    text = decoded_as(encoding, data)
    if encoding != UTF_8:
        notes.append(_("Encoding: %(encoding)s.") % {"encoding": encoding})
    return text


def decoded_as(encoding: str, data: bytes) -> str:
    """Raises TableError with line and character of the first byte that is invalid."""
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, "replace")
        place = {"row": before.count("\n") + 1, "column": len(before) - before.rfind("\n"), "encoding": encoding}
        raise TableError(
            _("Line %(row)s, character %(column)s: The file is not valid %(encoding)s. Choose the encoding with which it was saved.")
            % place
        ) from error


def encoding_of(data: bytes) -> str:
    """The encoding of a file by the rule above. The file can still be invalid in it."""
    for mark, encoding in MARKS.items():
        if data.startswith(mark):
            return encoding
    try:
        data.decode()
        return UTF_8
    except UnicodeDecodeError as error:
        if re.search(rb"[\xc2-\xf4][\x80-\xbf]", data[: error.start]):  # earlier letters are UTF-8, so the file is damaged
            return UTF_8
    if b"\0" in data[:SAMPLE]:
        raise TableError(_("The file is not a text file."))
    # Only lines with other letters than ASCII tell encodings apart.
    sample = b"\n".join(line for line in data[:SAMPLE].splitlines() if not line.isascii()) or data
    return WESTERN if is_western(sample) else certain(sample) or WESTERN


def is_western(sample: bytes) -> bool:
    """Whether a text is windows-1252: each byte has a character, and words are mostly ASCII letters without signs between them."""
    try:
        text = sample.decode(WESTERN)
    except UnicodeDecodeError:
        return False
    letters = "".join(word for word in WORD.findall(text) if not word.isascii())
    return not SIGN_IN_WORD.search(text) and 2 * sum(not letter.isascii() for letter in letters) <= len(letters)


def certain(sample: bytes) -> str:
    """The encoding that is detected, if it fits clearly better than each other one; otherwise ""."""
    from charset_normalizer import from_bytes  # here, because few files need it

    matches = list(from_bytes(sample, cp_isolation=[name for name in NAMES if not name.startswith("utf")]))
    if not matches:
        return ""
    best, *others = matches
    disorder, resemblance = CLEARLY
    better = all(best.chaos + disorder <= other.chaos or best.coherence - resemblance >= other.coherence for other in others)
    return NAMES.get(codecs.lookup(best.encoding).name, "") if better else ""

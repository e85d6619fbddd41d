"""A list asked in one line: `overdue party:AUS,JPN priority:high,critical -status:planned due_on:2026..2027 "deep sea" ports`.

A line is another form of the parameters of a list: `parse()` makes them from a line, and `write()` a line from them. The filters
(`filters.py`) parse the values and select the rows. Each filter has its name in a line:

- `name:value,value` any of the values; `-name:value` none of them (`name__not`); `name:from..until` both days included, or one of them
- a flag alone: the name of a filter with true and false, `-name` for false, and the `words` of a filter
- everything else is text, for the filter `q`: words, `"phrases"`, `-without`, `or`

In a value, `"…"` keeps spaces, commas and `..`; inside it, `\\` stands before `"` and `\\`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from django.utils.translation import gettext as _

from policytracker.representation.filters import Filter

MAX_LENGTH = 2000  # characters
TEXT = "q"  # the filter that the text is for
RANGE = ".."
TOKEN = re.compile(r'(?:"(?:\\.|[^"\\])*"|\S)+', re.S)
NAMED = re.compile(r"(-?)(\w[\w-]*):(.*)", re.S)
VALUE_PART = re.compile(r'"((?:\\.|[^"\\])*)"|(,|\.\.)|([^,".]+|.)', re.S)
PLAIN_VALUE = re.compile(r'[^\s,"\\]+')
CLOSE = 0.8  # how similar a word of the text is to a flag that was perhaps meant, from 0 to 1

Filters = Mapping[str, Filter]
Parameters = dict[str, list[str]]


class WrongWord(ValueError):
    """A word of a line that has no meaning. `corrected` is the line with the nearest word instead, "" if none is near."""

    def __init__(self, message: str, corrected: str = ""):
        super().__init__(message)
        self.corrected = corrected


def parse(line: str, filters: Filters) -> Parameters:
    """The parameters of a line, each with its values as text. Raises WrongWord."""
    if len(line) > MAX_LENGTH:
        raise WrongWord(_("Enter at most {max} characters.").format(max=MAX_LENGTH))
    known = flags(filters)
    parameters: Parameters = {}
    text: list[str] = []
    for token in TOKEN.finditer(line):
        sign_and_word = token[0].startswith("-"), simplified(token[0].removeprefix("-"))
        named = NAMED.fullmatch(token[0])
        if named:
            found = Named(line, token, named, filters).parameters()
        elif sign_and_word in known:
            found = dict([known[sign_and_word]])
        else:
            text.append(token[0])
            continue
        for name, values in found.items():
            parameters.setdefault(name, []).extend(values)
    if text and TEXT not in filters:
        raise WrongWord(_("This list has no text search. Use the names of its filters."))
    if text or TEXT in parameters:
        parameters[TEXT] = [" ".join([*parameters.get(TEXT, ()), *text])]
    return parameters


def write(parameters: Mapping[str, list[str]], filters: Filters) -> str:
    """The line with these parameters. Those that are no filters are left out."""
    words = [word for name, values in parameters.items() if name in filters for word in written(name, values, parameters, filters)]
    return " ".join(words)


def similar_flag(text: str, filters: Filters) -> str:
    """The flag that a word of the text resembles, such as `overdue` for `overdeu`; "" if there is none."""
    names = [word for without, word in flags(filters) if not without]
    words = [simplified(word) for word in re.findall(r"\w{4,}", re.sub('"[^"]*"', " ", text))]
    return next((found[0] for word in words if (found := get_close_matches(word, names, 1, CLOSE))), "")


# ---- reading


def simplified(word: str) -> str:
    """`Due-Soon` and `due soon` as `due_soon`."""
    return re.sub(r"[\s-]+", "_", word.strip().lower())


def flags(filters: Filters) -> dict[tuple[bool, str], tuple[str, list[str]]]:
    """The words that stand alone, with and without `-`: the parameter and value of each."""
    found: dict[tuple[bool, str], tuple[str, list[str]]] = {}
    for name, filter in filters.items():
        if is_flag(name, filter):
            found |= {(False, name): (name, ["true"]), (True, name): (name, ["false"])}
    for name, filter in filters.items():
        for word in filter.words:
            found.setdefault((False, word), (name, [word]))
            if f"{name}__not" in filters:
                found.setdefault((True, word), (f"{name}__not", [word]))
    return found


def is_flag(name: str, filter: Filter) -> bool:
    return filter.schema.get("type") == "boolean" and "__" not in name


class Named:
    """A word of a line with the name of a filter and its values."""

    def __init__(self, line: str, token: re.Match, named: re.Match, filters: Filters):
        self.line, self.token, self.filters = line, token, filters
        self.excluded, self.typed, self.raw = bool(named[1]), named[2], named[3]
        self.name = simplified(self.typed)

    def parameters(self) -> Parameters:
        """The parameters that it stands for. Raises WrongWord."""
        if self.name not in self.filters:
            names = sorted({name.partition("__")[0] for name in self.filters})
            self.refuse(_("Unknown word “{word}”.").format(word=self.typed[:100]), self.typed, names)
        parts, separators = split(self.raw)
        if not self.raw:
            self.refuse(_("Enter a value after “{word}:”.").format(word=self.name))
        if f"{self.name}__from" in self.filters and RANGE in separators:
            return self.range(parts, separators)
        values = [self.code(value) for value in joined(parts, separators)]
        name = f"{self.name}__not" if self.excluded else self.name
        if name not in self.filters:
            self.refuse(_("“{word}” cannot be excluded.").format(word=self.name))
        return {name: values}

    def range(self, parts: list[str], separators: list[str]) -> Parameters:
        if separators != [RANGE] or self.excluded or not any(parts):
            self.refuse(_("Enter a range as “{word}:from..until”, or one end of it. It cannot be excluded.").format(word=self.name))
        return {f"{self.name}__{end}": [value] for end, value in zip(("from", "to"), parts, strict=True) if value}

    def code(self, value: str) -> str:
        """The code that the value means, if the filter has codes."""
        filter = self.filters[self.name]
        codes = ["true", "false"] if filter.schema.get("type") == "boolean" else filter.schema.get("enum")
        if not codes or value in codes:
            return value
        by_word = {simplified(code): code for code in codes}
        if simplified(value) not in by_word:
            message = _("“{value}” is no value of “{word}”.").format(value=value[:100], word=self.name)
            self.refuse(message, value, list(by_word))
        return by_word[simplified(value)]

    def refuse(self, message: str, word: str = "", candidates: list[str] | None = None) -> None:
        """Raises WrongWord. The message names the candidate that is nearest to the word."""
        corrected = ""
        if near := get_close_matches(simplified(word), candidates or [], 1):
            message = f"{message} {_('Did you mean “{word}”?').format(word=near[0])}"
            start, end = self.token.span()
            corrected = f"{self.line[:start]}{self.token[0].replace(word, near[0], 1)}{self.line[end:]}"
        elif candidates:
            message = f"{message} {_('To search for it as text, put it in quotation marks.')}"
        raise WrongWord(message, corrected)


def split(raw: str) -> tuple[list[str], list[str]]:
    """The values of a word, and the separators between them: a comma or `..`."""
    parts, separators = [""], []
    for part in VALUE_PART.finditer(raw):
        if part[2]:
            separators.append(part[2])
            parts.append("")
        else:
            parts[-1] += part[3] if part[1] is None else re.sub(r"\\(.)", r"\1", part[1], flags=re.S)
    return parts, separators


def joined(parts: list[str], separators: list[str]) -> list[str]:
    """The values between commas, where `..` has no meaning of its own."""
    values = parts[:1]
    for separator, part in zip(separators, parts[1:], strict=True):
        if separator == RANGE:
            values[-1] += separator + part
        else:
            values.append(part)
    return values


# ---- writing


def written(name: str, values: list[str], parameters: Mapping[str, list[str]], filters: Filters) -> Iterator[str]:
    """The words of one parameter. A range is written with its beginning."""
    field, _separator, lookup = name.partition("__")
    ends = {end: found[0] for end in ("from", "to") if len(found := parameters.get(f"{field}__{end}", [])) == 1 and found[0]}
    if name == TEXT:
        text = " ".join(values)
        yield text if parses_to(text, {TEXT: [text]}, filters) else f"{name}:{quoted(text)}"
    elif flag := next((key for key, meaning in flags(filters).items() if meaning == (name, values)), None):
        yield f"{'-' if flag[0] else ''}{flag[1]}"
    elif lookup in ends:
        if lookup == "from" or "from" not in ends:
            yield f"{field}:{RANGE.join(quoted(ends[end]) if end in ends else '' for end in ('from', 'to'))}"
    elif values:
        word = f"-{field}" if lookup == "not" and field in filters else name
        yield f"{word}:{','.join(map(quoted, values))}"


def quoted(value: str) -> str:
    """The value as it is written in a line."""
    if PLAIN_VALUE.fullmatch(value) and RANGE not in value:
        return value
    escaped = re.sub(r'(["\\])', r"\\\1", value)
    return f'"{escaped}"'


def parses_to(line: str, parameters: Any, filters: Filters) -> bool:
    try:
        return parse(line, filters) == parameters
    except WrongWord:
        return False

"""The query line of a list in the admin: its parameters, the names of records as values, and what a wrong word is answered with."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlencode

from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _

from policytracker.records.models import Record, key_of
from policytracker.representation import query_line
from policytracker.representation.filters import Filter, read_values
from policytracker.representation.parameters import InvalidParameter
from policytracker.representation.query_line import Parameters, WrongWord
from policytracker.representation.references import referable
from policytracker.resources import ReadContext, registry

MOST_WORDS = 6  # of a name
MOST_KEYS = 5000  # among which the nearest key to a wrong one is looked for


@dataclass(frozen=True)
class Hint:
    """A sentence about the words of a line, and the line that was probably meant, "" if none is known."""

    sentence: str
    line: str = ""

    @property
    def query(self) -> str:
        """The query of the URL that asks the line."""
        return urlencode({query_line.TEXT: self.line})


def parameters_of(line: str, filters: query_line.Filters, context: ReadContext) -> Parameters:
    """The parameters of a line, whose values are valid. Records may be given by name. Raises WrongWord."""
    found = query_line.parse(line, filters)
    for name, values in found.items():
        if model := filters[name].model:
            found[name] = [key_named(model, value, context) or value for value in values]
    try:
        read_values(MultiValueDict(found), filters, context)
    except InvalidParameter as error:
        ((name, (message,)),) = error.detail.items()
        raise corrected(str(message), name, found, filters, context) from error
    return found


def corrected(message: str, name: str, found: Parameters, filters: query_line.Filters, context: ReadContext) -> WrongWord:
    """The refusal of the values of a parameter, with the nearest key of a record."""
    model = filters[name].model
    if model is None:
        return WrongWord(f"{name}: {message}")
    for number, value in enumerate(found[name]):
        keys = [] if key_named(model, value, context) else list(keys_of(model, context))
        by_word = {query_line.simplified(key): key for key in keys}
        if near := get_close_matches(query_line.simplified(value), list(by_word), 1, 0.5):
            values = [*found[name][:number], by_word[near[0]], *found[name][number + 1 :]]
            sentence = f"{message} {_('Did you mean “{word}”?').format(word=by_word[near[0]])}"
            return WrongWord(sentence, query_line.write(found | {name: values}, filters))
    return WrongWord(message)


def keys_of(model: Any, context: ReadContext) -> Any:
    return referable(model, context.reader).order_by().values_list(key_of(model), flat=True)[:MOST_KEYS]


def key_named(model: Any, value: str, context: ReadContext) -> str:
    """The key of the record with this key or name, in any case; "" if there is none, or more than one."""
    rows, key = referable(model, context.reader).order_by(), key_of(model)
    if key == "uid" or "\0" in value:
        return ""
    if found := list(rows.filter(**{f"{key}__iexact": value}).values_list(key, flat=True)[:2]):
        return value if value in found else found[0] if len(found) == 1 else ""
    naming = registry.of(model).naming if issubclass(model, Record) else None
    if naming and (wanted := naming.comparable(value)):
        keys = {found for found, name in naming.pairs(rows) if naming.comparable(name) == wanted}
        return keys.pop() if len(keys) == 1 else ""
    return ""


def asked(text: str, filters: query_line.Filters, named: query_line.Filters, context: ReadContext) -> Parameters | None:
    """The parameters of a text whose words may come in any order, with names of records without prefix. None if it names no filter.

    `named` are the filters to which a name can belong, such as that of parties.
    """
    try:
        parameters = query_line.parse(text, filters)
        words = parameters.pop(query_line.TEXT, [""])[0].split()
        if not parameters:
            return None
        for name, filter in named.items():
            if filter.model and issubclass(filter.model, Record) and words:
                keys, words = named_in(words, filter.model, context)
                parameters.setdefault(name, []).extend(keys)
        found = {name: values for name, values in parameters.items() if values}
        return parameters_of(query_line.write(found | ({query_line.TEXT: [" ".join(words)]} if words else {}), filters), filters, context)
    except WrongWord:
        return None


def named_in(words: list[str], model: type[Record], context: ReadContext) -> tuple[list[str], list[str]]:
    """The keys of records that are named by words after one another, the longest names first, and the other words."""
    naming = registry.of(model).naming
    if naming is None:
        return [], words
    names = {naming.comparable(name): key for key, name in naming.pairs(referable(model, context.reader)) if name != key}
    keys = {key: key for key in names.values()}  # a key is written as it is: in small letters it may be another word, such as "and"
    for length in range(min(len(words), MOST_WORDS), 0, -1):
        for start in range(len(words) - length + 1):
            phrase = " ".join(words[start : start + length])
            if key := keys.get(phrase) or names.get(naming.comparable(phrase)):
                found, rest = named_in([*words[:start], *words[start + length :]], model, context)
                return [key, *found], rest
    return [], words


def hint_of(text: str, filters: query_line.Filters) -> Hint | None:
    """A hint that a word of a text resembles a flag, such as `overdeu`."""
    flag = query_line.similar_flag(text, filters)
    return Hint(_("“{text}” was searched as text. Did you mean “{word}”?").format(text=text[:100], word=flag), flag) if flag else None


def contains_text(search: Any) -> Filter:
    """The filter `q` of a list without full-text search; `search` is a function of the rows, a text and the reader."""
    return Filter(
        lambda value, context: value,
        lambda rows, values, context: search(rows, values[0], context.reader),
        many=False,
    )

"""Mapping files: how the columns and codes of another table become ours (docs/steward.md)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from policytracker.date_forms import ORDERS
from policytracker.importing.encodings import ENCODINGS, known
from policytracker.importing.tables import steps

KEYS = {"resource", "columns", "constants", "codes", "ignore", "path", "when"}
WHOLE_FILE = {"records", "empty", "dates", "key_prefix", "encoding"}  # keys that only the file as a whole has
COLUMN_KEYS = {"from", "join", "split", "cut"}
OTHER = "other"  # in [codes.FIELD]: all terms that are not listed
SHIPPED = settings.BASE_DIR / "mappings"
Keys = tuple[str | int, ...]


class MappingError(Exception):
    """The mapping file has an error. The message names the line and the key."""


@dataclass(frozen=True)
class Column:
    """Where the value of a field comes from.

    `headers` are alternatives, of which the first that the file has is used; with `join`, the cells of all of them are joined. With
    `split`, a cell is a list of items with this separator: one record for each, or one entry of a field that is a list. A text is cut
    to `cut` characters.
    """

    headers: tuple[str, ...]
    join: bool = False
    split: str = ""
    cut: int = 0


@dataclass(frozen=True)
class RecordMapping:
    """How one record is made from a row.

    `columns` are by our field, `codes` are our codes by field and by their term, and `other` those for all other terms. With `path`,
    one record is made from each item of that list within the row; with `when`, only if that cell is filled (the first of these headers
    that the file has). `sections` are the settings that apps add, such as how to report a status.
    """

    resource: str
    columns: dict[str, Column] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    other: dict[str, str] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    sections: tuple[Any, ...] = ()


@dataclass(frozen=True)
class FileMapping:
    """How the rows of a file become records.

    `path` is the place of the list within a JSON document, `ignore` are unused headers, `empty` are the words for an empty cell, `dates`
    is the order of day and month where they can be exchanged, and `key_prefix` comes before each key that the file makes. `encoding` is
    that of a text file; "" if it must be found.
    """

    records: tuple[RecordMapping, ...]
    path: tuple[str, ...] = ()
    ignore: frozenset[str] = frozenset()
    empty: frozenset[str] = frozenset()
    dates: str = ""
    key_prefix: str = ""
    encoding: str = ""

    def of_single_record(self) -> bool:
        return len(self.records) == 1

    @property
    def has_columns(self) -> bool:
        """Whether the mapping names columns. Then only these count; otherwise the headers of the file are names of our fields."""
        return any(record.columns for record in self.records)


@dataclass(frozen=True)
class RecordType:
    """What a mapping must know about a resource: its fields, and a parser for each section that its app adds.

    A parser gets the settings of the section and a function that makes the error for a key; it returns an object.
    """

    fields: frozenset[str]
    sections: Mapping[str, Callable[[dict[str, Any], Callable[..., MappingError]], Any]]


def read(path: Path, types: Mapping[str, RecordType], resource: str = "", constants: Mapping[str, str] | None = None) -> FileMapping:
    """The mapping in a file. `resource` is the type of the records if the file does not name it.

    `constants` replace columns and constants of the file as a whole. Raises MappingError.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MappingError(_("%(path)s cannot be read: %(reason)s.") % {"path": path, "reason": error.strerror}) from error
    return parse(path.name, data, types, resource, constants)


def parse(
    name: str, data: bytes, types: Mapping[str, RecordType], resource: str = "", constants: Mapping[str, str] | None = None
) -> FileMapping:
    """The mapping in the content of a file with this name. Raises MappingError."""
    try:
        text = data.decode("utf-8-sig")
        content = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise MappingError(_("%(name)s: The file is not UTF-8.") % {"name": name}) from error
    except RecursionError:
        raise MappingError(_("%(name)s: The lists of the file are nested too deeply.") % {"name": name}) from None
    except ValueError as error:  # also a number with thousands of digits, which is not a TOMLDecodeError
        raise MappingError(_("%(name)s: Invalid TOML. %(reason)s.") % {"name": name, "reason": error}) from error
    return Parser(name, text, with_constants(content, constants or {}), types).mapping(resource)


def own_layout(resource: str, types: Mapping[str, RecordType], constants: Mapping[str, str] | None = None) -> FileMapping:
    """The mapping of a table whose headers are names of our fields. Raises MappingError."""
    return Parser("--set", "", with_constants({}, constants or {}), types).mapping(resource)


def with_constants(content: dict[str, Any], constants: Mapping[str, str]) -> dict[str, Any]:
    """The content of a mapping file with these constants instead of its own columns and constants of the same fields."""
    if not constants:
        return content
    columns, own = content.get("columns", {}), content.get("constants", {})
    if not isinstance(columns, dict) or not isinstance(own, dict):
        return content  # an error that is reported when the file is parsed
    kept = {name: value for name, value in columns.items() if name not in constants}
    return content | {"columns": kept, "constants": own | dict(constants)}


def shipped(resource: str) -> dict[str, str]:
    """The mapping files of this product for a resource: the first line of each, which says what it is for, by name."""
    texts = {path.name: path.read_text("utf-8") for path in sorted(SHIPPED.glob("*.toml"))}
    return {
        name: text.partition("\n")[0].lstrip("# ").rstrip(".")
        for name, text in texts.items()
        if tomllib.loads(text)["resource"] == resource
    }


@dataclass
class Parser:
    """Reads the content of a mapping file."""

    name: str
    text: str
    content: dict[str, Any]
    types: Mapping[str, RecordType]

    def mapping(self, resource: str) -> FileMapping:
        content = dict(self.content)
        encoding = self.encoding(content.pop("encoding", ""))
        blocks = self.typed(content.pop("records", []), ("records",), list, _("Enter [[records]] blocks."))
        given = content.get("resource", resource)
        if resource and given != resource:
            message = _("This mapping is for “%(given)s”, not for “%(resource)s”.")
            raise self.error(("resource",), message % {"given": given, "resource": resource})
        top = self.record(content, (), given, own_sections=not blocks)
        records = self.with_blocks(top, content, blocks) if blocks else (top,)
        ignore = self.ignored(content, ())
        ignore += [name for number, block in enumerate(blocks) for name in self.ignored(block, ("records", number))]
        dates = content.get("dates", "")
        if "dates" in content and dates not in ORDERS:
            raise self.error(("dates",), _("Enter one of: %(orders)s.") % {"orders": ", ".join(ORDERS)})
        prefix = self.typed(content.get("key_prefix", ""), ("key_prefix",), str, _("Enter a text."))
        if not re.fullmatch(r"[-\w]{0,40}", prefix, re.ASCII):
            raise self.error(("key_prefix",), _("Enter at most 40 letters, digits, hyphens and underscores."))
        return FileMapping(
            records,
            self.path(content.get("path", ""), ("path",)),
            frozenset(ignore),
            frozenset(word.strip() for word in self.texts(content.get("empty", []), ("empty",))),
            dates,
            prefix,
            encoding,
        )

    def with_blocks(self, top: RecordMapping, content: dict[str, Any], blocks: list[Any]) -> tuple[RecordMapping, ...]:
        """The records of a file with [[records]] blocks.

        If blocks are of the resource of the file, they share its columns, constants and codes, and the file itself makes no record.
        Otherwise the file itself makes a record, which comes first.
        """
        records = []
        for number, block in enumerate(blocks):
            table = self.typed(block, ("records", number), dict, _("Enter a table."))
            records.append(self.record(table, ("records", number), table.get("resource", top.resource)))
        shares = any(record.resource == top.resource for record in records) or not (top.columns or top.constants)
        records = [shared(top, record) if record.resource == top.resource else record for record in records]
        if not shares:
            records.insert(0, replace(top, path=()))
        for section, number in self.sections(content, ()):
            takers = [index for index, record in enumerate(records) if section in self.types[record.resource].sections]
            if len(takers) != 1:
                raise self.error((section,), _("Move this section into the [[records]] block that it belongs to."))
            record = records[takers[0]]
            parsed = self.section(content, section, number, (), record.resource)
            records[takers[0]] = replace(record, sections=(*record.sections, parsed))
        return tuple(records)

    def record(self, table: dict[str, Any], place: Keys, resource: Any, own_sections: bool = True) -> RecordMapping:
        """The mapping of one record from a table of the file."""
        if not isinstance(resource, str) or resource not in self.types:
            names = ", ".join(self.types)
            raise self.error((*place, "resource"), _("“%(name)s” is not one of: %(names)s.") % {"name": resource, "names": names})
        kind = self.types[resource]
        known_sections = set(kind.sections) if own_sections else {name for each in self.types.values() for name in each.sections}
        for key in table:
            if key not in KEYS | known_sections | (set() if place else WHOLE_FILE):
                keys = ", ".join(sorted(KEYS | known_sections | (set() if place else WHOLE_FILE)))
                raise self.error((*place, key), _("Unknown key. Use one of: %(keys)s.") % {"keys": keys})
        columns = {name: self.column(value, (*place, "columns", name)) for name, value in self.table(table, "columns", place).items()}
        constants = {
            name: self.constant(value, (*place, "constants", name)) for name, value in self.table(table, "constants", place).items()
        }
        codes = {
            name: {
                term: self.code(code, (*place, "codes", name, term)) for term, code in self.table(terms, name, (*place, "codes")).items()
            }
            for terms in [self.table(table, "codes", place)]
            for name in terms
        }
        other = {name: terms.pop(OTHER) for name, terms in codes.items() if OTHER in terms}
        for group, names in (("columns", columns), ("constants", constants), ("codes", codes)):
            for name in names:
                if name not in kind.fields:
                    message = _("There is no field “%(name)s” in %(resource)s.") % {"name": name, "resource": resource}
                    raise self.error((*place, group, name), message)
        for name in constants:
            if name in columns:
                raise self.error((*place, "constants", name), _("The field has a column. Remove the column or the constant."))
        path = self.path(table.get("path", ""), (*place, "path")) if place else ()
        when = self.names(table.get("when") or [], (*place, "when"))
        sections = (
            [self.section(table, name, number, place, resource) for name, number in self.sections(table, place)] if own_sections else []
        )
        return RecordMapping(resource, columns, constants, codes, other, path, tuple(when), tuple(sections))

    def sections(self, table: dict[str, Any], place: Keys) -> Iterator[tuple[str, int | None]]:
        """The sections of a table, each with its number if there are several."""
        for name in table:
            if name not in KEYS | WHOLE_FILE:
                value = table[name]
                if not isinstance(value, dict | list) or not all(isinstance(item, dict) for item in value if isinstance(value, list)):
                    raise self.error((*place, name), _("Enter a table."))
                yield from ((name, number) for number in (range(len(value)) if isinstance(value, list) else [None]))

    def section(self, table: dict[str, Any], name: str, number: int | None, place: Keys, resource: str) -> Any:
        settings = table[name] if number is None else table[name][number]
        here: Keys = (*place, name) if number is None else (*place, name, number)
        return self.types[resource].sections[name](settings, lambda message, *keys: self.error((*here, *keys), message))

    # ---- values

    def typed(self, value: Any, place: Keys, kind: type, message: str) -> Any:
        if not isinstance(value, kind):
            raise self.error(place, message)
        return value

    def table(self, table: dict[str, Any], name: str, place: Keys) -> dict[str, Any]:
        return self.typed(table.get(name, {}), (*place, name), dict, _("Enter a table."))

    def names(self, value: Any, place: Keys) -> list[str]:
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise self.error(place, _("Enter a header or a list of headers."))
        return [" ".join(name.split()) for name in names]

    def ignored(self, table: dict[str, Any], place: Keys) -> list[str]:
        return [" ".join(name.split()) for name in self.texts(table.get("ignore", []), (*place, "ignore"))]

    def texts(self, value: Any, place: Keys) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(place, _("Enter a list of texts."))
        return value

    def column(self, value: Any, place: Keys) -> Column:
        if not isinstance(value, dict):
            headers = self.names(value, place)
            if not headers:
                raise self.error(place, _("Enter a header or a list of headers."))
            return Column(tuple(headers))
        if unknown := sorted(value.keys() - COLUMN_KEYS):
            message = _("Unknown key. Use one of: %(keys)s.") % {"keys": ", ".join(sorted(COLUMN_KEYS))}
            raise self.error((*place, unknown[0]), message)
        if ("from" in value) == ("join" in value) or ("join" in value and "split" in value):
            raise self.error(place, _("Enter the headers as `from` (the first that the file has) or as `join` (all of them, never split)."))
        headers = self.names(value.get("from", value.get("join")), place)
        split = self.typed(value.get("split", ""), (*place, "split"), str, _("Enter the separator as a text."))
        cut = value.get("cut", 0)
        if not headers or ("split" in value and not split):
            raise self.error(place, _("Enter a header, and a separator that is not empty."))
        if not isinstance(cut, int) or isinstance(cut, bool) or cut < 0 or ("cut" in value and cut < 1):
            raise self.error((*place, "cut"), _("Enter the number of characters."))
        return Column(tuple(headers), "join" in value, split, cut)

    def constant(self, value: Any, place: Keys) -> Any:
        if isinstance(value, dict) or (isinstance(value, list) and not all(isinstance(item, str) for item in value)):
            raise self.error(place, _("Enter a text, a number, a date or a list of texts."))
        return [str(item) for item in value] if isinstance(value, list) else str(value).lower() if isinstance(value, bool) else str(value)

    def code(self, value: Any, place: Keys) -> str:
        if isinstance(value, dict | list | float):
            raise self.error(place, _("Enter one of our codes."))
        return str(value)

    def encoding(self, value: Any) -> str:
        if value != "" and not (isinstance(value, str) and known(value)):
            raise self.error(("encoding",), _("Enter one of: %(names)s.") % {"names": ", ".join(ENCODINGS)})
        return known(value) if value else ""

    def path(self, value: Any, place: Keys) -> tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(step, str | int) for step in value):
            return tuple(map(str, value))
        return steps(self.typed(value, place, str, _("Enter a path, such as data.items.")))

    def error(self, keys: Keys, message: str) -> MappingError:
        number = line_of(self.text, keys)
        name = ".".join(f"[{key + 1}]" if isinstance(key, int) else key for key in keys).replace(".[", "[")
        place = _("%(file)s, line %(line)s, %(key)s") if number else _("%(file)s, %(key)s")
        return MappingError(f"{place % {'file': self.name, 'line': number, 'key': name}}: {message}")


def shared(top: RecordMapping, block: RecordMapping) -> RecordMapping:
    """The block with the columns, constants and codes of the file that it does not set itself."""
    own = block.columns.keys() | block.constants.keys()
    return replace(
        block,
        columns={name: value for name, value in top.columns.items() if name not in own} | block.columns,
        constants={name: value for name, value in top.constants.items() if name not in own} | block.constants,
        codes=top.codes | block.codes,
        other={name: code for name, code in top.other.items() if name not in block.codes} | block.other,
        when=block.when or top.when,
    )


TABLE = re.compile(r"\s*(\[\[?)([^\[\]]+)\]")
KEY = re.compile(r"""\s*("[^"]*"|'[^']*'|[\w.-]+)\s*=""")


def line_of(text: str, keys: Sequence[str | int]) -> int | None:
    """The number of the line that sets this key; None if it is not on a line of its own."""
    wanted = [str(key) for key in keys]
    current: list[str] = []
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if match := TABLE.match(line):
            names = [part.strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[\w-]+", match[2])]
            if match[1] == "[[":
                counts[names[0]] = counts.get(names[0], -1) + 1
            current = [names[0], *([str(counts[names[0]])] if names[0] in counts else []), *names[1:]]
            if current == wanted:
                return number
        elif (match := KEY.match(line)) and [*current, match[1].strip("\"'")] == wanted:
            return number
    return None

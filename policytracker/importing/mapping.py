"""Mapping files: how the columns and codes of another table become ours (docs/steward.md)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from policytracker.date_forms import ORDERS
from policytracker.importing.encodings import ENCODINGS, known
from policytracker.importing.tables import one_line, steps
from policytracker.resources import Resource, registry

KEYS = {"resource", "columns", "constants", "codes", "ignore", "path", "when"}
FILE_KEYS = {"records", "empty", "dates", "key_prefix", "encoding"}  # keys that only the file has, and no block
NOT_A_FIELD = {"version", "change_reason"}  # columns that concern the change, not the record
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


def is_importable(resource: Resource) -> bool:
    """Whether a request body, and so a row of a table, can create records of this type."""
    return bool(resource.address) and resource.serializer.example is not None


def importable() -> dict[str, Resource]:
    """The types whose records can be imported, by their name in URLs."""
    return {resource.address: resource for resource in registry.addressed if is_importable(resource)}


def read(path: Path, resource: str = "", constants: Mapping[str, str] | None = None) -> FileMapping:
    """The mapping in a file. `resource` is the type of the records if the file does not name it.

    `constants` replace columns and constants of the file as a whole. Raises MappingError.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MappingError(_("%(path)s cannot be read: %(reason)s.") % {"path": path, "reason": error.strerror}) from error
    return parse(path.name, data, resource, constants)


def parse(name: str, data: bytes, resource: str = "", constants: Mapping[str, str] | None = None) -> FileMapping:
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
    return file_mapping(Block(name, text, with_constants(content, constants or {})), resource)


def own_layout(resource: str, constants: Mapping[str, str] | None = None) -> FileMapping:
    """The mapping of a table whose headers are names of our fields. Raises MappingError."""
    return file_mapping(Block("--set", "", with_constants({}, constants or {})), resource)


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
    """The mapping files of this product for a resource: the first line of each, which describes it, by name."""
    texts = {path.name: path.read_text("utf-8") for path in sorted(SHIPPED.glob("*.toml"))}
    return {
        name: text.partition("\n")[0].lstrip("# ").rstrip(".")
        for name, text in texts.items()
        if tomllib.loads(text)["resource"] == resource
    }


@dataclass(frozen=True)
class Block:
    """A table of a mapping file. `place` are the keys that lead to it, which errors name with their line."""

    file: str
    text: str
    values: dict[str, Any]
    place: Keys = ()

    def error(self, message: str, *keys: str | int) -> MappingError:
        keys = (*self.place, *keys)
        number = line_of(self.text, keys)
        name = ".".join(f"[{key + 1}]" if isinstance(key, int) else key for key in keys).replace(".[", "[")
        place = _("%(file)s, line %(line)s, %(key)s") if number else _("%(file)s, %(key)s")
        return MappingError(f"{place % {'file': self.file, 'line': number, 'key': name}}: {message}")

    def get(self, key: str, default: Any, message: str) -> Any:
        """The value of a key, which must have the type of the default."""
        value = self.values.get(key, default)
        if not isinstance(value, type(default)):
            raise self.error(message, key)
        return value

    def table(self, key: str) -> Block:
        return self.within(self.get(key, {}, _("Enter a table.")), key)

    def tables(self, key: str) -> list[Block]:
        blocks = [self.within(values, key, number) for number, values in enumerate(self.get(key, [], _("Enter [[records]] blocks.")))]
        for block in blocks:
            if not isinstance(block.values, dict):
                raise block.error(_("Enter a table."))
        return blocks

    def within(self, values: dict[str, Any], *keys: str | int) -> Block:
        return replace(self, values=values, place=(*self.place, *keys))

    def sections(self) -> Iterator[tuple[str, Block]]:
        """The sections that apps add, with their names. A section can be a list."""
        for name, value in self.values.items():
            if name not in KEYS | FILE_KEYS:
                sections = [self.within(item, name, index) for index, item in enumerate(value)] if isinstance(value, list) else []
                for section in sections if isinstance(value, list) else [self.within(value, name)]:
                    if not isinstance(section.values, dict):
                        raise self.error(_("Enter a table."), name)
                    yield name, section

    def texts(self, key: str) -> list[str]:
        texts = self.get(key, [], _("Enter a list of texts."))
        if not all(isinstance(text, str) for text in texts):
            raise self.error(_("Enter a list of texts."), key)
        return texts

    def headers(self, value: Any, key: str) -> tuple[str, ...]:
        headers = [value] if isinstance(value, str) else value
        if not isinstance(headers, list) or not all(isinstance(header, str) and header for header in headers):
            raise self.error(_("Enter a header or a list of headers."), key)
        return tuple(map(one_line, headers))

    def path(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key, "")
        if isinstance(value, list) and all(isinstance(step, str | int) for step in value):
            return tuple(map(str, value))
        return steps(self.get(key, "", _("Enter a path, such as data.items.")))

    def column(self, key: str) -> Column:
        value = self.values[key]
        if not isinstance(value, dict):
            return Column(self.headers(value or None, key))
        table = self.table(key)
        if unknown := sorted(value.keys() - COLUMN_KEYS):
            raise table.error(_("Unknown key. Use one of: %(keys)s.") % {"keys": ", ".join(sorted(COLUMN_KEYS))}, unknown[0])
        if ("from" in value) == ("join" in value) or ("join" in value and "split" in value):
            message = _("Enter the headers as `from` (the first that the file has) or as `join` (all of them, never split).")
            raise table.error(message)
        headers = self.headers(value.get("from", value.get("join")), key)
        split, cut = table.get("split", "", _("Enter the separator as a text.")), value.get("cut", 1)
        if not headers or ("split" in value and not split):
            raise table.error(_("Enter a header, and a separator that is not empty."))
        if type(cut) is not int or cut < 1:
            raise table.error(_("Enter the number of characters."), "cut")
        return Column(headers, "join" in value, split, cut if "cut" in value else 0)

    def constant(self, key: str) -> Any:
        value = self.values[key]
        if isinstance(value, dict) or (isinstance(value, list) and not all(isinstance(item, str) for item in value)):
            raise self.error(_("Enter a text, a number, a date or a list of texts."), key)
        return value if isinstance(value, list) else str(value).lower() if isinstance(value, bool) else str(value)

    def code(self, key: str) -> str:
        if isinstance(self.values[key], dict | list | float):
            raise self.error(_("Enter one of our codes."), key)
        return str(self.values[key])


def file_mapping(file: Block, resource: str) -> FileMapping:
    """The mapping in a file. Raises MappingError."""
    encoding, blocks = file.values.get("encoding", ""), file.tables("records")
    if encoding != "" and not (isinstance(encoding, str) and known(encoding)):
        raise file.error(_("Enter one of: %(names)s.") % {"names": ", ".join(ENCODINGS)}, "encoding")
    given = file.values.get("resource", resource)
    if resource and given != resource:
        message = _("This mapping is for “%(given)s”, not for “%(resource)s”.") % {"given": given, "resource": resource}
        raise file.error(message, "resource")
    top = record_mapping(file, given, own_sections=not blocks)
    dates = file.values.get("dates", "")
    if "dates" in file.values and dates not in ORDERS:
        raise file.error(_("Enter one of: %(orders)s.") % {"orders": ", ".join(ORDERS)}, "dates")
    prefix = file.get("key_prefix", "", _("Enter a text."))
    if not re.fullmatch(r"[-\w]{0,40}", prefix, re.ASCII):
        raise file.error(_("Enter at most 40 letters, digits, hyphens and underscores."), "key_prefix")
    return FileMapping(
        with_blocks(top, file, blocks) if blocks else (top,),
        file.path("path"),
        frozenset(one_line(name) for block in (file, *blocks) for name in block.texts("ignore")),
        frozenset(word.strip() for word in file.texts("empty")),
        dates,
        prefix,
        known(encoding) if encoding else "",
    )


def with_blocks(top: RecordMapping, file: Block, blocks: list[Block]) -> tuple[RecordMapping, ...]:
    """The records of a file with [[records]] blocks.

    If blocks are of the resource of the file, they share its columns, constants and codes, and the file itself makes no record.
    Otherwise the file itself makes a record, which comes first.
    """
    records = [record_mapping(block, block.values.get("resource", top.resource)) for block in blocks]
    shares = any(record.resource == top.resource for record in records) or not (top.columns or top.constants)
    records = [shared(top, record) if record.resource == top.resource else record for record in records]
    if not shares:
        records.insert(0, top)
    for name, section in file.sections():
        takers = [index for index, record in enumerate(records) if name in registry.at(record.resource).import_sections]
        if len(takers) != 1:
            raise file.error(_("Move this section into the [[records]] block that it belongs to."), name)
        record = records[takers[0]]
        parsed = registry.at(record.resource).import_sections[name](section.values, section.error)
        records[takers[0]] = replace(record, sections=(*record.sections, parsed))
    return tuple(records)


def record_mapping(block: Block, resource: Any, own_sections: bool = True) -> RecordMapping:
    """The mapping of one record. Without `own_sections`, those of the file belong to its blocks."""
    types = importable()
    if not isinstance(resource, str) or resource not in types:
        message = _("“%(name)s” is not one of: %(names)s.") % {"name": resource, "names": ", ".join(types)}
        raise block.error(message, "resource")
    parsers, fields = types[resource].import_sections, {*types[resource].serializer().fields, *NOT_A_FIELD}
    keys = KEYS | (set() if block.place else FILE_KEYS)
    keys |= set(parsers) if own_sections else {name for each in types.values() for name in each.import_sections}
    for key in block.values:
        if key not in keys:
            raise block.error(_("Unknown key. Use one of: %(keys)s.") % {"keys": ", ".join(sorted(keys))}, key)
    columns, constants, codes = (block.table(group) for group in ("columns", "constants", "codes"))
    for group in (columns, constants, codes):
        for name in group.values:
            if name not in fields:
                message = _("There is no field “%(name)s” in %(resource)s.") % {"name": name, "resource": resource}
                raise group.error(message, name)
    for name in constants.values:
        if name in columns.values:
            raise constants.error(_("The field has a column. Remove the column or the constant."), name)
    our_codes = {name: {term: terms.code(term) for term in terms.values} for name in codes.values for terms in [codes.table(name)]}
    return RecordMapping(
        resource,
        {name: columns.column(name) for name in columns.values},
        {name: constants.constant(name) for name in constants.values},
        our_codes,
        {name: terms.pop(OTHER) for name, terms in our_codes.items() if OTHER in terms},
        block.path("path") if block.place else (),
        block.headers(block.values.get("when") or [], "when"),
        tuple(parsers[name](section.values, section.error) for name, section in block.sections()) if own_sections else (),
    )


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


def line_of(text: str, keys: Keys) -> int | None:
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

"""What a record type is to every other part of the project, and who reads it, for which date.

Each app registers one `Resource` per record type. The API, the admin, the data set, the timeline, the dossier, the data checks and the
code lists iterate over the registry, so that a new record type cannot be forgotten in one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from django.db.models import Model, Q, TextChoices

from policytracker.records.access import Publication, Reader, Visibility
from policytracker.records.models import Record
from policytracker.sql.moment import as_of, moment_read


def today() -> date:
    """The current date in UTC; inside `as_of()` the date of that moment. Every rule that depends on the current date takes it from here."""
    return (moment_read.get() or datetime.now(UTC)).astimezone(UTC).date()


# ---- who reads, for which date


@dataclass(frozen=True)
class ReadContext:
    """The reader of a request, the date it is made on, and the date it is about.

    `on` is the date whose state is wanted; it may be earlier or later than `today`. `base_url` is the scheme and host that links in
    the response begin with; it is empty where no links are made. With `as_of`, the register of that moment is read, and `today` is
    the date of that moment.
    """

    reader: Reader
    today: date
    on: date
    base_url: str = ""
    as_of: datetime | None = None

    @classmethod
    def of(cls, user: Any, on: date | None = None, base_url: str = "") -> ReadContext:
        """The context of this user; `on` is today if it is not given. Inside `as_of()`, it is the context of that moment."""
        now = today()
        return cls(Reader.of(user), now, now if on is None else on, base_url, moment_read.get())

    def reading(self) -> AbstractContextManager[None]:
        """Queries inside the block read the register of `as_of`, if it is given."""
        return nullcontext() if self.as_of is None else as_of(self.as_of)

    @property
    def past(self) -> bool:
        """Whether `on` is before today. Then only what was reported up to that date counts."""
        return self.on < self.today


# ---- record types


@dataclass(frozen=True)
class Event:
    """An entry that one date field of a record adds to the timeline.

    `format_title` makes the title from the values of `parts`, which are field paths or expressions. Rows that do not match
    `condition` add no entry.
    """

    day: str
    parts: Sequence[Any]
    format_title: Callable[..., Any]
    condition: Q = field(default_factory=Q)


@dataclass(frozen=True)
class States:
    """What a record states on the authority of its sources.

    `format_title` makes the words from the values of `parts`, which are field paths or expressions. Rows that do not match `condition`
    state nothing. `sources` are the fields that refer to the sources; locator and quote are those of the first. With `about`, the record
    says something about another one, of this type, whose id is the last of the parts.
    """

    parts: Sequence[Any]
    format_title: Callable[..., Any]
    condition: Q = field(default_factory=Q)
    sources: tuple[str, ...] = ("source",)
    about: type[Model] | None = None


@dataclass(frozen=True)
class Section:
    """The section of the dossier that lists the records of a type.

    `columns` are the fields that its table in Markdown shows, separated by spaces; without them the document describes each record by
    itself. `sorted_by` is the date field that orders the table, if any.
    """

    name: str
    columns: str = ""
    sorted_by: str = ""


@dataclass(frozen=True)
class Naming:
    """How records of a type are named, if an import finds them by name too.

    `pairs(rows)` yields each name of the rows with the key of the record. Two names are equal if `comparable(name)` is.
    """

    pairs: Callable[[Any], Iterable[tuple[str, str]]]
    comparable: Callable[[str], str]


@dataclass(frozen=True)
class Search:
    """The fields of a record type whose words the full-text search finds.

    `titles` are names and titles, which count most; the words of the key count next, and those of `texts` least. `spelling` is the
    title with a trigram index: its words are suggested for misspelled ones. Every reader of a record must be able to read all of
    these fields: content of a source that some of them cannot read (`hides_source_content`) is not allowed.

    `linked` are the field paths to other records, whose titles `q` of the list finds too, and `reported` those to records of which it
    finds all words. Only words of records that the reader may read are found.

    `within` are the relations to a record that is shown inside this one and has the same readers: its field of the same name is a long
    text, whose words belong to this record.
    """

    titles: tuple[str, ...]
    texts: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    reported: tuple[str, ...] = ()
    spelling: str = ""


@dataclass(frozen=True, eq=False)
class Resource:
    """One record type.

    `serializer` declares its fields. `address` is its name in URLs; it is empty for records that are only shown inside their parent.
    `filters` are the filters of its list in addition to those of its fields.

    `scope_paths` are the field paths from a record to the record that it belongs to, of the type that the registry calls `scope`:
    lists, data checks, timeline and dossier select by them.

    `file` is the file of the data set that holds its rows, except `excluded_rows`. `calculated` are the fields that the file does not
    contain, because `recalculate` computes them after each load.

    `search` declares what the full-text search finds; without it the type is not searched.

    `states` is what a record with a source of its own states.

    `source_paths` are the field paths from a record to the sources of its facts; by default its own source, if it has one.

    `import_sections` are parsers of sections that a mapping file can have for this type besides its fields (`importing/mapping.py`). Each
    gets the settings of the section and a function that makes the error for one of their keys, and returns an object.

    `sheet_columns` are computed fields, by name, that sheets for people have besides the fields of the record, with label and help text.
    `sheet_begins` are the names of the columns that come first in such a sheet, separated by spaces; by default the title.
    """

    address: str
    serializer: Any
    file: str
    filters: Mapping[str, Any] = field(default_factory=dict)
    scope_paths: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    section: Section | None = None
    excluded_rows: Q | None = None
    calculated: frozenset[str] = frozenset()
    recalculate: Callable[[], Any] | None = None
    naming: Naming | None = None
    search: Search | None = None
    import_sections: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    states: States | None = None
    source_paths: tuple[str, ...] = ()
    sheet_columns: Mapping[str, Any] = field(default_factory=dict)
    sheet_begins: str = ""

    @property
    def model(self) -> type[Record]:
        return self.serializer.Meta.model

    @property
    def label(self) -> str:
        return self.model._meta.label_lower

    @property
    def definition(self) -> str:
        """What a record of this type is, in English: the first sentence of the docstring of the model."""
        return f"{' '.join((self.model.__doc__ or '').split()).split('. ')[0].removesuffix('.')}."

    def sources(self, ids: Sequence[int]) -> dict[int, set[str]]:
        """The keys of the sources of the facts of these records, by id."""
        has_own = any(f.name == "source" and f.is_relation for f in self.model._meta.fields)
        found: dict[int, set[str]] = {pk: set() for pk in ids}
        for path in self.source_paths or (("source",) if has_own else ()):
            rows = self.model._base_manager.filter(pk__in=ids, **{f"{path}__isnull": False}).order_by()
            for pk, key in rows.values_list("pk", f"{path}__slug").distinct():
                found[pk].add(key)
        return found

    def belonging_to(self, scope: Any) -> Q:
        """The rows that belong to a record of the scope, given as an id or an expression, or to any of a list of ids.

        A union of one query per path: PostgreSQL does not use the indexes for a single condition with OR across tables.
        """
        conditions = [self._along(path, scope) for path in self.scope_paths]
        if len(conditions) < 2:
            return conditions[0] if conditions else Q(pk__in=[])
        queries = [self.model._base_manager.filter(condition).order_by().values("pk") for condition in conditions]
        return Q(pk__in=queries[0].union(*queries[1:]))

    def _along(self, path: str, scope: Any) -> Q:
        """The rows that refer to the scope along one path. The link table is read directly where the path uses one."""
        model: Any = self.model
        lookup = "__in" if isinstance(scope, list) else ""
        steps = path.split("__")
        for number, step in enumerate(steps):
            relation = None if step == "pk" else model._meta.get_field(step)
            if relation is not None and relation.many_to_many:
                target = "__".join([relation.m2m_reverse_field_name(), *steps[number + 1 :]])
                links = relation.remote_field.through._base_manager.filter(**{f"{target}{lookup}": scope})
                return Q(**{f"{'__'.join(steps[:number]) or 'pk'}__in": links.values(relation.m2m_field_name())})
            model = relation.related_model if relation is not None else model
        return Q(**{f"{path}{lookup}": scope})


class Registry:
    """All record types, in loading order: a type comes after those that it refers to."""

    def __init__(self) -> None:
        self._by_model: dict[type[Model], Resource] = {}
        self._by_address: dict[str, Resource] = {}
        self._calculated_codes: dict[str, type[TextChoices]] = {}
        self._scope: type[Record] | None = None

    def register(
        self, *resources: Resource, codes: Mapping[str, type[TextChoices]] | None = None, scope: type[Record] | None = None
    ) -> None:
        """Add the record types of an app, and the code lists of its calculated fields by name. `scope` is the type of the scope."""
        self._by_model |= {resource.model: resource for resource in resources}
        self._by_address |= {resource.address: resource for resource in resources if resource.address}
        self._calculated_codes |= codes or {}
        self._scope = scope or self._scope

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._by_model.values())

    def of(self, model: type[Model]) -> Resource:
        """The resource of a model. Raises KeyError."""
        return self._by_model[model]

    def at(self, address: str) -> Resource:
        """The resource with this name in URLs. Raises KeyError."""
        return self._by_address[address]

    @property
    def addressed(self) -> list[Resource]:
        """The record types with a list of their own in the API."""
        return list(self._by_address.values())

    def references_to(self, target: type[Model]) -> list[tuple[type[Record], str]]:
        """Each record type that refers to the model `target`, with the name of the field. A one-to-one relation is a part of the record."""
        return [
            (resource.model, field.name)
            for resource in self
            for field in (*resource.model._meta.concrete_fields, *resource.model._meta.many_to_many)
            if field.is_relation and field.related_model is target and not field.one_to_one
        ]

    @property
    def searched(self) -> list[Resource]:
        """The record types that the full-text search finds."""
        return [resource for resource in self if resource.search]

    @property
    def scope(self) -> Resource:
        """The record type that others belong to. A parameter of this name limits lists and data checks to one of its records."""
        assert self._scope is not None, "An app registers the scope."
        return self.of(self._scope)

    @property
    def scope_name(self) -> str:
        return snake_case(self.scope.model.__name__)

    @property
    def code_lists(self) -> dict[str, type[TextChoices]]:
        """Every code list by name. A list is named after the first field that uses it, those of calculated fields as registered."""
        lists: dict[str, type[TextChoices]] = {}
        for resource in self:
            for code_field in resource.model._meta.concrete_fields:
                codes = getattr(code_field, "codes", None)
                if codes and codes not in lists.values():
                    lists[f"{snake_case(resource.model.__name__)}.{code_field.name}"] = codes
        return lists | {"visibility": Visibility, "publication": Publication} | self._calculated_codes


def snake_case(name: str) -> str:
    """`TwoWords` as `two_words`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


registry = Registry()

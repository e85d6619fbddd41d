"""Data checks: rules that find possible errors and gaps in the register.

Findings are hints, because a source may justify an exception. Each app declares its rules; a rule checks one model or several.
Findings are computed for one user: hidden and archived records are ignored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from policytracker.codes import Codes
from policytracker.records.access import Publication, Reader
from policytracker.records.models import MAX_COUNT, Record, RegistryRecord
from policytracker.representation import keyset
from policytracker.representation.keyset import InvalidCursor, Page, trim_page
from policytracker.representation.references import title
from policytracker.resources import ReadContext, registry
from policytracker.sql.parameters import Parameter, bind_parameters

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

BATCH = 1_000  # rows per query while findings are confirmed in Python
SALT = "checks"
ORDER = [keyset.Column("check"), keyset.Column("id")]  # the columns of a cursor


class Severity(Codes):
    """Severity of a finding, highest first."""

    ERROR = "error", _("the register contradicts itself"), _("Error")
    WARNING = "warning", _("one of two facts may be wrong"), _("Warning")
    INFO = "info", _("something is missing"), _("Info")

    def or_worse(self) -> list[Severity]:
        """This severity and the higher ones."""
        ranks = list(Severity)
        return ranks[: ranks.index(self) + 1]


@dataclass(frozen=True)
class CheckContext:
    """The reader and the date of a check; with `scope`, only this record and the records that belong to it are checked (`Resource`)."""

    read: ReadContext
    scope: Record | None = None
    cached_rows: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    # Filled by counts(): the checks without findings; the candidates of each model that Python has to confirm, and what checks load for
    # them; the records that Python confirmed, with their messages, by check.
    empty: set[str] = field(default_factory=set, init=False, repr=False, compare=False)
    candidates: dict[type[Record], set[int]] = field(default_factory=dict, init=False, repr=False, compare=False)
    loaded: dict[int, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    confirmed: dict[str, dict[int, tuple[Any, str]]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def reader(self) -> Reader:
        return self.read.reader

    @property
    def on(self) -> date:
        return self.read.on

    def rows(self, model: Any) -> Any:
        """The rows that the user may read, except archived ones and those that belong to an archived record."""
        # Cached, because building this queryset takes longer than running it, and many checks start from the same model.
        if model not in self.cached_rows:
            self.cached_rows[model] = (
                model.objects.visible_to(self.reader).filter(not_in_publication(Publication.ARCHIVED, model)).order_by()
            )
        return self.cached_rows[model].all()

    def lacks(self, model: type[Record], name: str) -> Q:
        """The condition that a reference is empty, or its record is hidden from the user."""
        if self.reader.sees_all:
            return Q(**{f"{name}__isnull": True})
        target: Any = model._meta.get_field(name).related_model
        return ~Q(Exists(target.objects.visible_to(self.reader).filter(pk=OuterRef(f"{name}_id"))))


# Filters the rows of a model to those that violate a rule, or may violate it if only Python can decide.
Candidates = Callable[[Any, CheckContext], QuerySet]
# Yields each row that violates the rule, with the message of the finding.
Messages = Callable[[Any, CheckContext], Iterable[tuple[Model, str]]]


@dataclass(frozen=True, eq=False)
class Check:
    """How one model is checked by a rule. With `confirmed_in_python`, only candidates that get a message violate the rule."""

    rule: Rule
    model: type[Record]
    candidates: Candidates
    messages: Messages
    confirmed_in_python: bool = False

    @property
    def name(self) -> str:
        return f"{self.rule.id} {self.model._meta.label_lower}"

    def expected_findings(self) -> tuple[bool, bool, int]:
        """A sort key: checks that PostgreSQL decides alone come later than others, then those of low severity, and common rules last.

        What is missing is far more frequent than what is wrong.
        """
        return self.rule.common, not self.confirmed_in_python, list(Severity).index(Severity(self.rule.severity))

    def rows(self, context: CheckContext) -> Any:
        """The candidates within the scope of the context."""
        rows = self.candidates(context.rows(self.model), context)
        return rows if context.scope is None else rows.filter(registry.of(self.model).belonging_to(context.scope.pk))

    def describe(self, ids: Sequence[int], context: CheckContext) -> dict[int, tuple[Any, str]]:
        """Each record that violates the rule, with its message, by id. Records are annotated with `display_title`."""
        confirmed = context.confirmed.get(self.name)
        if confirmed is not None:  # all of them
            return confirmed
        rows = self.model.objects.filter(pk__in=ids).annotate(display_title=title(self.model)[1])
        return {record.pk: (record, message) for record, message in self.messages(rows, context)}

    def violations(self, context: CheckContext, forward: bool = True, after: int | None = None, size: int = BATCH) -> Iterator[int]:
        """The ids of the violating records, ascending or descending, after the id `after`; `size` rows are read at a time."""
        if self.name in context.empty:
            return
        rows = self.rows(context).order_by("pk" if forward else "-pk")
        while True:
            part = rows if after is None else rows.filter(**{"pk__gt" if forward else "pk__lt": after})
            ids = list(part.values_list("pk", flat=True)[:size])
            violating = set(self.describe(ids, context)) if self.confirmed_in_python else set(ids)
            yield from (pk for pk in ids if pk in violating)
            if len(ids) < size:
                return
            after = ids[-1]


@dataclass(frozen=True)
class Rule:
    """A rule of the data checks: `means` explains a finding, `remedy` says how to fix it.

    A slow rule takes too long on a complete register for a page. It is checked where it is named, on the records of one scope, and by
    the command. A common rule has many findings in a large register, which an index of one table finds: they are counted first.
    """

    id: str
    severity: Severity
    means: StrOrPromise
    remedy: StrOrPromise
    title: StrOrPromise
    slow: bool = False
    common: bool = False
    checks: list[Check] = field(default_factory=list)

    def __post_init__(self):
        RULES[self.id] = self

    def check(self, model: type[Record], candidates: Candidates, messages: Messages, confirmed_in_python: bool = False) -> None:
        """Add a check of one model to the rule."""
        self.checks.append(Check(self, model, candidates, messages, confirmed_in_python))


# All rules by id, in the order of the findings of one severity; filled by the apps.
RULES: dict[str, Rule] = {}


def each(template: StrOrPromise, *select_related: str, **values: Callable[[Any], Any]) -> Messages:
    """Messages that depend only on the record and the given related records.

    The parameters of the template are fields of the record, and the results of the functions `values`.
    """

    def messages(rows: Any, context: CheckContext) -> Iterator[tuple[Model, str]]:
        for record in rows.select_related(*select_related) if select_related else rows:
            yield record, template.format(**vars(record) | {name: value(record) for name, value in values.items()})

    return messages


def list_in_words(names: Sequence[str], limit: int = 3, separator: str = ", ") -> str:
    """The first names, and the number of the others."""
    first, others = separator.join(names[:limit]), len(names) - limit
    if others <= 0:
        return first
    return ngettext("{names} and {number} more", "{names} and {number} more", others).format(names=first, number=others)


# ---- selecting rows


def not_in_publication(publication: Publication, model: type[Record], path: str = "", passing: str = "") -> Q:
    """The condition that neither the record nor a parent has this publication. The parent `passing` is not checked."""
    condition = ~Q(**{f"{path}publication": publication}) if issubclass(model, RegistryRecord) else Q()
    for name in model.access_parents:
        if name != passing:
            parent: Any = model._meta.get_field(name).related_model
            condition &= not_in_publication(publication, parent, f"{path}{name}__")
    return condition


# ---- findings


@dataclass(frozen=True)
class Finding:
    """One record that violates one rule. `sentence` is the message; the API has the same name."""

    rule: Rule
    record: Any
    sentence: str


def select_rules(rules: Iterable[str] = (), severities: Iterable[str] = (), scope: Record | None = None) -> list[Rule]:
    """The rules with these names and severities, errors first; by default all, without the slow ones unless there is a scope."""
    rules, severities = set(rules), set(severities)
    selected = [
        rule
        for rule in RULES.values()
        if (rule.id in rules if rules else scope or not rule.slow) and (not severities or rule.severity in severities)
    ]
    return sorted(selected, key=lambda rule: list(Severity).index(rule.severity))


def select_checks(rules: Iterable[str] = (), severities: Iterable[str] = (), scope: Record | None = None) -> list[Check]:
    """The checks of the selected rules (`select_rules`), in order."""
    return [check for rule in select_rules(rules, severities, scope) for check in rule.checks]


def findings(checks: Sequence[Check], context: CheckContext, cursor: str | None = None, size: int = 50, counted: bool = False) -> Page:
    """A page of findings by severity, rule and record, with their number unless the caller has `counted` them. Raises InvalidCursor."""
    forward, place = decode_cursor(cursor, checks) if cursor else (True, None)
    pairs = list(islice(iterate(checks, context, size + 1, forward, place), size + 1))
    pairs, has_next, has_previous = trim_page(pairs, size, forward, cursor is not None)
    is_complete = cursor is None and not has_next
    return Page(
        describe(pairs, context),
        encode_cursor(True, pairs[-1]) if has_next else None,
        encode_cursor(False, pairs[0]) if has_previous else None,
        len(pairs) if is_complete else None if counted else count(checks, context),
    )


def iterate(
    checks: Sequence[Check], context: CheckContext, size: int = BATCH, forward: bool = True, place: tuple[int, int] | None = None
) -> Iterator[tuple[Check, int]]:
    """The (check, record id) pairs after `place`, or before it in reverse order.

    `place` is the index of a check and a record id. Rows are read `size` at a time, or `BATCH` if they are confirmed in Python.
    """
    start, start_after = place or (0 if forward else len(checks) - 1, None)
    for number in range(start, len(checks)) if forward else range(start, -1, -1):
        check = checks[number]
        ids = check.violations(context, forward, start_after if number == start else None, BATCH if check.confirmed_in_python else size)
        yield from ((check, pk) for pk in ids)


def all_findings(checks: Sequence[Check], context: CheckContext) -> Iterator[Finding]:
    """All findings of the checks, in order."""
    pairs = iterate(checks, context)
    while part := list(islice(pairs, BATCH)):
        yield from describe(part, context)


def describe(pairs: Sequence[tuple[Check, int]], context: CheckContext) -> list[Finding]:
    """The findings of (check, record id) pairs, read with one call per check."""
    ids: dict[str, list[int]] = defaultdict(list)
    checks = {check.name: check for check, _ in pairs}
    for check, pk in pairs:
        ids[check.name].append(pk)
    described = {name: check.describe(ids[name], context) for name, check in checks.items()}
    return [Finding(check.rule, *described[check.name][pk]) for check, pk in pairs if pk in described[check.name]]


def count(checks: Sequence[Check], context: CheckContext) -> int:
    """The number of findings, at most MAX_COUNT + 1. Stops at the limit, so it begins where most are expected."""
    remaining = total = MAX_COUNT + 1
    for check in sorted(checks, key=Check.expected_findings, reverse=True):
        if check.confirmed_in_python:
            remaining -= sum(1 for _ in islice(check.violations(context), remaining))
        else:
            remaining -= check.rows(context).at_most(remaining, context.reader).count()
        if not remaining:
            break
    return total - remaining


@dataclass(frozen=True)
class Number:
    """The findings of a check that were counted. They are all of them if `complete`."""

    counted: int
    complete: bool


def counts(checks: Sequence[Check], context: CheckContext, limit: int) -> dict[str, Number]:
    """The number of findings of each check by name, among its first `limit` candidates. One statement reads them for all checks.

    The context keeps what a page of findings does not have to read again.
    """
    by_name, numbers = {check.name: check for check in checks}, {}
    candidates = [(by_name[name], number, ids[:limit] if ids else []) for name, number, ids in candidates_of(checks, context, limit + 1)]
    for check, _number, ids in candidates:
        context.candidates.setdefault(check.model, set()).update(ids)
    for check, number, ids in candidates:
        complete = number <= limit
        if ids:
            confirmed = check.describe(ids, context)
            number = len(confirmed)
            if complete:
                context.confirmed[check.name] = confirmed
        if complete and not number:
            context.empty.add(check.name)
        numbers[check.name] = Number(min(number, limit), complete)
    return numbers


def candidates_of(checks: Sequence[Check], context: CheckContext, limit: int) -> list[tuple[str, int, list[int] | None]]:
    """The name of each check, the number of its candidates, at most `limit`, and their ids if Python decides."""
    statements, values = [], []
    for check in checks:
        ids = "array_agg(id::bigint)" if check.confirmed_in_python else "NULL::bigint[]"
        if context.scope is None and context.read.as_of is None:
            rows, parameters = compiled_candidates(check, context.reader.roles, context.on, limit)
            parameters = bind_parameters(parameters, user=context.reader.id)
        else:
            rows, parameters = sql_of_candidates(check, context, limit)
        statements.append(f"SELECT %s, count(*), {ids} FROM ({rows}) AS candidates(id)")
        values += [check.name, *parameters]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(statements), values)
        return cursor.fetchall()


def sql_of_candidates(check: Check, context: CheckContext, limit: int) -> tuple[str, Sequence[Any]]:
    try:
        return check.rows(context).values("pk")[:limit].query.sql_with_params()
    except EmptyResultSet:
        return "SELECT 0 WHERE false", ()


@lru_cache(1024)
def compiled_candidates(check: Check, roles: frozenset[str], on: date, limit: int) -> tuple[str, Sequence[Any]]:
    """The same for readers with these roles, in the whole register. Compiling all checks takes as long as running them."""
    return sql_of_candidates(check, CheckContext(ReadContext(Reader(roles, Parameter("user"), as_of=False), on, on)), limit)


def encode_cursor(forward: bool, place: tuple[Check, int]) -> str:
    check, pk = place
    return keyset.encode_cursor(forward, [check.name, pk], ORDER, SALT)


def decode_cursor(cursor: str, checks: Sequence[Check]) -> tuple[bool, tuple[int, int]]:
    """The direction and the place of a cursor. Raises InvalidCursor."""
    forward, (name, pk) = keyset.decode_cursor(cursor, ORDER, SALT)
    place = next((number for number, check in enumerate(checks) if check.name == name), None)
    if place is None:
        raise InvalidCursor
    return forward, (place, pk)

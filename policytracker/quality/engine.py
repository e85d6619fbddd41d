"""What may be wrong with a register: rules that nobody is held to, since a source may be right against any of them.

A rule stands beside its domain and is declared once; it looks at one kind of record, or at several. What is found is found
for one reader: what this person may not read does not exist, and what lies in the archive is left alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.core import signing
from django.db.models import DateField, Exists, F, Func, Model, OuterRef, Q, QuerySet

from policytracker.api.pagination import InvalidCursor, cut
from policytracker.api.serializers import title
from policytracker.codes import Codes
from policytracker.records.access import Publication, Reader
from policytracker.records.models import Record, RegistryRecord

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

COUNTED = 10_000  # findings are counted no further
BATCH = 1_000  # suspects that are looked at together
SALT = "checks"


class Severity(Codes):
    """How much a finding matters, the worst first."""

    ERROR = "error", "the register contradicts itself", "Error"
    WARNING = "warning", "look at it: one of two facts may be wrong", "Warning"
    INFO = "info", "something is missing", "Info"

    def or_worse(self) -> list[Severity]:
        ranks = list(Severity)
        return ranks[: ranks.index(self) + 1]


@dataclass(frozen=True)
class CheckContext:
    """Who looks at the register, and on which day; and, where it is narrowed, at which record with what hangs on it."""

    user: Any
    on: date
    whole: Record | None = None
    begun: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def reader(self) -> Reader:
        return Reader.of(self.user)

    def rows(self, model: Any) -> Any:
        """The rows that exist for whoever looks, but those in the archive and those that hang on what is there."""
        # Many checks begin with the rows of one model, and to say which these are takes longer than to ask for them.
        if model not in self.begun:
            self.begun[model] = model.objects.visible_to(self.reader).filter(outside(Publication.ARCHIVED, model)).order_by()
        return self.begun[model].all()

    def lacks(self, model: type[Record], name: str) -> Q:
        """Where a reference of the model leads to nothing, or to what whoever looks may not read."""
        if self.reader.sees_all:
            return Q(**{f"{name}__isnull": True})
        far: Any = model._meta.get_field(name).related_model
        return ~Q(Exists(far.objects.visible_to(self.reader).filter(pk=OuterRef(f"{name}_id"))))


# Of the rows of a model, those that break a rule. Where only a computation can tell, those that may break it.
Candidates = Callable[[Any, CheckContext], QuerySet]
# Of the rows of a page, each that breaks the rule, with the sentence that says how.
Sentences = Callable[[Any, CheckContext], Iterable[tuple[Model, str]]]


@dataclass(frozen=True)
class Check:
    """How records of one kind break a rule. `sifted` says that only those break it for which there is a sentence."""

    rule: Rule
    model: type[Record]
    candidates: Candidates
    sentences: Sentences
    confirmed_in_python: bool = False

    @property
    def name(self) -> str:
        return f"{self.rule.id} {self.model._meta.label_lower}"

    def rows(self, context: CheckContext) -> QuerySet:
        rows = self.candidates(context.rows(self.model), context)
        return rows if context.whole is None else rows.filter(within(self.model, context.whole))

    def told(self, ids: Sequence[int], context: CheckContext) -> dict[int, tuple[Any, str]]:
        """By id each record that breaks the rule, with its sentence; a record knows its title as `titled`."""
        rows = self.model.objects.filter(pk__in=ids).annotate(titled=title(self.model)[1])
        return {record.pk: (record, sentence) for record, sentence in self.sentences(rows, context)}

    def violations(self, context: CheckContext, forward: bool = True, beyond: int | None = None, size: int = BATCH) -> Iterator[int]:
        """The ids of the records that break it, in order or backwards, from beyond an id on; read so many at a time."""
        rows = self.rows(context).order_by("pk" if forward else "-pk")
        while True:
            part = rows if beyond is None else rows.filter(**{"pk__gt" if forward else "pk__lt": beyond})
            ids = list(part.values_list("pk", flat=True)[:size])
            breaking = set(self.told(ids, context)) if self.confirmed_in_python else set(ids)
            yield from (pk for pk in ids if pk in breaking)
            if len(ids) < size:
                return
            beyond = ids[-1]


@dataclass(frozen=True)
class Rule:
    """What should be so: `means` says what a finding tells, `remedy` what to do about it."""

    id: str
    severity: Severity
    means: StrOrPromise
    remedy: StrOrPromise
    title: StrOrPromise = ""  # a short label, by default made from the id
    checks: list[Check] = field(default_factory=list)

    def __post_init__(self):
        if isinstance(self.title, str) and not self.title:  # a lazy title cannot be translated yet
            object.__setattr__(self, "title", self.id.replace("_", " ").capitalize())
        RULES[self.id] = self

    def check(self, model: type[Record], candidates: Candidates, sentences: Sentences, confirmed_in_python: bool = False) -> None:
        """Say how records of a kind break the rule."""
        self.checks.append(Check(self, model, candidates, sentences, confirmed_in_python))


# Every rule by its id, in the order in which findings are told; the apps above fill it.
RULES: dict[str, Rule] = {}
# What a record is about besides what it hangs on: many-to-many fields, by model; the apps above fill it.
ABOUT: dict[type[Record], tuple[str, ...]] = {}


def each(sentence: Callable[[Any], str], *joined: str) -> Sentences:
    """Every record by itself, with what it refers to read along with it."""

    def sentences(rows: Any, context: CheckContext) -> Iterator[tuple[Model, str]]:
        for record in rows.select_related(*joined) if joined else rows:
            yield record, sentence(record)

    return sentences


# ---- which rows are looked at


def outside(publication: Publication, model: type[Record], path: str = "", passing: str = "") -> Q:
    """Neither archived (or a draft), nor hanging on what is; what hangs on the reference `passing` does not matter."""
    rule = ~Q(**{f"{path}publication": publication}) if issubclass(model, RegistryRecord) else Q()
    for name in model.access_parents:
        if name != passing:
            far: Any = model._meta.get_field(name).related_model
            rule &= outside(publication, far, f"{path}{name}__")
    return rule


def latest(name: str) -> Func:
    """The last day that a date may mean, where no column keeps it."""
    return Func(F(name), function="edtf_last", output_field=DateField())


def within(model: type[Record], whole: Record) -> Q:
    """The record itself, what hangs on it, by however many steps, and what is about it."""
    if isinstance(whole, model):
        return Q(pk=whole.pk)
    rule = Q(pk__in=[])
    for name in (*model.access_parents, *ABOUT.get(model, ())):
        far: Any = model._meta.get_field(name).related_model
        rule |= (
            Q(**{name: whole.pk}) if isinstance(whole, far) else Q(**{f"{name}__in": far.objects.filter(within(far, whole)).values("pk")})
        )
    return rule


# ---- what is found


@dataclass(frozen=True)
class Finding:
    """One record that breaks one rule."""

    rule: Rule
    record: Any
    sentence: str


@dataclass(frozen=True)
class Page:
    """Some findings, the cursors that lead on and back, and how many there are in all, as far as they are counted."""

    results: list[Finding]
    next: str | None
    previous: str | None
    count: int


def chosen(rules: Iterable[str] = (), severities: Iterable[str] = ()) -> list[Check]:
    """The checks of these rules and severities, or of all, in order."""
    rules, severities = set(rules), set(severities)
    return [
        check
        for rule in RULES.values()
        if (not rules or rule.id in rules) and (not severities or rule.severity in severities)
        for check in rule.checks
    ]


def findings(checks: Sequence[Check], context: CheckContext, cursor: str | None = None, size: int = 50, total: int | None = None) -> Page:
    """A page of what the checks find, by rule and then by record; `total` is how many there are, where that is known. Raises BadCursor."""
    forward, place = read(cursor, checks) if cursor else (True, None)
    found: list[tuple[Check, int]] = []
    for one in walk(checks, context, size + 1, forward, place):
        found.append(one)
        if len(found) > size:
            break
    found, has_next, has_previous = cut(found, size, forward, cursor is not None)
    if cursor is None and not has_next:
        total = len(found)
    return Page(
        tell(found, context),
        write(True, found[-1]) if has_next else None,
        write(False, found[0]) if has_previous else None,
        count(checks, context) if total is None else total,
    )


def walk(
    checks: Sequence[Check], context: CheckContext, size: int = BATCH, forward: bool = True, place: tuple[int, int] | None = None
) -> Iterator[tuple[Check, int]]:
    """Each finding after a place, or each before it backwards; of what needs no computation so many are read at a time."""
    start, beyond = place or (0 if forward else len(checks) - 1, None)
    for number in range(start, len(checks)) if forward else range(start, -1, -1):
        check = checks[number]
        ids = check.violations(context, forward, beyond if number == start else None, BATCH if check.confirmed_in_python else size)
        yield from ((check, pk) for pk in ids)


def every(checks: Sequence[Check], context: CheckContext) -> Iterator[Finding]:
    """All that the checks find, in order."""
    found = walk(checks, context)
    while part := list(islice(found, BATCH)):
        yield from tell(part, context)


def tell(found: Sequence[tuple[Check, int]], context: CheckContext) -> list[Finding]:
    """The findings with their sentences, read for each check at once."""
    ids: dict[str, list[int]] = defaultdict(list)
    checks = {check.name: check for check, _ in found}
    for check, pk in found:
        ids[check.name].append(pk)
    told = {name: check.told(ids[name], context) for name, check in checks.items()}
    return [Finding(check.rule, *told[check.name][pk]) for check, pk in found if pk in told[check.name]]


def count(checks: Sequence[Check], context: CheckContext, most: int | None = None) -> int:
    """How many findings there are; one more than `most`, or than is counted at all, stands for all the rest."""
    most = COUNTED if most is None else most
    plain = [check.rows(context).values_list("pk") for check in checks if not check.confirmed_in_python]
    total = 0
    if plain:
        together = plain[0].union(*plain[1:], all=True) if plain[1:] else plain[0]
        total = together[: most + 1].count()
    # What takes a computation is counted last, and only as far as it still matters.
    confirmed_in_python = (pk for check in checks if check.confirmed_in_python for pk in check.violations(context))
    return total + sum(1 for _ in islice(confirmed_in_python, max(most + 1 - total, 0)))


def write(forward: bool, place: tuple[Check, int]) -> str:
    check, pk = place
    return signing.dumps([forward, check.name, pk], salt=SALT)


def read(cursor: str, checks: Sequence[Check]) -> tuple[bool, tuple[int, int]]:
    try:
        forward, name, pk = signing.loads(cursor, salt=SALT)
    except signing.BadSignature as error:
        raise InvalidCursor from error
    place = next((number for number, check in enumerate(checks) if check.name == name), None)
    if place is None:
        raise InvalidCursor
    return forward, (place, pk)

"""What has happened to an agreement, and what is to come, in one line of days (API.md 6).

What follows from other entries is not told twice: the days of signature and entry into force are those of treaty actions, and the
day on which a recommendation was closed is that of an update.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import Case, F, Func, Q, TextField, Value, When
from django.db.models.functions import Cast, Coalesce, Left

from agreements.models import Agreement, Commitment, Component, FactCheck, Indicator, Measurement, Participation, TreatyAction
from agreements.models.agreements import ParticipationRole
from agreements.models.commitments import Bound, Stage
from agreements.models.sources import Verdict
from agreements.models.treaty_actions import ActionKind
from policytracker.api import pagination
from policytracker.api.serializers import ADDRESSES
from policytracker.edtf import EdtfField
from policytracker.records.access import Reader
from policytracker.records.models import Record
from policytracker.records.parameters import Parameter, bind_parameters
from recommendations.models import Addressee, Milestone, ProgressUpdate, Recommendation, Response, Review, Status, UpdateKind

LONGEST = 300  # characters of a title
COLUMNS = [pagination.Column(name) for name in ("day", "type", "key", "place")]
ORDER = ", ".join(column.path for column in COLUMNS)


# ---- what an entry says


def said(words: str) -> Callable[..., str]:
    """The words, with what the record says in the place of each `{}`."""
    return words.format


def number(text: str, unit: str = "") -> str:
    """A number as people write it: `13,000,000,000`, `0.5 t/y`."""
    return f"{Decimal(text).normalize():,f} {unit}".rstrip()


def act(kind: str, party: str, counterparty: str) -> str:
    return ActionKind(kind).label + (f", {party}" if party else "") + (f" with {counterparty}" if counterparty else "")


def takes_effect(*parts: str) -> str:
    return f"Takes effect: {act(*parts)}"


def spell(word: str) -> Callable[..., str]:
    return lambda party, role: f"{word}: {party} as {ParticipationRole(role).label.lower()}"


def sum_of_money(stage: str, bound: str, currency: str, amount: str, payer: str, *about: str) -> str:
    limit = "" if bound == Bound.EXACTLY else f"{Bound(bound).label.lower()} "
    what = next(filter(None, about), "")
    return f"{Stage(stage).label}: {limit}{currency} {number(amount)}" + (f", by {payer}" if payer else "") + (f": {what}" if what else "")


def value(word: str) -> Callable[..., str]:
    return lambda name, value, unit: f"{word}: {name}" + (f": {number(value, unit)}" if value else "")


def checked(verdict: str, statement: str) -> str:
    return f"Checked, {Verdict(verdict).label.lower()}: {statement}"


def response(code: str, party: str, action: str) -> str:
    return f"Response of {party}, {Response(code).label.lower()}: {action}"


def update(kind: str, status: str, party: str, voided: str, action: str) -> str:
    found = f" as {Status(status).label.lower()}" if status else ""
    words = {UpdateKind.ASSESSMENT: "Assessed", UpdateKind.CLAIM: f"Claimed by {party}", UpdateKind.NOTE: "Noted"}
    return f"{'Voided: ' if voided else ''}{words[UpdateKind(kind)]}{found}: {action}"


# ---- where entries come from


AGREEMENT = Parameter("agreement")


def of(path: str) -> Q:
    """What leads along the path to the agreement."""
    return Q(**{path: AGREEMENT})


def about(path: str) -> Q:
    """What leads along the path to a recommendation about the agreement."""
    links = Recommendation.agreements.through.objects.filter(agreement=AGREEMENT)
    return Q(**{f"{path}__in": links.values("recommendation")})


ITS_OWN, ALL = of("agreement"), Q()


@dataclass(frozen=True)
class Entries:
    """The records of one kind that one of their days puts into the line: `says` makes the title of the `parts` of a record."""

    model: type[Record]
    day: str
    parts: Sequence[Any]
    says: Callable[..., str]
    belongs: Q = ITS_OWN
    which: Q = ALL

    def select(self, reader: Reader, place: int) -> tuple[str, tuple]:
        """Day, type, key, place among the kinds, the date as it is given, and the parts, as SQL with its values."""
        mixed = isinstance(self.model._meta.get_field(self.day), EdtfField)
        first = f"{self.day}_first" if mixed else self.day
        given = F(self.day) if mixed else Func(F(self.day), Value("YYYY-MM-DD"), function="to_char", output_field=TextField())
        parts = [Coalesce(Cast(part, TextField()), Value(""), output_field=TextField()) for part in self.parts]
        rows = self.model.objects.visible_to(reader).filter(self.belongs, self.which, **{f"{first}__isnull": False}).order_by()
        columns: list[Any] = [
            F(first),
            Value(ADDRESSES[self.model], TextField()),
            Cast(self.model.key, TextField()),
            Value(place),
            given,
            Func(*parts, template="ARRAY[%(expressions)s]", output_field=ArrayField(TextField())),
        ]
        return rows.values_list(*columns).query.sql_with_params()


ACT = ("kind", "party__name", "counterparty__name")
LATER = ~Q(effective_on=F("acted_on"))
SPELL = ("party__name", "role")
MONEY = ("stage", "bound", "currency", "amount", "payer__name", Left("description", LONGEST), "component__title")
ACTION = "recommendation__key_action"
VOIDED = Case(When(voided_at__isnull=False, then=Value("voided")), default=Value(""), output_field=TextField())
UPDATE = ("kind", "status", "party__name", VOIDED, ACTION)
APPROVED = Q(review=Review.APPROVED)
MEASURED = ("indicator__name", "value", "indicator__unit")

# In the order in which a record's own entries of one day follow one another.
KINDS = (
    Entries(Agreement, "next_review_on", ("title",), said("Next review: {}"), of("pk")),
    Entries(Agreement, "expires_on", ("title",), said("Expires: {}"), of("pk")),
    Entries(TreatyAction, "acted_on", ACT, act),
    Entries(TreatyAction, "effective_on", ACT, takes_effect, which=LATER),
    Entries(Component, "starts_on", ("title",), said("Starts: {}")),
    Entries(Component, "due_on", ("title",), said("Due: {}")),
    Entries(Component, "completed_on", ("title",), said("Completed: {}")),
    Entries(Participation, "since", SPELL, spell("Begins")),
    Entries(Participation, "until", SPELL, spell("Ends")),
    Entries(Commitment, "stated_on", MONEY, sum_of_money),
    Entries(Indicator, "baseline_on", ("name", "baseline_value", "unit"), value("Baseline"), of("outcome__agreement")),
    Entries(Indicator, "target_on", ("name", "target_value", "unit"), value("Target"), of("outcome__agreement")),
    Entries(Measurement, "measured_on", MEASURED, value("Measured"), of("indicator__outcome__agreement")),
    Entries(FactCheck, "checked_on", ("verdict", Left("statement", LONGEST)), checked),
    Entries(Recommendation, "made_on", ("key_action",), said("Recommended: {}"), about("pk")),
    Entries(Recommendation, "due_on", ("key_action",), said("Due: {}"), about("pk")),
    Entries(Addressee, "responded_on", ("response", "party__name", ACTION), response, about("recommendation")),
    Entries(Milestone, "due_on", ("title",), said("Milestone due: {}"), about("recommendation")),
    Entries(Milestone, "completed_on", ("title",), said("Milestone reached: {}"), about("recommendation")),
    Entries(ProgressUpdate, "reported_on", UPDATE, update, about("recommendation"), which=APPROVED),
)


@dataclass(frozen=True)
class Entry:
    """One dated event of the line."""

    day: date
    type: str
    key: str
    place: int
    on: str
    parts: list[str]

    @property
    def title(self) -> str:
        line = KINDS[self.place].says(*self.parts)
        return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"

    @property
    def at(self) -> tuple:
        return self.day, self.type, self.key, self.place


@dataclass(frozen=True)
class Page:
    """Some entries, of how many, and the cursors that lead on and back."""

    count: int
    entries: list[Entry]
    next: str | None
    previous: str | None


@lru_cache(100)
def union(roles: frozenset[str]) -> tuple[str, tuple]:
    """All entries of one agreement, for readers of these roles, as SQL with its values."""
    reader = Reader(roles, Parameter("user"))
    selects = [kind.select(reader, place) for place, kind in enumerate(KINDS)]
    return " UNION ALL ".join(sql for sql, _ in selects), tuple(value for _, values in selects for value in values)


class Timeline:
    """The line of one agreement, as one reader may read it. What it costs depends on the agreement's own records alone."""

    def __init__(self, agreement: Agreement, user: Any):
        reader = Reader.of(user)
        self.rows, values = union(reader.roles)
        self.values = bind_parameters(values, user=reader.id, agreement=agreement.pk)
        self.salt = f"timeline of {agreement.pk}"

    def page(self, cursor: str | None, size: int) -> Page:
        """The page that the cursor leads to. Raises BadCursor."""
        forward, after = pagination.decode_cursor(cursor, COLUMNS, self.salt) if cursor else (True, None)
        beyond = f"WHERE ({ORDER}) {'>' if forward else '<'} (%s::date, %s, %s, %s)" if after else ""
        order = ORDER if forward else ", ".join(f"{column.path} DESC" for column in COLUMNS)
        with connection.cursor() as asked:
            asked.execute(
                f"""WITH line ({ORDER}, given, parts) AS MATERIALIZED ({self.rows})
                SELECT counted.number, page.* FROM (SELECT count(*) AS number FROM line) AS counted
                LEFT JOIN (SELECT * FROM line {beyond} ORDER BY {order} LIMIT {size + 1}) AS page ON true ORDER BY {order}""",
                [*self.values, *(after or [])],
            )
            told = asked.fetchall()
        found = [Entry(*entry) for _, *entry in told if entry[0] is not None]
        found, has_next, has_previous = pagination.trim_page(found, size, forward, cursor is not None)
        return Page(
            told[0][0],
            found,
            pagination.encode_cursor(True, found[-1].at, COLUMNS, self.salt) if has_next else None,
            pagination.encode_cursor(False, found[0].at, COLUMNS, self.salt) if has_previous else None,
        )

"""The timeline of an agreement: all dated events of its records and recommendations, in order.

Dates that are calculated from other entries are not repeated: signature and entry into force of the agreement appear as treaty
actions, the closing of a recommendation as a progress update.
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

MAX_TITLE = 300  # characters
COLUMNS = [pagination.Column(name) for name in ("day", "type", "key", "position")]
ORDER = ", ".join(column.path for column in COLUMNS)


# ---- Titles of entries


def number(text: str, unit: str = "") -> str:
    """A number with thousands separators and its unit: `13,000,000,000`, `0.5 t/y`."""
    return f"{Decimal(text).normalize():,f} {unit}".rstrip()


def action_title(kind: str, party: str, counterparty: str) -> str:
    return ActionKind(kind).label + (f", {party}" if party else "") + (f" with {counterparty}" if counterparty else "")


def effect_title(*parts: str) -> str:
    return f"Takes effect: {action_title(*parts)}"


def period_title(label: str) -> Callable[..., str]:
    return lambda party, role: f"{label}: {party} as {ParticipationRole(role).label.lower()}"


def commitment_title(stage: str, bound: str, currency: str, amount: str, payer: str, *subjects: str) -> str:
    limit = "" if bound == Bound.EXACTLY else f"{Bound(bound).label.lower()} "
    subject = next(filter(None, subjects), "")
    title = f"{Stage(stage).label}: {limit}{currency} {number(amount)}"
    return title + (f", by {payer}" if payer else "") + (f": {subject}" if subject else "")


def value_title(label: str) -> Callable[..., str]:
    return lambda name, value, unit: f"{label}: {name}" + (f": {number(value, unit)}" if value else "")


def fact_check_title(verdict: str, statement: str) -> str:
    return f"Checked, {Verdict(verdict).label.lower()}: {statement}"


def response_title(code: str, party: str, action: str) -> str:
    return f"Response of {party}, {Response(code).label.lower()}: {action}"


def update_title(kind: str, status: str, party: str, voided: str, action: str) -> str:
    as_status = f" as {Status(status).label.lower()}" if status else ""
    labels = {UpdateKind.ASSESSMENT: "Assessed", UpdateKind.CLAIM: f"Claimed by {party}", UpdateKind.NOTE: "Noted"}
    return f"{'Voided: ' if voided else ''}{labels[UpdateKind(kind)]}{as_status}: {action}"


# ---- Queries of entries


AGREEMENT = Parameter("agreement")


def of_agreement(path: str) -> Q:
    """Rows that refer to the agreement along the path."""
    return Q(**{path: AGREEMENT})


def of_recommendations(path: str) -> Q:
    """Rows that refer along the path to a recommendation that follows from the agreement."""
    links = Recommendation.agreements.through.objects.filter(agreement=AGREEMENT)
    return Q(**{f"{path}__in": links.values("recommendation")})


OF_AGREEMENT, ALL = of_agreement("agreement"), Q()


@dataclass(frozen=True)
class EntryKind:
    """The entries that one date field of a model adds to the timeline. `format_title` makes a title from the values of `parts`."""

    model: type[Record]
    day: str
    parts: Sequence[Any]
    format_title: Callable[..., str]
    scope: Q = OF_AGREEMENT
    condition: Q = ALL

    def select(self, reader: Reader, position: int) -> tuple[str, tuple]:
        """SQL and values that select first day, type, key, position of the kind, original date and title parts."""
        partial = isinstance(self.model._meta.get_field(self.day), EdtfField)
        first = f"{self.day}_first" if partial else self.day
        original = F(self.day) if partial else Func(F(self.day), Value("YYYY-MM-DD"), function="to_char", output_field=TextField())
        parts = [Coalesce(Cast(part, TextField()), Value(""), output_field=TextField()) for part in self.parts]
        rows = self.model.objects.visible_to(reader).filter(self.scope, self.condition, **{f"{first}__isnull": False}).order_by()
        columns: list[Any] = [
            F(first),
            Value(ADDRESSES[self.model], TextField()),
            Cast(self.model.key, TextField()),
            Value(position),
            original,
            Func(*parts, template="ARRAY[%(expressions)s]", output_field=ArrayField(TextField())),
        ]
        return rows.values_list(*columns).query.sql_with_params()


ACTION_PARTS = ("kind", "party__name", "counterparty__name")
EFFECTIVE_ON_OTHER_DATE = ~Q(effective_on=F("acted_on"))
PERIOD_PARTS = ("party__name", "role")
COMMITMENT_PARTS = ("stage", "bound", "currency", "amount", "payer__name", Left("description", MAX_TITLE), "component__title")
KEY_ACTION = "recommendation__key_action"
VOIDED = Case(When(voided_at__isnull=False, then=Value("voided")), default=Value(""), output_field=TextField())
UPDATE_PARTS = ("kind", "status", "party__name", VOIDED, KEY_ACTION)
APPROVED = Q(review=Review.APPROVED)
MEASUREMENT_PARTS = ("indicator__name", "value", "indicator__unit")

# The order determines the order of the entries of one record on one day.
KINDS = (
    EntryKind(Agreement, "next_review_on", ("title",), "Next review: {}".format, of_agreement("pk")),
    EntryKind(Agreement, "expires_on", ("title",), "Expires: {}".format, of_agreement("pk")),
    EntryKind(TreatyAction, "acted_on", ACTION_PARTS, action_title),
    EntryKind(TreatyAction, "effective_on", ACTION_PARTS, effect_title, condition=EFFECTIVE_ON_OTHER_DATE),
    EntryKind(Component, "starts_on", ("title",), "Starts: {}".format),
    EntryKind(Component, "due_on", ("title",), "Due: {}".format),
    EntryKind(Component, "completed_on", ("title",), "Completed: {}".format),
    EntryKind(Participation, "since", PERIOD_PARTS, period_title("Begins")),
    EntryKind(Participation, "until", PERIOD_PARTS, period_title("Ends")),
    EntryKind(Commitment, "stated_on", COMMITMENT_PARTS, commitment_title),
    EntryKind(Indicator, "baseline_on", ("name", "baseline_value", "unit"), value_title("Baseline"), of_agreement("outcome__agreement")),
    EntryKind(Indicator, "target_on", ("name", "target_value", "unit"), value_title("Target"), of_agreement("outcome__agreement")),
    EntryKind(Measurement, "measured_on", MEASUREMENT_PARTS, value_title("Measured"), of_agreement("indicator__outcome__agreement")),
    EntryKind(FactCheck, "checked_on", ("verdict", Left("statement", MAX_TITLE)), fact_check_title),
    EntryKind(Recommendation, "made_on", ("key_action",), "Recommended: {}".format, of_recommendations("pk")),
    EntryKind(Recommendation, "due_on", ("key_action",), "Due: {}".format, of_recommendations("pk")),
    EntryKind(Addressee, "responded_on", ("response", "party__name", KEY_ACTION), response_title, of_recommendations("recommendation")),
    EntryKind(Milestone, "due_on", ("title",), "Milestone due: {}".format, of_recommendations("recommendation")),
    EntryKind(Milestone, "completed_on", ("title",), "Milestone reached: {}".format, of_recommendations("recommendation")),
    EntryKind(ProgressUpdate, "reported_on", UPDATE_PARTS, update_title, of_recommendations("recommendation"), condition=APPROVED),
)


@dataclass(frozen=True)
class Entry:
    """One dated event. `on` is the date as recorded, `day` its first possible day."""

    day: date
    type: str
    key: str
    position: int
    on: str
    parts: list[str]

    @property
    def title(self) -> str:
        title = KINDS[self.position].format_title(*self.parts)
        return title if len(title) <= MAX_TITLE else f"{title[: MAX_TITLE - 1]}…"

    @property
    def sort_key(self) -> tuple:
        return self.day, self.type, self.key, self.position


@dataclass(frozen=True)
class Page:
    """A page of entries, the total count, and the cursors of the next and previous page."""

    count: int
    entries: list[Entry]
    next: str | None
    previous: str | None


@lru_cache(100)
def union(roles: frozenset[str], as_of: bool) -> tuple[str, tuple]:
    """SQL and values that select all entries of an agreement for these roles."""
    reader = Reader(roles, Parameter("user"), as_of)
    selects = [kind.select(reader, position) for position, kind in enumerate(KINDS)]
    return " UNION ALL ".join(sql for sql, _ in selects), tuple(value for _, values in selects for value in values)


class Timeline:
    """The timeline of an agreement with the records that the user may read. The cost depends only on the records of this agreement."""

    def __init__(self, agreement: Agreement, user: Any):
        reader = Reader.of(user)
        self.rows, values = union(reader.roles, reader.as_of)
        self.values = bind_parameters(values, user=reader.id, agreement=agreement.pk)
        self.salt = f"timeline of {agreement.pk}"

    def page(self, cursor: str | None, size: int) -> Page:
        """The page at the cursor, or the first page. Raises pagination.InvalidCursor."""
        forward, after = pagination.decode_cursor(cursor, COLUMNS, self.salt) if cursor else (True, None)
        beyond = f"WHERE ({ORDER}) {'>' if forward else '<'} (%s::date, %s, %s, %s)" if after else ""
        order = ORDER if forward else ", ".join(f"{column.path} DESC" for column in COLUMNS)
        with connection.cursor() as db:
            db.execute(
                f"""WITH line ({ORDER}, original, parts) AS MATERIALIZED ({self.rows})
                SELECT counted.number, page.* FROM (SELECT count(*) AS number FROM line) AS counted
                LEFT JOIN (SELECT * FROM line {beyond} ORDER BY {order} LIMIT {size + 1}) AS page ON true ORDER BY {order}""",
                [*self.values, *(after or [])],
            )
            rows = db.fetchall()
        # The join with the count returns one row without an entry if the page is empty.
        entries = [Entry(*entry) for _, *entry in rows if entry[0] is not None]
        entries, has_next, has_previous = pagination.trim_page(entries, size, forward, cursor is not None)
        return Page(
            rows[0][0],
            entries,
            pagination.encode_cursor(True, entries[-1].sort_key, COLUMNS, self.salt) if has_next else None,
            pagination.encode_cursor(False, entries[0].sort_key, COLUMNS, self.salt) if has_previous else None,
        )

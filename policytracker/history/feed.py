"""The feed of changes: what changed in all records, oldest first, as far as the reader may see it.

The changes are ordered by transaction and id, and the feed contains only transactions below the oldest one that has not ended. So
a transaction that began first and ends last comes after the cursor, and every change is returned exactly once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypedDict

from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import Func, JSONField, Q, QuerySet, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.lookups import Exact

from policytracker.history.scope import Node, departures, left_by, members, roots
from policytracker.history.values import FieldChange, Keys, RecordValues, ShownChange, natural_keys
from policytracker.installed.installation import CURRENT_ERA
from policytracker.records.changes import Change
from policytracker.records.models import Record
from policytracker.records.past_access import PastAccess, columns_of_row
from policytracker.records.periods import contains, contains_before
from policytracker.representation import json_sql, keyset
from policytracker.representation.serializers import declared_fields
from policytracker.resources import ReadContext, registry

SALT = "changes"
ORDER = [keyset.Column("era"), keyset.Column("txid"), keyset.Column("id")]
# A page ends after so many changes, even if the reader may see fewer than a page of them.
MAX_SCANNED = 10_000
MAX_CHUNK = 2_000  # changes per query
Place = list[Any]  # era, transaction and id of a change
RECENT_SCANNED = 200  # changes among which the newest entries are looked for
# A transaction gets its number with its first write. No transaction is open for longer than this before it writes, or after another
# transaction has changed a row that it writes too. So the numbers of the transactions of a period are known from their times.
LONGEST_TRANSACTION = timedelta(hours=6)


@dataclass(frozen=True)
class Filters:
    """Which changes the feed contains. `scope` is a record; the changes are those of the records that belong to it."""

    since: datetime | None = None
    until: datetime | None = None
    scope: Record | None = None
    users: Sequence[str] = ()
    models: Sequence[type[Record]] = ()


class FeedEntry(TypedDict):
    """A change in the form of the API, but without the records of the scope.

    It is an entry of the history (`HistoryEntry`) without the version, and has the resource, key and URL of the record.
    """

    uid: str
    at: str
    user: str | None
    operation: str
    reason: str
    channel: str
    resource: str
    key: str
    url: str
    line: str
    changes: dict[str, FieldChange]


@dataclass(frozen=True)
class ChangeEntry:
    """One change: its data, its record, and the columns of the row before the change, without long texts.

    `scope` are the keys of the records of the scope that the record belongs to, or that it left by this change. `edited` are the fields
    of `changes` that sentences mention: those that an update itself changed.
    """

    data: FeedEntry
    scope: list[str]
    edited: list[str]
    model: type[Record]
    pk: int
    row: Mapping[str, Any]
    place: Place

    @property
    def document(self) -> dict[str, Any]:
        """The entry in the form of the API, with the records of the scope under the name of their resource."""
        head = {name: value for name, value in self.data.items() if name not in ("line", "changes")}
        return head | {registry.scope.address: self.scope, "line": self.data["line"], "changes": self.data["changes"]}


@dataclass(frozen=True)
class FeedPage:
    """Entries, the cursor after them, and whether there may be more."""

    entries: list[ChangeEntry]
    cursor: str
    has_more: bool


class Feed:
    """The changes that the reader of the context may see."""

    def __init__(self, context: ReadContext, filters: Filters = Filters()):
        self.context, self.filters = context, filters
        self.reader = context.reader

    def page(self, cursor: str | None, size: int) -> FeedPage:
        """The page after the cursor, or the first one. Raises InvalidCursor."""
        place: Place | None = keyset.decode_cursor(cursor, ORDER, SALT)[1] if cursor else None
        era, end = oldest_open_transaction()
        rows = self.rows(era, end)
        place = later(place, self.start())
        entries: list[ChangeEntry] = []
        scanned, chunk = 0, size + 1 if self.reader.sees_all else 2 * size + 20
        while True:
            changes = read_after(rows, place, chunk)
            entries += self.entries(changes)
            scanned += len(changes)
            if len(entries) > size:
                return FeedPage(entries[:size], encode(entries[size - 1].place), True)
            if changes:
                place = place_of(changes[-1])
            if len(changes) < chunk:
                # Changes after `until` come after this cursor; otherwise nothing that has ended comes after it.
                return FeedPage(entries, encode(place if self.filters.until else later(place, [era, end, 0])), False)
            if scanned >= MAX_SCANNED:
                return FeedPage(entries, encode(place), True)
            chunk = min(4 * chunk, MAX_CHUNK)

    def all_entries(self, size: int) -> Iterable[ChangeEntry]:
        """The entries of all pages, read `size` at a time."""
        page = self.page(None, size)
        yield from page.entries
        while page.has_more:
            page = self.page(page.cursor, size)
            yield from page.entries

    def newest(self, size: int) -> list[ChangeEntry]:
        """At most `size` entries, newest first, of the last RECENT_SCANNED changes. Their number of queries is fixed."""
        rows = Change.objects.filter(self.of_records(self.filters.models or models_of_feed())).order_by("-id")
        return self.entries(with_old_values(list(short_values(rows)[:RECENT_SCANNED])))[:size]

    # ---- selecting changes

    def rows(self, era: int, end: str) -> QuerySet[Change]:
        """The changes of the feed, of transactions before `end` of this era."""
        rows = Change.objects.filter(Q(era__lt=era) | Q(txid__lt=end), self.of_records(self.filters.models or models_of_feed()))
        if self.filters.users:
            by_user = Q(pk__in=[])
            for name in self.filters.users:
                by_user |= Q(Exact(KeyTextTransform("user", "actor"), name))
            rows = rows.filter(by_user)
        if since := self.filters.since:
            rows = rows.filter(at__gte=since)
        if until := self.filters.until:
            rows = rows.filter(at__lt=until)
            if last := min(nearest("at__gte", shifted(until, LONGEST_TRANSACTION), "at"), default=None, key=in_order):
                rows = rows.filter(Q(era__lt=last[0]) | Q(era=last[0], txid__lte=last[1]))
        return rows

    def start(self) -> Place | None:
        """A place before all changes of the period."""
        if self.filters.since is None:
            return None
        return max(nearest("at__lte", shifted(self.filters.since, -2 * LONGEST_TRANSACTION), "-at"), default=None, key=in_order)

    def of_records(self, models: Sequence[type[Record]]) -> Q:
        if self.filters.scope is None:
            return Q(tbl__in=[model._meta.db_table for model in models])
        condition = Q(pk__in=[])
        for model, ids in self.members.items():
            if model in models and ids:
                condition |= Q(tbl=model._meta.db_table, row_id__in=ids)
        tables = [model._meta.db_table for model in models]
        return condition | Q(tbl__in=tables, pk__in=departures(self.members))

    @cached_property
    def members(self) -> dict[type[Record], set[int]]:
        return members(self.filters.scope) if self.filters.scope else {}

    # ---- entries

    def entries(self, changes: Sequence[Change]) -> list[ChangeEntry]:
        """The entries of those changes that the reader may see, in the given order."""
        of_model: dict[type[Record], list[Change]] = defaultdict(list)
        models = {model._meta.db_table: model for model in models_of_feed()}
        for change in changes:
            of_model[models[change.tbl]].append(change)
        access = PastAccess(self.reader)
        values: dict[type[Record], RecordValues] = {}
        stored: dict[int, Any] = {}
        for model, rows in of_model.items():
            values[model] = RecordValues(model, declared_fields(registry.of(model).serializer), access)
            stored |= values[model].stored(values[model].readable(rows))
        references = [values[m].references(stored[c.id] for c in rows if c.id in stored) for m, rows in of_model.items()]
        keys = Keys(access, references)
        shown = []
        for change in changes:
            model = models[change.tbl]
            if change.id in stored:
                visible = values[model].shown(change, stored[change.id], keys)
                if values[model].has_content(change, visible):
                    shown.append((model, change, values[model].entry(change, visible)))
        return self.with_records(shown, access)

    def with_records(self, shown: list[tuple[type[Record], Change, ShownChange]], access: PastAccess) -> list[ChangeEntry]:
        """The entries with resource, key, URL and scope of their records, without records that were removed with their history."""
        ids: dict[type[Record], set[int]] = defaultdict(set)
        for model, change, _ in shown:
            ids[model].add(change.row_id)
        keys = keys_and_deletions(ids)
        left: dict[int, set[Node]] = {}
        for model in list(ids):
            left |= left_by(model, [change for of, change, _ in shown if of is model])
        for parent, pk in set().union(*left.values()):
            ids[parent].add(pk)
        scope, scopes = registry.scope, roots(ids)
        found = set().union(*scopes.values())
        periods = access.periods(scope.model, found)
        scope_keys = dict(scope.model.objects.visible_to(self.reader).filter(pk__in=found).values_list("pk", scope.model.key))
        entries = []
        for model, change, entry in shown:
            if (model, change.row_id) not in keys:
                continue
            address, (key, deleted_at) = registry.of(model).address, keys[model, change.row_id]
            belongs = {pk for pk in scopes[model, change.row_id] if deleted_at is None or contains(periods[pk], deleted_at)}
            for node in left.get(change.id, ()):
                belongs |= {pk for pk in scopes[node] if contains_before(periods[pk], change.at)}
            if self.filters.scope and self.filters.scope.pk not in belongs:
                continue  # the reader could not read the record of the scope when this one belonged to it
            data: FeedEntry = {
                "uid": entry.data["uid"],
                "at": entry.data["at"],
                "user": entry.data["user"],
                "operation": entry.data["operation"],
                "reason": entry.data["reason"],
                "channel": entry.data["channel"],
                "resource": address,
                "key": key,
                "url": f"{self.context.base_url}{json_sql.API}{address}/{key}/",
                "line": entry.data["line"],
                "changes": entry.data["changes"],
            }
            belongs_to = sorted(scope_keys[pk] for pk in belongs if pk in scope_keys)
            entries.append(ChangeEntry(data, belongs_to, entry.edited, model, change.row_id, change.before or {}, place_of(change)))
        return entries


def models_of_feed() -> list[type[Record]]:
    return [resource.model for resource in registry.addressed]


def oldest_open_transaction() -> tuple[int, str]:
    """The current era, and the number of the oldest transaction of this database that has not ended; all earlier ones have.

    Transactions of other databases of the server do not count: they cannot write changes here, and one that stays open for hours
    would stop the feed.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH now AS MATERIALIZED (SELECT pg_current_snapshot() AS snapshot)
            SELECT ({CURRENT_ERA}), coalesce(
                (SELECT number FROM pg_snapshot_xip(snapshot) AS open(number) WHERE NOT EXISTS (
                    SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
                    WHERE locktype = 'transactionid' AND granted AND transactionid = number::xid
                    AND datname <> current_database()) ORDER BY number LIMIT 1),
                pg_snapshot_xmax(snapshot))::text
            FROM now"""
        )
        return cursor.fetchone()


def nearest(comparison: str, time: datetime, order: str) -> list[Place]:
    """The place of the change of each table that is nearest to the time, in one direction."""
    changes = Change.objects.filter(**{comparison: time}).order_by(order).values_list("era", "txid", "id")
    first, *rest = (changes.filter(tbl=model._meta.db_table)[:1] for model in models_of_feed())
    return [list(place) for place in first.union(*rest, all=True)]


def in_order(place: Place) -> tuple[int, int, int]:
    era, txid, pk = place
    return era, int(txid), pk


def later(first: Place | None, second: Place | None) -> Place | None:
    return max(filter(None, [first, second]), default=None, key=in_order)


def place_of(change: Change) -> Place:
    return [change.era, change.txid, change.id]


def read_after(rows: QuerySet[Change], place: Place | None, size: int) -> list[Change]:
    """The first changes after the place. `before` has the old values of changed columns; for a deletion those of short columns."""
    changes: list[Change] = []
    for part in keyset.ranges(short_values(rows), ORDER, place, True):
        changes += part[: size - len(changes)]
        if len(changes) >= size:
            break
    return with_old_values(changes)


def short_values(rows: QuerySet[Change]) -> QuerySet[Change]:
    """Reads the old values of changed and short columns only, as `old`."""
    always = Value(["version", "source_id", *{model.key for model in models_of_feed()}], ArrayField(TextField()))
    template = """(SELECT jsonb_object_agg(key, value) FROM jsonb_each(before)
        WHERE key = ANY(%(expressions)s) OR coalesce(changed ? key, length(value::text) < 1000))"""
    return rows.defer("before").annotate(old=Func(always, template=template, output_field=JSONField()))


def with_old_values(changes: list[Change]) -> list[Change]:
    for change in changes:
        change.before = change.old  # type: ignore[attr-defined]
    return changes


def keys_and_deletions(ids: Mapping[type[Record], set[int]]) -> dict[Node, tuple[str, datetime | None]]:
    """The keys of records, and the times at which deleted ones were deleted."""
    found: dict[Node, tuple[str, datetime | None]] = {
        (model, pk): (key, None) for model, keys in natural_keys(ids).items() for pk, key in keys.items()
    }
    tables, deleted = {model._meta.db_table: model for model in ids}, Q(pk__in=[])
    for model, pks in ids.items():
        deleted |= Q(tbl=model._meta.db_table, row_id__in={pk for pk in pks if (model, pk) not in found})
    last = Change.objects.filter(deleted, op="delete").order_by("id")
    columns = columns_of_row({model.key for model in ids})
    for table, pk, row, at in last.annotate(row=columns).values_list("tbl", "row_id", "row", "at"):
        model = tables[table]
        found[model, pk] = (row[model.key], at)
    return found


def shifted(time: datetime, by: timedelta) -> datetime:
    """The time plus the difference, within the calendar."""
    try:
        return time + by
    except OverflowError:
        return time


def encode(place: Place | None) -> str:
    return keyset.encode_cursor(True, place or [0, "0", 0], ORDER, SALT)

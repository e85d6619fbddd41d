"""What users did: the changes of the feed by transaction, the newest first. A bulk edit, an import or a publishing is one action."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from policytracker.history.feed import ORDER as PLACES
from policytracker.history.feed import ChangeEntry, Feed, place_of, read_after, short_values, with_old_values
from policytracker.records.changes import Change
from policytracker.representation import keyset
from policytracker.sql.moment import present

SALT = "actions"
ORDER = [keyset.Column("era", descending=True), keyset.Column("txid", descending=True)]
READ_OF_ACTION = 50  # changes of one action
READ = 300  # changes of one page
READ_TYPES, READ_TYPES_OF_SCOPE = 6, 3  # record types of one page, each of which takes a handful of queries
MORE_HEADS = 5  # times as many actions are looked at for a reader from whom some are hidden
Transaction = tuple[int, str]  # its era and number


@dataclass(frozen=True)
class Action:
    """The changes of one transaction that the reader may see, oldest first; of a large one the first of them.

    `number` is how many there are. With `more`, there are more than that.
    """

    transaction: Transaction
    entries: list[ChangeEntry]
    number: int
    more: bool = False


@dataclass(frozen=True)
class ActionPage:
    """Actions, newest first, and the cursor of older ones, if there may be any."""

    actions: list[Action]
    older: str | None


@present()
def newest_actions(feed: Feed, cursor: str | None, size: int) -> ActionPage:
    """At most `size` actions before the cursor. Raises InvalidCursor. The number of queries is limited."""
    before = keyset.decode_cursor(cursor, ORDER, SALT)[1] if cursor else None
    rows, limit = feed.rows(), size if feed.reader.sees_all else size * MORE_HEADS
    heads = heads_of(rows.order_by(), before, limit + 1)
    types = READ_TYPES_OF_SCOPE if feed.filters.scope else READ_TYPES
    taken = readable_at_once(heads[:limit], types)
    changes = of_few_types(first_changes(rows, [head.transaction for head in taken]), types)
    entries: dict[Transaction, list[ChangeEntry]] = defaultdict(list)
    for entry in feed.entries(changes, brief=True):
        entries[entry.place[0], entry.place[1]].append(entry)
    shown = [head for head in taken if head.transaction in entries][:size]
    read = Counter((change.era, change.txid) for change in changes)
    actions = [head.action(entries[head.transaction], read[head.transaction], feed.reader.sees_all) for head in shown]
    last = shown[-1] if len(shown) == size else taken[-1] if taken else None
    older = last and last is not heads[-1]
    return ActionPage(actions, keyset.encode_cursor(True, last.transaction, ORDER, SALT) if last and older else None)


@present()
def changes_of_action(feed: Feed, cursor: str | None, size: int) -> tuple[list[ChangeEntry], str | None]:
    """The changes of the transaction to which the feed is limited, oldest first, and the cursor of the next ones. Raises InvalidCursor."""
    place = keyset.decode_cursor(cursor, PLACES, SALT)[1] if cursor else None
    changes = read_after(feed.rows(), place, size + 1)
    tables: set[str] = set()
    read: list[Change] = []
    for change in changes[:size]:
        tables.add(change.tbl)
        if len(tables) > READ_TYPES:
            break
        read.append(change)
    more = len(read) < len(changes)
    return feed.entries(read, brief=True), keyset.encode_cursor(True, place_of(read[-1]), PLACES, SALT) if more else None


@dataclass(frozen=True)
class Head:
    """A transaction, the number of its changes, also of those that the reader may not see, and the tables that it changed."""

    transaction: Transaction
    number: int
    tables: frozenset[str]

    def action(self, entries: list[ChangeEntry], read: int, sees_all: bool) -> Action:
        """Its changes, of which so many were read. How many more there are is told only to a reader from whom nothing is hidden."""
        return Action(self.transaction, entries, self.number if sees_all else len(entries), more=not sees_all and self.number > read)


def readable_at_once(heads: list[Head], types: int) -> list[Head]:
    """The first of these actions, before there are too many changes for a page, or changes of too many types."""
    taken: list[Head] = []
    number = 0
    tables: frozenset[str] = frozenset()
    for head in heads:
        number, tables = number + min(head.number, READ_OF_ACTION), tables | head.tables
        if taken and (number > READ or len(tables) > types):
            break
        taken.append(head)
    return taken


def of_few_types(changes: list[Change], types: int) -> list[Change]:
    """The changes of the types that come first: each type takes queries."""
    tables = list(dict.fromkeys(change.tbl for change in changes))[:types]
    return [change for change in changes if change.tbl in tables]


def heads_of(rows: QuerySet[Change], before: list | None, size: int) -> list[Head]:
    """The newest transactions before this one."""
    found: list[Head] = []
    counted = rows.values("era", "txid").annotate(number=Count("pk"), tables=ArrayAgg("tbl", distinct=True))
    for part in keyset.ranges(counted, ORDER, before, True):
        for era, txid, number, tables in part.values_list("era", "txid", "number", "tables")[: size - len(found)]:
            found.append(Head((era, txid), number, frozenset(tables)))
        if len(found) == size:
            break
    return found


def first_changes(rows: QuerySet[Change], transactions: list[Transaction]) -> list[Change]:
    """The first changes of each transaction, oldest first."""
    if not transactions:
        return []
    of_transactions = reduce(or_, (Q(era=era, txid=txid) for era, txid in transactions))
    position = Window(RowNumber(), partition_by=[F("era"), F("txid")], order_by=F("id").asc())
    numbered = rows.filter(of_transactions).annotate(position=position).filter(position__lte=READ_OF_ACTION)
    return with_old_values(list(short_values(Change.objects.filter(pk__in=numbered.values("pk"))).order_by("id")))

"""When a reader could read records: many records of one type at once, live and deleted ones, with their access parents.

The rule is that of `as_of`: what the reader may read today, and could read at that time. Visibility, publication, parents, owners,
teams and the other records that open a record are those of that time; users, roles and offices are those of today.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Func, Q, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.lookups import In

from policytracker.records.access import Grant, Reader
from policytracker.records.changes import Change
from policytracker.records.declarations import links
from policytracker.records.models import Record
from policytracker.records.periods import END, EVER, START, Period, intersection, union

Row = dict[str, Any]  # columns of a stored row, as in JSON
PeriodsOf = Mapping[int, list[Period]]  # periods by id of a record
Links = Mapping[int, Mapping[int, list[Period]]]  # the periods in which a record referred to another one, by both ids


def columns_of_row(columns: Iterable[str], row: str = "before") -> Func:
    """A JSON object with these columns of the old row of a change, without its long texts. `row` is SQL for another row."""
    chosen = Value(list(columns), output_field=ArrayField(TextField()))
    template = f"(SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM jsonb_each({row}) WHERE key = ANY(%(expressions)s))"
    return Func(chosen, template=template, output_field=models.JSONField())


def refers_to(column: str, ids: Iterable[int]) -> In:
    """The condition that the old row of a change has one of these ids in the column."""
    return In(KeyTextTransform(column, "before"), [str(pk) for pk in ids])


# ---- rows and links in the past


@dataclass
class PastRow:
    """The states of one row: (period, columns), oldest first. The first one begins at START.

    The last one lasts until END, although the row was deleted at `deleted_at`, so that it is also the state at the deletion.
    """

    states: list[tuple[Period, Row]] = field(default_factory=list)
    deleted_at: datetime | None = None
    deleted_by: str = ""  # the transaction

    def end(self, until: datetime, row: Row) -> None:
        """Add the state that ends then. It began when the previous one ended."""
        self.states.append(((self.states[-1][0][1] if self.states else START, until), row))


def past_rows(model: type[models.Model], ids: Iterable[int], columns: Sequence[str]) -> dict[int, PastRow]:
    """The states of these columns, also of deleted rows. Rows that never existed, or were removed with their history, are left out."""
    ids, table = set(ids), model._meta.db_table
    rows = model._base_manager.filter(pk__in=ids).annotate(row=columns_of_row(columns, f'to_jsonb("{table}")'))
    never = [Value(None, output_field=kind) for kind in (models.BigIntegerField(), models.DateTimeField(), models.TextField())]
    ended = Q(op="update", changed__has_any_keys=columns) if columns else Q(pk__in=[])
    changes = Change.objects.filter(ended | Q(op="delete"), tbl=table, row_id__in=ids).annotate(row=columns_of_row(columns))
    present: dict[int, Row] = {}
    former = []
    # One statement, so that a row that another transaction deletes meanwhile is either present or deleted.
    both = rows.values_list("pk", "row", *never, Value("")).union(changes.values_list("row_id", "row", "id", "at", "txid", "op"), all=True)
    for pk, row, *change in both:
        if change[0] is None:
            present[pk] = row
        else:
            former.append((change, pk, row))
    past: dict[int, PastRow] = defaultdict(PastRow)
    for (_, at, txid, op), pk, row in sorted(former, key=lambda change: change[0][0]):
        if op == "update":
            past[pk].end(at, row)
        elif pk not in present:
            past[pk].end(END, row)
            past[pk].deleted_at, past[pk].deleted_by = at, txid
    for pk, row in present.items():
        past[pk].end(END, row)
    return {pk: row for pk, row in past.items() if row.states and row.states[-1][0][1] == END}


def periods_of_children(model: type[Record], name: str, ids: Iterable[int], *columns: str) -> list[tuple[int, Period, int, Row]]:
    """The states of the rows that ever referred to these records by the foreign key, within the life of each row.

    Each as (id of the record, period, id of the row, columns).
    """
    ids = set(ids)
    field: Any = model._meta.get_field(name)
    column: str = field.column
    former = Change.objects.filter(refers_to(column, ids), tbl=model._meta.db_table, moved=True)
    live = model._base_manager.filter(**{f"{name}__in": ids})
    rows = {*live.values_list("pk", flat=True), *former.values_list("row_id", flat=True)}
    found = []
    for pk, past in past_rows(model, rows, [*columns, column, "created_at"]).items():
        for (start, end), row in past.states:
            life = (datetime.fromisoformat(row["created_at"]), past.deleted_at or END)
            if row[column] in ids:
                found += [(row[column], period, pk, row) for period in intersection([(start, end)], [life])]
    return found


def references(rows: Mapping[int, PastRow], column: str) -> Links:
    """The periods in which each row had each value in the column of a foreign key."""
    found: dict[int, dict[int, list[Period]]] = {}
    for pk, row in rows.items():
        found[pk] = defaultdict(list)
        for period, state in row.states:
            if state[column] is not None:
                found[pk][state[column]].append(period)
    return found


def targets(links: Links) -> set[int]:
    return {target for of_record in links.values() for target in of_record}


def through(links: Links, periods: PeriodsOf) -> dict[int, list[Period]]:
    """The periods in which each record referred to a record that had one of its own periods at the time."""
    return {
        pk: union(each for target, linked in of_record.items() for each in intersection(union(linked), periods.get(target, [])))
        for pk, of_record in links.items()
    }


def link_periods(model: type[Record], name: str, rows: Mapping[int, PastRow], target: int | None = None) -> Links:
    """The periods of the links of a many-to-many field, by record and linked record; with `target`, only links to that one.

    The last links of a deleted record last until END, as its last state does.
    """
    m2m: Any = model._meta.get_field(name)
    through, source, far = m2m.remote_field.through, m2m.m2m_column_name(), m2m.m2m_reverse_name()
    present = through._default_manager.filter(**{f"{source}__in": rows})
    changes: Any = Change.objects.filter(tbl=through._meta.db_table, row_id__in=rows).order_by("id")
    if target is not None:
        present, changes = present.filter(**{far: target}), changes.filter(**{f"before__{far}": target})
    linked = set(present.values_list(source, far))
    since: dict[tuple[int, int], datetime] = {}
    periods: dict[int, dict[int, list[Period]]] = defaultdict(lambda: defaultdict(list))
    for pk, op, at, txid, link in changes.values_list("row_id", "op", "at", "txid", "before"):
        if op == "insert":
            since[pk, link[far]] = at
        else:
            start, end = since.pop((pk, link[far]), START), END if txid == rows[pk].deleted_by else at
            periods[pk][link[far]] += union([(start, end)])
    for pk, to in linked:
        periods[pk][to].append((since.get((pk, to), START), END))
    return periods


def links_when_deleted(model: type[Record], deletions: dict[int, str]) -> dict[str, dict[int, set[int]]]:
    """The last many-to-many links of deleted records, by field and record. `deletions` are the transactions that deleted them."""
    fields = {f.remote_field.through._meta.db_table: f for f in links(model)} if deletions else {}
    found: dict[str, dict[int, set[int]]] = {f.name: defaultdict(set) for f in fields.values()}
    rows: Any = Change.objects.filter(tbl__in=fields, row_id__in=deletions, op="delete") if fields else Change.objects.none()
    for table, pk, txid, link in rows.values_list("tbl", "row_id", "txid", "before"):
        if txid == deletions[pk]:
            found[fields[table].name][pk].add(link[fields[table].m2m_reverse_name()])
    return found


# ---- what a reader could read


class PastAccess:
    """When one reader could read records. What was found is kept, since records share their parents."""

    def __init__(self, reader: Reader):
        self.reader = reader
        self.known: dict[type[models.Model], dict[int, list[Period]]] = defaultdict(dict)

    def periods(self, model: type[Record], ids: Iterable[int]) -> PeriodsOf:
        """The periods in which the reader could read each record and its access parents; none if it may not read it now.

        For a deleted record: none if the reader could not read it immediately before its deletion.
        """
        ids, known = set(ids), self.known[model]
        if new := ids - known.keys():
            known |= self.found(model, new)
        return {pk: known[pk] for pk in ids}

    def found(self, model: type[Record], ids: set[int]) -> PeriodsOf:
        if self.reader.sees_all or not self.reader.roles:
            return dict.fromkeys(ids, EVER if self.reader.sees_all else [])
        grants = list(model.grants(self.reader))
        parents: list[Any] = [model._meta.get_field(name) for name in model.access_parents]
        columns = list(dict.fromkeys([*columns_of_grants(grants, model), *(parent.column for parent in parents)]))
        if not columns:
            return dict.fromkeys(ids, EVER)
        visible = set(model.objects.visible_to(self.reader).filter(pk__in=ids).values_list("pk", flat=True))
        rows = past_rows(model, ids, columns)
        rows = {pk: row for pk, row in rows.items() if pk in visible or row.deleted_at is not None}
        readable = self.granted(grants, model, rows)
        for parent in parents:
            referred = references(rows, parent.column)
            opened = through(referred, self.periods(parent.related_model, targets(referred)))
            for pk, row in rows.items():
                without = (period for period, state in row.states if state[parent.column] is None)
                readable[pk] = intersection(readable[pk], union([*opened[pk], *without]))
        return {pk: readable[pk] if readable.get(pk) and readable[pk][-1][1] == END else [] for pk in ids}

    def granted(self, grants: Iterable[Grant], model: type[Record], rows: Mapping[int, PastRow]) -> dict[int, list[Period]]:
        """The periods in which one of the grants included the records, without regard to their parents."""
        readable: dict[int, list[Period]] = {pk: [] for pk in rows}
        # Those without a reason first: reasons are looked up for the other rows only.
        for grant in sorted(grants, key=lambda grant: grant.reason is not None):
            others = (pk for pk in rows if readable[pk] != EVER)
            included = {pk: union(period for period, state in rows[pk].states if grant.includes(state)) for pk in others}
            if grant.reason:
                limited = {pk: rows[pk] for pk, periods in included.items() if periods}
                opened = grant.reason.periods(model, self, limited) if limited else {}
                included = {pk: intersection(included[pk], opened.get(pk, [])) for pk in limited}
            for pk, periods in included.items():
                readable[pk] = union([*readable[pk], *periods])
        return readable


def columns_of_grants(grants: Iterable[Grant], model: type[Record]) -> list[str]:
    """The columns of a row that the grants and their reasons read."""
    return [column for grant in grants for column in (*grant.codes, *(grant.reason.columns(model) if grant.reason else ()))]

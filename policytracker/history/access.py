"""When a reader could not read records: many records of one type at once, live and deleted ones, with their access parents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Func, Q, TextField, Value

from policytracker.models import Change
from policytracker.records.access import Reader
from policytracker.records.models import Record, RegistryRecord
from policytracker.records.triggers import links

Period = tuple[datetime, datetime]  # start, and the first moment after it
START, END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
EVER: Period = (START, END)


def columns_of_row(columns: Iterable[str]) -> Func:
    """A JSON object with these columns of the old row of a change, without its long texts."""
    chosen = Value(list(columns), output_field=ArrayField(TextField()))
    template = "(SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(before) WHERE key = ANY(%(expressions)s))"
    return Func(chosen, template=template, output_field=models.JSONField())


@dataclass
class PastRows:
    """Earlier states of one record: (period, columns), oldest first; and its last columns and transaction if it was deleted."""

    states: list[tuple[Period, dict[str, Any]]] = field(default_factory=list)
    deleted: dict[str, Any] | None = None
    txid: str = ""

    @property
    def since(self) -> datetime:
        """The start of the current state, or of the last one of a deleted record."""
        return self.states[-1][0][1] if self.states else START


def past_rows(model: type[Record], ids: Iterable[int], columns: Sequence[str], missing: Iterable[int]) -> defaultdict[int, PastRows]:
    """The states of the records that an update of one of the columns ended, and the last state of the `missing` records."""
    past: defaultdict[int, PastRows] = defaultdict(PastRows)
    wanted = Q(op="update", changed__has_any_keys=columns, row_id__in=ids) if columns else Q(pk__in=[])
    rows = Change.objects.filter(wanted | Q(op="delete", row_id__in=missing), tbl=model._meta.db_table).order_by("id")
    for pk, op, at, txid, row in rows.annotate(row=columns_of_row(columns)).values_list("row_id", "op", "at", "txid", "row"):
        if op == "delete":
            past[pk].deleted, past[pk].txid = row, txid
        else:
            past[pk].states.append(((past[pk].since, at), row))
    return past


def links_when_deleted(model: type[Record], deletions: dict[int, str]) -> dict[str, dict[int, set[int]]]:
    """The last many-to-many links of deleted records, by field and record. `deletions` are the transactions that deleted them."""
    fields = {f.remote_field.through._meta.db_table: f for f in links(model)} if deletions else {}
    found: dict[str, dict[int, set[int]]] = {f.name: defaultdict(set) for f in fields.values()}
    rows = Change.objects.filter(tbl__in=fields, row_id__in=deletions, op="delete") if fields else Change.objects.none()
    for table, pk, txid, link in rows.values_list("tbl", "row_id", "txid", "before"):
        if txid == deletions[pk]:
            found[fields[table].name][pk].add(link[fields[table].m2m_reverse_name()])
    return found


def hidden_periods(model: type[Record], ids: Iterable[int], reader: Reader) -> dict[int, list[Period]]:
    """The periods in which each record, or one of its access parents, was hidden from the reader.

    That is always, if the reader may not read the record now or could not read it immediately before its deletion.
    """
    ids = set(ids)
    hidden: dict[int, list[Period]] = {pk: [] for pk in ids}
    if reader.sees_all or not ids:
        return hidden
    if not reader.roles:
        return {pk: [EVER] for pk in ids}
    parents = {name: model._meta.get_field(name) for name in model.access_parents}
    columns = [*model.snapshot_columns, *(parent.column for parent in parents.values())]
    # In this order a record that another transaction deletes meanwhile is still found: it counts as one that exists.
    readable = set(model.objects.visible_to(reader).filter(pk__in=ids).values_list("pk", flat=True))
    rows = model._base_manager.filter(pk__in=ids).values_list("pk", *columns)
    present = {pk: dict(zip(columns, values, strict=True)) for pk, *values in rows}
    past = past_rows(model, ids, columns, ids - present.keys())
    deleted = {pk: rows.deleted for pk, rows in past.items() if rows.deleted is not None}
    last = present | deleted
    own, team = own_and_team(model, {pk for pk in present if past[pk].states}, deleted, past, reader)
    for pk in ids:
        could_read = pk in deleted and model.snapshot_readable(deleted[pk], reader, pk in own, pk in team)
        if pk not in last or not (pk in readable or could_read):
            hidden[pk] = [EVER]
            continue
        hidden[pk] += [period for period, state in past[pk].states if not model.snapshot_readable(state, reader, pk in own, pk in team)]
    for parent in parents.values():
        referred: dict[int, dict[int, list[Period]]] = {}
        for pk in ids:
            if hidden[pk] == [EVER]:
                continue
            periods = referred[pk] = defaultdict(list)
            for period, state in past[pk].states:
                periods[state[parent.column]].append(period)
            periods[last[pk][parent.column]].append((past[pk].since, END))
        of_parents = hidden_periods(parent.related_model, {i for periods in referred.values() for i in periods} - {None}, reader)
        for pk, periods in referred.items():
            for parent_id in periods.keys() - {None}:
                hidden[pk] += intersections(periods[parent_id], of_parents[parent_id])
    return hidden


def own_and_team(
    model: type[Record], live: set[int], deleted: dict[int, dict[str, Any]], past: dict[int, PastRows], reader: Reader
) -> tuple[set[int], set[int]]:
    """The records of the officer's party, and those whose team the reader belongs to."""
    own: set[int] = set()
    team: set[int] = set()
    if not issubclass(model, RegistryRecord):
        return own, team
    if live:
        own, team = (
            set(model.objects.filter(rule, pk__in=live).values_list("pk", flat=True)) for rule in model.objects.all().own_and_team(reader)
        )
    if deleted:
        last_links = links_when_deleted(model, {pk: past[pk].txid for pk in deleted})
        own_deleted, team_deleted = model.objects.all().own_and_team_of_deleted(reader, deleted, last_links)
        own, team = own | own_deleted, team | team_deleted
    return own, team


def intersections(first: list[Period], second: list[Period]) -> Iterable[Period]:
    """The periods that are in both lists."""
    for (since, until), (start, end) in product(first, second):
        if max(since, start) < min(until, end):
            yield max(since, start), min(until, end)

"""Which records belong to a record of the scope or follow from it; deleted records too.

The paths are those of the registry (`scope_paths`), taken step by step, because the records on the way can be deleted too. A deleted
record belongs to those that it belonged to when it was deleted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from django.db.models import CharField, Q, Value

from policytracker.records.changes import Change
from policytracker.records.models import Record
from policytracker.records.past_access import columns_of_row, links_when_deleted, refers_to
from policytracker.resources import registry

Records = Mapping[type[Record], Iterable[int]]  # ids of records by model
Node = tuple[type[Record], int]  # a record: its model and id


@cache
def relations(model: type[Record]) -> dict[str, Any]:
    """The first fields, by name, of the paths that lead from the model to the scope."""
    names = dict.fromkeys(path.split("__")[0] for path in registry.of(model).scope_paths if path != "pk")
    return {name: model._meta.get_field(name) for name in names}


def roots(start: Records) -> dict[Node, set[int]]:
    """The ids of the scope records that each of these records belongs to, by model and id."""
    edges: dict[Node, set[Node]] = {}
    level = {model: set(ids) for model, ids in start.items()}
    while level:
        above: dict[type[Record], set[int]] = defaultdict(set)
        found = parents(level)
        edges |= found
        for target_model, target in set().union(*found.values()):
            if (target_model, target) not in edges:
                above[target_model].add(target)
        level = above

    def reached(node: Node) -> set[int]:
        return {node[1]} if node[0] is registry.scope.model else set().union(*(reached(target) for target in edges[node]))

    return {(model, pk): reached((model, pk)) for model, ids in start.items() for pk in ids}


def parents(level: Mapping[type[Record], set[int]]) -> dict[Node, set[Node]]:
    """The records that each of these records belongs to directly. One statement for all types, and one for each table of links."""
    found: dict[Node, set[Node]] = {(model, pk): set() for model, ids in level.items() for pk in ids}
    start = {model: ids for model, ids in level.items() if ids and relations(model)}
    rows = present_rows(start)
    missing = {model: gone for model, ids in start.items() if (gone := {pk for pk in ids if (model, pk) not in rows})}
    deleted: dict[type[Record], dict[int, str]] = defaultdict(dict)
    for model, gone in missing.items():
        last = Change.objects.filter(tbl=model._meta.db_table, row_id__in=gone, op="delete").order_by("id")
        for pk, txid, row in last.annotate(row=columns_of_row(foreign_keys(model))).values_list("row_id", "txid", "row"):
            rows[model, pk], deleted[model][pk] = row, txid
    for (model, pk), row in rows.items():
        keys = foreign_keys(model)
        found[model, pk] |= {(keys[column].related_model, value) for column, value in row.items() if value is not None}
    for model, ids in start.items():
        last_links = links_when_deleted(model, deleted[model])
        for name, field in relations(model).items():
            if field.many_to_many:
                through, source, target = field.remote_field.through, field.m2m_column_name(), field.m2m_reverse_name()
                live = through._default_manager.filter(**{f"{source}__in": ids}).values_list(source, target)
                for pk, linked in [*live, *((pk, linked) for pk, of_pk in last_links.get(name, {}).items() for linked in of_pk)]:
                    found[model, pk].add((field.related_model, linked))
    return found


def foreign_keys(model: type[Record]) -> dict[str, Any]:
    """The foreign keys among the relations of the model, by column."""
    return {field.column: field for field in relations(model).values() if not field.many_to_many}


def present_rows(start: Mapping[type[Record], set[int]]) -> dict[Node, dict[str, Any]]:
    """The foreign keys of these records, by column, in one statement."""
    tables = {model._meta.db_table: model for model in start}
    rows: list[Any] = [
        model._base_manager.filter(pk__in=ids)
        .order_by()
        .values_list(
            Value(model._meta.db_table, CharField()), "pk", columns_of_row(foreign_keys(model), f'to_jsonb("{model._meta.db_table}")')
        )
        for model, ids in start.items()
    ]
    return {(tables[table], pk): row for table, pk, row in rows[0].union(*rows[1:], all=True)} if rows else {}


def members(record: Record) -> dict[type[Record], set[int]]:
    """The ids, by model, of the records that belong to this one, and of deleted ones that did."""
    models = [resource.model for resource in registry if resource.scope_paths]
    live = [
        model._base_manager.filter(registry.of(model).belonging_to(record.pk)).values_list(Value(model._meta.db_table, CharField()), "pk")
        for model in models
    ]
    found: dict[type[Record], set[int]] = {model: set() for model in models}
    by_table = {model._meta.db_table: model for model in models}
    for table, pk in live[0].union(*live[1:], all=True):
        found[by_table[table]].add(pk)
    while added := deleted_members(found):
        for model, ids in added.items():
            found[model] |= ids
    return found


def deleted_members(found: Mapping[type[Record], set[int]]) -> dict[type[Record], set[int]]:
    """The deleted records that belonged directly to one of these records, and are not among them."""
    by_column, by_link = Q(pk__in=[]), Q(pk__in=[])
    linking: dict[str, type[Record]] = {}
    for model in found:
        for field in relations(model).values():
            ids = found[field.related_model]
            if field.many_to_many:
                table = field.remote_field.through._meta.db_table
                linking[table] = model
                by_link |= Q(refers_to(field.m2m_reverse_name(), ids), tbl=table)
            else:
                by_column |= Q(refers_to(field.column, ids), tbl=model._meta.db_table)
    deletions = Change.objects.filter(op="delete")
    added: dict[type[Record], set[int]] = defaultdict(set)
    tables = {model._meta.db_table: model for model in found}
    for table, pk in deletions.filter(by_column).values_list("tbl", "row_id"):
        added[tables[table]].add(pk)
    links = {(linking[table], pk, txid) for table, pk, txid in deletions.filter(by_link).values_list("tbl", "row_id", "txid")}
    if links:
        of_links = Q(pk__in=[])
        for model in {model for model, _, _ in links}:
            of_links |= Q(tbl=model._meta.db_table, row_id__in=[pk for of, pk, _ in links if of is model])
        for table, pk, txid in deletions.filter(of_links).values_list("tbl", "row_id", "txid"):
            if (tables[table], pk, txid) in links:
                added[tables[table]].add(pk)
    return {model: new for model, ids in added.items() if (new := ids - found[model])}


# ---- records that left


def departures(found: Mapping[type[Record], set[int]]) -> set[int]:
    """The ids of the changes by which a record stopped to belong directly to one of these records."""
    moves, removed = Q(pk__in=[]), Q(pk__in=[])
    linking: dict[str, str] = {}
    for model in found:
        for field in relations(model).values():
            ids = found[field.related_model]
            if field.many_to_many:
                table = field.remote_field.through._meta.db_table
                linking[table] = model._meta.db_table
                removed |= Q(refers_to(field.m2m_reverse_name(), ids), tbl=table, op="delete")
            else:
                moves |= Q(refers_to(field.column, ids), tbl=model._meta.db_table, op="update", changed__has_key=field.column)
    moved = Change.objects.filter(moved=True)
    left = set(moved.filter(moves).values_list("pk", flat=True))
    links = {(linking[table], pk, txid) for table, pk, txid in moved.filter(removed).values_list("tbl", "row_id", "txid")}
    of_records = Change.objects.filter(op="update", tbl__in=set(linking.values()), row_id__in={pk for _, pk, _ in links})
    versions = of_records.values_list("pk", "tbl", "row_id", "txid") if links else []
    return left | {change for change, *version in versions if tuple(version) in links}


def left_by(model: type[Record], changes: Iterable[Change]) -> dict[int, set[Node]]:
    """The records that the record of each change belonged to before it and not after it, by the id of the change."""
    updates = [change for change in changes if change.op == "update"]
    left: dict[int, set[Node]] = {change.id: set() for change in updates}
    for field in relations(model).values():
        if not field.many_to_many:
            for change in updates:
                if change.changed.get(field.column, change.before.get(field.column)) != change.before.get(field.column):
                    left[change.id].add((field.related_model, change.before[field.column]))
            continue
        removed = Change.objects.filter(tbl=field.remote_field.through._meta.db_table, op="delete", moved=True)
        rows = removed.filter(row_id__in={change.row_id for change in updates}).values_list("row_id", "txid", "before")
        targets: dict[tuple[int, str], set[Node]] = defaultdict(set)
        links: Any = rows if updates else []
        for pk, txid, link in links:
            targets[pk, txid].add((field.related_model, link[field.m2m_reverse_name()]))
        for change in updates:
            left[change.id] |= targets[change.row_id, change.txid]
    return {change: nodes for change, nodes in left.items() if nodes}

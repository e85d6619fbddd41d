"""The API of recommendations in hand-written SQL behind bare WSGI: no framework, one query for authentication, one for the response."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from hashlib import sha512
from typing import Any
from urllib.parse import parse_qsl

from psycopg import Connection
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from benchmarks.rivals import reports, search, sql, writes

READER = """SELECT u.id, u.username, p.party_id, (SELECT array_agg(g.name) FROM policytracker_user_groups m
    JOIN auth_group g ON g.id = m.group_id WHERE m.user_id = u.id)
FROM policytracker_token t JOIN policytracker_user u ON u.id = t.user_id LEFT JOIN agreements_partyofficer p ON p.user_id = u.id
WHERE t.digest = %s AND u.is_active AND (t.expiry IS NULL OR t.expiry > now())"""
ROLES = ["administrator", "reviewer", "analyst", "party officer", "reader"]  # the first that a user has counts

detail, records, scorecard, summary = cache(sql.detail), cache(sql.records), cache(reports.scorecard_sql), cache(reports.summary_sql)


@dataclass(frozen=True)
class Reader:
    id: int
    username: str
    party: int | None
    role: str


class Refused(Exception):
    """The response has this status."""


pool: ConnectionPool | None = None


def connections() -> ConnectionPool:
    """The pool of this worker process, opened when it is first used."""
    global pool
    if pool is None:
        size = int(os.environ.get("WEB_THREADS", "16"))
        arguments = {"autocommit": True, "prepare_threshold": 0, "application_name": "hand"}
        pool = ConnectionPool(os.environ["DATABASE_URL"], min_size=1, max_size=size, kwargs=arguments, open=True)
    return pool


def application(environ: dict[str, Any], start_response) -> Iterable[bytes]:
    query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
    if query.pop("format", "") == "csv":
        start_response("200 OK", [("Content-Type", "text/csv; charset=utf-8")])
        return csv(environ, query)
    try:
        with connections().connection() as connection:
            status, body = respond(connection, environ, query)
    except Refused as refused:
        status, body = str(refused), b"{}"
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def authenticate(connection: Connection, environ: dict[str, Any]) -> Reader:
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    row = connection.execute(READER, [sha512(token.encode()).hexdigest()]).fetchone() if scheme == "Bearer" else None
    if not row:
        raise Refused("401 Unauthorized")
    role = next((role for role in ROLES if role in (row[3] or [])), "")
    if not role:
        raise Refused("403 Forbidden")
    return Reader(*row[:3], role={"party officer": "officer", "reviewer": "analyst"}.get(role, role))


def today() -> date:
    return datetime.now(UTC).date()


def respond(connection: Connection, environ: dict[str, Any], query: dict[str, str]) -> tuple[str, bytes]:
    """The status and the body of the response to a request."""
    if environ["PATH_INFO"] == "/healthz":
        return "200 OK", b'{"status": "ok"}'
    reader = authenticate(connection, environ)
    path = environ["PATH_INFO"].removeprefix("/api/v1/")
    values: dict[str, Any] = {"user": reader.id, "party": reader.party, "on": today()}
    match environ["REQUEST_METHOD"], path.strip("/").split("/"):
        case "GET", ["recommendations"]:
            return "200 OK", recommendations(connection, reader, query, values)
        case "GET", ["recommendations", slug]:
            row = connection.execute(detail(reader.role), values | {"slug": slug}).fetchone()
            return ("200 OK", row[0].encode()) if row else ("404 Not Found", b"{}")
        case "GET", ["agreements", slug, "scorecard"]:
            row = connection.execute(scorecard(reader.role), values | {"slug": slug}).fetchone()
            return ("200 OK", reports.body(reports.scorecard(row, slug, str(values["on"])))) if row else ("404 Not Found", b"{}")
        case "GET", ["summary"]:
            row = connection.execute(summary(reader.role, query["group_by"]), values).fetchone()
            return "200 OK", reports.body(reports.summary(row, f"summary/?group_by={query['group_by']}"))
        case "GET", ["search"]:
            return "200 OK", search.body(connection, reader.role, query["q"], values)
        case "POST", ["recommendations", slug, "progress"]:
            values |= {"slug": slug, "narrative": "", "status": "", "progress_percent": None} | body_of(environ)
            return write(connection, writes.report, reader, values)
        case "POST", ["recommendations"]:
            return write(connection, writes.create, reader, values | {"rows": Jsonb(body_of(environ))})
    return "404 Not Found", b"{}"


@cache
def page(role: str, query: tuple[tuple[str, str], ...]) -> str:
    return sql.page(role, dict(query))


@cache
def ids(role: str, query: tuple[tuple[str, str], ...]) -> str:
    return sql.ids(role, dict(query))


def with_filters(connection: Connection, query: dict[str, str], values: dict[str, Any]) -> dict[str, Any]:
    """The values with those of the filters. The filter `party` is not the party of the reader."""
    values |= {name: value for name, value in query.items() if name != "party"}
    if "party" in query:
        row = connection.execute(sql.PARTY, {"party": query["party"]}).fetchone()
        values |= {"addressee": row[0] if row else None}
    return values


def recommendations(connection: Connection, reader: Reader, query: dict[str, str], values: dict[str, Any]) -> bytes:
    values, key = with_filters(connection, query, values), tuple(sorted(query.items()))
    if query.keys() & {"status", "party"}:
        row = connection.execute(ids(reader.role, key), values, prepare=False).fetchone()
        assert row
        count, found = row
        row = connection.execute(records(reader.role), {**values, "ids": found[: sql.PAGE]}).fetchone()
        assert row
        more, (last, results) = len(found) > sql.PAGE, row
    else:
        row = connection.execute(page(reader.role, key), values).fetchone()
        assert row
        count, more, last, results = row
    following = json.dumps(f"{sql.BASE}/recommendations/?after={last}" if more else None)
    inexact = ', "count_is_exact": false' if count > sql.MAX_COUNT else ""
    count = min(count, sql.MAX_COUNT)
    return f'{{"count": {count}{inexact}, "next": {following}, "previous": null, "results": {results}}}'.encode()


def body_of(environ: dict[str, Any]) -> Any:
    return json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))


def write(connection: Connection, function, reader: Reader, values: dict[str, Any]) -> tuple[str, bytes]:
    with connection.transaction(), connection.cursor() as cursor:
        body = function(cursor, reader.role, values, reader.username)
    return ("201 Created", body) if body else ("409 Conflict", b"{}")


def csv(environ: dict[str, Any], query: dict[str, str]) -> Iterator[bytes]:
    """The export of a list, in blocks."""
    with connections().connection() as connection, connection.cursor() as cursor:
        reader = authenticate(connection, environ)
        values = with_filters(connection, query, {"user": reader.id, "party": reader.party, "on": today()})
        block = bytearray(sql.HEADER)
        with cursor.copy(sql.export(reader.role, query), values) as copy:
            for data in copy:
                block += data
                if len(block) > 64 * 1024:
                    yield bytes(block)
                    block.clear()
        yield bytes(block)

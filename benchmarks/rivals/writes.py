"""Hand-written transactions: submitting a progress update, and creating a list of recommendations.

The tables have the triggers of the product, so these write the history, as for every other program that uses the database.
"""

from __future__ import annotations

import json
from typing import Any

from psycopg import Cursor

from benchmarks.rivals import sql

TERMINAL = {"implemented", "addressed_otherwise", "closed_not_implemented", "withdrawn", "superseded", "no_longer_applicable"}
LATER = {"in_progress": {"in_progress", "partly_implemented", "largely_implemented", "stalled", "not_assessed"} | TERMINAL}

ACTOR = "SELECT set_config('policytracker.actor', %(actor)s, true), set_config('policytracker.recomputing_status', 'on', true)"
UPDATE = f"""json_build_object('uid', u.uid, 'url', '{sql.BASE}/progress-updates/' || u.uid || '/', 'version', u.version,
    'created_at', {sql.moment("u.created_at")}, 'updated_at', {sql.moment("u.updated_at")}, 'recommendation', r.slug, 'kind', u.kind,
    'status', nullif(u.status, ''), 'progress_percent', u.progress_percent, 'reported_on', u.reported_on, 'narrative', u.narrative,
    'reason', u.reason, 'party', y.code, 'assessed_by', u.assessed_by, 'author', w.username, 'review', u.review, 'reviewed_by', v.username,
    'reviewed_at', {sql.moment("u.reviewed_at")}, 'review_note', u.review_note, 'voided_at', {sql.moment("u.voided_at")},
    'voided_by', null, 'void_reason', u.void_reason, 'corrects', null, 'closes', u.closes, 'evidence', '[]'::json)"""


def lock(role: str) -> str:
    return f"""SELECT r.id, r.status, r.status_since, r.priority, r.publication, r.claimed_status, r.last_update_on
    FROM {sql.RECOMMENDATIONS} r WHERE slug = %(slug)s AND {sql.recommendation(role, "r")} FOR NO KEY UPDATE"""


INSERT = f"""INSERT INTO {sql.UPDATES} (uid, recommendation_id, kind, status, progress_percent, reported_on, narrative, reason, assessed_by,
    author_id, review, reviewed_by_id, reviewed_at, review_note, void_reason, closes,
    needs_second_person)
VALUES (gen_random_uuid(), %(id)s, 'assessment', %(status)s, %(progress_percent)s, %(on)s, %(narrative)s, '', '', %(user)s, 'approved',
    %(user)s, now(), '', '', false, false) RETURNING id"""
END_PERIOD = """UPDATE recommendations_statusperiod SET until = %(on)s
WHERE recommendation_id = %(id)s AND until IS NULL AND since < %(on)s"""
BEGIN_PERIOD = """INSERT INTO recommendations_statusperiod
    (recommendation_id, since, status, claimed_status, status_since, progress_percent, last_update_on)
VALUES (%(id)s, %(on)s, %(status)s, %(claimed_status)s, %(status_since)s, %(progress_percent)s, %(on)s)
ON CONFLICT (recommendation_id, since) DO UPDATE SET (status, status_since, progress_percent, last_update_on)
    = ROW(excluded.status, excluded.status_since, excluded.progress_percent, excluded.last_update_on)"""
SET_STATUS = f"""UPDATE {sql.RECOMMENDATIONS} SET status = %(status)s, status_since = %(status_since)s,
    progress_percent = %(progress_percent)s, last_update_on = %(on)s WHERE id = %(id)s"""


def result(role: str) -> str:
    return f"""SELECT {UPDATE}::text, {sql.record(role)}::text FROM {sql.UPDATES} u
    JOIN {sql.RECOMMENDATIONS} r ON r.id = u.recommendation_id LEFT JOIN agreements_party y ON y.id = u.party_id
    LEFT JOIN policytracker_user w ON w.id = u.author_id LEFT JOIN policytracker_user v ON v.id = u.reviewed_by_id {sql.joins(role)}
    WHERE u.id = %(update)s"""


def report(cursor: Cursor, role: str, values: dict[str, Any], username: str) -> bytes | None:
    """Insert an assessment of today that needs no second person and update the status. None if it is not allowed."""
    actor = json.dumps({"id": values["user"], "user": username, "channel": "hand"})
    cursor.execute(ACTOR, {"actor": actor})
    row = cursor.execute(lock(role), values).fetchone()
    if row is None or role == "officer":
        return None
    pk, old, since, priority, publication, claimed, last = row
    new = values["status"]
    needs_second_person = new in TERMINAL or priority in ("high", "critical")
    if publication == "archived" or new not in LATER.get(old, ()) or needs_second_person or not values["narrative"].strip():
        return None
    if last is not None and last > values["on"]:
        return None
    values |= {"id": pk, "claimed_status": claimed, "status_since": since if new == old else values["on"]}
    inserted = cursor.execute(INSERT, values).fetchone()
    assert inserted
    for statement in (END_PERIOD, BEGIN_PERIOD, SET_STATUS):
        cursor.execute(statement, values)
    texts = cursor.execute(result(role), values | {"update": inserted[0]}).fetchone()
    assert texts
    return f'{{"update": {texts[0]}, "recommendation": {texts[1]}}}'.encode()


CREATE = f"""WITH given AS (SELECT row_number() OVER () AS n, * FROM jsonb_to_recordset(%(rows)s) AS x
    (slug text, key_action text, details text, priority text, due_on text, agreements jsonb)),
ids AS MATERIALIZED (
  INSERT INTO {sql.RECOMMENDATIONS} (slug, visibility, publication, key_action, details, expected_outcome, made_by_text, made_on, locator,
    quote, priority, due_on, original_due_on, source_scheme, source_code, status, claimed_status)
  SELECT slug, 'public', 'draft', key_action, details, '', '', '', '', '', priority, due_on, '', '', '', 'not_assessed', '' FROM given
  ORDER BY n RETURNING id, slug),
links AS (INSERT INTO recommendations_recommendation_agreements (recommendation_id, agreement_id)
  SELECT ids.id, a.id FROM given JOIN ids USING (slug), jsonb_array_elements_text(agreements) AS key, {sql.AGREEMENTS} a WHERE a.slug = key)
SELECT id FROM ids ORDER BY id"""


def create(cursor: Cursor, role: str, values: dict[str, Any], username: str) -> bytes | None:
    """Insert a list of recommendations with their agreements. None if the role may not."""
    if role == "officer":
        return None
    cursor.execute(ACTOR, {"actor": json.dumps({"id": values["user"], "user": username, "channel": "hand"})})
    ids = [pk for (pk,) in cursor.execute(CREATE, values)]
    rows = f"SELECT {sql.record(role)}::text FROM {sql.RECOMMENDATIONS} r {sql.joins(role)} WHERE r.id = ANY(%(ids)s) ORDER BY r.id"
    return f"[{', '.join(text for (text,) in cursor.execute(rows, values | {'ids': ids}))}]".encode()

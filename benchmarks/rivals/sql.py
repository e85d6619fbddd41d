"""Hand-written SQL: which rows each role reads, and recommendations as JSON and as CSV.

Values are parameters: `user` and `party` are the reader and the party of an officer, `on` is today.
"""

from __future__ import annotations

BASE = "https://localhost/api/v1"
MAX_COUNT = 10_000
PAGE = 50

RECOMMENDATIONS, AGREEMENTS, COMPONENTS = "recommendations_recommendation", "agreements_agreement", "agreements_component"
SOURCES, UPDATES, PARTICIPATIONS = "agreements_source", "recommendations_progressupdate", "agreements_participation"
TAKES_PART = "m.party_id = %(party)s AND m.role NOT IN ('subject_of_concern', 'listed_in_source')"
BY_ROW = "OFFSET 0"  # PostgreSQL looks the row up, instead of reading everything that the user may read first
NOT_RESTRICTED = "{row}.visibility IN ('public', 'internal')"
PUBLIC = "({row}.visibility = 'public' AND {row}.publication IN ('published', 'archived'))"


def arms(role: str, row: str, own: str, team: str) -> list[str]:
    """Conditions of which a row meets one at most, the cheap one first: this role reads the registry record `row` if it meets any."""
    if role == "administrator":
        return ["true"]
    public, not_restricted = PUBLIC.format(row=row), NOT_RESTRICTED.format(row=row)
    if role == "officer":
        return [public, f"(NOT {public} AND {not_restricted} AND {own})"]
    return [not_restricted, f"({row}.visibility = 'restricted' AND {team})"]


def rule(role: str, row: str, own: str, team: str) -> str:
    """The condition that this role reads the registry record `row`."""
    return f"({' OR '.join(arms(role, row, own, team))})"


def agreement(role: str, row: str, key: str = "") -> str:
    """The condition for an agreement; `key` is its id, if that is another column."""
    key = key or f"{row}.id"
    own = f"EXISTS (SELECT FROM {PARTICIPATIONS} m WHERE m.agreement_id = {key} AND {TAKES_PART} {BY_ROW})"
    team = f"EXISTS (SELECT FROM agreements_agreement_team t WHERE t.agreement_id = {key} AND t.user_id = %(user)s {BY_ROW})"
    return rule(role, row, own, team)


def component(role: str, row: str) -> str:
    if role == "administrator":
        return "true"
    parent = f"EXISTS (SELECT FROM {AGREEMENTS} ca WHERE ca.id = {row}.agreement_id AND {agreement(role, 'ca')} {BY_ROW})"
    return f"({agreement(role, row, f'{row}.agreement_id')} AND {parent})"


def recommendation_arms(role: str, row: str) -> list[str]:
    links = f"FROM recommendations_recommendation_agreements l JOIN {{}} WHERE l.recommendation_id = {row}.id AND"
    own = f"EXISTS (SELECT {links.format(f'{PARTICIPATIONS} m USING (agreement_id)')} {TAKES_PART} {BY_ROW})"
    team = f"EXISTS (SELECT {links.format('agreements_agreement_team t USING (agreement_id)')} t.user_id = %(user)s {BY_ROW})"
    return arms(role, row, own, f"({row}.owner_id = %(user)s OR {team})")


def recommendation(role: str, row: str) -> str:
    return f"({' OR '.join(recommendation_arms(role, row))})"


def source(role: str, row: str) -> str:
    """The condition for a source. A draft that was created with evidence is as readable as its update."""
    if role != "officer":
        return rule(role, row, "false", "false")
    cited = f"""EXISTS (SELECT FROM recommendations_evidence e JOIN {UPDATES} u ON u.id = e.update_id
        JOIN {RECOMMENDATIONS} er ON er.id = u.recommendation_id WHERE e.source_id = {row}.id
        AND (u.review = 'approved' OR u.author_id = %(user)s) AND {recommendation(role, "er")})"""
    draft = f"{row}.publication = 'draft' AND {row}.visibility = 'public' AND {row}.kind = 'other'"
    return f"({PUBLIC.format(row=row)} OR {draft} AND {cited})"


# ---- a recommendation

DEADLINE = """CASE WHEN r.due_on_last IS NULL THEN 'none'
    WHEN r.status IN ('implemented', 'addressed_otherwise') THEN CASE WHEN r.closed_on > r.due_on_last THEN 'met_late' ELSE 'met' END
    WHEN r.closed_on IS NOT NULL THEN 'closed' WHEN r.due_on_last < %(on)s THEN 'overdue'
    WHEN r.due_on_last <= %(on)s + 30 THEN 'due_soon' ELSE 'upcoming' END"""
FRESHNESS = """CASE WHEN r.closed_on IS NOT NULL THEN 'none' WHEN r.last_update_on IS NULL THEN 'never'
    WHEN r.last_update_on + coalesce(r.update_every, 90) < %(on)s THEN 'stale' ELSE 'fresh' END"""
STANDING_CLAIMS = f"""SELECT DISTINCT ON (u.party_id) u.party_id, u.status, u.reported_on FROM {UPDATES} u
    WHERE u.recommendation_id = r.id AND u.kind = 'claim' AND u.review = 'approved' AND u.voided_at IS NULL
    ORDER BY u.party_id, u.reported_on DESC, u.reviewed_at DESC, u.uid DESC"""
CLAIM_DIFFERS = f"r.claimed_status <> '' AND EXISTS (SELECT FROM ({STANDING_CLAIMS}) n WHERE n.status <> r.status)"


def moment(column: str) -> str:
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


def linked(name: str, table: str, key: str, condition: str) -> str:
    """The array of the keys of linked records that the reader may read."""
    model = table.rpartition("_")[2]
    return f"""ARRAY(SELECT x.{key} FROM recommendations_recommendation_{name} l JOIN {table} x ON x.id = l.{model}_id
        WHERE l.recommendation_id = r.id AND {condition} ORDER BY 1)"""


def fields(role: str) -> dict[str, str]:
    """The SQL of each field of a recommendation `r`, joined as in `joins()`."""
    hidden = "r.source_id IS NOT NULL AND s.id IS NULL"
    return {
        "slug": "r.slug",
        "url": f"'{BASE}/recommendations/' || r.slug || '/'",
        "version": "r.version",
        "created_at": moment("r.created_at"),
        "updated_at": moment("r.updated_at"),
        **{name: f"r.{name}" for name in ("visibility", "publication", "key_action", "details", "expected_outcome")},
        "focus_area": "f.code",
        "agreements": linked("agreements", AGREEMENTS, "slug", agreement(role, "x")),
        "components": linked("components", COMPONENTS, "slug", component(role, "x")),
        "sectors": linked("sectors", "agreements_sector", "code", "true"),
        "parent": "p.slug",
        "made_by": "m.code",
        "made_by_text": "r.made_by_text",
        "made_on": "nullif(r.made_on, '')",
        "source": "s.slug",
        **{name: f"CASE WHEN {hidden} THEN '' ELSE r.{name} END" for name in ("locator", "quote")},
        "priority": "r.priority",
        "owner": "o.username",
        "due_on": "nullif(r.due_on, '')",
        "original_due_on": "nullif(r.original_due_on, '')",
        "update_every": "r.update_every",
        "superseded_by": "b.slug",
        **{name: f"r.{name}" for name in ("source_scheme", "source_code", "status")},
        "claimed_status": "nullif(r.claimed_status, '')",
        **{name: f"r.{name}" for name in ("status_since", "progress_percent", "last_update_on", "closed_on")},
        "deadline_state": DEADLINE,
        "freshness": FRESHNESS,
        "claims": f"""ARRAY(SELECT json_build_object('party', y.code, 'status', c.status, 'reported_on', c.reported_on)
            FROM ({STANDING_CLAIMS}) c JOIN agreements_party y ON y.id = c.party_id ORDER BY y.code)""",
    }


def joins(role: str) -> str:
    return f"""LEFT JOIN agreements_focusarea f ON f.id = r.focus_area_id LEFT JOIN agreements_party m ON m.id = r.made_by_id
    LEFT JOIN policytracker_user o ON o.id = r.owner_id LEFT JOIN {SOURCES} s ON s.id = r.source_id AND {source(role, "s")}
    LEFT JOIN {RECOMMENDATIONS} p ON p.id = r.parent_id AND {recommendation(role, "p")}
    LEFT JOIN {RECOMMENDATIONS} b ON b.id = r.superseded_by_id AND {recommendation(role, "b")}"""


def record(role: str) -> str:
    """A recommendation as JSON."""
    members = [f"'{name}', {sql}" for name, sql in fields(role).items()]
    return f"json_build_object({', '.join(members)})"


def detail(role: str, condition: str = "r.slug = %(slug)s") -> str:
    return f"SELECT {record(role)}::text FROM {RECOMMENDATIONS} r {joins(role)} WHERE {condition} AND {recommendation(role, 'r')}"


# ---- lists

NO_EVIDENCE = f"""NOT EXISTS (SELECT FROM recommendations_evidence e JOIN {UPDATES} u ON u.id = e.update_id
    WHERE u.recommendation_id = r.id AND u.review = 'approved' AND u.voided_at IS NULL AND u.reported_on <= %(on)s {BY_ROW})"""
# The conditions of the filters, written for the index that fits. A state is a range of dates, not the result of a CASE.
FILTERS = {
    ("status", None): "r.status = %(status)s",
    ("party", None): "EXISTS (SELECT FROM recommendations_addressee d WHERE d.recommendation_id = r.id AND d.party_id = %(addressee)s)",
    ("overdue", "true"): "r.closed_on IS NULL AND r.due_on_last < %(on)s",
    ("due_within", None): "r.closed_on IS NULL AND r.due_on_last BETWEEN %(on)s AND %(on)s + %(due_within)s::int",
    ("deadline_state", "due_soon"): "r.closed_on IS NULL AND r.due_on_last BETWEEN %(on)s AND %(on)s + 30",
    ("freshness", "stale"): "r.closed_on IS NULL AND r.last_update_on < %(on)s - coalesce(r.update_every, 90)",
    ("without", "evidence"): NO_EVIDENCE,
}
BY_SLUG, BY_DUE_DATE = ("true", "r.slug > %(after)s", "r.slug"), ("r.due_on_first IS NOT NULL", "", "r.due_on_first DESC, r.id")


PARTY = "SELECT id AS addressee FROM agreements_party WHERE code = %(party)s"


def conditions(role: str, parameters: dict[str, str]) -> tuple[str, str, str]:
    """The conditions of a list, those of the page, and its order."""
    first, after, order = BY_DUE_DATE if parameters.get("ordering") == "-due_on" else BY_SLUG
    return f"{recommendation(role, 'r')} AND {filters(parameters)}", after if "after" in parameters else first, order


def filters(parameters: dict[str, str]) -> str:
    given = [sql for (name, value), sql in FILTERS.items() if name in parameters and value in (None, parameters[name])]
    return " AND ".join(["true", *given])


def count(role: str, parameters: dict[str, str]) -> str:
    """The number of rows, up to the limit. Rows that everyone reads are counted first, which is often enough."""
    parts = [
        f"(SELECT 1 FROM {RECOMMENDATIONS} r WHERE {arm} AND {filters(parameters)} LIMIT {MAX_COUNT + 1})"
        for arm in recommendation_arms(role, "r")
    ]
    return f"(SELECT count(*) FROM (SELECT 1 FROM ({' UNION ALL '.join(parts)}) a LIMIT {MAX_COUNT + 1}) c)"


def page(role: str, parameters: dict[str, str]) -> str:
    """A page as count, whether there are more rows, the slug of the last one, and the records as JSON."""
    where, start, order = conditions(role, parameters)
    return f"""
    WITH page AS MATERIALIZED (SELECT * FROM {RECOMMENDATIONS} r WHERE {where} AND {start} ORDER BY {order} LIMIT {PAGE + 1}),
    shown AS MATERIALIZED (SELECT * FROM page r ORDER BY {order} LIMIT {PAGE})
    SELECT {count(role, parameters)}, (SELECT count(*) > {PAGE} FROM page), (SELECT max(slug) FROM shown),
      array_to_json(ARRAY(SELECT {record(role)} FROM shown r {joins(role)} ORDER BY {order}))::text"""


def ids(role: str, parameters: dict[str, str]) -> str:
    """The count and the ids of a page. For filters whose best plan depends on the value: this is planned for each request."""
    where, start, order = conditions(role, parameters)
    return f"""SELECT {count(role, parameters)},
      ARRAY(SELECT r.id FROM {RECOMMENDATIONS} r WHERE {where} AND {start} ORDER BY {order} LIMIT {PAGE + 1})"""


def records(role: str) -> str:
    """The slug of the last of the ids, and the records as JSON, in the order of the ids."""
    return f"""SELECT (SELECT max(slug) FROM {RECOMMENDATIONS} WHERE id = ANY(%(ids)s)),
      array_to_json(ARRAY(SELECT {record(role)} FROM {RECOMMENDATIONS} r {joins(role)}
        WHERE r.id = ANY(%(ids)s) ORDER BY array_position(%(ids)s, r.id)))::text"""


# ---- export

SAFE = r"""regexp_replace({}, E'^(?=''*[-=+@\t\r])', '''')"""  # a spreadsheet executes no cell
TEXTS = {"key_action", "details", "expected_outcome", "made_by_text", "locator", "quote", "source_scheme", "source_code"}


def export(role: str, parameters: dict[str, str]) -> str:
    """The rows of a list as CSV, with COPY."""
    columns = {name: sql for name, sql in fields(role).items() if name != "claims"}
    cells = [
        f"array_to_string({sql}, ';')" if name in ("agreements", "components", "sectors") else SAFE.format(sql) if name in TEXTS else sql
        for name, sql in columns.items()
    ]
    rows = f"SELECT {', '.join(cells)} FROM {RECOMMENDATIONS} r {joins(role)} WHERE {conditions(role, parameters)[0]} ORDER BY r.slug"
    return f"COPY ({rows}) TO STDOUT WITH (FORMAT csv)"


HEADER = ",".join(name for name in fields("administrator") if name != "claims").encode() + b"\n"

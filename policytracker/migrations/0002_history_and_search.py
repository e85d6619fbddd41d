"""Since version 0.1.0: the order of the history, past moments, the full-text search, and date functions that survive a restore.

The date functions name what they call when they are made, not when they run: a restored dump runs with an empty search path, where the
old `edtf_last` did not find `edtf_first`. The values are the same, so the stored dates stay as they are.
"""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.fields.json
from django.contrib.postgres.operations import UnaccentExtension
from django.db import migrations, models

from policytracker import edtf

FUNCTIONS = """
CREATE OR REPLACE FUNCTION edtf_first(edtf text) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN make_date(nullif(substr(edtf, 1, 4), '')::int,
    coalesce(nullif(substr(rtrim(edtf, '~'), 6, 2), '')::int, 1), coalesce(nullif(substr(rtrim(edtf, '~'), 9, 2), '')::int, 1));

CREATE OR REPLACE FUNCTION edtf_last(edtf text) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE length(rtrim(edtf, '~'))
    WHEN 4 THEN make_date(substr(edtf, 1, 4)::int, 12, 31)
    WHEN 7 THEN (edtf_first(edtf) + interval '1 month' - interval '1 day')::date
    ELSE edtf_first(edtf) END;
"""

# Staff are users with a role. From now on, triggers keep it so.
STAFF = """UPDATE policytracker_user AS u
SET is_staff = is_superuser OR EXISTS (SELECT FROM policytracker_user_groups g WHERE g.user_id = u.id)"""
# The history calls the interface through which a change was made its channel.
CHANNEL = """UPDATE policytracker_change SET actor = (actor - '{old}') || jsonb_build_object('{new}', actor -> '{old}')
WHERE actor ? '{old}'"""
# The history marks the changes after which queries by parent no longer find a row. Every reference counts here: a change that is
# marked although the row kept its parent costs time, and is read correctly.
MOVED = """UPDATE policytracker_change SET moved = true
WHERE op = 'delete' OR (op = 'update' AND EXISTS (SELECT FROM jsonb_object_keys(changed) AS name WHERE name LIKE '%\\_id'))"""

# The parser of PostgreSQL takes a/b for a file and <a> for an HTML tag, and needs quadratic time for texts such as a_a_a and ~/~/~/.
# The character 4, which it ignores, separates the words in them.
CONFIGURATIONS = """
CREATE FUNCTION search_text(content text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT replace(replace(replace(content, '<', '<' || chr(4)), '/', chr(4) || '/' || chr(4)), '_', chr(4) || '_' || chr(4)) $$;

CREATE TEXT SEARCH DICTIONARY policytracker_stem (TEMPLATE = snowball, LANGUAGE = english);

CREATE TEXT SEARCH CONFIGURATION policytracker_stems (COPY = english);
ALTER TEXT SEARCH CONFIGURATION policytracker_stems
    ALTER MAPPING FOR asciiword, asciihword, hword_asciipart, hword, hword_part, word WITH unaccent, policytracker_stem;
COMMENT ON TEXT SEARCH CONFIGURATION policytracker_stems IS 'Words of records: English stems, all words';

CREATE TEXT SEARCH CONFIGURATION policytracker_words (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION policytracker_words
    ALTER MAPPING FOR asciiword, asciihword, hword_asciipart, hword, hword_part, word WITH unaccent, simple;
COMMENT ON TEXT SEARCH CONFIGURATION policytracker_words IS 'Words of titles as they are written';

CREATE TEXT SEARCH CONFIGURATION policytracker_query (COPY = english);
ALTER TEXT SEARCH CONFIGURATION policytracker_query
    ALTER MAPPING FOR asciiword, asciihword, hword_asciipart, hword, hword_part, word WITH unaccent, english_stem;
COMMENT ON TEXT SEARCH CONFIGURATION policytracker_query IS 'Words of a search: English stems, without the most frequent words';
"""
REMOVE = """
DROP TEXT SEARCH CONFIGURATION policytracker_query;
DROP TEXT SEARCH CONFIGURATION policytracker_words;
DROP TEXT SEARCH CONFIGURATION policytracker_stems;
DROP TEXT SEARCH DICTIONARY policytracker_stem;
DROP FUNCTION search_text(text);
"""
# `migrate` adds a partition for each record type.
TABLE = """
CREATE TABLE policytracker_searchentry (tbl text, row_id bigint, vector tsvector NOT NULL, PRIMARY KEY (tbl, row_id)) PARTITION BY LIST (tbl);
CREATE INDEX search_entry_words ON policytracker_searchentry USING gin (vector);
"""
# An earlier version writes no entries. These functions do, so they go with the table; `migrate` of this version makes them again.
DROP_TRIGGERS = """
DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT p.oid::regprocedure FROM pg_proc p
      WHERE pronamespace = current_schema()::regnamespace AND proname LIKE '%\\_search' AND prorettype = 'trigger'::regtype LOOP
    EXECUTE format('DROP FUNCTION %s CASCADE', name);
  END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    replaces = [
        ("policytracker", "0002_date_functions_restore"),
        ("policytracker", "0003_account_triggers"),
        ("policytracker", "0004_change_channel"),
        ("policytracker", "0005_changes_in_order"),
        ("policytracker", "0006_change_moved"),
        ("policytracker", "0007_search_entries"),
        ("policytracker", "0008_change_of_access"),
    ]
    dependencies = [("policytracker", "0001_initial")]

    operations = [
        migrations.RunSQL(FUNCTIONS, edtf.FUNCTIONS.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")),
        migrations.RunSQL(STAFF, migrations.RunSQL.noop),
        migrations.RunSQL(CHANNEL.format(old="door", new="channel"), CHANNEL.format(old="channel", new="door")),
        migrations.AddIndex("idempotencykey", models.Index(fields=["created_at"], name="idempotency_key_by_age")),
        migrations.RemoveIndex("change", "change_in_order"),
        migrations.AddField("change", "era", models.IntegerField(db_default=0)),
        migrations.AddField("change", "moved", models.BooleanField(db_default=False)),
        migrations.RunSQL(MOVED, migrations.RunSQL.noop),
        migrations.AddIndex("change", models.Index(fields=["era", "txid", "id"], name="change_of_an_era_in_order")),
        migrations.AddIndex("change", models.Index(fields=["tbl", "era", "txid", "id"], name="change_of_a_table_in_order")),
        migrations.AddIndex(
            "change",
            models.Index(
                django.db.models.fields.json.KeyTextTransform("user", "actor"),
                models.F("era"),
                models.F("txid"),
                models.F("id"),
                name="change_of_a_user_in_order",
            ),
        ),
        migrations.AddIndex("change", models.Index(fields=["tbl", "row_id"], condition=models.Q(op="delete"), name="change_that_deleted")),
        migrations.AddIndex(
            "change",
            models.Index(fields=["tbl", "op", "at"], include=["row_id"], condition=models.Q(moved=True), name="change_that_moved"),
        ),
        migrations.AddIndex(
            "change",
            models.Index(
                fields=["tbl", "row_id", "at"],
                condition=models.Q(changed__has_any_keys=["publication", "visibility"]),
                name="change_of_access",
            ),
        ),
        UnaccentExtension(),
        migrations.RunSQL(CONFIGURATIONS, REMOVE),
        migrations.RunSQL(
            TABLE,
            "DROP TABLE policytracker_searchentry",
            state_operations=[
                migrations.CreateModel(
                    name="SearchEntry",
                    fields=[
                        ("pk", models.CompositePrimaryKey("tbl", "row_id", blank=True, editable=False, primary_key=True, serialize=False)),
                        ("tbl", models.TextField()),
                        ("row_id", models.BigIntegerField()),
                        ("vector", django.contrib.postgres.search.SearchVectorField()),
                    ],
                    options={"default_permissions": ()},
                ),
                migrations.AddIndex("SearchEntry", django.contrib.postgres.indexes.GinIndex(fields=["vector"], name="search_entry_words")),
            ],
        ),
        migrations.RunSQL(migrations.RunSQL.noop, DROP_TRIGGERS),
    ]

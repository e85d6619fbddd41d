"""The full-text search: a table for the words of records, and the text search configurations that split texts into words."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.contrib.postgres.operations import UnaccentExtension
from django.db import migrations, models

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
    dependencies = [("policytracker", "0006_change_moved")]

    operations = [
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
                migrations.AddIndex(
                    "SearchEntry", django.contrib.postgres.indexes.GinIndex(fields=["vector"], name="search_entry_words")
                ),
            ],
        ),
        migrations.RunSQL(migrations.RunSQL.noop, DROP_TRIGGERS),
    ]

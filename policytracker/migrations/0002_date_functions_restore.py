"""The date functions name what they call when they are made, not when they run.

A restored dump runs with an empty search path, where the old `edtf_last` did not find `edtf_first`, and every table with a
date was lost. The values are the same, so the stored days stay as they are.
"""

from django.db import migrations

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


class Migration(migrations.Migration):

    dependencies = [
        ('policytracker', '0001_initial'),
    ]

    operations = [
        migrations.RunSQL(FUNCTIONS, edtf.FUNCTIONS.replace('CREATE FUNCTION', 'CREATE OR REPLACE FUNCTION')),
    ]

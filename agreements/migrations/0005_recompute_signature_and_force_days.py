from django.db import migrations

# The days of signature and of entry into force follow new rules (docs/standing.md), and deadlines that are counted from them follow.
# The triggers that keep them still have the old rules; they are dropped here, and `migrate` installs the new ones at its end.
RECOMPUTE = r"""
DROP TRIGGER IF EXISTS a_0_days_follow_the_actions ON agreements_agreement;
DROP TRIGGER IF EXISTS anchor_moved ON agreements_agreement;
DROP TRIGGER IF EXISTS a_0_component_due_day_follows_its_anchor ON agreements_component;
DROP TRIGGER IF EXISTS component_relative_due_day_is_derived ON agreements_component;
SELECT set_config('policytracker.actor', '{"reason": "anchor moved", "door": "command"}', true);

-- A version of NULL asks the trigger to count the change. What is archived keeps its version.
UPDATE agreements_agreement SET signed_on = days.signed, in_force_on = days.force,
  version = CASE WHEN publication <> 'archived' AND EXISTS (SELECT FROM pg_trigger
      WHERE tgrelid = 'agreements_agreement'::regclass AND tgname = 'a_1_keep_count') THEN NULL ELSE version END
FROM (SELECT a.id,
    coalesce((SELECT acted_on
    FROM agreements_treatyaction, (SELECT EXISTS (SELECT FROM agreements_treatyaction WHERE agreement_id = a.id AND kind = 'adoption') AS adopted) text
    WHERE agreement_id = a.id AND acted_on <> '' AND kind IN ('signature', 'signature_ad_referendum', 'definitive_signature')
    ORDER BY party_id IS NOT NULL,
      CASE WHEN party_id IS NULL OR adopted THEN acted_on_first END, CASE WHEN party_id IS NULL OR adopted THEN acted_on_last END,
      acted_on_first DESC, acted_on_last DESC, acted_on
    LIMIT 1), '') AS signed,
    coalesce((WITH effects AS (
      SELECT kind, party_id, coalesce(effective_on_first, acted_on_first) AS day, coalesce(nullif(effective_on, ''), acted_on) AS stated
      FROM agreements_treatyaction WHERE agreement_id = a.id
        AND kind IN ('entry_into_force', 'entry_into_force_for_party', 'suspension', 'resumption', 'termination')),
    force AS (
      SELECT day, stated FROM effects WHERE kind IN ('entry_into_force', 'entry_into_force_for_party') AND day IS NOT NULL
      ORDER BY kind = 'entry_into_force' AND party_id IS NULL DESC, day, stated DESC LIMIT 1),
    begin AS (
      SELECT day, stated FROM force WHERE NOT EXISTS (
        SELECT FROM effects s WHERE s.kind = 'suspension' AND s.party_id IS NULL AND s.day <= force.day AND NOT EXISTS (
          SELECT FROM effects r WHERE r.kind = 'resumption' AND r.party_id IS NULL AND r.day BETWEEN s.day AND force.day))
      UNION ALL
      SELECT r.day, r.stated FROM effects r JOIN force ON r.day > force.day WHERE r.kind = 'resumption' AND r.party_id IS NULL
      ORDER BY day, stated DESC LIMIT 1)
    SELECT stated FROM begin WHERE a.legal_force <> 'non_binding' AND (a.expires_on = '' OR edtf_last(a.expires_on) >= day)
      AND NOT EXISTS (SELECT FROM effects e WHERE e.kind = 'termination' AND e.party_id IS NULL AND e.day <= begin.day)), '') AS force
  FROM agreements_agreement a) days
WHERE days.id = agreements_agreement.id AND (signed_on, in_force_on) IS DISTINCT FROM (days.signed, days.force);

UPDATE agreements_component SET due_on = days.due_on
FROM (SELECT id, CASE WHEN anchor !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' THEN ''
      WHEN extract(year FROM anchor::date + due_offset::interval) > 9999 THEN ''
      ELSE to_char(anchor::date + due_offset::interval, 'YYYY-MM-DD') END AS due_on
  FROM (SELECT c.id, c.due_offset, CASE c.due_anchor WHEN 'signature' THEN a.signed_on ELSE a.in_force_on END AS anchor
    FROM agreements_component c JOIN agreements_agreement a ON a.id = c.agreement_id
    WHERE c.due_anchor <> 'none' AND c.publication <> 'archived' AND a.publication <> 'archived') relative) days
WHERE days.id = agreements_component.id AND agreements_component.due_on <> days.due_on;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('agreements', '0004_actions_of_a_party_name_it'),
    ]

    operations = [migrations.RunSQL(RECOMPUTE, migrations.RunSQL.noop)]

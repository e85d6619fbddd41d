"""Since version 0.1.0: parties of treaty actions, rules for the dates of signature and entry into force, and parts of figures."""

import django.db.models.deletion
from django.core.management.base import CommandError
from django.db import migrations, models
from django.db.models.functions import Coalesce, Lower, NullIf

from policytracker.codes import ForeignCode
from policytracker.records.fields import Locator, Quote
from policytracker.sql.operations import FillEmptyKeys, StateOnly

WITH_SOURCE_CONTENT = ["agreementrelation", "citation", "commitment", "entryintoforcecondition", "factcheck", "measurement", "treatyaction"]
DURATION = "^P(?=[0-9])([0-9]{1,4}Y)?([0-9]{1,4}M)?([0-9]{1,4}W)?([0-9]{1,4}D)?\\Z"
OF_A_PARTY = [
    "signature_ad_referendum",
    "definitive_signature",
    "ratification",
    "acceptance",
    "approval",
    "accession",
    "formal_confirmation",
    "succession",
    "continued_application",
    "consent_to_be_bound",
    "entry_into_force_for_party",
    "consent_withdrawal",
    "withdrawal_notice",
    "denunciation_notice",
    "withdrawal_effect",
    "notice_revocation",
]
SHOWN = 50


def refuse_wrong_parties(apps, schema_editor):
    """Only a person can say which party acted, or that a termination was the withdrawal of one party."""
    actions = apps.get_model("agreements", "TreatyAction").objects.order_by("agreement__slug", "pk")
    wrong = [
        (
            "A termination ends the text for all and has no party. Change it to a withdrawal (withdrawal_effect), or remove the party",
            actions.filter(kind="termination", party__isnull=False),
        ),
        ("These actions are always by one party. Enter it, or delete the action", actions.filter(kind__in=OF_A_PARTY, party__isnull=True)),
    ]
    lines = []
    for sentence, rows in wrong:
        found = list(rows.values_list("agreement__slug", "kind", "acted_on", "party__code", "uid")[: SHOWN + 1])
        if found:
            lines.append(f"{sentence}:")
            lines += [
                f"  {slug}: {kind}, {acted_on or 'undated'}{f', {party}' if party else ''} (uid {uid})"
                for slug, kind, acted_on, party, uid in found[:SHOWN]
            ]
            if len(found) > SHOWN:
                lines.append("  and more")
    if lines:
        raise CommandError(
            "\n".join(["Some treaty actions must be corrected with the previous version before this one is installed.", *lines])
        )


# The days of signature and of entry into force follow new rules (docs/standing.md), and deadlines that are counted from them follow.
# The triggers that keep them still have the old rules; they are dropped here, and `migrate` installs the new ones at its end.
RECOMPUTE = r"""
DROP TRIGGER IF EXISTS a_0_days_follow_the_actions ON agreements_agreement;
DROP TRIGGER IF EXISTS anchor_moved ON agreements_agreement;
DROP TRIGGER IF EXISTS a_0_component_due_day_follows_its_anchor ON agreements_component;
DROP TRIGGER IF EXISTS component_relative_due_day_is_derived ON agreements_component;
SELECT set_config('policytracker.actor', '{"reason": "anchor moved", "channel": "command"}', true);

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
SET CONSTRAINTS ALL IMMEDIATE;
"""

# The history names columns, so earlier versions of a record follow the new name.
RENAME = """UPDATE policytracker_change SET
    before = CASE WHEN before ? '{old}' THEN (before - '{old}') || jsonb_build_object('{new}', before -> '{old}') ELSE before END,
    changed = CASE WHEN changed ? '{old}' THEN (changed - '{old}') || jsonb_build_object('{new}', changed -> '{old}') ELSE changed END
WHERE tbl = 'agreements_commitment' AND (before ? '{old}' OR changed ? '{old}')"""


class Migration(migrations.Migration):
    replaces = [
        ("agreements", "0004_actions_of_a_party_name_it"),
        ("agreements", "0005_recompute_signature_and_force_days"),
        ("agreements", "0006_commitment_disputes"),
        ("agreements", "0007_plain_labels"),
        ("agreements", "0008_source_content_fields"),
        ("agreements", "0009_component_by_last_due_day"),
        ("agreements", "0010_due_date_labels"),
        ("agreements", "0011_key_label"),
        ("agreements", "0012_names_and_date_labels"),
        ("agreements", "0013_disputed_figure_label"),
        ("agreements", "0014_plain_help"),
        ("agreements", "0015_keys_are_not_empty"),
    ]
    dependencies = [("agreements", "0003_texts_and_facts"), ("policytracker", "0002_history_and_search")]

    operations = [
        migrations.RunPython(refuse_wrong_parties, migrations.RunPython.noop),
        StateOnly(
            state_operations=[
                operation
                for model in WITH_SOURCE_CONTENT
                for operation in (migrations.AlterField(model, "locator", Locator()), migrations.AlterField(model, "quote", Quote()))
            ]
        ),
        migrations.AddField("agreement", "actions_complete_as_of", models.DateField(blank=True, null=True)),
        migrations.AddField("agreement", "later_joiner_delay", ForeignCode(blank=True, default="", max_length=20)),
        migrations.AddField(
            "commitment",
            "part_of",
            models.ForeignKey(
                "agreements.commitment", blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="parts"
            ),
        ),
        migrations.RenameField("commitment", "instead_of", "disputes"),
        migrations.RunSQL(RENAME.format(old="instead_of_id", new="disputes_id"), RENAME.format(old="disputes_id", new="instead_of_id")),
        migrations.AddIndex(
            "agreement",
            models.Index(Lower(Coalesce(NullIf("short_title", models.Value("")), "title")), models.F("id"), name="agreement_by_name"),
        ),
        migrations.AddIndex("component", models.Index(fields=["due_on_last", "id"], name="component_by_last_due_day")),
        migrations.AddIndex("component", models.Index(Lower("title"), models.F("id"), name="component_by_title")),
        migrations.AddConstraint(
            "agreement",
            models.CheckConstraint(
                condition=models.Q(("later_joiner_delay", ""), ("later_joiner_delay__regex", DURATION), _connector="OR"),
                name="agreement_later_joiner_delay_is_a_duration",
            ),
        ),
        migrations.AddConstraint(
            "agreement",
            models.CheckConstraint(
                condition=models.Q(("later_joiner_delay", ""), models.Q(("legal_force", "non_binding"), _negated=True), _connector="OR"),
                name="agreement_later_joiner_delay_binds",
            ),
        ),
        migrations.AddConstraint(
            "treatyaction",
            models.CheckConstraint(
                condition=models.Q(("party__isnull", False), models.Q(("kind__in", OF_A_PARTY), _negated=True), _connector="OR"),
                name="treaty_action_of_a_party_names_it",
            ),
        ),
        migrations.AddConstraint(
            "treatyaction",
            models.CheckConstraint(
                condition=models.Q(("party__isnull", True), models.Q(("kind", "termination"), _negated=True), _connector="OR"),
                name="treaty_action_termination_has_no_party",
            ),
        ),
        migrations.RunSQL(RECOMPUTE, migrations.RunSQL.noop),
        FillEmptyKeys("agreements"),
    ]

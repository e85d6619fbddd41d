import django.core.validators
import django.db.models.deletion
import policytracker.codes
import policytracker.edtf
from django.conf import settings
from django.core.management.base import CommandError
from django.db import migrations, models

OF_A_PARTY = [
    'signature_ad_referendum', 'definitive_signature', 'ratification', 'acceptance', 'approval', 'accession', 'formal_confirmation',
    'succession', 'continued_application', 'consent_to_be_bound', 'entry_into_force_for_party', 'consent_withdrawal',
    'withdrawal_notice', 'denunciation_notice', 'withdrawal_effect', 'notice_revocation',
]
SHOWN = 50


def refuse_wrong_parties(apps, schema_editor):
    """Only a person can say which party acted, or that a termination was the withdrawal of one party."""
    actions = apps.get_model('agreements', 'TreatyAction').objects.order_by('agreement__slug', 'pk')
    wrong = [
        ('A termination ends the text for all and has no party. Change it to a withdrawal (withdrawal_effect), or remove the party',
         actions.filter(kind='termination', party__isnull=False)),
        ('These actions are always by one party. Enter it, or delete the action',
         actions.filter(kind__in=OF_A_PARTY, party__isnull=True)),
    ]
    lines = []
    for sentence, rows in wrong:
        found = list(rows.values_list('agreement__slug', 'kind', 'acted_on', 'party__code', 'uid')[:SHOWN + 1])
        if found:
            lines.append(f'{sentence}:')
            lines += [
                f"  {slug}: {kind}, {acted_on or 'undated'}{f', {party}' if party else ''} (uid {uid})"
                for slug, kind, acted_on, party, uid in found[:SHOWN]
            ]
            if len(found) > SHOWN:
                lines.append('  and more')
    if lines:
        raise CommandError('\n'.join(['Some treaty actions must be corrected with the previous version before this one is installed.', *lines]))


class Migration(migrations.Migration):

    dependencies = [
        ('agreements', '0003_texts_and_facts'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(refuse_wrong_parties, migrations.RunPython.noop),
        migrations.AddField(
            model_name='agreement',
            name='actions_complete_as_of',
            field=models.DateField(blank=True, help_text='The actions of all parties are recorded up to this day. Leave it empty if that is not known.', null=True),
        ),
        migrations.AddField(
            model_name='agreement',
            name='later_joiner_delay',
            field=policytracker.codes.ForeignCode(blank=True, default='', help_text='How long after its consent a party is bound that consents when the text is in force already, such as P30D.', max_length=20, validators=[django.core.validators.RegexValidator('^P(?=[0-9])([0-9]{1,4}Y)?([0-9]{1,4}M)?([0-9]{1,4}W)?([0-9]{1,4}D)?\\Z', 'Write a duration as P6M, P180D or P1Y6M (ISO 8601).')]),
        ),
        migrations.AddField(
            model_name='commitment',
            name='part_of',
            field=models.ForeignKey(blank=True, help_text='The figure that includes this one. It has the same agreement, currency and stage; totals leave this one out.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='parts', to='agreements.commitment'),
        ),
        migrations.AlterField(
            model_name='agreement',
            name='in_force_on',
            field=policytracker.edtf.EdtfField(editable=False, help_text='The first day on which the text is in force.'),
        ),
        migrations.AlterField(
            model_name='agreement',
            name='signed_on',
            field=policytracker.edtf.EdtfField(editable=False, help_text='The day of the signature of the text, else the first of an adopted text, else the last.'),
        ),
        migrations.AddConstraint(
            model_name='agreement',
            constraint=models.CheckConstraint(condition=models.Q(('later_joiner_delay', ''), ('later_joiner_delay__regex', '^P(?=[0-9])([0-9]{1,4}Y)?([0-9]{1,4}M)?([0-9]{1,4}W)?([0-9]{1,4}D)?\\Z'), _connector='OR'), name='agreement_later_joiner_delay_is_a_duration', violation_error_code='later_joiner_delay', violation_error_message='Write a duration as P6M, P180D or P1Y6M (ISO 8601).'),
        ),
        migrations.AddConstraint(
            model_name='agreement',
            constraint=models.CheckConstraint(condition=models.Q(('later_joiner_delay', ''), models.Q(('legal_force', 'non_binding'), _negated=True), _connector='OR'), name='agreement_later_joiner_delay_binds', violation_error_code='later_joiner_delay', violation_error_message='A non-binding text binds no party, and has no delay after a consent.'),
        ),
        migrations.AddConstraint(
            model_name='treatyaction',
            constraint=models.CheckConstraint(condition=models.Q(('party__isnull', False), models.Q(('kind__in', ['signature_ad_referendum', 'definitive_signature', 'ratification', 'acceptance', 'approval', 'accession', 'formal_confirmation', 'succession', 'continued_application', 'consent_to_be_bound', 'entry_into_force_for_party', 'consent_withdrawal', 'withdrawal_notice', 'denunciation_notice', 'withdrawal_effect', 'notice_revocation']), _negated=True), _connector='OR'), name='treaty_action_of_a_party_names_it', violation_error_code='party', violation_error_message='Select the party. This kind of action is always by one party.'),
        ),
        migrations.AddConstraint(
            model_name='treatyaction',
            constraint=models.CheckConstraint(condition=models.Q(('party__isnull', True), models.Q(('kind', 'termination'), _negated=True), _connector='OR'), name='treaty_action_termination_has_no_party', violation_error_code='party', violation_error_message='A termination ends the text for all. Record the withdrawal of one party as a withdrawal.'),
        ),
    ]

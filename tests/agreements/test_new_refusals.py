"""Parties of treaty actions, the delay of later parties, the completeness of the record, and parts of figures."""

import importlib

import pytest
from django.apps import apps
from django.core.management.base import CommandError
from django.db import IntegrityError, connection

from agreements.models import TreatyAction
from policytracker.records.context import change_context
from tests.make import make_action, make_agreement, make_commitment, make_party

pytestmark = pytest.mark.django_db
REQUIRE_A_PARTY = [
    *("signature_ad_referendum", "definitive_signature", "ratification", "acceptance", "approval", "accession", "formal_confirmation"),
    *("succession", "continued_application", "consent_to_be_bound", "entry_into_force_for_party", "consent_withdrawal"),
    *("withdrawal_notice", "denunciation_notice", "withdrawal_effect", "notice_revocation"),
]


def treaty(**fields):
    return make_agreement(**{"slug": "treaty", "legal_force": "binding"} | fields)


@pytest.mark.parametrize("kind", REQUIRE_A_PARTY)
def test_consents_exits_and_entries_into_force_for_a_party_require_the_party(as_analyst, kind):
    treaty()

    response = as_analyst.post("treaty-actions/", {"agreement": "treaty", "kind": kind})

    assert (response.status_code, list(response.json()["_codes"])) == (400, ["party"])


@pytest.mark.parametrize("kind", ["signature", "suspension", "resumption", "termination", "entry_into_force", "adoption"])
def test_other_actions_may_have_no_party(as_analyst, kind):
    treaty()

    assert as_analyst.post("treaty-actions/", {"agreement": "treaty", "kind": kind}).status_code == 201


def test_a_termination_has_no_party(as_analyst):
    treaty(), make_party("AUS")

    response = as_analyst.post("treaty-actions/", {"agreement": "treaty", "kind": "termination", "party": "AUS"})

    assert (response.status_code, list(response.json()["_codes"])) == (400, ["party"])


def test_database_enforces_the_rules_about_parties():
    agreement, aus = treaty(), make_party("AUS")

    for kind, party in (("termination", aus), ("ratification", None)):
        with pytest.raises(IntegrityError), change_context():
            TreatyAction.objects.bulk_create([TreatyAction(agreement=agreement, kind=kind, party=party)])


def test_migration_lists_the_actions_to_correct_first():
    agreement, aus = treaty(), make_party("AUS")
    migration = importlib.import_module("agreements.migrations.0004_since_0_1")
    with connection.cursor() as cursor:
        for name in ("treaty_action_of_a_party_names_it", "treaty_action_termination_has_no_party"):
            cursor.execute(f"ALTER TABLE agreements_treatyaction DROP CONSTRAINT {name}")
    ended = make_action(agreement, "termination", aus, "2020-01-01")
    consent = TreatyAction.objects.create(agreement=agreement, kind="ratification", acted_on="2019-01-01")

    with pytest.raises(CommandError) as refused:
        migration.refuse_wrong_parties(apps, None)

    assert str(ended.uid) in str(refused.value) and str(consent.uid) in str(refused.value)


@pytest.mark.parametrize(
    ("legal_force", "delay"),
    [("binding", "30 days"), ("binding", "P"), ("binding", "-P1D"), ("non_binding", "P30D")],
)
def test_later_joiner_delay_requires_a_duration_and_legal_force(as_analyst, legal_force, delay):
    treaty(legal_force=legal_force)

    response = as_analyst.patch("agreements/treaty/", {"later_joiner_delay": delay})

    assert (response.status_code, list(response.json()["_codes"])) == (400, ["later_joiner_delay"])


def test_agreement_with_a_delay_cannot_become_non_binding(as_analyst):
    treaty(later_joiner_delay="P30D")

    response = as_analyst.patch("agreements/treaty/", {"legal_force": "non_binding"})

    assert (response.status_code, list(response.json()["_codes"])) == (400, ["later_joiner_delay"])


def test_the_new_fields_of_an_agreement_are_written_and_read(as_analyst):
    treaty()

    body = as_analyst.patch("agreements/treaty/", {"later_joiner_delay": "P3M", "actions_complete_as_of": "2025-05-13"}).json()

    assert (body["later_joiner_delay"], body["actions_complete_as_of"]) == ("P3M", "2025-05-13")
    assert as_analyst.patch("agreements/treaty/", {"actions_complete_as_of": "2025"}).status_code == 400
    assert as_analyst.get("agreements/?actions_complete_as_of__from=2025-05-13").json()["count"] == 1


# ---- parts of figures


@pytest.mark.parametrize("other", [{"currency": "USD"}, {"stage": "disbursed"}, {"agreement": "elsewhere"}])
def test_part_requires_the_agreement_currency_and_stage_of_the_including_figure(as_analyst, other):
    total = make_commitment(treaty())
    make_agreement(slug="elsewhere")
    body = {"agreement": "treaty", "stage": "announced", "currency": "AUD", "amount": "1", "part_of": str(total.uid)} | other

    response = as_analyst.post("commitments/", body)

    assert (response.status_code, list(response.json()["_codes"])) == (400, ["part_of"])


def test_figure_cannot_be_part_of_itself(as_analyst):
    first = make_commitment(treaty())
    second = make_commitment(first.agreement, part_of=first)

    response = as_analyst.patch(f"commitments/{first.uid}/", {"part_of": str(second.uid)})

    assert (response.status_code, list(response.json()["_codes"])) == (400, ["part_of"])


def test_totals_exclude_parts(as_analyst):
    total = make_commitment(treaty(), amount=100)
    make_commitment(total.agreement, amount=40, part_of=total)
    make_commitment(total.agreement, amount=90, disputes=total)

    money = as_analyst.get("agreements/treaty/scorecard/").json()["money"]

    assert money == [{"stage": "announced", "currency": "AUD", "figures": 1, "total": "100.00", "disputed": 1}]

"""Each data check of agreements: what it finds, and similar records that it does not find."""

from datetime import date
from random import Random

import pytest
from django.db import connection

from agreements.checks.sources import contains_quote
from agreements.checks.standings import against_standing, own_actions
from agreements.models import AgreementRelation, Citation, FactCheck, Participation
from agreements.standing import text_standing
from agreements.standing.data import load_records
from policytracker.records.access import FULL_ACCESS
from policytracker.records.context import change_context
from tests.findings import TODAY, check_context, sentence, violations
from tests.make import (
    make_action,
    make_agreement,
    make_commitment,
    make_component,
    make_condition,
    make_indicator,
    make_measurement,
    make_outcome,
    make_party,
    make_source,
)

pytestmark = pytest.mark.django_db

# The standings that match each status.
MATCHING_STANDINGS = {
    "proposed": {"announced"},
    "under_negotiation": {"announced"},
    "announced": {"announced"},
    "adopted": {"adopted"},
    "signed": {"signed"},
    "provisionally_applied": {"provisionally_applied"},
    "in_force": {"in_force"},
    "operative": {"operative", "in_force", "signed"},
    "suspended": {"suspended"},
    "expired": {"terminated"},
    "terminated": {"terminated"},
    "lapsed": {"announced", "adopted", "signed", "provisionally_applied"},
    "unknown": {"unknown"},
}


def treaty(status="in_force", **fields):
    return make_agreement(**{"legal_force": "binding", "status": status} | fields)


def supersede(old, new):
    return AgreementRelation.objects.create(from_agreement=new, kind="supersedes", to_agreement=old)


# ---- agreements compared with their actions


@pytest.mark.parametrize(
    ("status", "acts", "finds"),
    [
        ("in_force", [("entry_into_force", "2020")], False),
        ("in_force", [("signature", "2020")], True),
        ("in_force", [("entry_into_force", "2027")], False),  # no action yet, so the standing is unknown
        ("signed", [("signature", "2020")], False),
        ("signed", [("entry_into_force", "2020")], True),
        ("in_force", [("entry_into_force", "2020"), ("termination", "2022")], True),
        ("terminated", [("entry_into_force", "2020"), ("termination", "2022")], False),
        ("expired", [("entry_into_force", "2020"), ("termination", "2022")], False),
        ("in_force", [("entry_into_force", "2020"), ("suspension", "2022")], True),
        ("suspended", [("entry_into_force", "2020"), ("suspension", "2022")], False),
        ("in_force", [("entry_into_force", "2020"), ("suspension", "2022"), ("resumption", "2023")], False),
        ("lapsed", [("signature", "2020")], False),
        ("lapsed", [("entry_into_force", "2020")], True),
        ("unknown", [("signature", "2020")], True),
        ("announced", [("announcement", "2020")], False),
        ("proposed", [("announcement", "2020")], False),
        ("signed", [], False),
    ],
)
def test_status_that_contradicts_the_actions_is_found(status, acts, finds):
    agreement = treaty(status)
    for kind, day in acts:
        make_action(agreement, kind, acted_on=day)

    assert violations("status_differs_from_standing") == ({agreement} if finds else set())


def test_mixed_agreement_in_force_may_have_the_status_operative():
    mixed = treaty("operative", legal_force="mixed")
    plain = treaty("operative", legal_force="non_binding")
    make_action(mixed, "entry_into_force", acted_on="2020")
    make_action(plain, "announcement", acted_on="2020")

    assert violations("status_differs_from_standing") == {plain}


def test_agreement_after_its_term_is_not_in_force():
    treaty("expired", expires_on="2025")
    treaty("in_force", expires_on="2026")
    over = treaty("in_force", expires_on="2025")
    for agreement in type(over).objects.all():
        make_action(agreement, "entry_into_force", acted_on="2020")

    assert violations("status_differs_from_standing") == {over}


def test_superseded_agreement_may_have_any_standing():
    old, new = treaty("superseded"), treaty()
    supersede(old, new)
    make_action(old, "signature", acted_on="2020")

    assert violations("status_differs_from_standing") == set()


def test_sql_filter_finds_every_status_that_the_computation_finds():
    random = Random(4)
    parties = [make_party(code) for code in ("AUS", "JPN")]
    days = ["", "2019", "2020-06", "2024-05-05", "2026-01-15", "2026-01-16", "2026", "2027"]
    kinds = [
        *("signature", "entry_into_force", "entry_into_force_for_party", "provisional_application", "termination", "suspension"),
        *("resumption", "start_of_operation", "announcement", "adoption", "deposit"),
    ]
    for number in range(250):
        force = random.choice(["binding", "non_binding", "mixed", "undetermined"])
        statuses = {"in_force": {"binding", "mixed"}, "provisionally_applied": {"binding", "mixed"}, "operative": {"non_binding", "mixed"}}
        common = ["in_force", "signed", "operative"] * 4
        status = random.choice([s for s in [*MATCHING_STANDINGS, *common] if force in statuses.get(s, {force})])
        term = random.choice(["", "", "", "2025", "2026", "2030"])
        agreement = make_agreement(slug=f"a{number}", status=status, legal_force=force, expires_on=term)
        for kind in set(random.choices(kinds, k=random.randrange(4))):
            party = {"entry_into_force_for_party": parties[0], "termination": None}.get(kind, random.choice([None, *parties]))
            make_action(agreement, kind, party, random.choice(days), effective_on=random.choice(["", "", *days]))

    every = {agreement.pk: agreement for agreement in type(agreement).objects.all()}
    differing = {
        every[pk]
        for pk, text in load_records(every, FULL_ACCESS).items()
        if (code := text_standing(text, TODAY).code) != "unknown" and code not in MATCHING_STANDINGS[every[pk].status]
    }
    assert len(differing) > 50
    assert violations("status_differs_from_standing") == differing


def test_agreement_with_met_conditions_but_not_in_force_is_found():
    signed, waiting, done = (treaty("signed") for _ in range(3))
    for agreement in (signed, waiting, done):
        make_condition(agreement, "number_of_consents", number=2)
        make_action(agreement, "ratification", make_party("AUS"), "2024-01-01")
    for agreement in (signed, done):
        make_action(agreement, "ratification", make_party("JPN"), "2025-02-03")
    make_action(done, "entry_into_force", acted_on="2025-02-03")

    assert violations("conditions_met_not_in_force") == {signed}
    assert "2025-02-03" in sentence("conditions_met_not_in_force")


def test_agreement_with_an_unmet_condition_is_not_found():
    agreement = treaty("signed")
    make_action(agreement, "ratification", make_party("AUS"), "2024-01-01")
    make_condition(agreement, "number_of_consents", number=1)
    make_condition(agreement, "on_date", fixed_on="2030")

    assert violations("conditions_met_not_in_force") == set()


def test_agreement_in_force_without_a_date_is_found():
    undated, dated, by_party = treaty(), treaty(), treaty()
    treaty("signed")
    make_action(undated, "entry_into_force")
    make_action(dated, "entry_into_force", effective_on="2020")
    make_action(by_party, "entry_into_force_for_party", make_party(), "2020")

    assert violations("in_force_without_date") == {undated}


@pytest.mark.parametrize(
    ("successor", "finds"),
    [
        ({}, False),
        ({"status": "unknown"}, False),
        ({"publication": "draft"}, True),
        ({"publication": "archived"}, True),
        ({"status": "lapsed"}, True),
        ({"status": "terminated"}, True),
    ],
)
def test_superseded_agreement_requires_a_valid_successor(successor, finds):
    old, new = treaty("superseded"), treaty(**{"publication": "published"} | successor)
    with change_context(channel="data set"):
        supersede(old, new)

    assert violations("superseded_without_successor") == ({old} if finds else set())


def test_one_valid_successor_is_enough_and_a_draft_is_valid_for_a_draft():
    old, draft = treaty("superseded"), treaty("superseded", publication="draft")
    supersede(old, treaty("lapsed"))
    supersede(old, treaty())
    supersede(draft, treaty(publication="draft"))

    assert violations("superseded_without_successor") == set()


def test_superseded_agreement_that_is_still_in_force_is_found():
    old, other, new = treaty(), treaty("signed"), treaty(slug="new")
    supersede(old, new)
    supersede(other, new)

    assert violations("superseded_but_in_force") == {old}
    assert "superseded by new" in sentence("superseded_but_in_force")


# ---- roles


def role(agreement, code, role, **fields):
    return Participation.objects.create(agreement=agreement, party=make_party(code), role=role, **fields)


def test_role_that_contradicts_the_standing_is_found():
    agreement = treaty()
    make_action(agreement, "entry_into_force", acted_on="2020")
    for code in ("AUS", "CAN"):
        make_action(agreement, "ratification", make_party(code), "2019")
    for code in ("JPN", "USA"):
        make_action(agreement, "signature", make_party(code), "2019")
    role(agreement, "AUS", "party")
    role(agreement, "JPN", "signatory")
    bound, unbound = role(agreement, "CAN", "signatory"), role(agreement, "USA", "party")
    role(agreement, "USA", "depositary")

    assert violations("role_against_standing") == {bound, unbound}


def test_past_participation_is_not_checked():
    agreement = treaty()
    make_action(agreement, "entry_into_force", acted_on="2020")
    make_action(agreement, "accession", make_party("USA"), "2019")
    make_action(agreement, "withdrawal_effect", make_party("USA"), "2022")
    role(agreement, "USA", "party", since="2020", until="2022")
    role(agreement, "USA", "former_party", since="2022")
    still = role(agreement, "USA", "party", since="2023")
    role(agreement, "USA", "signatory", since="2030")

    assert violations("role_against_standing") == {still}


def test_participants_in_a_non_binding_agreement_may_have_the_role_party():
    agreement, binding = treaty("operative", legal_force="non_binding"), treaty()
    for text in (agreement, binding):
        make_action(text, "signature", make_party("AUS"), "2020")
    role(agreement, "AUS", "party")
    former = role(agreement, "AUS", "former_party")
    wrong = role(binding, "AUS", "party")

    assert violations("role_against_standing") == {former, wrong}


def test_counterparty_of_a_pair_in_force_is_a_party():
    agreement = treaty()
    make_action(agreement, "signature", make_party("JPN"), "2020")
    make_action(agreement, "signature", make_party("CAN"), "2020")
    make_action(agreement, "entry_into_force_for_party", make_party("GBR"), "2024-12-15", counterparty=make_party("JPN"))
    role(agreement, "JPN", "party")
    outside = role(agreement, "CAN", "party")

    assert violations("role_against_standing") == {outside}


def test_party_without_an_action_is_found():
    agreement, protocol = treaty(), treaty()
    AgreementRelation.objects.create(from_agreement=protocol, kind="accession_to", to_agreement=agreement)
    make_action(agreement, "signature", make_party("AUS"), "2020")
    make_action(protocol, "accession", make_party("GBR"), "2020")
    role(agreement, "AUS", "party")
    role(agreement, "GBR", "party")
    role(agreement, "NZL", "observer")
    idle = role(agreement, "JPN", "party")

    assert violations("party_without_action") == {idle}


def test_sql_filter_excludes_no_role_that_the_computation_finds():
    random = Random(5)
    days = ["", "2019", "2020-06", "2024-05-05", "2026-01-15", "2026-01-16", "2026", "2027"]
    kinds = [
        *("signature", "definitive_signature", "ratification", "deposit", "entry_into_force_for_party", "provisional_application"),
        *("start_of_operation", "withdrawal_notice", "withdrawal_effect", "suspension", "consent_withdrawal", "announcement"),
    ]
    for _ in range(100):
        force = random.choice(["binding", "non_binding", "mixed", "undetermined"])
        agreement = make_agreement(legal_force=force, expires_on=random.choice(["", "", "", "2025", "2030"]))
        for code in ("AUS", "JPN"):
            for kind in set(random.choices(kinds[:6] if random.random() < 0.7 else kinds, k=random.randrange(4))):
                if force != "non_binding" or kind not in ("definitive_signature", "ratification"):
                    make_action(agreement, kind, make_party(code), random.choice(days), effective_on=random.choice(["", "", "", *days]))
            role(agreement, code, random.choice(["party", "party", "signatory", "former_party"]))
        for kind in set(
            random.choices(["entry_into_force", "entry_into_force", "termination", "suspension"], k=random.choice([0, 1, 1, 2]))
        ):
            make_action(agreement, kind, None, random.choice(days))

    expected = {participation for participation, _ in against_standing(Participation.objects.filter(own_actions()), check_context())}
    assert len(expected) > 50
    assert violations("role_against_standing") == expected


# ---- treaty actions


@pytest.mark.parametrize(
    ("acted", "effective", "finds"),
    [
        ("2025-10-20", "2025-10-19", True),
        ("2025-10-20", "2024", True),
        ("2025-10-20", "2025-10-20", False),
        ("2025-10-20", "2025", False),
        ("2025", "2025-01-01", False),
        ("2025-10-20", "", False),
        ("", "2025", False),
    ],
)
def test_effective_date_before_the_action_date_is_found(acted, effective, finds):
    action = make_action(treaty(), "succession", make_party(), acted, effective_on=effective)

    assert violations("effect_before_act") == ({action} if finds else set())


def test_undated_consent_is_found():
    agreement = treaty()
    undated = make_action(agreement, "ratification", make_party("AUS"))
    make_action(agreement, "ratification", make_party("JPN"), effective_on="2020")
    make_action(agreement, "declaration", make_party("AUS"))

    assert violations("undated_consent") == {undated}


def test_undated_action_of_force_or_exit_is_found():
    agreement = treaty()
    undated = make_action(agreement, "entry_into_force")
    make_action(agreement, "termination", acted_on="2020")
    make_action(agreement, "reaffirmation")

    assert violations("undated_action") == {undated}


def test_action_in_the_future_is_found_but_a_future_effective_date_is_not():
    agreement = treaty()
    make_action(agreement, "withdrawal_notice", make_party("AUS"), "2026-01-15", effective_on="2027-01-15")
    make_action(agreement, "withdrawal_notice", make_party("JPN"), "2026")
    early = make_action(agreement, "withdrawal_notice", make_party("USA"), "2026-01-16")
    make_action(agreement, "entry_into_force", None, "2027-01-01")
    make_action(agreement, "entry_into_force_for_party", make_party("USA"), "2027-01-01")
    make_action(agreement, "withdrawal_effect", make_party("USA"), "2027-01-01")

    assert violations("action_in_the_future") == {early}


def test_action_outside_the_existence_of_the_party_is_found():
    agreement, union = treaty(), make_party("SUN", name="Soviet Union", since="1922", until="1991-12-26")
    make_action(agreement, "signature", union, "1991")
    make_action(agreement, "ratification", union, "1922-12")
    late = make_action(agreement, "accession", union, "1991-12-26")
    early = make_action(agreement, "acceptance", union, "1921")
    make_action(agreement, "succession", union, "1992")
    make_action(agreement, "continued_application", union, "1992")

    assert violations("action_outside_party_existence") == {late, early}


def test_consent_without_a_participation_is_found():
    agreement = treaty()
    role(agreement, "AUS", "signatory")
    role(agreement, "CHN", "subject_of_concern")
    make_action(agreement, "signature", make_party("AUS"), "2020")
    make_action(agreement, "reaffirmation", make_party("JPN"), "2020")
    listed = make_action(agreement, "signature", make_party("CHN"), "2020")
    first = make_action(agreement, "signature", make_party("USA"), "2020")
    make_action(agreement, "ratification", make_party("USA"), "2021")

    assert violations("consent_without_participation") == {listed, first}


def test_withdrawal_without_notice_is_found():
    agreement = treaty()
    make_action(agreement, "withdrawal_notice", make_party("AUS"), "2020")
    make_action(agreement, "withdrawal_effect", make_party("AUS"), "2021")
    sudden = make_action(agreement, "withdrawal_effect", make_party("USA"), "2021")

    assert violations("withdrawal_without_notice") == {sudden}


def test_entry_into_force_before_any_signature_is_found():
    early, right, joined = treaty(), treaty(), treaty()
    make_action(early, "signature", make_party("AUS"), "2021-02")
    make_action(right, "signature", make_party("AUS"), "2020")
    make_action(right, "signature", make_party("JPN"), "2024")
    make_action(joined, "accession", make_party("AUS"), "2024")  # no actions of the original parties are recorded
    forces = [make_action(agreement, "entry_into_force", acted_on="2021-01") for agreement in (early, right, joined)]

    assert violations("in_force_before_signature") == {forces[0]}


# ---- components


def test_overdue_component_with_unknown_status_is_found():
    agreement = treaty()
    late = [make_component(agreement, due_on="2025", status=status) for status in ("unknown", "planned")]
    make_component(agreement, due_on="2025", status="active")
    make_component(agreement, due_on="2026-01-15", status="unknown")
    make_component(agreement, status="unknown")

    assert violations("overdue_not_assessed") == set(late)
    assert violations("overdue_not_assessed", on=date(2025, 12, 31)) == set()


def test_component_without_lead_party_and_payer_is_found():
    agreement = treaty()
    led, paid, nobodys, unpaid = (make_component(agreement) for _ in range(4))
    make_component(agreement, status="cancelled")
    led.lead_parties.set([make_party()])
    make_commitment(agreement, component=paid, payer=make_party())
    make_commitment(agreement, component=unpaid)

    assert violations("component_without_parties") == {nobodys, unpaid}


def test_wrong_relative_deadline_is_found():
    agreement = treaty()
    make_action(agreement, "signature", acted_on="2025-10-20")
    right, wrong = (make_component(agreement, due_anchor="signature", due_offset="P6M") for _ in range(2))
    make_component(agreement, due_anchor="entry_into_force", due_offset="P1Y")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE agreements_component DISABLE TRIGGER USER")
        cursor.execute("UPDATE agreements_component SET due_on = '2026-04-21' WHERE id = %s", [wrong.pk])
        cursor.execute("ALTER TABLE agreements_component ENABLE TRIGGER USER; SET CONSTRAINTS ALL DEFERRED")

    right.refresh_from_db()
    assert right.due_on == "2026-04-20"
    assert violations("broken_relative_deadline") == {wrong}


def test_relative_deadline_with_a_partial_anchor_date_is_found():
    vague, exact, unsigned = treaty(), treaty(), treaty()
    make_action(vague, "signature", acted_on="2025-10")
    make_action(exact, "signature", acted_on="2025-10-20")
    open_ended, *_ = [make_component(a, due_anchor="signature", due_offset="P6M") for a in (vague, exact, unsigned)]
    make_component(vague, due_on="2026")

    assert violations("anchor_date_is_partial") == {open_ended}
    assert "2025-10" in sentence("anchor_date_is_partial")


def test_deadline_before_signature_is_found():
    agreement = treaty()
    make_action(agreement, "signature", make_party("AUS"), "2025-10-20")
    make_action(agreement, "signature", make_party("JPN"), "2026-01-01")
    early = make_component(agreement, due_on="2025-09")
    make_component(agreement, due_on="2025-11")
    make_component(agreement)
    make_component(treaty(), due_on="2000")

    assert violations("deadline_before_signature") == {early}


def test_start_after_the_due_date_is_found():
    agreement = treaty()
    make_component(agreement, starts_on="2025", due_on="2025")
    wrong = make_component(agreement, starts_on="2026-01", due_on="2025")

    assert violations("starts_after_due_date") == {wrong}


def test_completion_date_without_status_is_found():
    agreement = treaty()
    wrong = make_component(agreement, completed_on="2025", status="active")
    make_component(agreement, completed_on="2026", status="active")  # the date may be in the future
    make_component(agreement, completed_on="2025", status="completed")
    undated = make_component(agreement, status="completed")

    assert violations("completion_date_without_status") == {wrong}
    assert violations("completed_without_date") == {undated}


# ---- figures


def test_disputed_figures_are_found():
    agreement, other = treaty(), treaty()
    first = make_commitment(agreement, amount=1_000_000, currency="USD", bound="at_least", payer=make_party(name="Australia"))
    make_commitment(agreement, amount="2500000.50", currency="AUD", disputes=first)
    make_commitment(other)

    assert violations("disputed_figures") == {agreement}
    assert "exactly AUD 2,500,000.50 instead of at least USD 1,000,000 by Australia" in sentence("disputed_figures")


def test_past_target_without_a_measurement_is_found():
    outcome = make_outcome(treaty())
    missed, measured = (make_indicator(outcome, target_on="2025") for _ in range(2))
    make_indicator(outcome, target_on="2026")
    make_indicator(outcome)
    make_measurement(missed, "2024-12")
    make_measurement(measured, "2025-06")

    assert violations("target_without_measurement") == {missed}


# ---- sources


def test_fact_without_a_source_is_found():
    source, agreement, cited = make_source(), treaty(), treaty()
    Citation.objects.create(source=source, agreement=cited)
    action = make_action(agreement, acted_on="2020")
    make_action(agreement, "adoption", acted_on="2020", source=source)
    condition, commitment = make_condition(agreement), make_commitment(agreement)
    measurement = make_measurement(make_indicator(make_outcome(agreement)))

    assert violations("no_source") == {agreement, action, condition, commitment, measurement}


def test_archived_source_counts_as_a_source():
    source, agreement = make_source(), treaty()
    action = make_action(agreement, acted_on="2020", source=source)
    with change_context(reason="test"):
        type(source).objects.filter(pk=source.pk).update(publication="archived")

    assert action not in violations("no_source")


def test_published_record_with_a_draft_source_is_found():
    draft = make_source(publication="draft")
    agreement, unpublished = treaty(), treaty(publication="draft")
    citation = Citation.objects.create(source=draft, agreement=agreement)
    action = make_action(agreement, acted_on="2020", source=draft)
    make_action(unpublished, acted_on="2020", source=draft)
    make_action(agreement, "adoption", acted_on="2020", source=make_source())

    assert violations("draft_parts_of_published") == {citation, action}


TEXT = "“The Participants intend to cooperate” — so the  statement says.\n It’s about rare\u00adearths and critical minerals. " * 5


@pytest.mark.parametrize(
    ("quote", "true"),
    [
        ("The Participants intend to cooperate", True),
        ('"the participants intend to cooperate" - so the statement says', True),
        ("It's about rareearths", True),
        ("The Participants intend … critical minerals.", True),
        ("The Participants intend [...] it’s about", True),
        ("critical minerals [and more]", False),
        ("The Participants are bound to cooperate", False),
        ("critical minerals … of no such thing", False),
    ],
)
def test_quotes_are_compared_ignoring_typography(quote, true):
    source, agreement = make_source(notes=TEXT), treaty()
    citation = Citation.objects.create(source=source, agreement=agreement, quote=quote)

    assert violations("quote_not_in_source") == (set() if true else {citation})


def test_parts_of_a_quote_with_an_omission_must_be_in_order():
    assert contains_quote("one two three", "One … three")
    assert not contains_quote("one two three", "Three … one")


def test_short_notes_are_not_the_full_text():
    source = make_source(notes="Copy of the statement on another site.")
    Citation.objects.create(source=source, agreement=treaty(), quote="The Participants intend")

    assert violations("quote_not_in_source") == set()


def test_quotes_of_every_record_type_are_checked():
    source, agreement = make_source(notes=TEXT), treaty()
    said = {"source": source, "quote": "Never said"}
    facts = {
        Citation.objects.create(agreement=agreement, **said),
        FactCheck.objects.create(slug="check", statement="x", **said),
        AgreementRelation.objects.create(from_agreement=agreement, kind="amends", to_agreement=treaty(), **said),
        make_action(agreement, acted_on="2020", **said),
        make_condition(agreement, **said),
        make_commitment(agreement, **said),
        make_measurement(make_indicator(make_outcome(agreement)), **said),
    }

    assert violations("quote_not_in_source") == facts


def test_unchecked_statement_and_verdict_without_correction_are_found():
    source = make_source()
    checks = {
        name: FactCheck.objects.create(slug=name, source=source, statement=name, verdict=verdict, correction=correction)
        for name, verdict, correction in [
            ("open", "unchecked", ""),
            ("wrong", "incorrect", ""),
            ("corrected", "incorrect", "In June."),
            ("right", "supported", ""),
        ]
    }

    assert violations("statement_unchecked") == {checks["open"]}
    assert violations("verdict_without_correction") == {checks["wrong"]}


def test_sources_with_the_same_address_are_found():
    make_source(slug="first", original_url="https://www.example.org/a/")
    again = make_source(original_url="http://example.org/a")
    make_source(original_url="https://example.org/b")
    make_source()
    make_source()

    assert violations("duplicate_sources") == {again}
    assert sentence("duplicate_sources").startswith("first ")


def test_parties_with_similar_names_are_found():
    make_party("CIV", name="Côte d’Ivoire", aliases=["Ivory Coast"])
    again = make_party("IVC", name="The Ivory-Coast")
    accents = make_party("CDI", name="COTE D'IVOIRE")
    make_party("COG", name="Congo")
    make_party("COD", name="Democratic Republic of the Congo", aliases=["DR Congo"])

    assert violations("near_duplicate_parties") == {again, accents}

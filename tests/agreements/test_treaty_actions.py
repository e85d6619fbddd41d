"""Rules of treaty actions and conditions of entry into force: in the database, by their names, and through the API, by field."""

import pytest
from django.db import IntegrityError
from django.db.models import ProtectedError

from agreements.models import EntryIntoForceCondition, TreatyAction
from policytracker.records.context import change_context
from tests.api.refusals import codes, field_errors, list_codes, list_errors
from tests.make import make_action, make_agreement, make_component, make_condition, make_party, make_source, settled

pytestmark = pytest.mark.usefixtures("world")

# The promised code list, in order.
KINDS = """
announcement political, reaffirmation political, review_opened political, review_closed political, adoption text, authentication text,
amendment text, correction text, signature consent, signature_ad_referendum consent, definitive_signature consent, ratification consent,
acceptance consent, approval consent, accession consent, formal_confirmation consent, succession consent, continued_application consent,
consent_to_be_bound consent, submission_to_legislature domestic, legislative_approval domestic, deposit delivery, notification delivery,
registration delivery, start_of_operation force, provisional_application force, entry_into_force force, entry_into_force_for_party force,
territorial_extension force, reservation statement, reservation_withdrawal statement, declaration statement, objection statement,
objection_withdrawal statement, consent_withdrawal exit, withdrawal_notice exit, denunciation_notice exit, withdrawal_effect exit,
notice_revocation exit, suspension exit, resumption force, termination exit
"""
GROUP = dict(entry.split() for entry in KINDS.replace("\n", " ").split(", "))
# These kinds require a party.
OF_A_PARTY = {kind for kind, group in GROUP.items() if group in ("consent", "exit")} - {"signature", "suspension", "termination"}
OF_A_PARTY |= {"entry_into_force_for_party"}
REFUSED_IF_NOT_BINDING = [kind for kind, group in GROUP.items() if group == "consent" and kind != "signature"]
STATEMENTS = [kind for kind, group in GROUP.items() if group == "statement"]


def breaks(rule, act):
    """Asserts that the database rejects the change with the name of the rule."""
    with pytest.raises(IntegrityError) as caught, change_context():
        act()
    assert caught.value.__cause__.diag.constraint_name == rule, caught.value


def change(record, **fields):
    return lambda: type(record).objects.filter(pk=record.pk).update(**fields)


def closed(response, code):
    assert (response.status_code, response.json()["code"]) == (409, code), response.content


def at(record):
    return f"{'treaty-actions' if isinstance(record, TreatyAction) else 'entry-into-force-conditions'}/{record.uid}/"


# ---- the code list


def test_action_kinds_have_the_promised_order_and_groups(as_reader):
    choices = as_reader.get("choices/").json()

    assert [(code["code"], code["group"]) for code in choices["treaty_action.kind"]] == list(GROUP.items())
    assert len(GROUP) == 42 and len(STATEMENTS) == 5 and len(REFUSED_IF_NOT_BINDING) == 10
    assert all(set(code) == {"code", "label", "definition", "group"} for code in choices["treaty_action.kind"])
    assert {code["code"] for code in choices["treaty_action.kind"] if not code["definition"]} == {
        "reservation_withdrawal",
        "objection_withdrawal",
    }
    for name, expected in {
        "commitment.stage": "announced authorised committed disbursed",
        "commitment.bound": "exactly at_least up_to about",
        "entry_into_force_condition.kind": (
            "on_signature on_date number_of_consents all_signatories named_parties exchange_of_notes"
        ),
        "indicator.direction": "increase decrease reach",
    }.items():  # fmt: skip
        assert [code["code"] for code in choices[name]] == expected.split(), name
        assert all(set(code) == {"code", "label", "definition"} for code in choices[name])


def test_standings_have_the_promised_order(as_reader):
    choices = as_reader.get("choices/").json()

    assert [code["code"] for code in choices["standing.text"]] == (
        ["announced", "adopted", "signed", "provisionally_applied", "in_force", "operative", "suspended", "terminated", "unknown"]
    )
    assert [code["code"] for code in choices["standing.party"]] == (
        [
            "none",
            "announced",
            "signatory",
            "contracting",
            "bound",
            "provisionally_applying",
            "suspended",
            "withdrawing",
            "former_party",
            "participant",
        ]
    )


# ---- consent and legal force


@pytest.mark.parametrize("kind", GROUP)
def test_non_binding_agreement_can_be_signed_but_has_no_other_consent(world, as_analyst, kind):
    pact = make_agreement(slug="pact", legal_force="non_binding")

    party = {"party": "AUS"} if kind in OF_A_PARTY else {}

    if kind not in REFUSED_IF_NOT_BINDING:
        assert as_analyst.post("treaty-actions/", {"agreement": "pact", "kind": kind} | party).status_code == 201
        return
    breaks("treaty_action_consent_needs_a_binding_text", lambda: make_action(pact, kind))
    refused = as_analyst.post("treaty-actions/", {"agreement": "pact", "kind": kind} | party)
    assert codes(refused) == {"kind": ["treaty_action_consent_needs_a_binding_text"]}
    entries = [{"agreement": "pact", "kind": "signature"}, {"agreement": "pact", "kind": kind} | party]
    assert list_codes(as_analyst.post("treaty-actions/", entries)) == {"1": codes(refused)}
    signature = make_action(pact, party=world.aus)
    breaks("treaty_action_consent_needs_a_binding_text", change(signature, kind=kind))
    field_errors(as_analyst.patch(at(signature), {"kind": kind}), "kind")
    for force in ("binding", "mixed", "undetermined"):
        other = make_agreement(legal_force=force)
        assert as_analyst.post("treaty-actions/", {"agreement": other.slug, "kind": kind} | party).status_code == 201


def test_agreement_with_consents_cannot_become_non_binding(world, as_analyst):
    consented, signed = make_agreement(slug="consented"), make_agreement(slug="signed")
    make_action(consented, "ratification"), make_action(signed, "signature"), make_action(signed, "notification")
    settled()

    breaks("agreement_with_consents_is_binding", change(consented, legal_force="non_binding"))
    refused = as_analyst.patch("agreements/consented/", {"legal_force": "non_binding"})

    assert codes(refused) == {"legal_force": ["agreement_with_consents_is_binding"]}
    assert as_analyst.patch("agreements/signed/", {"legal_force": "non_binding"}).status_code == 200
    assert as_analyst.patch("agreements/consented/", {"legal_force": "mixed"}).status_code == 200


def test_consent_cannot_be_moved_to_a_non_binding_agreement(world, as_analyst):
    make_agreement(slug="pact", legal_force="non_binding")
    ratified = make_action(world.aukus, "ratification")

    field_errors(as_analyst.patch(at(ratified), {"agreement": "pact"}), "kind")


def test_consent_and_legal_force_may_change_in_one_transaction(world):
    pact = make_agreement(legal_force="non_binding")

    with change_context():
        made = make_action(pact, "ratification")
        change(pact, legal_force="binding")()
    with change_context():
        change(pact, legal_force="non_binding")()
        TreatyAction.objects.get(pk=made.pk).delete()


# ---- duplicates


@pytest.mark.parametrize(
    "same",
    [
        {},
        {"acted_on": "2025-10-20"},
        {"party": "AUS", "acted_on": "2025-10-20"},
        {"party": "AUS"},
        {"party": "AUS", "counterparty": "GBR"},
        {"party": "AUS", "acted_on": "2025~", "counterparty": "GBR"},
    ],
)
def test_duplicate_action_is_rejected_unless_it_is_a_statement(world, as_analyst, same):
    body = {"agreement": "quad", "kind": "notification", **same}
    made = as_analyst.post("treaty-actions/", body)
    assert made.status_code == 201, made.content

    row = {name: make_party(value) if name in ("party", "counterparty") else value for name, value in same.items()}
    breaks("treaty_action_is_recorded_once", lambda: make_action(world.quad, "notification", **row))
    assert codes(as_analyst.post("treaty-actions/", body | {"place": "Elsewhere"})) == {"kind": ["treaty_action_is_recorded_once"]}
    assert as_analyst.post("treaty-actions/", body | {"acted_on": "1999"}).status_code == 201
    assert as_analyst.post("treaty-actions/", body | {"agreement": "aukus"}).status_code == 201
    for kind in STATEMENTS:
        for _ in range(2):
            assert as_analyst.post("treaty-actions/", body | {"kind": kind}).status_code == 201
        uids = as_analyst.keys("treaty-actions/", kind=kind)
        field_errors(as_analyst.patch(f"treaty-actions/{uids[0]}/", {"kind": "notification"}), "kind")


def test_duplicate_action_in_a_list_is_rejected(world, as_analyst):
    body = {"agreement": "quad", "kind": "signature", "party": "AUS"}

    refused = as_analyst.post("treaty-actions/", [body, body])

    assert list_codes(refused) == {"1": {"kind": ["treaty_action_is_recorded_once"]}}
    assert not world.quad.actions.exists()


# ---- parties and dates


def test_pair_requires_two_different_parties(world, as_analyst):
    body = {"agreement": "aukus", "kind": "entry_into_force_for_party"}
    pair = make_action(world.aukus, "entry_into_force_for_party", world.aus, counterparty=world.gbr)

    breaks("treaty_action_pair_has_two", change(pair, counterparty=world.aus))
    breaks("treaty_action_of_a_party_names_it", change(pair, party=None))
    suspension = make_action(world.aukus, "suspension", world.aus, counterparty=world.gbr)
    breaks("treaty_action_pair_has_a_party", change(suspension, party=None))
    field_errors(as_analyst.post("treaty-actions/", body | {"party": "AUS", "counterparty": "AUS"}), "counterparty")
    field_errors(as_analyst.post("treaty-actions/", body | {"counterparty": "AUS"}), "party")
    field_errors(as_analyst.patch(at(pair), {"counterparty": "AUS"}), "counterparty")
    field_errors(as_analyst.patch(at(pair), {"party": None}), "party")
    assert as_analyst.patch(at(pair), {"party": "GBR", "counterparty": "AUS"}).status_code == 200


def test_effective_date_before_the_action_date_is_accepted(world, as_analyst):
    made = as_analyst.post(
        "treaty-actions/",
        {"agreement": "aukus", "kind": "succession", "party": "AUS", "acted_on": "1995-03-01", "effective_on": "1991-06-25"},
    )

    assert made.status_code == 201, made.content


# ---- targets


def test_targets_must_be_actions_on_the_same_agreement(world, as_analyst):
    reservation, elsewhere = make_action(world.aukus, "reservation", world.aus), make_action(world.quad, "reservation", world.aus)
    body = {"agreement": "aukus", "kind": "objection", "party": "GBR"}
    expected = {"targets": ["treaty_action_targets_the_same_agreement"]}

    made = as_analyst.post("treaty-actions/", body | {"targets": [str(reservation.uid)]})
    for targets in ([str(elsewhere.uid)], [str(reservation.uid), str(elsewhere.uid)]):
        assert codes(as_analyst.post("treaty-actions/", body | {"targets": targets})) == expected
        assert list_codes(as_analyst.post("treaty-actions/", [body, body | {"targets": targets}])) == {"1": expected}
    objection = TreatyAction.objects.get(uid=made.json()["uid"])

    def target(action):
        objection.targets.add(action)
        change(objection, note="x")()  # a test is one transaction, in which links increase the version only once

    breaks("treaty_action_targets_the_same_agreement", lambda: target(elsewhere))
    breaks("treaty_action_targets_the_same_agreement", lambda: target(objection))
    breaks("treaty_action_targets_the_same_agreement", change(objection, agreement=world.quad))
    breaks("treaty_action_targets_the_same_agreement", change(reservation, agreement=world.quad))
    field_errors(as_analyst.patch(at(reservation), {"agreement": "quad"}), "targets")
    field_errors(as_analyst.patch(at(objection), {"targets": [str(elsewhere.uid)], "note": "x"}), "targets")
    with change_context():
        change(objection, agreement=world.quad)()
        change(reservation, agreement=world.quad)()


def test_targeted_action_cannot_be_deleted(world, as_analyst):
    reservation = make_action(world.aukus, "reservation", world.aus)
    objection = make_action(world.aukus, "objection", world.gbr)
    objection.targets.add(reservation)

    breaks("linked_record_is_protected", lambda: TreatyAction.objects.get(pk=reservation.pk).delete())
    closed(as_analyst.delete(at(reservation)), "in_use")

    assert as_analyst.delete(at(objection)).status_code == 204
    assert as_analyst.delete(at(reservation)).status_code == 204


def test_party_and_source_of_an_action_cannot_be_deleted(world, as_administrator):
    source = make_source(slug="draft-paper", publication="draft")
    new, far, named = make_party("NEW"), make_party("FAR"), make_party("NAM")
    make_action(world.aukus, "deposit", new, counterparty=far, source=source)
    make_condition(world.aukus, "named_parties", [named])

    for address in ("parties/NEW/", "parties/FAR/", "parties/NAM/", "sources/draft-paper/"):
        closed(as_administrator.delete(address), "in_use")
    with pytest.raises(ProtectedError):
        world.aukus.delete()


# ---- conditions


@pytest.mark.parametrize(
    ("kind", "rule", "field", "right"),
    [
        ("number_of_consents", "condition_has_a_number", "number", {"number": 1}),
        ("named_parties", "condition_names_its_parties", "parties", {"parties": ["AUS"]}),
        ("on_date", "condition_has_a_date", "fixed_on", {"fixed_on": "2026"}),
    ],
)
def test_condition_requires_the_field_of_its_kind(world, as_analyst, kind, rule, field, right):
    body = {"agreement": "aukus", "kind": kind}

    breaks(rule, lambda: make_condition(world.aukus, kind))
    field_errors(as_analyst.post("entry-into-force-conditions/", body), field)
    listed = as_analyst.post("entry-into-force-conditions/", [body | right, body])
    assert list(list_errors(listed)["1"]) == [field]
    breaks(rule, change(world.condition, kind=kind))
    field_errors(as_analyst.patch(at(world.condition), {"kind": kind}), field)
    assert as_analyst.patch(at(world.condition), {"kind": kind, **right}).status_code == 200
    assert as_analyst.post("entry-into-force-conditions/", body | right).status_code == 201


def test_number_of_consents_must_be_positive(world, as_analyst):
    breaks("condition_has_a_number", lambda: make_condition(world.aukus, "number_of_consents", number=0))
    for number in (0, -1, 2**31, 1.5, "many", True):
        field_errors(
            as_analyst.post("entry-into-force-conditions/", {"agreement": "aukus", "kind": "number_of_consents", "number": number}),
            "number",
        )


NO_DURATIONS = [
    "P", "6 months", "PT5H", "P1.5Y", "P6M\n", "\nP6M", "P6M\nP6M", "P-6M", "-P6M", "p6m", "P 6M", "6M", "P6", "PM", "P6M1Y", "P1DT1H",
    "P99999D", "P٦M", "P6M~", "P9999Y9999M9999W9999D", "P" + "1" * 10_000 + "D", "x" * 10_000,
]  # fmt: skip


@pytest.mark.parametrize("nonsense", NO_DURATIONS, ids=lambda text: repr(text[:12]))
def test_invalid_duration_is_rejected(world, as_analyst, nonsense):
    for address, field in ((at(world.condition), "delay"), ("components/pillar-one/", "due_offset")):
        for more in ({}, {"due_anchor": "signature"} if field == "due_offset" else {}):
            response = as_analyst.patch(address, {field: nonsense, **more})
            # Surrounding white space is removed, as in every single-line text.
            if nonsense.strip() == "P6M":
                assert response.status_code == 200 or list(response.json()["_codes"]) == [field]
            else:
                assert "ISO 8601" in field_errors(response, field)[field][0] or len(nonsense) > 20
    if len(nonsense) <= 20:
        breaks("condition_delay_is_a_duration", change(world.condition, delay=nonsense))
        make_action(world.aukus, acted_on="2025-10-20")
        part = make_component(world.aukus)
        breaks("component_offset_is_a_duration", change(part, due_offset=nonsense, due_anchor="signature"))


# ---- access and archived records


def test_actions_and_conditions_of_an_archived_agreement_are_closed(world, as_analyst):
    condition, action = world.condition, world.action
    with change_context(reason="over"):
        change(world.aukus, publication="archived")()

    for record, fields in ((action, {"note": "x"}), (condition, {"text": "x"})):
        breaks("closed_record", change(record, **fields))
        breaks("closed_record", lambda record=record: type(record).objects.get(pk=record.pk).delete())
        closed(as_analyst.patch(at(record), fields), "closed_record")
        closed(as_analyst.delete(at(record)), "closed_record")
        assert as_analyst.get(at(record)).status_code == 200
    for address, kind in (("treaty-actions", "signature"), ("entry-into-force-conditions", "on_signature")):
        closed(as_analyst.post(f"{address}/", {"agreement": "aukus", "kind": kind}), "closed_record")
        assert set(list_errors(as_analyst.post(f"{address}/", [{"agreement": "aukus", "kind": kind}]))) == {"0"}
    breaks("closed_record", lambda: make_action(world.aukus))
    breaks("closed_record", lambda: make_condition(world.aukus))
    other = make_action(world.quad)
    closed(as_analyst.patch(at(other), {"agreement": "aukus"}), "closed_record")


def test_hidden_source_hides_the_quote_of_an_action(world, as_analyst, as_reader):
    hidden = make_source(slug="hidden", publication="draft")
    action = make_action(world.aukus, "deposit", source=hidden, locator="p. 9", quote="“as said”")

    seen, whole = as_reader.get(at(action)).json(), as_analyst.get(at(action)).json()

    assert (seen["source"], seen["locator"], seen["quote"]) == (None, "", "")
    assert (whole["source"], whole["locator"], whole["quote"]) == ("hidden", "p. 9", "“as said”")
    assert as_reader.keys("treaty-actions/", quote="“as said”") == []


# ---- filters


def test_actions_are_filtered_by_their_fields(world, as_reader):
    early = make_action(world.aukus, "signature", world.aus, "2025-10-20", place="Washington")
    pair = make_action(world.aukus, "entry_into_force_for_party", world.gbr, "2026-01", counterparty=world.aus, effective_on="2026-02-01")
    other = make_action(world.quad, "signature", world.gbr, "2024")
    early.targets.add(world.action)
    uids = {name: str(record.uid) for name, record in (("early", early), ("pair", pair), ("other", other), ("first", world.action))}

    for question, names in [
        ({"agreement": "aukus"}, ["first", "early", "pair"]),
        ({"agreement": ["aukus", "quad"], "kind": "signature"}, ["early", "other"]),
        ({"agreement": "aukus", "kind": ["signature", "announcement"], "party": "AUS"}, ["early"]),
        ({"party__empty": "true"}, ["first"]),
        ({"party": "GBR", "acted_on__from": "2025"}, ["pair"]),
        ({"acted_on__from": "2025-10-20", "acted_on__to": "2025-12-31"}, ["early"]),
        ({"acted_on__to": "2025-10-20"}, ["first", "early", "other"]),
        ({"effective_on__from": "2026-02-01"}, ["pair"]),
        ({"counterparty": "AUS"}, ["pair"]),
        ({"targets": uids["first"]}, ["early"]),
        ({"targets__empty": "false"}, ["early"]),
        ({"place": "Washington"}, ["early"]),
        ({"ordering": "-acted_on"}, ["pair", "early", "other", "first"]),
        ({"ordering": "acted_on", "agreement__not": "quad"}, ["first", "early", "pair"]),
    ]:
        assert as_reader.keys("treaty-actions/", **question) == [uids[name] for name in names], question
    for question in ({"kind": "signing"}, {"party": "XXX"}, {"acted_on__from": "soon"}, {"agreement": "none"}, {"group": "consent"}):
        assert as_reader.get("treaty-actions/", question).status_code == 400, question


def test_agreements_are_filtered_by_signature_and_force_dates(world, as_reader):
    make_action(world.aukus, acted_on="2025-10"), make_action(world.quad, "entry_into_force", acted_on="2024-01-01")

    assert as_reader.keys("agreements/", signed_on__from="2025-10", signed_on__to="2025-12") == ["aukus"]
    assert as_reader.keys("agreements/", signed_on="2025-10") == ["aukus"]
    assert as_reader.keys("agreements/", signed_on__empty="true") == ["quad"]
    assert as_reader.keys("agreements/", in_force_on__to="2024-01-01") == ["quad"]
    assert as_reader.keys("agreements/", ordering="-signed_on") == ["aukus", "quad"]
    assert as_reader.keys("entry-into-force-conditions/", agreement="aukus", number__empty="true") == [
        str(uid) for uid in EntryIntoForceCondition.objects.values_list("uid", flat=True)
    ]

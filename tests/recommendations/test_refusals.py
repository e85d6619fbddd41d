"""Code, field, message and behaviour of each refusal are declared once, for the functions and for the database."""

import string

import pytest

from policytracker.records.violations import constraints_by_name
from recommendations.models import RefusalCode

# The order that the API guarantees (docs/api.md).
ORDER = [
    *("not_permitted", "closed_record", "status_required", "transition_not_allowed", "superseding_recommendation_required"),
    *("party_required", "future_date", "reason_required", "evidence_required", "narrative_required", "second_person_required"),
    *("append_only", "already_reviewed", "already_voided"),
]
BLOCKING = {"not_permitted", "closed_record", "transition_not_allowed", "superseding_recommendation_required"}
REQUIRED_OF_DRAFT = {"not_permitted", "closed_record", "status_required", "party_required", "future_date"}


def test_refusals_have_the_order_of_the_api():
    assert list(dict.fromkeys(refusal.code for refusal in RefusalCode)) == ORDER


def test_refusals_with_the_same_code_have_the_same_behaviour():
    assert {refusal.code for refusal in RefusalCode if refusal.blocks_status} == BLOCKING
    assert {refusal.code for refusal in RefusalCode if not refusal.blocks_status} == set(ORDER) - BLOCKING
    assert {refusal.code for refusal in RefusalCode if refusal.required_of_draft} == REQUIRED_OF_DRAFT
    assert {refusal.code for refusal in RefusalCode if not refusal.required_of_draft} == set(ORDER) - REQUIRED_OF_DRAFT


@pytest.mark.parametrize("refusal", RefusalCode, ids=lambda refusal: refusal.name)
def test_a_message_has_named_parameters_only(refusal):
    names = [name for _, name, *_ in string.Formatter().parse(str(refusal.message)) if name is not None]

    assert all(name.isidentifier() for name in names)
    assert "{" not in refusal.text(**dict.fromkeys(names, "x"))


@pytest.mark.parametrize(
    ("rule", "refusal"),
    [
        ("update_is_returned_with_a_note", RefusalCode.REASON_REQUIRED_TO_RETURN),
        ("update_is_voided_after_approval", RefusalCode.NOT_APPROVED),
        ("update_is_not_of_the_future", RefusalCode.FUTURE_DATE),
        ("update_claim_has_a_party", RefusalCode.PARTY_REQUIRED),
        ("update_void_has_a_reason", RefusalCode.REASON_REQUIRED_TO_VOID),
        ("closed_record", RefusalCode.CLOSED_RECORD),
    ],
)
def test_the_database_refuses_with_the_same_field_and_message(rule, refusal):
    assert constraints_by_name()[rule].message == refusal.text()
    assert constraints_by_name()[rule].field == (refusal.field or "__all__")
    assert constraints_by_name()[rule].code in (refusal.code, "")  # a constraint has no code

"""The rule that a record is not its own ancestor, for chains of so many records that they are not looked at one by one."""

import pytest
from django.db import IntegrityError, connection, transaction

from agreements.models import Party
from policytracker.records.constraints import MAX_LEVELS

pytestmark = pytest.mark.django_db
LONG = MAX_LEVELS + 50


def make_chain(length: int) -> list[Party]:
    """Parties of which each but the first is the child of the one before, set by one statement whose checks wait."""
    first = Party.objects.count()
    parties = Party.objects.bulk_create(Party(code=f"C{first + number}", name="A party", kind="state") for number in range(length))
    set_parents(parties[1:], parties)
    return parties


def set_parents(children: list[Party], parents: list[Party]) -> None:
    pairs = ", ".join(f"({child.pk}, {parent.pk})" for child, parent in zip(children, parents, strict=False))
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE agreements_party p SET parent_id = v.parent FROM (VALUES {pairs}) AS v (child, parent) WHERE p.id = v.child"
        )


def check() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def refused(write) -> None:
    """Assert that the write violates the rule. The transaction can be used afterwards."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        write()
        check()
    assert caught.value.__cause__.diag.constraint_name == "party_is_not_its_own_parent", caught.value


def lookups() -> int:
    """How often this transaction has looked for parties in an index."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'agreements_party'")
        return cursor.fetchone()[0]


def test_the_check_of_a_chain_costs_in_proportion_to_its_length():
    def cost(length: int) -> int:
        make_chain(length)
        before = lookups()
        check()
        return lookups() - before

    short, long = cost(3 * MAX_LEVELS), cost(6 * MAX_LEVELS)

    assert short > 0 and long < 3 * short  # it would be four times as much if each record were compared with all above it


def test_a_long_chain_is_accepted_and_a_long_circle_refused():
    parties = make_chain(LONG)
    check()

    refused(lambda: set_parents(parties[:1], parties[-1:]))


def test_a_circle_above_a_long_chain_is_refused():
    parties = make_chain(LONG)

    refused(lambda: set_parents(parties[:1], parties[10:]))


def test_a_circle_that_is_written_after_a_check_is_refused():
    """The result of a check is forgotten with the next write."""
    parties, others = make_chain(LONG), make_chain(LONG)
    check()

    set_parents(others[:1], parties[-1:])
    check()
    refused(lambda: set_parents(parties[:1], others[-1:]))


def test_a_long_circle_of_new_records_is_refused():
    make_chain(LONG)
    check()
    first = Party.objects.order_by("-pk").values_list("pk", flat=True)[0] + 1
    new = [
        Party(pk=first + number, code=f"N{number}", name="A party", kind="state", parent_id=first + (number + 1) % LONG)
        for number in range(LONG)
    ]

    refused(lambda: Party.objects.bulk_create(new))

"""Pages of any order, forwards and back, against the plain ORDER BY of which they are pages."""

from datetime import date

import pytest
from django.db import transaction
from django.db.models import F
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from policytracker.representation.keyset import Column, InvalidCursor, page
from recommendations.models import Recommendation

pytestmark = pytest.mark.django_db

# Two columns with unknown values, one of words, one of moments; the last makes the order total.
COLUMNS = {"update_every": True, "made_on_first": True, "priority": False, "created_at": False}
rows = st.lists(
    st.tuples(st.sampled_from([None, 1, 2]), st.sampled_from([None, date(2024, 1, 1), date(2025, 1, 1)]), st.sampled_from(["low", "high"])),
    min_size=3,
    max_size=12,
)
orders = st.lists(st.tuples(st.sampled_from(list(COLUMNS)), st.booleans()), min_size=1, max_size=3, unique_by=lambda column: column[0])
sizes = st.integers(1, 5)
quietly = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def make(values):
    Recommendation.objects.bulk_create(
        Recommendation(slug=f"r{number}", key_action="x", update_every=every, made_on=str(on or ""), priority=priority)
        for number, (every, on, priority) in enumerate(values)
    )


def columns_of(order, last_descending=False):
    return [*(Column(name, descending, COLUMNS[name]) for name, descending in order), Column("id", last_descending)]


def plain(order, last_descending=False):
    terms = [F(name).desc(nulls_last=True) if descending else F(name).asc(nulls_last=True) for name, descending in order]
    return list(Recommendation.objects.order_by(*terms, "-id" if last_descending else "id").values_list("pk", flat=True))


def walk(columns, size, cursor=None, way="next", between=lambda: None):
    """All pages that follow from the cursor, as lists of ids."""
    pages = []
    while True:
        result = page(Recommendation.objects.all(), columns, cursor, size, "salt")
        pages.append(result.results)
        cursor = getattr(result, way)
        if cursor is None:
            return pages
        between()


def undone(examine):
    """Whatever an example makes is gone before the next."""

    def examined(*args, **kwargs):
        with transaction.atomic():
            examine(*args, **kwargs)
            transaction.set_rollback(True)

    return examined


@quietly
@example(
    [(None, None, "low"), (None, date(2024, 1, 1), "low"), (1, None, "low")], [("update_every", False), ("made_on_first", True)], False, 2
)
@given(rows, orders, st.booleans(), sizes)
def test_the_pages_of_a_list_are_the_list_forwards_and_back(db, values, order, last_descending, size):
    undone(forwards_and_back)(values, order, last_descending, size)


def forwards_and_back(values, order, last_descending, size):
    make(values)
    columns, expected = columns_of(order, last_descending), plain(order, last_descending)

    pages = walk(columns, size)

    assert [pk for ids in pages for pk in ids] == expected
    assert all(len(ids) == size for ids in pages[:-1])
    if len(pages) > 1:
        cursor = None
        for _ in pages[1:]:
            cursor = page(Recommendation.objects.all(), columns, cursor, size, "salt").next
        last = page(Recommendation.objects.all(), columns, cursor, size, "salt")
        back = walk(columns, size, last.previous, "previous")
        assert [pk for ids in reversed(back) for pk in ids] + last.results == expected
        first = page(
            Recommendation.objects.all(), columns, page(Recommendation.objects.all(), columns, None, size, "salt").next, size, "salt"
        )
        again = page(Recommendation.objects.all(), columns, first.previous, size, "salt")
        assert again.results == pages[0] and again.previous is None


@quietly
@given(rows, orders, sizes, st.data())
def test_rows_that_stay_are_met_once_and_in_order_while_others_come_go_and_move(db, values, order, size, data):
    undone(while_rows_move)(values, order, size, data)


def while_rows_move(values, order, size, data):
    make(values)
    columns, moved = columns_of(order), set()
    remaining = plain(order)
    new = iter(range(1000, 2000))

    def meanwhile():
        what = data.draw(st.sampled_from(["move", "delete", "add", "nothing"]))
        if what == "add":
            moved.add(
                Recommendation.objects.create(
                    slug=f"n{next(new)}", key_action="x", update_every=data.draw(st.sampled_from([None, 1, 3]))
                ).pk
            )
        elif what != "nothing" and remaining:
            pk = data.draw(st.sampled_from(remaining))
            moved.add(pk)
            rows = Recommendation.objects.filter(pk=pk)
            rows.update(update_every=data.draw(st.sampled_from([None, 1, 3])), made_on="") if what == "move" else rows.delete()

    met = [pk for ids in walk(columns, size, between=meanwhile) for pk in ids]

    assert [pk for pk in met if pk not in moved] == [pk for pk in remaining if pk not in moved]


@pytest.mark.parametrize("cursor", ["x", "", "W10:1:x", "a:b:c", "\0", "é", "eyJhIjoxfQ:1tq:abc"])
def test_a_cursor_that_we_did_not_make_is_refused(db, cursor):
    if cursor:
        with pytest.raises(InvalidCursor):
            page(Recommendation.objects.all(), [Column("id")], cursor, 1, "salt")


def test_a_cursor_belongs_to_its_list_and_to_its_order(db):
    make([(None, None, "low")] * 3)
    cursor = page(Recommendation.objects.all(), [Column("id")], None, 1, "salt").next

    for columns, salt in (
        ([Column("id")], "other"),
        ([Column("id", descending=True)], "salt"),
        ([Column("priority"), Column("id")], "salt"),
    ):
        with pytest.raises(InvalidCursor):
            page(Recommendation.objects.all(), columns, cursor, 1, salt)


def test_a_page_costs_as_many_queries_as_ranges_and_never_more(db, django_assert_max_num_queries):
    make([(number % 3 or None, None, "low") for number in range(40)])
    columns = columns_of([("update_every", False), ("made_on_first", True)])
    cursor = None

    while True:
        with django_assert_max_num_queries(5):
            result = page(Recommendation.objects.all(), columns, cursor, 7, "salt")
        if (cursor := result.next) is None:
            break

"""The keys of a mapping that say how another register writes: empty cells, dates, keys, lists, long texts and other terms."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agreements.models import Agreement, Participation, TreatyAction
from policytracker.importing.cells import Cells, as_slug, split_text
from policytracker.importing.context import ImportContext
from policytracker.importing.mapping import FileMapping
from policytracker.importing.tables import Table
from recommendations.models import Addressee, ProgressUpdate, Recommendation
from tests.imports.conftest import table

pytestmark = pytest.mark.usefixtures("stored_records")

ACTIONS = """
    [columns]
    agreement = "treaty"
    party = "who"
    [[records]]
    when = "force"
    columns = { acted_on = "force" }
    constants = { kind = "entry_into_force_for_party" }
    [[records]]
    columns = { acted_on = "signed" }
    constants = { kind = "signature" }
"""


def test_a_word_for_nothing_makes_no_record_and_no_value(import_table):
    rows = table(
        {"treaty": "pact", "who": "AUS", "signed": "2020", "force": "NA"},
        {"treaty": "pact", "who": "ROU", "signed": "2020", "force": " - "},
    )

    run = import_table(rows, "treaty-actions", mapping='empty = ["NA", "-"]\n' + ACTIONS)

    assert run.summary == "2 created, 0 changed, 0 unchanged, 0 refused"
    assert set(TreatyAction.objects.values_list("kind", flat=True)) == {"signature"}


def test_a_word_for_nothing_is_empty_within_json_too(import_table):
    document = json.dumps([{"id": "rec-2", "text": "Train", "who": {"in": ["AUS", "NA"]}, "due": {"on": "NA"}}])
    mapping = 'empty = ["NA"]\n[columns]\nslug = "id"\nkey_action = "text"\ndue_on = "due.on"\n[[records]]\nresource = "addressees"\n'

    run = import_table(document, name="x.json", mapping=f'{mapping}path = "who.in"\ncolumns = {{ recommendation = "id", party = "." }}\n')

    assert run.summary == "2 created, 0 changed, 0 unchanged, 0 refused"
    assert (Recommendation.objects.get(slug="rec-2").due_on, Addressee.objects.get().party.code) == ("", "AUS")


@pytest.mark.parametrize(("order", "stored"), [("day first", "2019-04-03"), ("month first", "2019-03-04")])
def test_the_order_of_dates_decides_where_a_date_has_two_readings(import_table, order, stored):
    mapping = f'dates = "{order}"\n[columns]\nslug = "id"\nkey_action = "what"\ndue_on = "due"\nmade_on = "made"\n'

    run = import_table(table({"id": "rec-2", "what": "Train", "due": "03/04/2019", "made": "18/06/1949"}), mapping=mapping)

    made = Recommendation.objects.get(slug="rec-2")
    assert (run.code, made.due_on, made.made_on) == (0, stored, "1949-06-18")


def test_the_order_of_dates_is_that_of_assessments_too(import_table, reviewer):
    mapping = """dates = "month first"
        [columns]
        slug = "id"
        key_action = "what"
        [progress]
        scheme = "GAO"
        status = "status"
        reported_on = "on"
    """

    import_table(table({"id": "rec-2", "what": "Train", "status": "Open", "on": "03/04/2019"}), mapping=mapping, user="reviewer")

    assert str(ProgressUpdate.objects.get().reported_on) == "2019-03-04"


PREFIXED = """
    key_prefix = "un-"
    [columns]
    slug = "id"
    title = "title"
    [[records]]
    resource = "participations"
    columns = { agreement = "id", party = "who" }
    constants = { role = "party" }
"""


def test_a_prefix_comes_before_every_key_that_the_file_makes(import_table):
    rows = table({"id": "32", "title": "Treaty on Hubs", "who": "AUS"})

    first, again = (import_table(rows, "agreements", mapping=PREFIXED, source="register") for _ in range(2))

    assert (first.summary[:9], again.summary) == ("2 created", "0 created, 0 changed, 2 unchanged, 0 refused")
    assert Agreement.objects.filter(slug="un-32").exists()
    assert Participation.objects.get().agreement.slug == "un-32"


def test_a_code_of_the_mapping_gets_no_prefix(import_table):
    mapping = PREFIXED + '[records.codes.agreement]\n32 = "pact"\n'

    import_table(table({"id": "32", "title": "Treaty on Hubs", "who": "AUS"}), "agreements", mapping=mapping)

    assert Participation.objects.get().agreement.slug == "pact"


def test_each_item_of_a_cell_is_a_record(import_table):
    mapping = """
        [columns]
        slug = "id"
        title = "title"
        [[records]]
        resource = "participations"
        columns = { agreement = "id", party = { from = "Parties", split = ";" } }
        constants = { role = "party" }
    """
    rows = table(
        {"id": "deal", "title": "Deal", "Parties": "AUSTRALIA ; Romania;; "},
        {"id": "other", "title": "Other", "Parties": ""},
    )

    first, again = (import_table(rows, "agreements", mapping=mapping) for _ in range(2))

    assert first.summary == "4 created, 0 changed, 0 unchanged, 0 refused"
    assert again.summary == "0 created, 0 changed, 4 unchanged, 0 refused"
    assert sorted(Participation.objects.values_list("agreement__slug", "party__code")) == [("deal", "AUS"), ("deal", "ROU")]


def test_each_item_of_a_cell_is_an_entry_of_a_list(import_table):
    mapping = '[columns]\nslug = "id"\nkey_action = "what"\nagreements = { from = "Treaties", split = "|" }\n'

    import_table(table({"id": "rec-2", "what": "Train", "Treaties": "pact | pact"}), mapping=mapping)

    assert [agreement.slug for agreement in Recommendation.objects.get(slug="rec-2").agreements.all()] == ["pact"]


@pytest.mark.parametrize("header", ["Recommendation", "Action", "Action (new)"])
def test_the_first_of_several_headers_that_the_file_has_is_used(import_table, header):
    mapping = '[columns]\nslug = "id"\nkey_action = ["Recommendation", "Action*"]\n'

    run = import_table(table({"id": "rec-2", header: "Train"}), mapping=mapping)

    assert (run.code, Recommendation.objects.get(slug="rec-2").key_action) == (0, "Train")


def test_an_alternative_that_the_file_has_besides_is_named(import_table):
    mapping = '[columns]\nslug = "id"\nkey_action = ["Recommendation", "Action"]\n'

    run = import_table(table({"id": "rec-2", "Action": "Hire", "Recommendation": "Train"}), mapping=mapping)

    assert Recommendation.objects.get(slug="rec-2").key_action == "Train"
    assert "“Action” is not used" in run.output


def test_a_file_with_none_of_several_headers_is_refused(import_table):
    assert import_table(table({"id": "rec-2"}), mapping='[columns]\nslug = "id"\nkey_action = ["A", "B*"]\n').code == 1


def test_a_long_text_is_cut_and_ends_with_dots(import_table):
    mapping = '[columns]\nslug = "id"\nkey_action = { from = "what", cut = 10 }\n'

    import_table(table({"id": "rec-2", "what": "Train all staff"}, {"id": "rec-3", "what": "Train them"}), mapping=mapping)

    assert Recommendation.objects.get(slug="rec-2").key_action == "Train all…"
    assert Recommendation.objects.get(slug="rec-3").key_action == "Train them"


def test_other_is_the_code_of_all_other_terms(import_table):
    mapping = '[columns]\nslug = "id"\nkey_action = "id"\npriority = "p"\n[codes.priority]\nUrgent = "critical"\nother = "medium"\n'
    rows = [{"id": "rec-2", "p": "URGENT"}, {"id": "rec-3", "p": "whatever"}, {"id": "rec-4", "p": ""}]

    import_table(table(*rows), mapping=mapping)

    found = dict(Recommendation.objects.exclude(slug="rec-1").values_list("slug", "priority"))
    assert found == {"rec-2": "critical", "rec-3": "medium", "rec-4": "unset"}


def test_with_a_mapping_only_mapped_columns_count(import_table):
    rows = table({"id": "rec-2", "what": "Train", "status": "in force since 2001", "url": "http://x.example", "colour": "red"})

    run = import_table(rows, mapping='[columns]\nslug = "id"\nkey_action = "what"\n', dry_run=True)

    assert run.summary == "1 created, 0 changed, 0 unchanged, 0 refused"
    assert "url" not in run.output and "red" not in run.output


def test_a_mapping_without_columns_translates_codes_of_our_own_layout(import_table):
    rows = table({"slug": "rec-2", "key_action": "Train", "priority": "Dringend"})

    assert import_table(rows, mapping='[codes.priority]\nDringend = "high"\n').code == 0
    assert import_table(rows.replace("key_action", "colour"), mapping='[codes.priority]\nDringend = "high"\n').code == 1


def test_a_value_of_the_command_replaces_a_column(import_table):
    rows = table({"who": "AUS", "signed": "2020", "force": ""})

    run = import_table(rows, "treaty-actions", mapping=ACTIONS, set=["agreement=pact"])

    assert (run.code, TreatyAction.objects.get().agreement.slug) == (0, "pact")


@pytest.mark.parametrize("constant", ["colour=red", "agreement", "=pact"])
def test_a_value_of_the_command_for_no_field_is_refused(import_table, constant):
    assert import_table(table({"who": "AUS", "signed": "2020", "force": ""}), "treaty-actions", mapping=ACTIONS, set=[constant]).code == 1


def test_a_block_whose_column_the_file_does_not_have_is_left_out_and_named(import_table):
    run = import_table(table({"treaty": "pact", "who": "AUS", "signed": "2020"}), "treaty-actions", mapping=ACTIONS)

    assert run.summary == "1 created, 0 changed, 0 unchanged, 0 refused"
    assert "“force”" in run.output


# ---- properties

words = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=12)


@given(st.lists(words), st.sampled_from([";", "|", ", ", " / "]))
def test_the_items_of_a_cell_come_back(items, separator):
    wanted = [item.strip() for item in items if item.strip() and not set(item) & set(separator)]

    assert split_text(separator.join(wanted), separator) == wanted


@given(words, st.frozensets(words))
def test_a_cell_is_empty_exactly_if_its_text_is_a_word_for_nothing(text, empty):
    mapping = FileMapping((), empty=frozenset(word.strip() for word in empty))
    cells = Cells(ImportContext(Table(["a"], []), mapping), 2, ({"a": text},))

    assert cells.get("a") == ("" if text.strip() in mapping.empty else text)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sets(st.from_regex(r"[A-Za-z0-9]{1,5}( [a-z]{1,5})?", fullmatch=True), min_size=1, max_size=5),
    st.from_regex(r"[a-z]{1,5}-", fullmatch=True),
)
def test_keys_with_a_prefix_are_found_again(import_table, names, prefix):
    if len({as_slug(name) for name in names}) < len(names):
        return
    rows = table(*({"id": name, "title": "Deal"} for name in sorted(names)))
    mapping = f'key_prefix = "{prefix}"\n[columns]\nslug = "id"\ntitle = "title"\n'

    import_table(rows, "agreements", mapping=mapping)
    made = set(Agreement.objects.filter(slug__in=[prefix + as_slug(name) for name in names]).values_list("slug", flat=True))
    again = import_table(rows, "agreements", mapping=mapping)

    assert made == {prefix + as_slug(name) for name in names}
    assert again.summary == f"0 created, 0 changed, {len(names)} unchanged, 0 refused"


def test_an_ignored_column_is_not_imported_even_if_it_is_named_like_a_field(import_table):
    run = import_table(table({"slug": "rec-1", "key_action": "Open a port"}), mapping='ignore = ["key_action"]')

    assert run.summary == "0 created, 0 changed, 1 unchanged, 0 refused"
    assert Recommendation.objects.get(slug="rec-1").key_action == "Open a hub"

"""Database rules of all records: version, key, constraints and constraint triggers, each by its name."""

import re
from collections import Counter
from datetime import date, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agreements.models import Agreement, AgreementRelation, Citation, FactCheck, Outcome, Participation, Party, Sector
from policytracker.edtf import first_day
from policytracker.installed.installation import database_is_complete
from policytracker.installed.triggers import triggers
from policytracker.records.access import FULL_ACCESS
from policytracker.records.changes import Change
from policytracker.records.context import change_context
from policytracker.records.declarations import records, trigger_constraints
from policytracker.records.models import get_record
from recommendations.models import Addressee, Dependency, Evidence, Milestone, ProgressUpdate, Recommendation
from tests.make import make_agreement, make_component, make_party, make_recommendation

pytestmark = pytest.mark.usefixtures("world")
without_deadline = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def breaks(constraint, write):
    """Assert that the write violates the constraint. The transaction can be used afterwards."""
    with pytest.raises(IntegrityError) as caught, change_context(reason=""):
        write()
    assert caught.value.__cause__.diag.constraint_name == constraint, caught.value


def change(record, **fields):
    return lambda: type(record).objects.filter(pk=record.pk).update(**fields)


# ---- version


def test_only_triggers_write_version_and_times(world):
    before = Agreement.objects.get(pk=world.aukus.pk)
    long_ago = datetime.fromisoformat("1999-01-01T00:00:00Z")

    Agreement.objects.filter(pk=before.pk).update(version=77, created_at=long_ago, updated_at=long_ago)
    same = Agreement.objects.get(pk=before.pk)
    Agreement.objects.filter(pk=before.pk).update(version=77, created_at=long_ago, title="New")
    changed = Agreement.objects.get(pk=before.pk)
    made = Sector.objects.create(code="new", name="New", version=9, created_at=long_ago, updated_at=long_ago)
    made.refresh_from_db()

    assert (same.version, same.created_at, same.updated_at) == (before.version, before.created_at, before.updated_at)
    assert (changed.version, changed.created_at) == (before.version + 1, before.created_at)
    assert changed.updated_at > before.updated_at
    assert (made.version, made.created_at == made.updated_at > long_ago) == (1, True)


def test_saving_unchanged_values_does_not_increment_the_version(world):
    Agreement.objects.get(pk=world.aukus.pk).save()
    Agreement.objects.filter(pk=world.aukus.pk).update(title="AUKUS")

    assert Agreement.objects.get(pk=world.aukus.pk).version == 1


def test_every_save_increments_the_version(world):
    first, second = (Agreement.objects.get(pk=world.aukus.pk) for _ in range(2))
    first.title, second.title = "First", "Second"
    first.save(), second.save()

    assert Agreement.objects.get(pk=world.aukus.pk).version == 3


def test_the_system_check_reports_a_missing_trigger(db):
    assert database_is_complete(databases=["default"]) == []
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER a_3_count_change ON agreements_party")

    (error,) = database_is_complete(databases=["default"])

    assert "agreements_party" in error.msg and error.id == "policytracker.E002"


def test_trigger_names_fit_into_postgresql_identifiers(db):
    for model in records():
        for trigger in triggers(model):
            assert len(trigger.name) <= 63


def test_no_two_triggers_have_different_functions_of_the_same_name(db):
    """PostgreSQL cuts a long name, so that one function would replace another."""
    sql = {trigger.function for model in records() for trigger in triggers(model) if trigger.function}
    names = [re.match(r"CREATE OR REPLACE FUNCTION (\w+)", function)[1] for function in sql]

    assert [name for name, times in Counter(names).items() if times > 1] == []
    assert [name for name in names if len(name) > 63] == []


def test_every_constraint_has_a_message(db):
    for model in records():
        for constraint in model._meta.constraints:
            assert str(constraint.violation_error_message).endswith("."), constraint.name
        for trigger in trigger_constraints(model):
            assert str(trigger.message).endswith("."), trigger.name


def test_a_nested_change_context_that_adds_nothing_runs_no_statement(analyst, django_assert_num_queries):
    with change_context(analyst, "Moved", "admin"), django_assert_num_queries(0), change_context(analyst, "", "admin"):
        pass


def test_a_record_that_is_read_by_its_key_equals_that_of_its_queryset(world):
    compared = set()
    for model in records():
        for stored in model.objects.order_by("pk")[:1]:
            read = get_record(model, model.key, stored.natural_key()[0], FULL_ACCESS)
            assert {name: value for name, value in vars(read).items() if name != "_state"} == {
                name: value for name, value in vars(stored).items() if name != "_state"
            }
            compared.add(model)

    assert {Agreement, Recommendation} <= compared


def test_the_change_context_ends_with_its_block(world, analyst):
    with change_context(analyst, "outer", "admin"), change_context(None, "inner", "api"):
        Sector.objects.create(code="a", name="A")
    Sector.objects.create(code="b", name="B")

    inner, outside = Change.objects.filter(tbl="agreements_sector", op="insert").order_by("-id")[:2][::-1]
    assert (inner.actor["user"], inner.actor["reason"], inner.actor["channel"]) == ("analyst", "inner", "api")
    assert outside.actor is None


# ---- keys


@pytest.mark.parametrize(
    "name",
    [
        "aus",
        "energy",
        "capital",
        "communique",
        "aukus",
        "relation",
        "participation",
        "part",
        "action",
        "condition",
        "figure",
        "outcome",
        "indicator",
        "measurement",
        "check",
        "citation",
        "act",
        "addressee",
    ],
)
def test_a_key_cannot_be_changed(world, name):
    record = getattr(world, name)
    other = "99999999-9999-4999-8999-999999999999" if record.key == "uid" else "other"

    breaks(f"{record._meta.db_table}_key_is_fixed", change(record, **{record.key: other}))


# ---- constraints


def test_only_a_binding_agreement_can_be_in_force(world):
    for force in ("non_binding", "undetermined"):
        for status in ("in_force", "provisionally_applied"):
            breaks("agreement_in_force_is_binding", change(world.aukus, status=status, legal_force=force))
    for force in ("binding", "undetermined"):
        breaks("agreement_operative_is_non_binding", change(world.aukus, status="operative", legal_force=force))
    for force, status in (
        ("binding", "in_force"),
        ("mixed", "provisionally_applied"),
        ("mixed", "operative"),
        ("non_binding", "operative"),
    ):
        assert change(world.aukus, status=status, legal_force=force)() == 1


def test_a_superseded_agreement_requires_a_successor(world):
    breaks("agreement_superseded_by_another", change(world.aukus, status="superseded"))
    with change_context():  # in one transaction, in any order
        change(world.aukus, status="superseded")()
        relation = AgreementRelation.objects.create(from_agreement=world.quad, kind="supersedes", to_agreement=world.aukus)
    breaks("superseded_agreement_keeps_its_relation", AgreementRelation.objects.get(pk=relation.pk).delete)
    breaks("superseded_agreement_keeps_its_relation", change(relation, kind="amends"))
    other = make_agreement()
    breaks("superseded_agreement_keeps_its_relation", change(relation, to_agreement=other))
    with change_context():
        AgreementRelation.objects.create(from_agreement=other, kind="supersedes", to_agreement=world.aukus)
        AgreementRelation.objects.get(pk=relation.pk).delete()


def test_an_agreement_cannot_relate_to_itself_or_twice_in_the_same_way(world):
    breaks(
        "agreement_relation_needs_two",
        lambda: AgreementRelation.objects.create(from_agreement=world.aukus, kind="amends", to_agreement=world.aukus),
    )
    breaks(
        "agreement_relation_is_stated_once",
        lambda: AgreementRelation.objects.create(from_agreement=world.quad, kind="complements", to_agreement=world.aukus),
    )


def test_supersession_cannot_be_circular(world):
    a, b, c = (make_agreement() for _ in range(3))
    relations = [
        AgreementRelation.objects.create(from_agreement=one, kind="supersedes", to_agreement=other) for one, other in ((a, b), (b, c))
    ]

    breaks(
        "agreement_supersession_has_no_circle",
        lambda: AgreementRelation.objects.create(from_agreement=c, kind="supersedes", to_agreement=a),
    )
    breaks("agreement_supersession_has_no_circle", change(relations[1], to_agreement=a))
    amends = AgreementRelation.objects.create(from_agreement=c, kind="amends", to_agreement=a)
    breaks("agreement_supersession_has_no_circle", change(amends, kind="supersedes"))


@pytest.mark.parametrize(
    ("rule", "make", "field"),
    [
        ("party_is_not_its_own_parent", lambda: make_party(f"P{Party.objects.count()}"), "parent"),
        ("component_is_not_its_own_parent", lambda: make_component(Agreement.objects.get(slug="aukus")), "parent"),
        ("recommendation_is_not_its_own_parent", make_recommendation, "parent"),
        ("recommendation_does_not_supersede_itself", make_recommendation, "superseded_by"),
    ],
)
def test_a_record_cannot_be_its_own_ancestor(world, rule, make, field):
    one, two, three = make(), make(), make()
    change(two, **{field: one})(), change(three, **{field: two})()

    breaks(rule, change(one, **{field: one}))
    breaks(rule, change(one, **{field: three}))
    with change_context():  # a violation that ends within the transaction is no error
        change(one, **{field: three})()
        change(three, **{field: None})()


def test_a_component_and_its_parent_belong_to_the_same_agreement(world):
    elsewhere = make_component(world.quad)

    breaks("component_parent_in_the_same_agreement", change(world.part, parent=elsewhere))
    child = make_component(world.aukus, parent=world.part)
    breaks("component_parent_in_the_same_agreement", change(world.part, agreement=world.quad))
    breaks("component_parent_in_the_same_agreement", change(child, agreement=world.quad))
    breaks("outcome_component_in_the_same_agreement", change(world.outcome, component=elsewhere))


def test_a_relative_deadline_has_anchor_and_offset_and_no_entered_due_date(world):
    breaks("component_offset_has_an_anchor", change(world.part, due_anchor="signature"))
    breaks("component_offset_has_an_anchor", change(world.part, due_offset="P6M"))
    breaks("component_relative_due_day_is_derived", change(world.part, due_anchor="signature", due_offset="P6M", due_on="2030"))
    assert change(world.part, due_anchor="entry_into_force", due_offset="P180D")() == 1


def test_a_citation_has_exactly_one_target(world):
    breaks("citation_has_exactly_one_target", change(world.citation, agreement=None))
    breaks("citation_has_exactly_one_target", change(world.citation, outcome=world.outcome))


def test_iso_codes_are_unique_and_a_party_ends_after_it_begins(world):
    change(world.aus, iso_alpha2="AU", iso_numeric="036")()

    breaks("party_iso_alpha2_is_unique", change(world.gbr, iso_alpha2="AU"))
    breaks("party_iso_numeric_is_unique", change(world.gbr, iso_numeric="036"))
    breaks("party_ends_after_it_begins", change(world.gbr, since="2000-02", until="2000-01"))


def test_a_party_is_an_addressee_only_once(world):
    breaks("addressee_is_named_once", lambda: Addressee.objects.create(recommendation=world.act, party=world.aus))


def test_changing_the_due_date_of_a_milestone_requires_a_reason(world):
    step = Milestone.objects.create(recommendation=world.act, title="The keel is laid")
    change(step, due_on="2027")()

    breaks("moved_deadline_has_a_reason", change(step, due_on="2028"))
    with change_context(reason="moved"):
        change(step, due_on="2028")()
    breaks("moved_deadline_has_a_reason", change(step, due_on=""))


def test_a_dependency_is_unique_and_not_on_itself(world):
    need = Dependency.objects.create(recommendation=world.later, depends_on=world.act)

    breaks("dependency_is_stated_once", lambda: Dependency.objects.create(recommendation=world.later, depends_on=world.act))
    breaks("dependency_needs_two", change(need, depends_on=world.later))


def test_dependencies_cannot_be_circular(world):
    first, second, third = world.act, world.later, make_recommendation()
    Dependency.objects.create(recommendation=second, depends_on=first)
    last = Dependency.objects.create(recommendation=third, depends_on=second)

    breaks("dependency_has_no_circle", lambda: Dependency.objects.create(recommendation=first, depends_on=second))
    breaks("dependency_has_no_circle", lambda: Dependency.objects.create(recommendation=first, depends_on=third))
    change(last, depends_on=first)()


def test_the_original_due_date_never_changes(world):
    for record in (world.part, world.act):
        change(record, due_on="2030")()
        with change_context(reason="moved"):
            change(record, due_on="2031", original_due_on="2031")()
        record.refresh_from_db()
        assert (record.due_on, record.original_due_on) == ("2031", "2030")
        breaks("moved_deadline_has_a_reason", change(record, due_on="2032"))
        breaks("moved_deadline_has_a_reason", change(record, due_on=""))


@pytest.mark.parametrize("name", ["aukus", "part", "act", "communique"])
def test_archiving_and_restoring_require_a_reason(world, name):
    record = getattr(world, name)
    breaks("archiving_has_a_reason", change(record, publication="archived"))
    with change_context(reason="over"):
        change(record, publication="archived")()
    breaks("archiving_has_a_reason", change(record, publication="published"))
    breaks("closed_record", change(record, visibility="internal"))
    with change_context(reason="again"):
        change(record, publication="published", visibility="internal")()


def test_an_unknown_code_is_refused_by_the_database(world):
    for record, name in (
        (world.aukus, "kind"),
        (world.part, "status"),
        (world.citation, "stance"),
        (world.act, "priority"),
        (world.aus, "kind"),
        (world.participation, "role"),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change(record, **{name: "nonsense"})()


# ---- periods


period_texts = st.tuples(
    st.sampled_from(["", "2000", "2000-06", "2001", "2001-03-05~", "2002"]),
    st.sampled_from(["", "2000-06", "2001", "2001-03-05", "2002", "2003"]),
)


def span(period):
    since, until = (first_day(text) for text in period)
    return since or date.min, until or date.max


@without_deadline
@given(st.lists(period_texts, min_size=1, max_size=5))
def test_periods_of_one_role_cannot_overlap_or_end_before_they_begin(db, wanted):
    with transaction.atomic():
        agreement, party, kept = make_agreement(), make_party("AUS"), []
        for period in wanted:
            start, end = span(period)
            reversed_ = start > end
            # A period that ends on its first day includes no day, so only an equal one conflicts with it.
            overlaps = any(
                start < there_end and there_start < end and start < end and there_start < there_end
                for there_start, there_end in map(span, kept)
            )
            same = period[0] in [there for there, _ in kept]
            try:
                with transaction.atomic():
                    Participation.objects.create(agreement=agreement, party=party, role="party", since=period[0], until=period[1])
                written = True
            except IntegrityError as error:
                written = False
                assert error.__cause__.diag.constraint_name in (
                    "participation_ends_after_it_begins", "participation_periods_do_not_overlap", "participation_is_recorded_once",
                )  # fmt: skip
            assert written == (not reversed_ and not overlaps and not same), (period, kept)
            kept += [period] if written else []
        Participation.objects.create(agreement=agreement, party=party, role="host", since=wanted[0][0])
        transaction.set_rollback(True)


# ---- updates


@pytest.fixture
def approved(world, analyst):
    with change_context():
        update = ProgressUpdate.objects.create(
            recommendation=world.act, status="planned", reported_on="2025-01-01", narrative="x", review="approved", author=analyst,
            reviewed_by=analyst, reviewed_at="2025-01-02T00:00:00Z",
        )  # fmt: skip
        Evidence.objects.create(update=update, source=world.gazette)
    return update


def test_an_approved_update_can_be_voided_once_with_a_reason(approved, analyst):
    now = {"voided_at": "2025-02-01T00:00:00Z", "voided_by": analyst}

    breaks("update_is_append_only", lambda: ProgressUpdate.objects.filter(pk=approved.pk)._raw_delete("default"))
    for fields in (
        {"narrative": "y"},
        {"review": "draft"},
        {"status": "implemented"},
        now,
        now | {"void_reason": "wrong", "narrative": "y"},
    ):
        breaks("update_changes_only_by_voiding", change(approved, **fields))
    change(approved, **now, void_reason="wrong")()
    breaks("update_changes_only_by_voiding", change(approved, void_reason="other"))


def test_the_evidence_of_an_approved_update_cannot_change(approved, world):
    evidence = approved.evidence.get()

    breaks("evidence_of_an_approved_update_stays", change(evidence, quote="y"))
    breaks("evidence_of_an_approved_update_stays", evidence.delete)


def test_an_update_has_only_the_fields_of_its_kind(world):
    fields = {"recommendation": world.act, "reported_on": "2025-01-01", "narrative": "x"}
    breaks("update_status_unless_a_note", lambda: ProgressUpdate.objects.create(**fields, kind="note", status="planned"))
    breaks("update_status_unless_a_note", lambda: ProgressUpdate.objects.create(**fields))
    breaks("update_claim_has_a_party", lambda: ProgressUpdate.objects.create(**fields, kind="claim", status="planned"))
    breaks("update_percent_is_a_share", lambda: ProgressUpdate.objects.create(**fields, status="planned", progress_percent=101))
    at = "2025-02-01T00:00:00Z"
    approved = {"status": "planned", "review": "approved", "reviewed_at": at}
    breaks("update_void_has_a_reason", lambda: ProgressUpdate.objects.create(**fields, **approved, voided_at=at))
    tomorrow = date.today() + timedelta(2)
    breaks("update_is_not_of_the_future", lambda: ProgressUpdate.objects.create(**fields | {"reported_on": tomorrow}, status="planned"))


# ---- archived records


def test_records_below_an_archived_one_cannot_be_written(world):
    with change_context(reason="over"):
        change(world.aukus, publication="archived")()

    for record, fields in (
        (world.part, {"title": "x"}), (world.participation, {"note": "x"}), (world.outcome, {"statement": "x"}),
        (world.check, {"correction": "x"}),
        (world.citation, {"quote": "x"}), (world.relation, {"note": "x"}), (world.action, {"note": "x"}), (world.condition, {"text": "x"}),
        (world.figure, {"description": "x"}), (world.measurement, {"note": "x"}),
    ):  # fmt: skip
        breaks("closed_record", change(record, **fields))
        if record not in (world.part, world.outcome):  # other records refer to these
            breaks("closed_record", type(record).objects.get(pk=record.pk).delete)
    for make in (
        lambda: make_component(world.aukus),
        lambda: Participation.objects.create(agreement=world.aukus, party=world.gbr, role="host"),
        lambda: Outcome.objects.create(slug="n", agreement=world.aukus, statement="x"),
        lambda: FactCheck.objects.create(slug="n", agreement=world.aukus, source=world.gazette, statement="x"),
        lambda: Citation.objects.create(source=world.gazette, participation=world.participation),
        lambda: Citation.objects.create(source=world.gazette, component=world.part),
        lambda: AgreementRelation.objects.create(from_agreement=world.aukus, kind="amends", to_agreement=world.quad),
    ):
        breaks("closed_record", make)
    with change_context(channel="data set"):  # a data set may contain archived records
        Participation.objects.create(agreement=world.aukus, party=world.gbr, role="host")


def test_a_linked_record_cannot_be_deleted_but_the_linking_one_can(world):
    world.aukus.sectors.set([world.water])

    breaks("linked_record_is_protected", world.water.delete)
    made = make_agreement(publication="draft")
    made.sectors.set([world.energy])
    with change_context():
        made.delete()
        world.energy.delete()
    assert not Sector.objects.filter(code="energy").exists()

"""Rules over several records hold for concurrent writers: of two writes that violate a rule together, exactly one succeeds."""

import random
import threading
import time
from collections import Counter
from functools import partial

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.test import Client

from agreements.models import AgreementRelation
from policytracker.dataset.loading import violating_key
from policytracker.records.context import change_context, check_constraints
from policytracker.records.declarations import records, trigger_constraints
from recommendations.models import Dependency
from tests.admin.page import edit, typed
from tests.api.client import Api
from tests.conftest import make_user
from tests.make import (
    make_action,
    make_agreement,
    make_commitment,
    make_component,
    make_condition,
    make_outcome,
    make_party,
    make_recommendation,
)
from tests.together import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def errors_of(first, second) -> list[str]:
    """Let two transactions write before either is checked, and commit both. Returns the violated constraints, sorted."""
    wrote, checked, errors = threading.Event(), threading.Event(), []

    def guarded(body):
        try:
            with change_context(None, "test", "shell"):
                body()
        except IntegrityError as error:
            errors.append(error.__cause__.diag.constraint_name)
        finally:
            wrote.set()
            checked.set()

    def write_first():
        first()
        wrote.set()
        checked.wait(0.5)  # not longer, because the second transaction may wait for a row of this one

    def write_second():
        wrote.wait(10)
        second()
        check_constraints()
        checked.set()
        time.sleep(0.3)  # the check of the first transaction begins meanwhile

    at_once(partial(guarded, write_first), partial(guarded, write_second))
    return sorted(errors)


def change(record, **values):
    return lambda: type(record).objects.filter(pk=record.pk).update(**values)


def circle_of(make, field):
    """Two records that refer to each other."""
    one, other = make(1), make(2)
    return change(one, **{field: other}), change(other, **{field: one})


def circle_of_recommendations(field):
    return circle_of(lambda number: make_recommendation(), field)


def circle_of_dependencies():
    one, other = make_recommendation(), make_recommendation()
    create = Dependency.objects.create
    return partial(create, recommendation=one, depends_on=other), partial(create, recommendation=other, depends_on=one)


def circle_of_parties():
    return circle_of(lambda number: make_party(f"P{number}"), "parent")


def circle_of_components():
    agreement = make_agreement()
    return circle_of(lambda number: make_component(agreement), "parent")


def circle_of_commitments(field):
    agreement = make_agreement()
    return circle_of(lambda number: make_commitment(agreement), field)


def circle_of_agreements():
    one, other = make_agreement(), make_agreement()
    create = partial(AgreementRelation.objects.create, kind="supersedes")
    return partial(create, from_agreement=one, to_agreement=other), partial(create, from_agreement=other, to_agreement=one)


def superseded_without_relation():
    agreement = make_agreement()
    relation = AgreementRelation.objects.create(from_agreement=make_agreement(), to_agreement=agreement, kind="supersedes")
    return change(agreement, status="superseded"), relation.delete


def both_relations_of_a_superseded_agreement():
    agreement = make_agreement()
    relations = [
        AgreementRelation.objects.create(from_agreement=make_agreement(), to_agreement=agreement, kind="supersedes") for _ in range(2)
    ]
    change(agreement, status="superseded")()
    return [relation.delete for relation in relations]


def consent_to_a_non_binding_text():
    agreement, party = make_agreement(legal_force="binding"), make_party()
    return change(agreement, legal_force="non_binding"), lambda: make_action(agreement, "ratification", party, "2020")


def target_of_another_agreement():
    agreement, party = make_agreement(), make_party()
    one, other = make_action(agreement, "reservation", party, "2020"), make_action(agreement, "objection", make_party("NZL"), "2021")
    return change(one, agreement=make_agreement()), lambda: other.targets.add(one)


def moved_component(refer):
    component = make_component(make_agreement())
    return change(component, agreement=make_agreement()), partial(refer, component.agreement, component)


def moved_figure(field):
    figure = make_commitment(make_agreement())
    return change(figure, agreement=make_agreement()), lambda: make_commitment(figure.agreement, **{field: figure})


def figure_in_another_currency():
    figure = make_commitment(make_agreement(), currency="AUD")
    return change(figure, currency="USD"), lambda: make_commitment(figure.agreement, currency="AUD", part_of=figure)


def condition_without_parties():
    parties = [make_party("AUS"), make_party("NZL")]
    condition = make_condition(make_agreement(), "named_parties", parties)
    return [partial(condition.parties.remove, party) for party in parties]


PAIRS = {
    "recommendation_is_not_its_own_parent": partial(circle_of_recommendations, "parent"),
    "recommendation_does_not_supersede_itself": partial(circle_of_recommendations, "superseded_by"),
    "dependency_has_no_circle": circle_of_dependencies,
    "party_is_not_its_own_parent": circle_of_parties,
    "component_is_not_its_own_parent": circle_of_components,
    "commitment_does_not_dispute_itself": partial(circle_of_commitments, "disputes"),
    "commitment_is_not_its_own_part": partial(circle_of_commitments, "part_of"),
    "agreement_supersession_has_no_circle": circle_of_agreements,
    "agreement_superseded_by_another superseded_agreement_keeps_its_relation": superseded_without_relation,
    "superseded_agreement_keeps_its_relation": both_relations_of_a_superseded_agreement,
    "agreement_with_consents_is_binding treaty_action_consent_needs_a_binding_text": consent_to_a_non_binding_text,
    "treaty_action_targets_the_same_agreement": target_of_another_agreement,
    "component_parent_in_the_same_agreement": partial(moved_component, lambda agreement, c: make_component(agreement, parent=c)),
    "outcome_component_in_the_same_agreement component_with_dependents_keeps_its_agreement": partial(
        moved_component, lambda agreement, component: make_outcome(agreement, component=component)
    ),
    "commitment_component_in_the_same_agreement component_with_dependents_keeps_its_agreement": partial(
        moved_component, lambda agreement, component: make_commitment(agreement, component=component)
    ),
    "commitment_disputes_one_of_the_same_agreement": partial(moved_figure, "disputes"),
    "commitment_part_is_alike": figure_in_another_currency,
    "condition_names_its_parties": condition_without_parties,
}
# Rules that two transactions cannot violate together: an anchor is locked with its agreement, and a voided update does not change.
OF_ONE_TRANSACTION = {"component_relative_due_day_begins_derived", "update_corrects_a_voided_update"}


@pytest.mark.parametrize("order", ["in order", "reversed"])
@pytest.mark.parametrize("names", PAIRS)
def test_of_two_writes_that_violate_a_rule_together_exactly_one_succeeds(names, order, transactional_db):
    writes = PAIRS[names]()

    errors = errors_of(*(writes if order == "in order" else reversed(writes)))

    assert len(errors) == 1
    assert errors[0] in names.split()


def test_each_rule_over_several_records_is_tested_with_concurrent_writers():
    deferred = {constraint.name for model in records() for constraint in trigger_constraints(model) if constraint.deferred}

    assert deferred == {name for names in PAIRS for name in names.split()} | OF_ONE_TRANSACTION


def test_writes_that_no_rule_connects_do_not_wait_for_each_other(transactional_db):
    agreement, component = make_agreement(), make_component(make_agreement())
    one, other, parent = make_recommendation(), make_recommendation(), make_recommendation()

    def writes(number, recommendation):
        return [
            change(recommendation, details="Edited"),
            lambda: make_recommendation(parent=parent),
            lambda: make_component(component.agreement, parent=component),
            lambda: make_outcome(component.agreement, component=component),
            lambda: make_commitment(component.agreement, component=component),
            lambda: make_party(f"P{number}"),
            lambda: make_agreement(),
        ]

    waiting = []

    def write_all(number, recommendation):
        for write in writes(number, recommendation):
            write()
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '200ms'")
        try:
            check_constraints()
        except OperationalError as error:
            waiting.append(error)
            raise

    assert errors_of(partial(write_all, 1, one), partial(write_all, 2, other)) == []
    assert waiting == []
    change(agreement, title="Edited")()


# ---- pages of the admin


def test_two_saves_of_records_that_refer_to_each_other_both_succeed(transactional_db):
    user = make_user("editor", "administrator", is_superuser=True)
    for _ in range(5):
        one, other = make_recommendation(), make_recommendation()
        saves = []
        for record, field, target in [(one, "superseded_by", other), (other, "parent", one)]:
            client = Client()
            client.force_login(user)
            form = typed(client.get(edit(record), secure=True)) | {field: str(target.pk)}
            saves.append(partial(client.post, edit(record), form, secure=True))

        responses = at_once(*saves)

        assert [response.status_code for response in responses] == [302, 302]
        one.refresh_from_db()
        other.refresh_from_db()
        assert (one.superseded_by, other.parent) == (other, one)


# ---- random writers


def random_write(generator: random.Random, client: Api, register: dict[str, list[str]]):
    """One request: a relation, a new record or a list, between records that other writers change at the same time."""

    def pick(name):
        return generator.choice(register[name])

    def some(name, number=3):
        return generator.sample(register[name], number)

    kind = generator.randrange(12)
    if kind == 0:
        return client.patch(f"recommendations/{pick('recommendations')}/", {"parent": pick("recommendations")})
    if kind == 1:
        return client.patch(f"recommendations/{pick('recommendations')}/", {"superseded_by": pick("recommendations"), "details": "x"})
    if kind == 2:
        keys = some("recommendations")
        return client.patch("recommendations/", [{"slug": key, "parent": pick("recommendations")} for key in keys])
    if kind == 3:
        return client.post("dependencies/", {"recommendation": pick("recommendations"), "depends_on": pick("recommendations")})
    if kind == 4:
        return client.patch(f"components/{pick('components')}/", {"parent": pick("components")})
    if kind == 5:
        return client.post(
            "components/", {"slug": f"c{generator.random()}"[2:], "title": "C", "agreement": "a0", "parent": pick("components")}
        )
    if kind == 6:
        return client.patch("components/", [{"slug": key, "agreement": pick("agreements"), "parent": None} for key in some("components")])
    if kind == 7:
        return client.post(
            "outcomes/",
            [{"slug": f"o{generator.random()}".replace(".", ""), "statement": "O", "agreement": "a0", "component": pick("components")}],
        )
    if kind == 8:
        relation = {"from_agreement": pick("agreements"), "to_agreement": pick("agreements"), "kind": "supersedes"}
        return client.post("agreement-relations/", relation)
    if kind == 9:
        return client.patch(f"agreements/{pick('agreements')}/", {"status": generator.choice(["superseded", "unknown"])})
    if kind == 10:
        return client.patch(f"commitments/{pick('commitments')}/", {generator.choice(["disputes", "part_of"]): pick("commitments")})
    return client.patch(f"commitments/{pick('commitments')}/", {"currency": generator.choice(["AUD", "USD"])})


@pytest.mark.slow
def test_random_concurrent_writers_violate_no_rule_and_do_not_deadlock(transactional_db):
    agreements = [make_agreement(slug=f"a{number}") for number in range(4)]
    register = {
        "agreements": [agreement.slug for agreement in agreements],
        "recommendations": [make_recommendation().slug for _ in range(8)],
        "components": [make_component(agreements[0]).slug for _ in range(6)],
        "commitments": [str(make_commitment(agreements[0], currency="AUD").uid) for _ in range(5)],
    }
    statuses: Counter = Counter()
    unexpected = []

    def work(number: int) -> None:
        generator, client = random.Random(number), Api(user)
        for _ in range(60):
            response = random_write(generator, client, register)
            statuses[response.status_code] += 1
            if response.status_code not in (200, 201, 400) and response.json().get("code") != "in_use":
                unexpected.append(response.content)

    user = make_user("writer", "reviewer")
    at_once(*(partial(work, number) for number in range(6)))

    assert not unexpected
    assert statuses[200] + statuses[201] > 50, statuses
    assert statuses.total() == 6 * 60
    for model in records():
        for constraint in trigger_constraints(model):
            if constraint.deferred and "OLD." not in constraint.violated_when + constraint.when:
                assert violating_key(model, constraint) == "", constraint.name

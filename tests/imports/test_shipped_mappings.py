"""Each mapping file of the product imports its sample."""

import pytest
from django.conf import settings

from agreements.models import Source, TreatyAction
from agreements.standing import party_standing
from agreements.standing.data import load_records
from policytracker.records.access import FULL_ACCESS
from policytracker.resources import today
from recommendations.models import Addressee, ProgressUpdate, Recommendation
from tests.imports.conftest import approve_waiting, table
from tests.make import make_agreement, make_party

MAPPINGS = settings.BASE_DIR / "mappings"
pytestmark = pytest.mark.usefixtures("stored_records")


@pytest.fixture
def import_sample(import_table, reviewer):
    def run(name: str, sample: str, resource: str = "recommendations"):
        return import_table(MAPPINGS / "samples" / sample, resource, mapping=MAPPINGS / f"{name}.toml", user="reviewer", source="register")

    return run


def statuses() -> dict[str, str]:
    return dict(Recommendation.objects.exclude(slug="rec-1").values_list("slug", "status"))


def test_every_mapping_has_a_sample_and_a_test():
    assert {path.stem for path in MAPPINGS.glob("*.toml")} <= {path.stem for path in (MAPPINGS / "samples").iterdir()}
    assert {path.stem for path in MAPPINGS.glob("*.toml")} == {"gao", "ogp", "anao", "un-treaty-participation", "promise-tracker"}


def test_gao_recommendations(import_sample):
    make_party("GAO", name="Government Accountability Office", kind="public_body")
    make_party("DIA", name="Department of Invented Affairs", kind="public_body")
    Source.objects.filter(slug="register").update(retrieved_on="2026-06-30")

    run = import_sample("gao", "gao.csv")

    approve_waiting()
    assert run.summary == "6 created, 0 changed, 0 unchanged, 0 refused"
    assert list(statuses().values()) == ["implemented", "partly_implemented", "not_assessed"]
    assert list(Addressee.objects.order_by("pk").values_list("response", flat=True)) == ["accepted", "accepted_in_part", "none_recorded"]
    assert import_sample("gao", "gao.csv").summary == "0 created, 0 changed, 6 unchanged, 0 refused"


def test_ogp_commitments_with_two_assessments(import_sample):
    run = import_sample("ogp", "ogp.csv")

    assert run.summary == "2 created, 0 changed, 0 unchanged, 0 refused"
    assert statuses() == {"AU9001": "largely_implemented", "AU9002": "proposed"}
    assert ProgressUpdate.objects.filter(recommendation__slug="AU9001").count() == 2
    assert Recommendation.objects.get(slug="AU9001").due_on == "2022-06"


def test_anao_recommendations(import_sample):
    run = import_sample("anao", "anao.csv")

    approve_waiting()
    assert run.summary == "6 created, 0 changed, 0 unchanged, 0 refused"
    assert list(statuses().values()) == ["implemented", "proposed", "in_progress"]


def test_un_treaty_participation(import_sample):
    make_agreement(slug="invented-convention", legal_force="binding")
    for code, name in {"CZE": "Czechia", "JPN": "Japan", "USA": "United States of America"}.items():
        make_party(code, name=name)

    run = import_sample("un-treaty-participation", "un-treaty-participation.csv", "treaty-actions")

    actions = TreatyAction.objects.filter(agreement__slug="invented-convention")
    assert run.summary == "11 created, 0 changed, 0 unchanged, 0 refused"
    assert set(actions.filter(party__code="CZE").values_list("kind", "acted_on")) == {
        ("succession", "1993-06-02"), ("entry_into_force_for_party", "1993-01-01"),
    }  # fmt: skip
    assert actions.get(party__code="USA").acted_on == "1954"
    (record,) = load_records(actions.values_list("agreement", flat=True).distinct(), FULL_ACCESS).values()
    standings = {code: party_standing(record, code, today()).code for code in ("AUS", "CIV", "CZE", "JPN", "USA")}
    assert standings == {"AUS": "bound", "CIV": "bound", "CZE": "bound", "JPN": "bound", "USA": "signatory"}


CONSENT = {
    "": "ratification", "A": "acceptance", "AA": "approval", "a": "accession", "c": "formal_confirmation", "C": "formal_confirmation",
    "d": "succession", "P": "consent_to_be_bound", "p": "consent_to_be_bound", "n": "provisional_application", "s": "definitive_signature",
}  # fmt: skip


@pytest.mark.parametrize(
    ("header", "letter", "kind"),
    [
        ("Signature", "", "signature"),
        ("Signature, Succession to signature(d)", "d", "signature"),
        ("Signature", "s", "definitive_signature"),
    ]
    + [("Ratification, Accession(a)", letter, kind) for letter, kind in CONSENT.items()],
)
def test_the_letter_of_the_depositary_is_the_kind_of_an_action(header, letter, kind, import_table):
    make_agreement(slug="invented-convention", legal_force="binding")
    row = {"Treaty": "invented-convention", "Participant": "Australia", header: f"4 Jun 1954 {letter}"}

    run = import_table(table(row), "treaty-actions", mapping=MAPPINGS / "un-treaty-participation.toml")

    assert run.summary == "1 created, 0 changed, 0 unchanged, 0 refused", run.output
    assert list(TreatyAction.objects.values_list("kind", "acted_on")) == [(kind, "1954-06-04")]


def test_a_letter_that_a_signature_cannot_have_is_refused(import_table):
    make_agreement(slug="invented-convention", legal_force="binding")
    row = {"Treaty": "invented-convention", "Participant": "Australia", "Signature": "4 Jun 1954 x"}

    run = import_table(table(row), "treaty-actions", mapping=MAPPINGS / "un-treaty-participation.toml")

    assert (run.code, TreatyAction.objects.count()) == (1, 0)
    assert "“x” is not one of" in run.output


def test_a_promise_tracker_with_nested_sources_and_history(import_sample):
    run = import_sample("promise-tracker", "promise-tracker.json")

    approve_waiting()
    assert run.summary == "2 created, 0 changed, 0 unchanged, 0 refused"
    assert statuses() == {"pm-9001": "implemented", "pm-9002": "partly_implemented"}
    assert ProgressUpdate.objects.filter(recommendation__slug="pm-9001").count() == 3
    kept = ProgressUpdate.objects.get(recommendation__slug="pm-9001", status="implemented")
    assert {evidence.source.title or evidence.source.slug for evidence in kept.evidence.all()} == {
        "register", "Speech in Invented Town", "Opening of the first plant",
    }  # fmt: skip
    assert import_sample("promise-tracker", "promise-tracker.json").summary == "0 created, 0 changed, 2 unchanged, 0 refused"

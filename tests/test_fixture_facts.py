"""The facts of the fixtures, compared with independent notes from the same sources."""

import csv
from collections import Counter
from datetime import UTC, datetime
from itertools import product

import pytest
from django.conf import settings
from django.db.models import Count, F, Q

from agreements.models import (
    Agreement,
    AgreementRelation,
    Citation,
    Commitment,
    Component,
    EntryIntoForceCondition,
    FactCheck,
    Indicator,
    Measurement,
    Outcome,
    Participation,
    Source,
    TreatyAction,
)
from policytracker.quality.engine import RULES
from recommendations.models import Evidence, ProgressUpdate
from tests.findings import violations

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loaded_fixtures")]

FRAMEWORK = "us-au-critical-minerals-framework-2025"

# The notes, and the records that they describe. The columns are lookups of Django.
# A cell with several parties means one record of each.
FACTS = {
    "agreements": Agreement.objects,
    "agreement-relations": AgreementRelation.objects,
    "commitments": Commitment.objects,
    # The components whose status follows from what was found, and since when.
    "component-statuses": Citation.objects.filter(field="status", locator__startswith="since "),
    "components": Component.objects,
    "conditions": EntryIntoForceCondition.objects,
    "fact-checks": FactCheck.objects,
    "indicators": Indicator.objects,
    "measurements": Measurement.objects,
    "participations": Participation.objects,
    "treaty-actions": TreatyAction.objects,
    "updates": ProgressUpdate.objects.annotate(pieces_of_evidence=Count("evidence")),
}
# Pages of governments, parliaments and depositaries. Their facts are confirmed.
OFFICIAL = """
aph-gov-au-annpa-report aph-gov-au-ennpia-report aph-gov-au-geelong-report gov-uk gov-uk-aukus-2025-12-10 govinfo-gov industry-gov-au
industry-gov-au-ca-declaration-2025 industry-gov-au-ca-statement-2024 mfat-govt-nz-cptpp minister-industry-gov-au-11520
policy-trade-ec-europa-eu treaties-un-org-cn-10-2021 treaties-un-org-cn-575-2019 treaties-un-org-cn-612-2016 treaties-un-org-cn-71-2025
treaties-un-org-paris-agreement usa-embassy-gov-au-critical-minerals ustr-gov
"""
# Sources whose title is in no page that was read.
WITHOUT_TITLE = """
asiantradecentre-org atlanticcouncil-org canadianminingjournal-com-1003781650 centralchronicle-com-235304 centreline-com-pk
hanna-ai-com-aukus-uuv-2 indiandefensenews-in inkhabar-com-66251 japantimes-co-jp newsletter-mw-creamermedia-com novyny-live-256142
pravda-com-ua shine-cn source-article wam-ae
"""
WITHOUT_ADDRESS = "centreline-com-pk newsletter-mw-creamermedia-com pravda-com-ua source-article"
NOT_OPENED = """
news-usni-org-2023-06-21-report-to-congress-on-aukus-progress
news-usni-org-2024-11-19-report-to-congress-on-aukus-nuclear-cooperation-2 treaties-un-org-cn-10-2021 treaties-un-org-cn-575-2019
treaties-un-org-cn-612-2016 treaties-un-org-cn-71-2025
vu-govpulse-tools-2025-10-20-united-states-australia-framework-for-securing-of-supply-in-the-mining
"""


def noted(name: str) -> list[dict[str, str]]:
    """The lines of a file of notes."""
    with (settings.BASE_DIR / "tests" / "facts" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def expanded(line: dict[str, str]) -> list[tuple[str, ...]]:
    """The records that a line describes."""
    return list(product(*(value.split() or [""] if "party__" in name else [value] for name, value in line.items())))


def paris(name: str) -> list[tuple[str, ...]]:
    """What the list of the depositary of the Paris Agreement says on its parties, besides what the other notes say.

    It has every signature, consent and notice of withdrawal, from the same source by another way.
    """
    actions = noted("paris-actions")
    if name == "treaty-actions":
        return [("paris-agreement", row["kind"], row["party"], "", row["acted_on"], row["effective_on"]) for row in actions]
    bound = {
        row["party"]: row["effective_on"]
        for row in actions
        if row["kind"] not in ("signature", "withdrawal_notice") and row["party"] != "USA"
    }
    return [("paris-agreement", "party", party, day, "") for party, day in bound.items()] if name == "participations" else []


@pytest.mark.parametrize("name", FACTS)
def test_the_fixtures_contain_exactly_the_noted_facts(name):
    lines = noted(name)
    expected = [record for line in lines for record in expanded(line)] + paris(name)

    found = [tuple("" if value is None else str(value) for value in row) for row in FACTS[name].values_list(*lines[0])]

    assert Counter(found) == Counter(expected)


# ---- agreements


def test_every_condition_of_entry_into_force_has_its_text():
    assert not EntryIntoForceCondition.objects.filter(text="").exists()


def test_the_signatures_of_the_framework_name_person_office_and_place():
    signatures = TreatyAction.objects.filter(agreement__slug=FRAMEWORK, kind="signature")

    assert set(signatures.values_list("party__code", "signed_by", "place")) == {
        ("AUS", "Anthony Albanese, Prime Minister", "White House, Washington"),
        ("USA", "Donald Trump, President", "White House, Washington"),
    }


@pytest.mark.parametrize(
    ("slug", "kind", "words"),
    [
        (FRAMEWORK, "signature", "21 October"),
        ("aukus", "announcement", "16 September"),
        ("us-ua-reconstruction-fund", "signature", "1 May"),
        ("ca-au-minerals-declaration-2025", "signature", "1 November"),
        ("ca-au-minerals-statement-2024", "announcement", "5 March"),
        ("cptpp", "entry_into_force_for_party", "20 February 2023"),
    ],
)
def test_note_of_an_action_has_the_other_date(slug, kind, words):
    assert TreatyAction.objects.filter(agreement__slug=slug, kind=kind, note__contains=words).exists()


def test_annpa_has_its_term_and_registration_number():
    assert Agreement.objects.filter(slug="annpa", expires_on="2075-12-31", registration="[2024] ATNIF 20").exists()


def test_deadlines_of_the_framework_have_unknown_status():
    components = Component.objects.filter(slug__in=["fw-financing-1bn", "fw-investment-ministerial", "fw-response-group"])

    assert set(components.values_list("status", "completed_on")) == {("unknown", "")}


def test_disputing_figures_refer_to_undisputing_figures_of_the_same_component():
    assert not Commitment.objects.exclude(disputes=None).exclude(disputes__component=F("component"), disputes__disputes=None).exists()


# ---- sources


def test_findings_about_sources_are_what_stayed_unknown():
    def keys(rule: str) -> set[str]:
        assert rule in RULES
        return {record.natural_key()[0] for record in violations(rule)}

    def uids(rows) -> set[str]:
        return {str(uid) for uid in rows.values_list("uid", flat=True)}

    assert keys("source_without_title") == set(WITHOUT_TITLE.split())
    assert keys("source_address_is_home_page") == set()
    assert keys("duplicate_sources") == set()
    assert keys("citation_without_quote") == uids(Citation.objects.filter(quote=""))
    assert keys("no_source") == uids(TreatyAction.objects.filter(agreement__slug="cptpp", kind="ratification", party__code="VNM"))


def slugs(rows) -> set[str]:
    return set(rows.values_list("slug", flat=True))


def test_sources_without_an_address_are_those_whose_page_is_unknown():
    assert slugs(Source.objects.filter(original_url="")) == set(WITHOUT_ADDRESS.split())


def test_sources_that_were_read_have_the_day_and_say_that_it_was_a_copy():
    read = Source.objects.exclude(retrieved_on=None)

    assert slugs(read) == slugs(Source.objects) - {*WITHOUT_ADDRESS.split(), *NOT_OPENED.split()}
    assert {str(day) for day in read.values_list("retrieved_on", flat=True)} == {"2026-11-25"}
    assert slugs(Source.objects.filter(notes__contains="Read in a stored copy")) == slugs(read)


def test_a_source_is_one_page():
    vague = Q(notes__contains="which one is said") | Q(notes__contains="address is that of the site")

    assert not Source.objects.filter(vague | Q(slug="communitylock-net") | ~Q(archived_url="", sha256="", file="")).exists()


@pytest.mark.parametrize(
    ("agreement", "source"),
    [
        ("ca-au-minerals-statement-2024", "industry-gov-au-ca-statement-2024"),
        ("ca-au-minerals-declaration-2025", "industry-gov-au-ca-declaration-2025"),
        ("eu-au-minerals-mou-2024", "industry-gov-au"),
    ],
)
def test_each_page_of_the_australian_department_is_cited_for_its_agreement(agreement, source):
    citations = Citation.objects.filter(Q(agreement__slug=agreement) | Q(participation__agreement__slug=agreement))

    assert set(citations.filter(source__slug__startswith="industry-gov-au").values_list("source__slug", flat=True)) == {source}


@pytest.mark.parametrize("model", [TreatyAction, EntryIntoForceCondition, Commitment, Measurement, AgreementRelation, Citation])
def test_every_fact_has_a_source(model):
    # The day of the ratification by Viet Nam is derived: 60 days before the entry into force.
    derived = TreatyAction.objects.filter(agreement__slug="cptpp", kind="ratification", party__code="VNM")

    assert list(model.objects.filter(source=None)) == (list(derived) if model is TreatyAction else [])


@pytest.mark.parametrize("model", [Agreement, Component, Participation, Outcome])
def test_every_other_record_has_a_citation(model):
    cited = Citation.objects.exclude(**{model._meta.model_name: None}).values(model._meta.model_name)

    assert not model.objects.exclude(pk__in=cited).exists()


def test_only_official_sources_are_confirmed():
    # What followed has the confidence of its fact.
    facts = Citation.objects.exclude(field="status", component__isnull=False)

    assert set(facts.filter(confidence="confirmed").values_list("source__slug", flat=True)) == set(OFFICIAL.split())
    assert set(facts.filter(source__slug__in=OFFICIAL.split()).values_list("confidence", flat=True)) == {"confirmed"}


def test_derived_facts_are_probable():
    probable = Citation.objects.filter(confidence="probable").values_list("component__slug", "agreement__slug", "field")

    assert {(component or agreement, field) for component, agreement, field in probable} == {
        *((row["slug"], "due_on") for row in noted("components") if row["due_on"]),
        ("aukus", "review_closed"),
        ("aukus", "review_opened"),
        *(("us-ua-reconstruction-fund", field) for field in ("entry_into_force", "entry_into_force_for_party", "status")),
        (None, "role"),  # that the United States has left the Paris Agreement, and the parties to the reconstruction fund
    }


def test_citations_of_agreements_have_a_field_or_an_action_kind():
    kinds = set(TreatyAction.objects.values_list("kind", flat=True))
    fields = {field.name for field in Agreement._meta.get_fields()} | kinds | {"signed_by"}

    assert set(Citation.objects.exclude(agreement=None).values_list("field", flat=True)) <= fields


def test_errors_of_the_article_are_contradicting_citations():
    refuted = Citation.objects.filter(field="signed_by", confidence="refuted")

    assert refuted.count() == refuted.filter(stance="contradicts", quote__contains="former").count() == 4


def test_the_two_sources_on_peru_are_the_right_way_round():
    stances = Citation.objects.filter(agreement__slug="cptpp", locator__startswith="Peru").values_list("source__slug", "stance")

    assert set(stances) == {("asiantradecentre-org", "supports"), ("wikifwd-glitch-me", "contradicts")}
    assert FactCheck.objects.filter(
        slug="claim-cptpp-peru-date", source__slug="wikifwd-glitch-me", correcting_source__slug="mfat-govt-nz-cptpp"
    ).exists()


# ---- what followed the article


def test_updates_are_approved_and_name_no_user():
    for update in ProgressUpdate.objects.all():
        assert (update.review, update.author, update.reviewed_by, update.party) == ("approved", None, None, None)
        assert update.reviewed_at == datetime.combine(update.reported_on, datetime.min.time(), UTC)


def test_every_piece_of_evidence_has_a_quote():
    assert not Evidence.objects.filter(quote="").exists()
    assert {(row.source.slug, row.quote[:30]) for row in Evidence.objects.filter(stance="contradicts").select_related("source")} == {
        ("ad-hoc-news-de-arafura-68533685", "The target, previously set for"),
        ("exchangemonitor-com-pentagon-completes-aukus-review-says-agreement-can-move-full-steam-ahead", "While the review has yet to be"),
    }


def test_citations_of_a_component_status_quote_their_source():
    assert not Citation.objects.filter(component__isnull=False, field="status", quote="").exists()

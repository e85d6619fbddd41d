"""The filters of lists (docs/api.md)."""

from datetime import date, timedelta

import pytest

from agreements.models import Citation, Participation
from policytracker.resources import today
from recommendations.models import Addressee, Dependency, Milestone, ProgressUpdate
from recommendations.progress import EvidenceRow, Report, report_progress
from tests.api.world import RESOURCES, other_than_full
from tests.conftest import make_user
from tests.make import make_agreement, make_component, make_recommendation, make_source

pytestmark = pytest.mark.usefixtures("world")
each_resource = pytest.mark.parametrize("resource", RESOURCES.values(), ids=RESOURCES)


def refused(client, address, parameter, value="x"):
    response = client.get(f"{address}/", {parameter: value})
    assert response.status_code == 400, (parameter, response.content)
    assert list(response.json()) == [parameter]
    (sentence,) = response.json()[parameter]
    return sentence


@each_resource
def test_every_stored_field_has_filters(world, as_analyst, reviewer, resource):
    """A row is found by its value and excluded by `__not`; `__empty` separates rows with and without a value."""
    made = as_analyst.post(f"{resource.address}/", resource.full).json()
    other = as_analyst.post(f"{resource.address}/", other_than_full(resource.address)).json()
    mine, others = made[resource.key], other[resource.key]

    def found(name, value):
        return as_analyst.keys(f"{resource.address}/", **{name: value})

    for name, value in resource.full.items():
        value = value[0] if isinstance(value, list) else value
        if value in (None, "none"):
            continue
        alike = found(name, value)
        assert mine in alike, name
        if other[name] != made[name]:
            left = found(f"{name}__not", value)
            assert others not in alike and others in left and mine not in left, name
        if name in resource.defaults and resource.defaults[name] in (None, "", []):
            filled, empty = found(f"{name}__empty", "false"), found(f"{name}__empty", "true")
            assert mine in filled and mine not in empty, name
            if other[name] in (None, "", []):
                assert others in empty and others not in filled, name


@pytest.mark.parametrize("address", [*RESOURCES, "progress-updates"])
def test_timestamps_and_version_have_filters(world, as_reader, address):
    day = today().isoformat()
    whole = as_reader.keys(f"{address}/")

    assert as_reader.keys(f"{address}/", created_at__from=day, updated_at__to=day, version=1) == whole
    assert as_reader.keys(f"{address}/", created_at__from=f"{day}T00:00:00Z", updated_at__to=f"{day}T23:59:59.999999+00:00") == whole
    assert as_reader.keys(f"{address}/", created_at__to="2020-01-01") == as_reader.keys(f"{address}/", version__from=2) == []


def test_the_dates_of_an_update_have_filters(world, as_reader, analyst):
    made = report_progress(
        world.act, Report(status="in_progress", narrative="Begun.", progress_percent=40), by=analyst, today=date(2025, 3, 1)
    )
    uid = [str(made.uid)]

    for question in (
        {"reported_on": "2025-03-01"}, {"reported_on__from": "2025-03-01", "reported_on__to": "2025-03-01"}, {"status": "in_progress"},
        {"progress_percent__from": 40, "progress_percent__to": 40}, {"author": "analyst"}, {"kind": "assessment"}, {"closes": "false"},
        {"recommendation": "act"}, {"agreement": "aukus"}, {"party__empty": "true"}, {"corrects__empty": "true"}, {"review": "approved"},
        {"reviewed_at__from": today().isoformat()}, {"voided_at__empty": "true"}, {"uid": made.uid},
    ):  # fmt: skip
        assert as_reader.keys("progress-updates/", **question) == uid, question
    for question in (
        {"reported_on__from": "2025-03-02"}, {"progress_percent__to": 39}, {"closes": "true"}, {"agreement": "quad"},
        {"reported_on__not": "2025-03-01"},
        {"progress_percent__not": 40}, {"party__empty": "false"}, {"author__not": "analyst"}, {"review": "draft"},
        {"voided_at__from": "2020-01-01"},
    ):  # fmt: skip
        assert as_reader.keys("progress-updates/", **question) == [], question
    for name, value in (
        ("reported_on", "2025"), ("progress_percent", "many"), ("closes", "maybe"), ("reviewed_at__from", "yesterday"), ("uid", "1"),
        ("corrects", "1"), ("evidence", "x"), ("version", "2147483648"), ("created_at__to", "2025-02-30"),
    ):  # fmt: skip
        refused(as_reader, "progress-updates", name, value)


def test_repeated_values_match_any_and_parameters_match_all(world, as_reader):
    for number, kind in enumerate(["treaty", "charter", "framework"]):
        make_agreement(slug=f"a{number}", title="Pact", kind=kind, legal_force="binding")

    assert as_reader.keys("agreements/", kind=["treaty", "charter"]) == ["a0", "a1"]
    assert as_reader.keys("agreements/", kind__not=["treaty", "charter", "agreement"]) == ["a2"]
    assert as_reader.keys("agreements/", kind=["treaty", "charter"], slug__not="a0", legal_force="binding") == ["a1"]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("agreements", "title"),
        ("agreements", "short_title"),
        ("agreements", "slug"),
        ("parties", "name"),
        ("parties", "code"),
        ("sectors", "code"),
        ("sources", "title"),
        ("components", "title"),
        ("recommendations", "key_action"),
        ("recommendations", "slug"),
    ],
)
def test_contains_ignores_case_in_indexed_texts(world, as_analyst, address, name):
    resource = RESOURCES[address]
    body = resource.required | {name: "Xt-says_50" if name in ("slug", "code") else "Xt says 50% \\ more_or less"}
    made = as_analyst.post(f"{address}/", body).json()[resource.key]

    for part in ["XT"] + (["s_5"] if name in ("slug", "code") else ["50%", "\\", "E_OR"]):
        assert as_analyst.keys(f"{address}/", **{f"{name}__contains": part}) == [made], part
    for part in ["t_s", "5%0", "%"] if name in ("slug", "code") else ["t_s", "5%0", "__"]:
        assert as_analyst.keys(f"{address}/", **{f"{name}__contains": part}) == [], part


def test_sources_are_filtered_by_having_a_file(world, as_reader):
    world.gazette.file.name, world.gazette.sha256 = "sources/gazette.pdf", "ab"
    world.gazette.save()

    assert as_reader.keys("sources/", file__empty="true") == as_reader.keys("sources/", sha256__empty="true") == ["communique"]
    assert as_reader.keys("sources/", file__empty="false") == as_reader.keys("sources/", sha256="ab") == ["gazette"]


@pytest.mark.parametrize(
    ("address", "name"), [("agreements", "summary"), ("recommendations", "details"), ("agreements", "kind"), ("sources", "publisher")]
)
def test_other_texts_have_no_contains_filter(world, as_reader, address, name):
    refused(as_reader, address, f"{name}__contains")


def test_partial_dates_match_by_their_possible_days(world, as_reader):
    for due in ("2029", "2030", "2030-06", "2030-06-15~", "2031", ""):
        make_recommendation(slug=f"due-{due.strip('~') or 'never'}", due_on=due)

    def asked(**question):
        return [
            key.removeprefix("due-") for key in as_reader.keys("recommendations/", slug__contains="due-", ordering="due_on", **question)
        ]

    assert asked(due_on__from="2030", due_on__to="2030") == ["2030", "2030-06", "2030-06-15"]
    assert asked(due_on__from="2030-06-02") == ["2030-06-15", "2031"]
    assert asked(due_on__to="2030-06") == ["2029", "2030", "2030-06", "2030-06-15"]
    assert asked(due_on__to="2030-06-14") == ["2029", "2030", "2030-06"]
    assert asked(due_on=["2030", "2030-06-15~"]) == ["2030", "2030-06-15"]
    assert asked(due_on__not="2030") == ["2029", "2030-06", "2030-06-15", "2031", "never"]
    assert asked(due_on__empty="true") == ["never"]


def test_numbers_are_filtered_by_value_and_range(world, as_reader):
    for position in (1, 2, 3, None):
        make_component(world.quad, slug=f"c{position}", position=position)

    assert as_reader.keys("components/", position=[1, 3]) == ["c1", "c3"]
    assert as_reader.keys("components/", position__from=2, position__to=3) == ["c2", "c3"]
    assert as_reader.keys("components/", position__not=1) == ["c2", "c3", "cNone", "pillar-one"]
    assert as_reader.keys("components/", position__empty="true", agreement="quad") == ["cNone"]


def test_references_are_filtered_by_key(world, as_reader):
    world.act.sectors.set([world.water, world.energy])

    assert as_reader.keys("recommendations/", sectors=["water", "energy"]) == ["act"]
    assert as_reader.keys("recommendations/", sectors__not="water") == ["later"]
    assert as_reader.keys("recommendations/", sectors__empty="true") == ["later"]
    assert (
        as_reader.keys("recommendations/", agreements="aukus") == as_reader.keys("recommendations/", agreement=["aukus", "quad"]) == ["act"]
    )
    assert as_reader.keys("components/", agreement="aukus") == ["pillar-one"]
    assert as_reader.keys("components/", parent__empty="true", agreement__not="quad") == ["pillar-one"]
    assert as_reader.list("recommendations/", sectors=["water", "energy"])["count"] == 1


def test_a_mentioned_party_is_not_a_participant(world, as_reader):
    Participation.objects.create(agreement=world.quad, party=world.gbr, role="subject_of_concern")
    Participation.objects.create(agreement=world.quad, party=world.gbr, role="listed_in_source")
    Participation.objects.create(agreement=world.aukus, party=world.aus, role="host")

    assert as_reader.keys("agreements/", party="AUS") == ["aukus"]
    assert as_reader.keys("agreements/", party="GBR") == []
    assert as_reader.keys("agreements/", party=["AUS", "GBR"]) == ["aukus"]
    assert as_reader.keys("recommendations/", party="AUS") == ["act"]
    assert as_reader.keys("recommendations/", party="GBR") == []
    assert len(as_reader.keys("participations/", party="GBR")) == 2
    refused(as_reader, "agreements", "party", "XXX")


def test_agreement_means_the_nearest_agreement_of_each_record(world, as_reader):
    others = {
        "component": Citation.objects.create(source=world.gazette, component=world.part),
        "participation": Citation.objects.create(source=world.gazette, participation=world.participation),
        "outcome": Citation.objects.create(source=world.gazette, outcome=world.outcome),
    }
    elsewhere = Citation.objects.create(source=world.gazette, agreement=world.quad)

    assert set(as_reader.keys("citations/", agreement="aukus")) == {str(c.uid) for c in [world.citation, *others.values()]}
    assert as_reader.keys("citations/", agreement="quad") == [str(elsewhere.uid)]
    assert (
        as_reader.keys("agreement-relations/", agreement="aukus")
        == as_reader.keys("agreement-relations/", agreement="quad")
        == [str(world.relation.uid)]
    )
    assert as_reader.keys("addressees/", agreement="aukus") == [str(world.addressee.uid)]
    assert as_reader.keys("addressees/", agreement="quad") == []
    step = Milestone.objects.create(recommendation=world.act, title="The keel is laid")
    need = Dependency.objects.create(recommendation=world.act, depends_on=world.later)
    assert as_reader.keys("milestones/", agreement="aukus") == [str(step.uid)]
    assert as_reader.keys("dependencies/", agreement="aukus") == [str(need.uid)]
    assert as_reader.keys("milestones/", agreement="quad") == as_reader.keys("dependencies/", agreement="quad") == []
    for address in ("participations", "components", "outcomes", "fact-checks"):
        assert len(as_reader.keys(f"{address}/", agreement="aukus")) == 1
        assert as_reader.keys(f"{address}/", agreement="quad") == []
    for address in ("parties", "sectors", "focus-areas", "sources", "agreements"):
        refused(as_reader, address, "agreement", "aukus")


def test_owner_is_a_user_name_me_or_none(world, as_reader, reader, analyst):
    make_recommendation(slug="mine", owner=reader)
    make_recommendation(slug="theirs", owner=analyst)

    assert as_reader.keys("recommendations/", owner="me") == as_reader.keys("recommendations/", owner="reader") == ["mine"]
    assert as_reader.keys("recommendations/", owner="analyst") == ["theirs"]
    assert as_reader.keys("recommendations/", owner="none") == as_reader.keys("recommendations/", owner__empty="true") == ["act", "later"]
    assert as_reader.keys("recommendations/", owner=["none", "me"]) == ["act", "later", "mine"]
    assert as_reader.keys("recommendations/", owner__not="analyst") == ["act", "later", "mine"]
    refused(as_reader, "recommendations", "owner", "stranger")


def test_records_of_an_inactive_user_are_found_by_user_name(world, as_reader):
    make_recommendation(slug="left", owner=make_user("gone", is_active=False))

    assert as_reader.keys("recommendations/", owner="gone") == ["left"]


@pytest.mark.parametrize(
    ("address", "parameter", "value"),
    [
        ("agreements", "kind", "pact"), ("agreements", "kind", ""), ("agreements", "status__not", "TREATY"),
        ("agreements", "publication", "secret"),
        ("agreements", "expires_on", "20-10-2025"), ("agreements", "expires_on__from", "2025-13"),
        ("agreements", "expires_on__to", "2025-02-30"),
        ("agreements", "expires_on__to", ""), ("agreements", "expires_on__from", "tomorrow"), ("agreements", "sectors", "nothing"),
        ("agreements", "sectors__not", "nothing"), ("agreements", "lead", "stranger"), ("agreements", "short_title__empty", "yes"),
        ("agreements", "sectors__empty", ""), ("agreements", "created_at__from", "soon"), ("agreements", "version", "1.5"),
        ("agreements", "version__from", "9" * 30), ("agreements", "version", "١"), ("agreements", "title", "x\0"),
        ("agreements", "title__contains", "\0"),
        ("agreements", "title", "x" * 501), ("components", "position__from", "first"), ("components", "position", "-99999999999"),
        ("participations", "uid", "not-a-uuid"), ("sources", "retrieved_on__from", "2025"), ("sources", "retrieved_on", "2025-02-30"),
        ("recommendations", "due_within", "-1"), ("recommendations", "due_within", "3651"), ("recommendations", "due_within", "ten"),
        ("recommendations", "overdue", "1"), ("recommendations", "open", "perhaps"), ("recommendations", "deadline_state", "late"),
        ("recommendations", "freshness", "old"), ("recommendations", "without", "hope"), ("components", "deadline_state", "late"),
        ("recommendations", "update_every__to", "9" * 18), ("citations", "participation", "aukus"), ("sources", "published_on", "0000"),
    ],
)  # fmt: skip
def test_an_invalid_value_is_rejected_with_a_message(world, as_reader, address, parameter, value):
    assert refused(as_reader, address, parameter, value)


@pytest.mark.parametrize(
    "parameter",
    [
        "colour",
        "title__like",
        "agreements__slug",
        "id",
        "pk",
        "team__username",
        "expires_on_first",
        "lead__password",
        "sectors__from",
        "title__from",
        "from",
        "cursor2",
        "on",
        "as_of",
        "claim_differs",
        "awaiting_approval",
        "x\0",
        "",
    ],
)
def test_an_unknown_parameter_is_rejected_by_name(world, as_reader, parameter):
    for address in ("agreements/", "agreements/aukus/", "agreements/aukus/history/", "recommendations/"):
        response = as_reader.get(address, {parameter: "csv"})
        assert response.status_code == 400, address
        assert list(response.json()) == [parameter]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_write_accepts_only_representation_parameters(world, as_analyst, method):
    address = "sectors/" if method == "post" else "sectors/water/"

    response = getattr(as_analyst, method)(f"{address}?colour=red", {"code": "new", "name": "New"})

    assert response.status_code == 400 and list(response.json()) == ["colour"]
    assert as_analyst.keys("sectors/") == ["energy", "water"]


def test_a_hidden_key_gets_the_same_error_as_an_unknown_one(world, as_reader, as_analyst):
    make_agreement(slug="secret", visibility="restricted")
    make_source(slug="paper", visibility="restricted")
    make_component(world.aukus, slug="part", publication="draft")
    make_recommendation(slug="draft", publication="draft")

    for address, parameter, key in (
        ("components", "agreement", "secret"), ("recommendations", "agreements", "secret"),
        ("recommendations", "agreements__not", "secret"),
        ("citations", "source", "paper"), ("recommendations", "components", "part"), ("recommendations", "parent", "draft"),
        ("recommendations", "superseded_by__not", "draft"), ("agreement-relations", "to", "secret"), ("citations", "agreement", "secret"),
        ("addressees", "recommendation", "draft"), ("fact-checks", "correcting_source", "paper"),
    ):  # fmt: skip
        hidden, missing = refused(as_reader, address, parameter, key), refused(as_reader, address, parameter, "x" * len(key))
        assert hidden.replace(key, "x" * len(key)) == missing


# ---- extra filters of recommendations


def test_the_deadline_of_a_component_uses_its_anchor(world, as_reader):
    day = today()
    for slug, fields in {
        "anchored": {"due_anchor": "entry_into_force", "due_offset": "P6M"},
        "finished-anchored": {"due_anchor": "signature", "due_offset": "P6M", "status": "completed"},
        "met": {"due_on": "2025-06", "status": "completed", "completed_on": "2025-07~"},
        "met-2": {"due_on": "2025-06", "status": "completed", "completed_on": "2025-06"},
        "met-unknown": {"due_on": "2025-06", "status": "completed"},
        "closed": {"due_on": "2025-06", "status": "cancelled"},
        "overdue": {"due_on": str(day - timedelta(1)), "status": "suspended"},
        "due_soon": {"due_on": str(day + timedelta(30))},
        "upcoming": {"due_on": str(day + timedelta(31))},
    }.items():
        make_component(world.quad, slug=slug, **fields)

    def asked(state):
        return set(as_reader.keys("components/", agreement="quad", deadline_state=state))

    assert asked("open_ended") == {"anchored", "finished-anchored"}
    assert asked("met_late") == {"met"} and asked("met") == {"met-2", "met-unknown"}
    assert asked("closed") == {"closed"} and asked("overdue") == {"overdue"}
    assert asked("due_soon") == {"due_soon"} and asked("upcoming") == {"upcoming"}
    assert as_reader.keys("components/", deadline_state="none") == ["pillar-one"]


def test_without_finds_missing_values(world, as_reader, analyst):
    whole = make_recommendation(slug="whole", owner=analyst, due_on="2030")
    make_recommendation(slug="draft-update")
    Addressee.objects.create(recommendation=whole, party=world.gbr, response="noted")
    report_progress(
        whole, Report(status="in_progress", narrative="Begun.", evidence=(EvidenceRow(source=world.gazette),)), by=analyst, today=today()
    )
    noted = make_recommendation(slug="noted")
    report_progress(noted, Report(kind="note", narrative="Heard of."), by=analyst, today=today())
    ProgressUpdate.objects.create(recommendation=world.later, status="planned", reported_on=today(), narrative="Draft.")

    def asked(*names):
        return set(as_reader.keys("recommendations/", without=names))

    others = {"act", "later", "draft-update", "noted"}
    assert asked("owner") == asked("due_on") == others
    assert asked("evidence") == others
    assert asked("addressee") == others - {"act"}
    assert asked("response") == others
    assert asked("update") == others - {"noted"}
    assert asked("addressee", "update") == others

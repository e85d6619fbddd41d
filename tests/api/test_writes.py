"""Writing records: create, update, archive and delete (docs/api.md)."""

import json
from datetime import date

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from agreements.models import Agreement, AgreementRelation, Component, Participation, Party, Source, sources
from policytracker.records.changes import Change
from recommendations.models import Milestone, Recommendation
from recommendations.progress import Report, report_progress
from tests.api.refusals import field_errors, list_errors
from tests.api.world import PUBLISHED, RESOURCES, other_than_full
from tests.make import (
    change_with_reason,
    make_action,
    make_agreement,
    make_component,
    make_outcome,
    make_party,
    make_recommendation,
    make_source,
)

pytestmark = pytest.mark.usefixtures("world")
each_resource = pytest.mark.parametrize("resource", RESOURCES.values(), ids=RESOURCES)
REASON = {"HTTP_X_CHANGE_REASON": "as the source states"}


@pytest.fixture(autouse=True)
def people(analyst, reviewer):
    """The users that the bodies refer to."""


@each_resource
def test_putting_back_a_record_changes_nothing(world, as_analyst, resource):
    for body in (resource.full, other_than_full(resource.address)):
        made = as_analyst.post(f"{resource.address}/", body).json()
        written = Change.objects.count()

        for response in (as_analyst.put(resource.at(made), made), as_analyst.patch(resource.at(made), made)):
            assert response.status_code == 200, response.content
            assert response.json() == made
        assert Change.objects.count() == written


@each_resource
def test_put_resets_omitted_fields_and_patch_keeps_them(world, as_analyst, resource):
    made = as_analyst.post(
        f"{resource.address}/", resource.full | ({"visibility": "internal", "publication": "published"} if resource.published else {})
    ).json()
    smallest = {name: value for name, value in resource.required.items() if name != resource.key}
    kept = {resource.key, "url", "created_at", "visibility", "publication", "original_due_on", *resource.computed}

    assert as_analyst.patch(resource.at(made), {}).json() == made
    put = as_analyst.put(resource.at(made), smallest, **REASON).json()

    expected = made | resource.defaults | smallest
    assert {n: v for n, v in put.items() if n not in {"version", "updated_at"} | set(resource.computed)} == {
        n: made[n] if n in kept else v for n, v in expected.items() if n not in {"version", "updated_at"} | set(resource.computed)
    }
    assert put["version"] == made["version"] + (put != made)


@each_resource
def test_put_requires_the_required_fields(world, as_analyst, resource):
    made = as_analyst.post(f"{resource.address}/", resource.full).json()
    missing = set(resource.required) - {resource.key}
    if resource.address == "citations":
        missing = {"source"}

    field_errors(as_analyst.put(resource.at(made), {}), *missing)


@each_resource
def test_post_requires_the_required_fields(world, as_analyst, resource):
    if resource.address == "citations":
        field_errors(as_analyst.post("citations/", {}), "source")
        field_errors(as_analyst.post("citations/", {"source": "communique"}), "non_field_errors")
        field_errors(as_analyst.post("citations/", {"source": "communique", "agreement": "aukus", "outcome": "safer"}), "non_field_errors")
    else:
        field_errors(as_analyst.post(f"{resource.address}/", {}), *resource.required)
        for name in resource.required:
            for nothing in (None, "", "  "):
                field_errors(as_analyst.post(f"{resource.address}/", resource.required | {name: nothing}), name)


@each_resource
def test_null_and_the_empty_text_mean_the_same(world, as_analyst, resource):
    made = as_analyst.post(f"{resource.address}/", resource.full).json()
    optional = [name for name in resource.rest if name not in resource.required and resource.defaults.get(name, 0) in (None, "", [])]

    for nothing in (None, ""):
        emptied = as_analyst.patch(resource.at(made), dict.fromkeys(optional, nothing), **REASON)
        assert emptied.status_code == 200, emptied.content
        assert {name: emptied.json()[name] for name in optional} == {name: resource.defaults[name] for name in optional}
        again = as_analyst.patch(resource.at(made), {name: resource.full[name] for name in optional}, **REASON)
        assert {name: again.json()[name] for name in optional} == {name: resource.full[name] for name in optional}


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("agreements", "kind"),
        ("agreements", "status"),
        ("components", "due_anchor"),
        ("citations", "stance"),
        ("recommendations", "priority"),
        ("addressees", "role"),
        ("agreements", "visibility"),
        ("agreements", "publication"),
        ("participations", "role"),
    ],
)
def test_a_required_code_cannot_be_emptied(world, as_analyst, address, name):
    resource = RESOURCES[address]
    made = as_analyst.post(f"{address}/", resource.required).json()

    for nothing in (None, ""):
        field_errors(as_analyst.patch(resource.at(made), {name: nothing}), name)


@each_resource
def test_an_unknown_field_is_reported_with_all_other_errors(world, as_analyst, resource):
    body = resource.required | {"colour": "red", "id": 3}

    field_errors(as_analyst.post(f"{resource.address}/", body), "colour", "id")
    made = as_analyst.post(f"{resource.address}/", resource.required).json()
    for write in (as_analyst.put, as_analyst.patch):
        field_errors(write(resource.at(made), body), "colour", "id")
    if resource.key == "slug":
        field_errors(
            as_analyst.patch(resource.at(made), {"colour": 1, "visibility" if resource.published else "statement": []}),
            "colour",
            "visibility" if resource.published else "statement",
        )


@each_resource
def test_urls_timestamps_and_computed_fields_are_ignored(world, as_analyst, resource):
    passed = {"url": "https://elsewhere/", "created_at": "1999-01-01", "updated_at": None, **dict.fromkeys(resource.computed, "nonsense")}

    made = as_analyst.post(f"{resource.address}/", resource.required | passed)
    patched = as_analyst.patch(resource.at(made.json()), passed)

    assert made.status_code == 201 and patched.status_code == 200, (made.content, patched.content)
    assert patched.json() == made.json()


SYSTEM = {
    "status": "implemented",
    "claimed_status": "implemented",
    "status_since": "2025-01-01",
    "progress_percent": 5,
    "last_update_on": "2025-01-01",
    "closed_on": "2025-01-01",
    "original_due_on": "2025-01-01",
}


@pytest.mark.parametrize("name", SYSTEM)
def test_a_changed_read_only_field_is_rejected(world, as_analyst, name):
    field_errors(as_analyst.post("recommendations/", {"slug": "new", "key_action": "x", name: SYSTEM[name]}), name)
    field_errors(as_analyst.patch("recommendations/act/", {name: SYSTEM[name]}), name)
    field_errors(as_analyst.put("recommendations/act/", {"key_action": "x", name: SYSTEM[name]}), name)
    for nonsense in ([], {}, ["x"], 3.5, True):
        field_errors(as_analyst.patch("recommendations/act/", {name: nonsense}), name)
    assert not Recommendation.objects.filter(slug="new").exists()


def test_default_values_of_read_only_fields_are_accepted(as_analyst, db):
    birth = {"status": "not_assessed", "claimed_status": None, "status_since": "", "progress_percent": None, "original_due_on": "2030-06"}

    made = as_analyst.post("recommendations/", {"slug": "new", "key_action": "x", "due_on": "2030-06", "version": 1, **birth})

    assert made.status_code == 201, made.content
    assert made.json()["original_due_on"] == "2030-06"


def test_the_hash_of_a_file_is_read_only(world, as_analyst):
    field_errors(as_analyst.patch("sources/gazette/", {"sha256": "ab" * 32}), "sha256")
    assert as_analyst.patch("sources/gazette/", {"sha256": ""}).status_code == 200


def test_updates_cannot_be_created_in_their_list(world, as_analyst):
    assert as_analyst.post("progress-updates/", {"recommendation": "act"}).status_code == 405


@each_resource
def test_a_key_never_changes(world, as_analyst, resource):
    made = as_analyst.post(f"{resource.address}/", resource.required).json()
    other = "99999999-9999-4999-8999-999999999999" if resource.key == "uid" else "changed"

    field_errors(as_analyst.patch(resource.at(made), {resource.key: other}), resource.key)
    field_errors(as_analyst.put(resource.at(made), resource.required | {resource.key: other}), resource.key)
    assert as_analyst.get(resource.at(made)).json() == made


@pytest.mark.parametrize("address", [a for a, r in RESOURCES.items() if r.key == "uid"])
def test_a_uid_may_be_given_or_is_generated(world, as_analyst, address):
    resource, uid = RESOURCES[address], "abcdefab-cdef-4bcd-8fab-cdefabcdefab"

    made = as_analyst.post(f"{address}/", resource.required | {"uid": uid.upper()})

    assert made.status_code == 201 and made.json()["uid"] == uid
    field_errors(as_analyst.post(f"{address}/", other_than_full(address) | {"uid": uid}), "uid")
    for nonsense in ("1", 5, ["x"], {}):
        field_errors(as_analyst.post(f"{address}/", other_than_full(address) | {"uid": nonsense}), "uid")
    for nothing in (None, ""):
        other = as_analyst.post(f"{address}/", other_than_full(address) | {"uid": nothing}).json()
        assert as_analyst.delete(resource.at(other)).status_code == 204


@each_resource
def test_a_duplicate_key_is_rejected_even_if_the_other_record_is_hidden(world, as_analyst, as_administrator, resource):
    if resource.key == "uid":
        return
    hidden = {"visibility": "restricted"} if resource.published else {}
    as_administrator.post(f"{resource.address}/", resource.required | hidden)

    sentences = field_errors(as_analyst.post(f"{resource.address}/", resource.required), resource.key)

    assert "already" in sentences[resource.key][0]


@pytest.mark.parametrize("address", PUBLISHED)
def test_publication_is_an_ordinary_field(world, as_analyst, address):
    resource = RESOURCES[address]
    made = as_analyst.post(f"{address}/", resource.required).json()

    published = as_analyst.patch(resource.at(made), {"publication": "published"})

    assert published.json()["publication"] == "published"


def test_the_response_to_a_write_obeys_fields_and_expand(world, as_analyst):
    made = as_analyst.post("agreements/?fields=slug,sectors&expand=sectors", {"slug": "a", "title": "A", "sectors": ["water"]})
    patched = as_analyst.patch("agreements/a/?omit=slug&fields=slug,version", {"title": "B"})

    assert made.json() == {"slug": "a", "sectors": [{"code": "water", "name": "Water", "url": "https://testserver/api/v1/sectors/water/"}]}
    assert made["Location"] == "https://testserver/api/v1/agreements/a/"
    assert patched.json() == {"version": 2} and patched["ETag"] == '"2"'
    assert list(as_analyst.post("agreements/?fields=colour", {"slug": "b", "title": "B"}).json()) == ["fields"]
    assert list(as_analyst.patch("agreements/a/?expand=colour", {"title": "C"}).json()) == ["expand"]
    assert not Agreement.objects.filter(slug="b").exists() and Agreement.objects.get(slug="a").title == "B"


def test_a_text_is_stored_verbatim(world, as_analyst):
    quote = "  “As they said”,\n\ttwice \r\n "

    made = as_analyst.post("citations/", {"source": "communique", "agreement": "aukus", "quote": quote})

    assert made.json()["quote"] == quote


def test_links_are_unique_and_ordered_by_key(world, as_analyst):
    made = as_analyst.patch("agreements/aukus/", {"sectors": ["water", "energy", "water"], "team": ["reviewer", "analyst"]}).json()

    assert (made["sectors"], made["team"]) == (["energy", "water"], ["analyst", "reviewer"])


def test_an_inactive_user_stays_the_owner(world, as_analyst, reviewer):
    Recommendation.objects.filter(slug="act").update(owner=reviewer)
    reviewer.is_active = False
    reviewer.save()

    whole = as_analyst.get("recommendations/act/").json()

    assert as_analyst.put("recommendations/act/", whole).json() == whole


# ---- files


@pytest.fixture
def file():
    return SimpleUploadedFile("Report.PDF", b"%PDF-1.4 words", content_type="application/pdf")


@pytest.fixture(autouse=True)
def files_elsewhere(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


def test_a_file_is_uploaded_by_multipart_and_downloaded_as_attachment(world, as_analyst, as_reader, file):
    written = as_analyst.patch("sources/gazette/", {"file": file, "version": "1"}, format="multipart")

    assert written.status_code == 200, written.content
    assert written.json()["file"] == "https://testserver/api/v1/sources/gazette/file/"
    assert len(written.json()["sha256"]) == 64 and written.json()["version"] == 2
    answer = as_reader.get("sources/gazette/file/")
    assert b"".join(answer.streaming_content) == b"%PDF-1.4 words"
    assert answer["Content-Disposition"].startswith("attachment")
    assert as_reader.get("sources/communique/file/").status_code == 404


def test_put_keeps_a_file_unless_it_is_null(world, as_analyst, file):
    with_file = as_analyst.patch("sources/gazette/", {"file": file}, format="multipart").json()

    assert as_analyst.put("sources/gazette/", with_file).json() == with_file
    assert as_analyst.put("sources/gazette/", {"kind": "news"}).json()["file"] == with_file["file"]
    field_errors(as_analyst.patch("sources/gazette/", {"file": "https://testserver/api/v1/sources/communique/file/"}), "file")
    field_errors(as_analyst.patch("sources/gazette/", {"file": ["x"]}), "file")
    without = as_analyst.patch("sources/gazette/", {"file": None}).json()
    assert (without["file"], without["sha256"]) == (None, "")


def test_a_file_of_another_type_or_size_is_rejected(world, as_analyst, monkeypatch):
    monkeypatch.setattr(sources, "MAX_FILE_SIZE", 1024 * 1024)
    for name, content in (("run.exe", b"MZ"), ("noname", b"x"), ("empty.pdf", b""), ("big.pdf", b"x" * (1024 * 1024 + 1))):
        response = as_analyst.patch("sources/gazette/", {"file": SimpleUploadedFile(name, content)}, format="multipart")
        field_errors(response, "file")
    assert Source.objects.get(slug="gazette").version == 1


def test_the_file_of_a_hidden_source_is_404(world, as_analyst, as_reader, file):
    as_analyst.patch("sources/gazette/", {"file": file}, format="multipart")
    change_with_reason(Source.objects.filter(slug="gazette"), publication="draft")

    assert as_reader.get("sources/gazette/file/").status_code == 404


# ---- lists


def test_a_list_is_written_completely_or_not_at_all(world, as_analyst):
    bodies = [{"code": f"s{number}", "name": "S"} for number in range(3)]

    made = as_analyst.post("sectors/", bodies)

    assert made.status_code == 201
    assert [row["code"] for row in made.json()] == ["s0", "s1", "s2"]
    bad = [
        {"code": "t0", "name": "T"},
        {"code": "t1"},
        {"code": "s0", "name": "S"},
        "text",
        {"code": "t0", "name": "T", "colour": 1},
        {"code": "t4", "name": "T"},
    ]
    errors = list_errors(as_analyst.post("sectors/", bad))
    assert {index: set(fields) for index, fields in errors.items()} == {
        "1": {"name"},
        "2": {"code"},
        "3": {"non_field_errors"},
        "4": {"colour"},
    }
    assert as_analyst.keys("sectors/", code__contains="t") == ["water"]


def test_conflicts_between_entries_are_reported_by_index(world, as_analyst):
    bodies = [
        {"slug": "c1", "agreement": "aukus", "title": "C1"},
        {"slug": "c2", "agreement": "quad", "title": "C2", "parent": "c1"},
        {"slug": "c3", "agreement": "aukus", "title": "C3", "parent": "c1"},
        {"slug": "c1", "agreement": "aukus", "title": "again"},
    ]

    errors = list_errors(as_analyst.post("components/", bodies))

    assert {index: set(fields) for index, fields in errors.items()} == {"1": {"parent"}, "3": {"slug"}}
    assert not Component.objects.filter(slug__startswith="c").exists()


def test_a_list_has_at_most_500_records(world, as_analyst):
    bodies = [{"code": f"s{number}", "name": "S"} for number in range(501)]

    field_errors(as_analyst.post("sectors/", bodies), "non_field_errors")
    assert as_analyst.post("sectors/", bodies[:500]).status_code == 201
    assert as_analyst.post("sectors/", []).json() == []


def test_lists_are_accepted_only_by_post_and_patch_of_the_list(world, as_analyst):
    for write in (as_analyst.put, as_analyst.patch):
        field_errors(write("sectors/water/", [{"name": "x"}]), "non_field_errors")


def test_one_archived_entry_refuses_the_list(world, as_analyst, as_reviewer):
    as_reviewer.patch("agreements/quad/", {"publication": "archived", "change_reason": "done"})

    response = as_analyst.post(
        "components/", [{"slug": "c1", "agreement": "aukus", "title": "C"}, {"slug": "c2", "agreement": "quad", "title": "C"}]
    )

    assert response.status_code in (400, 409)
    assert not Component.objects.filter(slug__startswith="c").exists()


# ---- reasons


def entry(client, address):
    return client.get(f"{address}history/").json()["results"][0]


def test_a_reason_is_taken_from_the_header_or_the_body(world, as_analyst):
    for headers, body, reason in (
        ({"HTTP_X_CHANGE_REASON": "plain words"}, {}, "plain words"),
        ({"HTTP_X_CHANGE_REASON": "%E2%80%9Cgr%C3%BCn%E2%80%9D 100%25"}, {}, "“grün” 100%"),
        ({}, {"change_reason": "“grün”"}, "“grün”"),
        ({}, {"change_reason": None}, ""),
        ({}, {"change_reason": ""}, ""),
    ):
        response = as_analyst.patch("agreements/aukus/", {"title": f"T {reason}", **body}, **headers)
        assert response.status_code == 200, response.content
        written = entry(as_analyst, "agreements/aukus/")
        assert (written["reason"], written["user"], written["channel"]) == (reason, "analyst", "api")


@pytest.mark.parametrize("reason", ["x" * 2001, "a\0b", ["x"], [], {}, {"a": 1}, True, "\ud800"])
def test_a_reason_is_a_text_of_limited_length(world, as_analyst, reason):
    body = json.dumps({"title": "New", "change_reason": reason})

    field_errors(as_analyst.generic("PATCH", "agreements/aukus/", body, content_type="application/json"), "change_reason")
    field_errors(as_analyst.generic("POST", "agreements/", body.replace("New", "x"), content_type="application/json"), "change_reason")
    assert Agreement.objects.get(slug="aukus").title == "AUKUS"


def test_an_invalid_reason_in_the_header_is_handled(world, as_analyst):
    field_errors(as_analyst.patch("agreements/aukus/", {"title": "New"}, HTTP_X_CHANGE_REASON="a%00b"), "change_reason")
    for odd in ("%ff%fe", "100% of it", "%", "%zz", "\xe9"):
        assert as_analyst.patch("agreements/aukus/", {"title": f"New {odd}"}, HTTP_X_CHANGE_REASON=odd).status_code == 200


@pytest.mark.parametrize(
    ("address", "make"), [("recommendations", make_recommendation), ("components", lambda **f: make_component(make_agreement(), **f))]
)
@pytest.mark.parametrize("after", ["2031", "2030~", None, ""])
def test_changing_or_clearing_a_due_date_requires_a_reason(db, as_analyst, address, make, after):
    record = make(due_on="2030")
    at = f"{address}/{record.slug}/"

    for reason in ("", " ", None):
        response = as_analyst.patch(at, {"due_on": after, "change_reason": reason})
        assert response.status_code == 400, response.content
        body = response.json()
        assert set(body) == {"code", "detail", "due_on"} and body["code"] == "reason_required" and body["due_on"] == [body["detail"]]
    assert as_analyst.get(at).json()["due_on"] == "2030"
    moved = as_analyst.patch(at, {"due_on": after, "change_reason": "the minister said so"})
    assert moved.status_code == 200, moved.content
    assert moved.json()["due_on"] == (after or None) and moved.json()["original_due_on"] == "2030"


def test_the_first_due_date_needs_no_reason_and_is_the_original(db, as_analyst):
    at = f"recommendations/{make_recommendation().slug}/"

    first = as_analyst.patch(at, {"due_on": "2030"}).json()
    emptied = as_analyst.patch(at, {"due_on": None}, **REASON).json()
    again = as_analyst.patch(at, {"due_on": "2032"}).json()

    assert (first["original_due_on"], emptied["due_on"], emptied["original_due_on"]) == ("2030", None, "2030")
    assert (again["due_on"], again["original_due_on"]) == ("2032", "2030")


# ---- the archive


@pytest.mark.parametrize("address", PUBLISHED)
def test_reviewers_and_administrators_archive_and_restore_with_a_reason(world, as_analyst, as_reviewer, as_administrator, address):
    resource = RESOURCES[address]
    made = as_analyst.post(f"{address}/", resource.required | {"publication": "published"}).json()
    at = resource.at(made)

    for here, there in (("published", "archived"), ("archived", "published")):
        forbidden = as_analyst.patch(at, {"publication": there}, **REASON)
        assert forbidden.status_code == 403 and forbidden.json()["code"] == "not_permitted"
        for who in (as_reviewer, as_administrator):
            silent = who.patch(at, {"publication": there})
            assert silent.status_code == 400 and silent.json()["code"] == "reason_required", silent.content
            assert set(silent.json()) == {"code", "detail", "publication"}
        assert as_analyst.get(at).json()["publication"] == here
        assert as_reviewer.patch(at, {"publication": there}, **REASON).json()["publication"] == there
    forbidden = as_analyst.post(f"{address}/", resource.required | {resource.key: "other", "publication": "archived"}, **REASON)
    assert forbidden.status_code == 403 and not as_analyst.keys(f"{address}/", slug="other")


@pytest.mark.parametrize("address", PUBLISHED)
def test_an_archived_record_is_readable_and_cannot_be_edited(world, as_analyst, as_administrator, as_reader, address):
    resource = RESOURCES[address]
    made = as_administrator.post(f"{address}/", resource.full | {"publication": "published"}).json()
    at = resource.at(made)
    assert as_administrator.patch(at, {"publication": "archived"}, **REASON).status_code == 200

    assert as_reader.get(at).status_code == 200
    title = {"recommendations": "key_action"}.get(address, "title")
    for who in (as_analyst, as_administrator):
        for body in ({"visibility": "internal"}, {title: "New"}):
            closed = who.patch(at, body, **REASON)
            assert closed.status_code == 409 and closed.json()["code"] == "closed_record", closed.content
            assert set(closed.json()) >= {"code", "detail"}
        gone = who.delete(at)
        assert gone.status_code == 409 and gone.json()["code"] == "archive_instead"
    assert as_analyst.patch(at, {}).status_code == 200
    assert as_administrator.patch(at, {"publication": "published"}, **REASON).status_code == 200


def test_children_of_an_archived_record_cannot_be_edited(world, as_analyst, as_administrator):
    world.step = Milestone.objects.create(recommendation=world.act, title="The keel is laid")
    make_outcome(world.aukus, slug="calmer")
    hanging = {
        "aukus": [
            ("components/", {"slug": "new", "agreement": "aukus", "title": "x"}, f"components/{world.part.slug}/", {"title": "x"}),
            (
                "participations/",
                {"agreement": "aukus", "party": "GBR", "role": "host"},
                f"participations/{world.participation.uid}/",
                {"note": "x"},
            ),
            (
                "agreement-relations/",
                {"from": "quad", "to": "aukus", "kind": "amends"},
                f"agreement-relations/{world.relation.uid}/",
                {"note": "x"},
            ),
            ("outcomes/", {"slug": "new", "agreement": "aukus", "statement": "x"}, "outcomes/calmer/", {"statement": "x"}),
            (
                "fact-checks/",
                {"slug": "new", "agreement": "aukus", "source": "gazette", "statement": "x"},
                "fact-checks/when/",
                {"correction": "x"},
            ),
            ("citations/", {"agreement": "aukus", "source": "gazette"}, f"citations/{world.citation.uid}/", {"field": "x"}),
            ("citations/", {"outcome": "safer", "source": "gazette"}, None, None),
            ("citations/", {"participation": str(world.participation.uid), "source": "gazette"}, None, None),
        ],
        "communique": [
            ("fact-checks/", {"slug": "new", "source": "communique", "statement": "x"}, "fact-checks/when/", {"correction": "x"}),
            ("citations/", {"agreement": "quad", "source": "communique"}, f"citations/{world.citation.uid}/", {"field": "x"}),
        ],
        "act": [
            ("addressees/", {"recommendation": "act", "party": "GBR"}, f"addressees/{world.addressee.uid}/", {"response": "noted"}),
            ("milestones/", {"recommendation": "act", "title": "x"}, f"milestones/{world.step.uid}/", {"title": "x"}),
            ("dependencies/", {"recommendation": "act", "depends_on": "later"}, None, None),
            ("dependencies/", {"recommendation": "later", "depends_on": "act"}, None, None),
        ],
    }
    for slug, acts in hanging.items():
        address = {"aukus": "agreements", "communique": "sources", "act": "recommendations"}[slug]
        assert as_administrator.patch(f"{address}/{slug}/", {"publication": "archived"}, **REASON).status_code == 200
        for make_at, body, at, change in acts:
            answers = [as_administrator.post(make_at, body)]
            if at:
                answers += [as_analyst.patch(at, change, **REASON), as_analyst.delete(at)]
            for answer in answers:
                assert answer.status_code == 409, (slug, make_at, answer.content)
                assert answer.json()["code"] in ("closed_record", "archive_instead"), (slug, make_at, answer.content)
        assert as_administrator.patch(f"{address}/{slug}/", {"publication": "published"}, **REASON).status_code == 200


def test_records_that_only_refer_to_an_archived_record_can_be_edited(world, as_analyst, as_administrator):
    as_analyst.patch("recommendations/act/", {"source": "communique"})
    for at in ("agreements/aukus/", "sources/communique/"):
        as_administrator.patch(at, {"publication": "archived"}, **REASON)

    assert as_analyst.patch("recommendations/act/", {"key_action": "Act now"}).status_code == 200


def test_a_record_cannot_be_moved_to_an_archived_parent(world, as_analyst, as_administrator):
    as_administrator.patch("agreements/quad/", {"publication": "archived"}, **REASON)

    for at in (f"participations/{world.participation.uid}/", "outcomes/safer/", "fact-checks/when/"):
        assert as_analyst.patch(at, {"agreement": "quad"}).status_code == 409, at


# ---- deletion


@each_resource
def test_an_unreferenced_record_can_be_deleted(world, as_analyst, resource):
    made = as_analyst.post(f"{resource.address}/", resource.full).json()

    gone = as_analyst.delete(resource.at(made))

    assert gone.status_code == 204 and not gone.content
    assert as_analyst.get(resource.at(made)).status_code == 404
    assert as_analyst.delete(resource.at(made)).status_code == 404


@pytest.mark.parametrize("address", PUBLISHED)
def test_a_published_record_cannot_be_deleted(world, as_analyst, as_administrator, address):
    made = as_analyst.post(f"{address}/", RESOURCES[address].required | {"publication": "published"}).json()

    for who in (as_analyst, as_administrator):
        response = who.delete(RESOURCES[address].at(made))
        assert response.status_code == 409 and response.json()["code"] == "archive_instead"


def in_use(response):
    assert response.status_code == 409, (response.status_code, response.content)
    assert response.json()["code"] == "in_use" and response.json()["detail"]


def test_a_referenced_record_cannot_be_deleted(world, as_administrator):
    whole, part = make_agreement(slug="whole", publication="draft"), make_agreement(slug="part", publication="draft")
    make_action(whole, source=make_source(slug="paper", publication="draft"))
    AgreementRelation.objects.create(from_agreement=part, kind="part_of", to_agreement=world.aukus)
    make_component(world.aukus, slug="child", parent=make_component(world.aukus, slug="parent", publication="draft"))
    make_recommendation(parent=make_recommendation(slug="first", publication="draft"))

    for at in (
        "agreements/whole/",
        "agreements/part/",
        "sources/paper/",
        "parties/AUS/",
        "components/parent/",
        "recommendations/first/",
    ):
        in_use(as_administrator.delete(at))


@pytest.mark.parametrize(
    ("owner", "name", "target", "fields"),
    [
        ("agreements/quad/", "sectors", "sectors/water/", {}),
        ("components/pillar-one/", "lead_parties", "parties/NZL/", {}),
        ("recommendations/later/", "sectors", "sectors/water/", {}),
        ("recommendations/later/", "agreements", "agreements/draft-one/", {}),
        ("recommendations/later/", "components", "components/draft-part/", {}),
    ],
)
def test_a_linked_record_cannot_be_deleted(world, as_administrator, owner, name, target, fields):
    make_party("NZL")
    make_agreement(slug="draft-one", publication="draft")
    make_component(world.quad, slug="draft-part", publication="draft")
    linked = as_administrator.patch(owner, {name: [target.split("/")[1]]}).json()

    in_use(as_administrator.delete(target))

    assert as_administrator.get(owner).json() == linked
    assert as_administrator.patch(owner, {name: []}).status_code == 200
    assert as_administrator.delete(target).status_code == 204


def test_deleting_a_record_deletes_its_own_links(world, as_analyst):
    made = as_analyst.post("agreements/", RESOURCES["agreements"].full).json()

    assert as_analyst.delete(RESOURCES["agreements"].at(made)).status_code == 204
    assert as_analyst.get("sectors/water/").status_code == 200


def test_a_recommendation_with_updates_cannot_be_deleted(world, as_administrator, analyst):
    draft = make_recommendation(slug="drafted", publication="draft")
    report_progress(draft, Report(status="in_progress", narrative="Begun."), by=analyst, today=date(2025, 3, 1))

    in_use(as_administrator.delete("recommendations/drafted/"))


def test_a_supersedes_relation_is_required_by_the_status(world, as_analyst):
    made = as_analyst.post("agreement-relations/", {"from": "quad", "kind": "supersedes", "to": "aukus"}).json()
    assert as_analyst.patch("agreements/aukus/", {"status": "superseded"}).status_code == 200

    in_use(as_analyst.delete(f"agreement-relations/{made['uid']}/"))
    assert as_analyst.patch(f"agreement-relations/{made['uid']}/", {"kind": "amends"}).status_code in (400, 409)

    assert as_analyst.patch("agreements/aukus/", {"status": "unknown"}).status_code == 200
    assert as_analyst.delete(f"agreement-relations/{made['uid']}/").status_code == 204


def test_readers_and_officers_cannot_write_registry_records(world, as_reader, as_officer):
    for client in (as_reader, as_officer):
        for resource in RESOURCES.values():
            assert client.post(f"{resource.address}/", resource.full).status_code == 403
        for at in (
            "agreements/aukus/",
            f"participations/{world.participation.uid}/",
            "parties/AUS/",
            "recommendations/act/",
            "sources/gazette/",
        ):
            for write in (client.put, client.patch, client.delete):
                response = write(at, {"title": "x"})
                assert response.status_code == 403 and set(response.json()) == {"code", "detail"}
    assert Party.objects.count() == 2 and Participation.objects.get().version == 1

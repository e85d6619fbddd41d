"""Bad input in the admin: a message explains it, and nothing typed is lost.

Files and imports: tests/admin/test_import.py. The end of the session: test_unsaved_input.py.
"""

import pytest
from django.test import Client

from agreements.models import Agreement
from recommendations.models import ProgressUpdate, Recommendation
from tests.admin.page import add, change, edit, errors_of, report_data, typed
from tests.make import make_agreement, make_recommendation

TYPED = "typed with care"
SCRIPT = "<script>alert('x')</script> <b onclick=alert(1)>bold</b>"


@pytest.fixture
def client(analyst) -> Client:
    client = Client()
    client.force_login(analyst, backend="django.contrib.auth.backends.ModelBackend")
    return client


# ---- a form posted twice


@pytest.mark.parametrize("kind", ["assessment", "note"])
def test_an_update_that_is_posted_twice_is_saved_once(kind, client, db):
    recommendation = make_recommendation()
    status = {"status": "planned"} if kind == "assessment" else {}
    sent = report_data(client.get(change(recommendation)), kind=kind, narrative=TYPED, **status)

    client.post(change(recommendation), sent)
    again = client.post(change(recommendation), sent)

    assert recommendation.updates.count() == 1
    assert again.status_code == 200
    assert again.context["report"].errors.keys() == {"__all__"}
    assert TYPED in again.content.decode()


def test_a_new_record_that_is_posted_twice_is_created_once(client, db):
    sent = typed(client.get(add(Recommendation))) | {"slug": "rec", "key_action": TYPED, "agreements": [make_agreement().pk]}

    client.post(add(Recommendation), sent)
    again = client.post(add(Recommendation), sent)

    assert Recommendation.objects.count() == 1
    assert errors_of(again).keys() == {"slug"}
    assert TYPED in again.content.decode()


def test_a_changed_record_that_is_posted_twice_is_changed_once(client, db):
    agreement = make_agreement()
    sent = typed(client.get(edit(agreement))) | {"summary": TYPED}

    client.post(edit(agreement), sent)
    agreement.refresh_from_db()
    version = agreement.version
    again = client.post(edit(agreement), sent)

    agreement.refresh_from_db()
    assert (agreement.summary, agreement.version) == (TYPED, version)
    assert again.status_code in (200, 302)


# ---- a record that was deleted or restricted meanwhile


@pytest.mark.parametrize("meanwhile", ["deleted", "restricted"])
def test_input_for_a_record_that_is_gone_is_shown_to_be_copied(meanwhile, client, db):
    agreement = make_agreement(publication="draft")
    sent = typed(client.get(edit(agreement))) | {"summary": f"{TYPED} {SCRIPT}"}
    address, rows = edit(agreement), Agreement.objects.filter(pk=agreement.pk)
    rows.delete() if meanwhile == "deleted" else rows.update(visibility="restricted")

    page = client.post(address, sent)

    assert page.status_code == 404
    assert TYPED in page.content.decode()
    assert SCRIPT not in page.content.decode()


def test_an_update_of_a_record_that_is_gone_is_shown_to_be_copied(client, db):
    recommendation = make_recommendation(publication="draft")
    sent = report_data(client.get(change(recommendation)), status="planned", narrative=TYPED)
    Recommendation.objects.update(visibility="restricted")

    page = client.post(change(recommendation), sent)

    assert page.status_code == 404
    assert TYPED in page.content.decode()
    assert not ProgressUpdate.objects.exists()


# ---- texts and dates


def test_html_and_scripts_in_a_text_are_kept_and_shown_as_text(client, db):
    recommendation = make_recommendation(key_action=SCRIPT, details=SCRIPT)
    client.post(change(recommendation), report_data(client.get(change(recommendation)), status="planned", narrative=SCRIPT))

    pages = [client.get(address).content.decode() for address in (change(recommendation), edit(recommendation), "/admin/changes/")]

    assert recommendation.updates.get().narrative == SCRIPT
    assert [page for page in pages if "<script>alert" in page or "<b onclick" in page] == []
    assert "&lt;script&gt;alert" in pages[0]


def test_a_text_of_five_megabytes_is_rejected_at_its_field(client, db):
    recommendation, agreement = make_recommendation(), make_agreement()
    text = "long " * 1_000_000
    update = report_data(client.get(change(recommendation)), status="planned", narrative=text)
    record = typed(client.get(edit(agreement))) | {"summary": text}

    rejected = client.post(change(recommendation), update)
    unsaved = client.post(edit(agreement), record)

    assert rejected.context["report"].errors.keys() == {"narrative"}
    assert errors_of(unsaved).keys() == {"summary"}
    assert text.strip() in rejected.content.decode()
    assert text.strip() in unsaved.content.decode()


@pytest.mark.parametrize(("entered", "stored"), [("22 Oct 2024", "2024-10-22"), ("2024-10-22", "2024-10-22"), ("22.10.2024", "2024-10-22")])
def test_common_forms_of_a_date_are_accepted(entered, stored, client, db):
    recommendation = make_recommendation()

    client.post(
        change(recommendation), report_data(client.get(change(recommendation)), status="planned", narrative="x", reported_on=entered)
    )

    assert str(recommendation.updates.get().reported_on) == stored


@pytest.mark.parametrize("entered", ["10/11/2024", "soon", "31 Feb 2024", "2024-10", "22 Oct 2999"])
def test_an_ambiguous_or_impossible_date_is_rejected_at_its_field(entered, client, db):
    recommendation = make_recommendation()
    sent = report_data(client.get(change(recommendation)), status="planned", narrative=TYPED, reported_on=entered)

    rejected = client.post(change(recommendation), sent)

    assert rejected.context["report"].errors.keys() == {"reported_on"}
    assert TYPED in rejected.content.decode()
    assert entered in rejected.content.decode()
    assert not recommendation.updates.exists()

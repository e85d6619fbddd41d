"""Record forms: constraints, stale edits, hidden references, deletion, and keeping the input."""

import re

import pytest
from django import forms
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile

from agreements.models import Agreement, AgreementRelation, Component, Participation, Party, Source, TreatyAction
from policytracker.admin.forms import Day, Duration, PartialDate, VerbatimField
from policytracker.records.changes import Change
from policytracker.records.context import change_context
from policytracker.records.models import Record
from recommendations.models import Recommendation
from tests.admin.page import add, admin_request, change, changes, delete, edit, errors_of, messages_of, rows_in_list, tab, typed
from tests.make import make_agreement, make_component, make_party, make_recommendation, make_source


def test_a_change_records_user_reason_and_channel(analyst, signed_in):
    client, agreement = signed_in(analyst), make_agreement(title="Before")

    form = typed(client.get(edit(agreement))) | {"title": "After", "change_reason": "as the text states"}
    response = client.post(change(agreement), form)

    assert response.status_code == 302
    newest = Change.objects.filter(tbl="agreements_agreement", row_id=agreement.pk).latest("id")
    assert newest.changed == {"title": "After"}
    assert {key: newest.actor[key] for key in ("user", "reason", "channel")} == {
        "user": "analyst",
        "reason": "as the text states",
        "channel": "admin",
    }


def test_saving_an_unchanged_form_changes_nothing(analyst, signed_in):
    client = signed_in(analyst)
    agreement = make_agreement(summary="One line\nand another, with a space behind it ")
    party = make_party("KOR", name="Republic of Korea", aliases=["Korea, Republic of", "South Korea"])
    recommendation = make_recommendation(agreement, due_on="2030", quote=' "so it says" ')
    before = Change.objects.count()

    for record in (agreement, party, recommendation):
        form = typed(client.get(f"{change(record)}?tab=edit"))
        form = {k: v.replace("\n", "\r\n") if isinstance(v, str) else v for k, v in form.items()}
        assert client.post(change(record), form).status_code == 302

    assert Change.objects.count() == before
    assert Party.objects.get(code="KOR").aliases == ["Korea, Republic of", "South Korea"]


def test_every_field_of_several_lines_converts_the_line_ends_of_browsers():
    def subclasses(form):
        return {form}.union(*map(subclasses, form.__subclasses__()))

    own = [form for form in subclasses(forms.Form) if form.__module__.startswith(("policytracker", "agreements", "recommendations"))]
    fields = {(form, name): field for form in own for name, field in form.base_fields.items()}
    multiline = {place: field for place, field in fields.items() if isinstance(field.widget, forms.Textarea)}

    assert {name for _, name in multiline} == {"narrative", "quote", "response_text"}
    assert [place for place, field in multiline.items() if not isinstance(field, VerbatimField)] == []


def test_the_key_of_an_existing_record_is_read_only(analyst, signed_in):
    client, agreement = signed_in(analyst), make_agreement(slug="aukus")

    form = typed(client.get(edit(agreement)))
    client.post(change(agreement), form | {"slug": "other"})

    assert "slug" not in form
    assert Agreement.objects.get().slug == "aukus"


def test_a_violated_constraint_is_shown_on_its_field_and_keeps_the_input(analyst, signed_in):
    client, agreement = signed_in(analyst), make_agreement(legal_force="non_binding")

    form = typed(client.get(edit(agreement))) | {"status": "in_force", "summary": "typed with care"}
    response = client.post(change(agreement), form)

    assert list(errors_of(response)) == ["status"]
    assert b"typed with care" in response.content


def test_a_violated_trigger_constraint_is_shown_on_its_field(analyst, signed_in):
    client, agreement = signed_in(analyst), make_agreement(legal_force="binding")

    form = typed(client.get(edit(agreement))) | {"status": "superseded", "summary": "typed with care"}
    response = client.post(change(agreement), form)

    assert list(errors_of(response)) == ["status"]
    assert b"typed with care" in response.content
    assert Agreement.objects.get().status == "unknown"
    assert not messages_of(client.get("/admin/"))


def test_a_circular_parent_is_rejected(analyst, signed_in):
    client, agreement = signed_in(analyst), make_agreement()
    upper = make_component(agreement)
    lower = make_component(agreement, parent=upper)

    response = client.post(change(upper), typed(client.get(change(upper))) | {"parent": lower.pk})

    assert list(errors_of(response)) == ["parent"]


def test_moving_a_due_date_requires_a_reason(analyst, signed_in):
    client, recommendation = signed_in(analyst), make_recommendation(due_on="2030-01-01")

    form = typed(client.get(edit(recommendation))) | {"due_on": "2031-01-01", "details": "typed with care"}
    refused = client.post(change(recommendation), form)
    again = typed(refused) | {"change_reason": "the minister postponed it"}
    accepted = client.post(change(recommendation), again)

    assert list(errors_of(refused)) == ["change_reason"]
    assert b"typed with care" in refused.content
    assert accepted.status_code == 302
    recommendation.refresh_from_db()
    assert (recommendation.due_on, recommendation.original_due_on) == ("2031-01-01", "2030-01-01")


def test_archiving_requires_a_reason_and_a_reviewer(analyst, reviewer, signed_in):
    agreement = make_agreement()
    as_analyst, as_reviewer = signed_in(analyst), signed_in(reviewer)
    form = typed(as_reviewer.get(edit(agreement))) | {"publication": "archived"}

    refused = as_analyst.post(change(agreement), form | {"change_reason": "old"})
    unexplained = as_reviewer.post(change(agreement), form)
    accepted = as_reviewer.post(change(agreement), form | {"change_reason": "old"})
    closed = as_reviewer.post(change(agreement), typed(as_reviewer.get(edit(agreement))) | {"title": "Other"})

    assert list(errors_of(refused)) == ["publication"]
    assert list(errors_of(unexplained)) == ["change_reason"]
    assert accepted.status_code == 302
    assert list(errors_of(closed)) == ["__all__"]


def test_a_stale_form_is_rejected_with_the_changes_and_accepted_when_sent_again(analyst, reviewer, signed_in):
    client, agreement = signed_in(analyst), make_agreement(title="Before", summary="old")
    form = typed(client.get(edit(agreement))) | {"summary": "typed with care"}
    other = signed_in(reviewer)
    other.post(change(agreement), typed(other.get(edit(agreement))) | {"title": "Between", "change_reason": "misprint"})

    refused = client.post(change(agreement), form)
    agreement.refresh_from_db()
    untouched = agreement.summary
    accepted = client.post(change(agreement), typed(refused))
    agreement.refresh_from_db()

    (error,) = errors_of(refused)["__all__"]
    assert all(part in error for part in ("reviewer", "Before → Between", "misprint"))
    assert b"typed with care" in refused.content
    assert untouched == "old"
    assert accepted.status_code == 302
    assert agreement.summary == "typed with care"


def test_a_stale_inline_row_is_rejected(analyst, signed_in):
    client, agreement = signed_in(analyst), make_agreement()
    participation = Participation.objects.create(agreement=agreement, party=make_party("AUS"), role="party")
    form = typed(client.get(tab(agreement, "participations")))
    Participation.objects.filter(pk=participation.pk).update(role="observer")

    refused = client.post(tab(agreement, "participations"), form)

    assert refused.status_code == 200
    assert b"role: party" in refused.content
    assert Participation.objects.get().role == "observer"


def test_inline_rows_are_added_and_changed_with_the_record(analyst, signed_in):
    client, agreement = signed_in(analyst), make_agreement()
    for i in range(25):
        Participation.objects.create(agreement=agreement, party=make_party(f"X{i:02}"), role="party")
    second = f"{tab(agreement, 'participations')}&participations-page=2"

    form = typed(client.get(second))
    last = "participations-9"
    new = {"participations-TOTAL_FORMS": "11", "participations-10-party": make_party("NZL").pk, "participations-10-role": "observer"}
    response = client.post(second, form | {f"{last}-role": "observer"} | new)

    assert response.status_code == 302, [f.errors for f in response.context["inline_admin_formsets"][0].formset]
    assert Participation.objects.filter(role="observer").count() == 2
    assert Participation.objects.count() == 26


def test_overlapping_periods_are_rejected(analyst, signed_in):
    client, agreement, party = signed_in(analyst), make_agreement(), make_party("AUS")
    form = typed(client.get(tab(agreement, "participations"))) | {"participations-TOTAL_FORMS": "2"}
    for i, since in enumerate(("2020", "2021")):
        form |= {f"participations-{i}-party": party.pk, f"participations-{i}-role": "party", f"participations-{i}-since": since}

    response = client.post(tab(agreement, "participations"), form)

    assert response.status_code == 200
    assert response.context["error_summary"]
    assert not Participation.objects.exists()


def test_a_hidden_reference_is_kept_and_not_shown(analyst, signed_in):
    hidden, seen = make_agreement(title="Hidden text", visibility="restricted"), make_agreement(title="Seen text")
    paper = make_source(title="Hidden paper", visibility="restricted")
    recommendation = make_recommendation(hidden, seen, source=paper, locator="p. 9", quote="word for word")
    client = signed_in(analyst)

    page = client.get(edit(recommendation))
    form = typed(page)
    form.pop("source", None)
    response = client.post(change(recommendation), form | {"details": "more"})

    assert b"Hidden" not in page.content
    assert b"word for word" not in page.content
    assert form["agreements"] == [str(seen.pk)]
    assert response.status_code == 302
    recommendation.refresh_from_db()
    assert set(recommendation.agreements.all()) == {hidden, seen}
    assert (recommendation.source, recommendation.locator, recommendation.quote) == (paper, "p. 9", "word for word")
    assert recommendation.details == "more"


def test_a_hidden_record_cannot_be_selected(analyst, signed_in):
    hidden, recommendation = make_agreement(visibility="restricted"), make_recommendation()
    client = signed_in(analyst)

    response = client.post(change(recommendation), typed(client.get(edit(recommendation))) | {"agreements": [hidden.pk]})

    assert "agreements" in errors_of(response)
    assert not recommendation.agreements.exists()


def test_a_reference_that_is_not_a_number_is_an_error_of_its_field(analyst, signed_in):
    response = signed_in(analyst).post(add(Component), {"agreement": "nothing"})

    assert response.status_code == 200
    assert "agreement" in errors_of(response)


@pytest.mark.parametrize("publication", ["published", "archived"])
def test_a_published_record_cannot_be_deleted(publication, reviewer, signed_in):
    client, agreement = signed_in(reviewer), make_agreement(publication=publication)

    response = client.post(delete(agreement), {"post": "yes"}, follow=True)

    assert messages_of(response)
    assert Agreement.objects.exists()


def test_a_draft_can_be_deleted_unless_other_records_refer_to_it(analyst, signed_in):
    client = signed_in(analyst)
    alone, referred = make_agreement(publication="draft"), make_agreement(publication="draft")
    Participation.objects.create(agreement=referred, party=make_party("AUS"), role="party")

    page = client.get(delete(alone))
    client.post(delete(alone), {"post": "yes"})
    refused = client.post(delete(referred), {"post": "yes"}, follow=True)

    assert page.status_code == 200
    assert set(Agreement.objects.all()) == {referred}
    assert messages_of(refused)


def test_the_page_that_deletes_a_record_in_use_shows_what_uses_it(analyst, signed_in):
    client, party = signed_in(analyst), make_party("AUS")
    Participation.objects.create(agreement=make_agreement(), party=party, role="party")

    page = client.get(delete(party))
    unused = client.get(delete(make_party("NZL")))

    (tile,) = page.context["used_by"]
    assert (tile.count, rows_in_list(tile.url, analyst)) == (1, 1)
    assert f'href="{tile.url}"' in page.text
    assert ['name="post"' in content.text for content in (page, unused)] == [False, True]


def test_the_page_that_deletes_a_record_asks_for_a_reason(analyst, signed_in):
    client, draft = signed_in(analyst), make_agreement(publication="draft")

    page = client.get(delete(draft))
    client.post(delete(draft), {"post": "yes", "change_reason": "Entered twice."})

    deletion = Change.objects.filter(tbl="agreements_agreement", row_id=draft.pk).latest("id")
    assert 'name="change_reason"' in page.text
    assert deletion.actor["reason"] == "Entered twice."


def test_a_relation_that_a_status_depends_on_cannot_be_deleted(analyst, signed_in):
    client, old, new = signed_in(analyst), make_agreement(), make_agreement()
    relation = AgreementRelation.objects.create(from_agreement=new, kind="supersedes", to_agreement=old)
    with change_context():
        Agreement.objects.filter(pk=old.pk).update(status="superseded")

    response = client.post(delete(relation), {"post": "yes"}, follow=True)

    assert messages_of(response)
    assert AgreementRelation.objects.exists()


def test_a_new_record_is_created_and_a_duplicate_key_rejected(analyst, signed_in):
    client, agreement = signed_in(analyst), make_agreement(slug="taken")
    form = typed(client.get(add(Component))) | {"agreement": agreement.pk, "title": "A component"}

    made = client.post(add(Component), form | {"slug": "new"})
    make_component(agreement, slug="taken", publication="draft")
    refused = client.post(add(Component), form | {"slug": "taken"})

    assert made.status_code == 302
    assert Component.objects.filter(slug="new", publication="draft").exists()
    assert "slug" in errors_of(refused)


def test_the_status_fields_are_not_in_the_form(analyst, signed_in):
    client, recommendation = signed_in(analyst), make_recommendation()

    form = typed(client.get(edit(recommendation)))
    client.post(change(recommendation), form | {"status": "implemented", "closed_on": "2025-01-01"})

    assert Recommendation.objects.get().status == "not_assessed"
    assert not {"status", "claimed_status", "closed_on", "progress_percent"} & set(form)


def test_a_file_is_uploaded_and_linked_only_through_the_api(analyst, reader, signed_in, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    client, source = signed_in(analyst), make_source(slug="paper")
    paper = SimpleUploadedFile("paper.pdf", b"%PDF-1.4 as it was")

    form = typed(client.get(edit(source)))
    taken = client.post(change(source), form | {"file": paper})
    refused = client.post(change(source), typed(client.get(edit(source))) | {"file": SimpleUploadedFile("paper.exe", b"MZ")})

    source.refresh_from_db()
    assert taken.status_code == 302
    assert len(source.sha256) == 64
    assert "file" in errors_of(refused)
    for user in (analyst, reader):
        page = signed_in(user).get(edit(source)).content.decode()
        assert 'href="/api/v1/sources/paper/file/"' in page
        assert f'href="{source.file.url}"' not in page


def test_lists_have_no_facet_counts(analyst, signed_in):
    page = signed_in(analyst).get(changes(Agreement, "?_facets=True"), follow=True)

    assert b"Show counts" not in page.content
    assert not page.context["cl"].add_facets


def test_a_required_code_without_a_default_is_not_selected_in_advance(analyst, signed_in):
    client = signed_in(analyst)

    page = client.get(add(TreatyAction))
    response = client.post(add(TreatyAction), {"agreement": make_agreement().pk, "kind": ""})

    form = page.context["adminform"].form
    assert form.fields["kind"].choices[0][0] == "" and form["kind"].value() is None
    assert response.context["adminform"].form.errors["kind"].as_data()[0].code == "required"


def test_a_duration_is_shown_in_words_and_does_not_count_as_a_change():
    field = Duration()

    assert field.prepare_value("P1Y6M") == "1 year 6 months" and field.prepare_value("soon") == "soon"
    assert not field.has_changed("P30D", "30 days")


def test_each_date_field_says_its_format(analyst, signed_in):
    form = signed_in(analyst).get(add(Source)).context_data["adminform"].form
    published, retrieved = form["published_on"], form["retrieved_on"]

    assert "YYYY-MM-DD" in str(published) and "YYYY-MM-DD" in str(retrieved)
    assert "2026-05 or 2026" in str(published.help_text)
    assert "2026-05 or 2026" not in str(retrieved.help_text)


def test_the_help_of_a_field_is_linked_to_its_input(analyst, signed_in):
    page = signed_in(analyst).get(add(Source)).text

    described = set(re.findall(r'aria-describedby="(\w+)"', page))

    assert "id_published_on_helptext" in described
    assert described <= set(re.findall(r'id="(\w+)"', page))


def test_every_date_field_has_a_date_picker(administrator):
    request, without, checked = admin_request(administrator), [], 0

    for model, page in admin.site._registry.items():
        offered = issubclass(model, Record) and page.has_add_permission(request)
        for name, field in page.get_form(request).base_fields.items() if offered else ():
            if isinstance(field, PartialDate | Day):
                checked += 1
                without += [] if "vDateField" in field.widget.attrs["class"].split() else [(model, name)]

    assert without == [] and checked > 20

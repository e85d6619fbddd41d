"""The past in the desk: every page with `as_of` shows the register of that moment, only for reading, and its links keep the moment."""

import re
from datetime import UTC, date, datetime
from html import unescape
from random import Random
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.contrib import admin
from django.test import Client

from agreements.models import Agreement, Component, PartyOfficer
from policytracker.accounts.models import User
from policytracker.records.access import Role
from policytracker.records.changes import Change
from policytracker.records.context import change_context
from recommendations.models import Recommendation
from recommendations.progress import Report, report_progress, void
from tests.admin.page import add, change, changes, delete, edit, history, tab
from tests.api.world import make_world
from tests.conftest import make_user
from tests.history.conftest import mark
from tests.make import change_with_reason, make_agreement, make_component, make_recommendation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("story")]
ROLES = [Role.READER, Role.OFFICER, Role.ANALYST, Role.REVIEWER, Role.ADMINISTRATOR]
PAGES = 60  # of the random walk of each role
LINK = re.compile(r'(?:<(a)\b[^>]*?\s|\s)(href|data-load|data-count|hx-get|data-ajax--url)="([^"]*)"')
TODAY_LINK = re.compile(r'data-today href="([^"]*)"')


@pytest.fixture(scope="module")
def story(committed):
    """A register at the moment `then`, which has changed in every way since."""
    s = make_world()
    s.users = {role: make_user(role.replace(" ", "-"), role) for role in ROLES}
    PartyOfficer.objects.create(user=s.users[Role.OFFICER], party=s.aus)
    s.hidden_then = make_agreement(slug="hidden-then", title="Once a secret", visibility="restricted")
    s.hidden_now = make_agreement(slug="hidden-now", title="Openly agreed")
    s.part = make_component(s.hidden_now, slug="part-of-hidden", title="Open part")
    s.draft = make_agreement(slug="draft", title="Draft that vanished", publication="draft")
    s.moved = make_component(s.aukus, slug="moved-part", title="Part that moves")
    report = Report(status="in_progress", narrative="Work began.", reported_on=date(2025, 1, 1))
    s.update = report_progress(s.act, report, by=s.users[Role.ANALYST], today=date.today())
    Recommendation.objects.filter(pk=s.act.pk).update(
        key_action="Build the old yard at the coast", details="One two three four five six.", due_on="2001-01-01", priority="low"
    )
    Agreement.objects.filter(pk=s.aukus.pk).update(title="The old title", short_title="Oldname")
    s.then = mark()

    with change_context(s.users[Role.ANALYST], "A new plan."):
        Recommendation.objects.filter(pk=s.act.pk).update(
            key_action="Build the new yard at the coast", details="One two three 4 five six.", due_on="2999-01-01"
        )
    void(s.update, by=s.users[Role.REVIEWER], reason="It was wrong.")
    Agreement.objects.filter(pk=s.aukus.pk).update(title="The present title", short_title="Presentname")
    s.new = make_recommendation(s.aukus, slug="brand-new", key_action="Novel proposal")
    s.moved.agreement = s.quad
    s.moved.save()
    change_with_reason(Agreement.objects.filter(pk=s.hidden_then.pk), visibility="public")
    change_with_reason(Agreement.objects.filter(pk=s.hidden_now.pk), visibility="restricted")
    s.gone = (s.draft.pk, s.draft.slug)
    with change_context(s.users[Role.ADMINISTRATOR], "Not needed."):
        Agreement.objects.get(pk=s.draft.pk).delete()
    s.late = mark()
    return s


def text_of(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def at(address: str, moment: datetime | str) -> str:
    text = moment if isinstance(moment, str) else text_of(moment)
    before, hash_sign, fragment = address.partition("#")
    return f"{before}{'&' if '?' in before else '?'}as_of={quote(text)}{hash_sign}{fragment}"


@pytest.fixture
def clients(story):
    """A client for each role."""
    found = {}
    for role, user in story.users.items():
        found[role] = Client()
        found[role].force_login(User.objects.get(pk=user.pk), backend="django.contrib.auth.backends.ModelBackend")
    return found


@pytest.fixture
def analyst(clients):
    return clients[Role.ANALYST]


def shown(client, address: str, moment=None, status: int = 200) -> str:
    response = client.get(address if moment is None else at(address, moment))
    assert response.status_code == status, (address, response.status_code, response.content[:3000])
    return response.content.decode()


def content(page: str) -> str:
    """The page without its menu and header."""
    return page[page.index('id="content"') :]


# ---- pages and lists


def test_a_record_shows_what_the_register_contained_then(story, analyst):
    page = shown(analyst, change(story.aukus), story.then)

    assert "The old title" in page
    assert "present title" not in page
    assert "Part that moves" in shown(analyst, tab(story.aukus, "components"), story.then)
    assert "Part that moves" not in shown(analyst, tab(story.aukus, "components"))


def test_a_recommendation_shows_its_updates_and_deadline_of_then(story, analyst):
    page = shown(analyst, change(story.act), story.then)

    assert "Build the old yard" in page
    page = content(page)
    assert "Work began." in page
    assert "It was wrong." not in page
    assert "Overdue" in page
    assert "2999" not in page


def test_a_list_shows_filters_and_searches_the_rows_of_then(story, analyst):
    page = shown(analyst, changes(Recommendation), story.then)
    assert "Build the old yard" in page
    assert "Novel proposal" not in page
    assert "Build the old yard" in shown(analyst, changes(Recommendation, "?overdue=true"), story.then)
    assert "yard at the coast" not in content(shown(analyst, changes(Recommendation, "?overdue=true")))
    assert "Build the old yard" in shown(analyst, changes(Recommendation, "?q=old+yard"), story.then)
    assert "yard at the coast" not in shown(analyst, changes(Recommendation, "?q=new+yard"), story.then).partition('class="pt-cell')[2]


def test_the_numbers_of_home_and_of_their_lists_are_those_of_then(story, analyst):
    home = shown(analyst, "/admin/", story.then)
    tile = re.search(r'href="([^"]*overdue=true[^"]*)"><b>(\d+)</b>', home[home.index("team-queue") :])
    listed = analyst.get(unescape(tile[1]))

    assert "as_of=" in tile[1]
    assert int(tile[2]) == listed.context["cl"].result_count
    assert story.act in listed.context["cl"].result_list


def test_the_search_finds_the_words_of_then(story, analyst):
    def found(text: str, moment=None) -> str:
        return shown(analyst, f"/admin/search/?s={quote(text)}", moment)

    assert f"{change(story.aukus)}?as_of=" in found("oldname", story.then)
    assert "The old title" in found("oldname", story.then)
    assert change(story.aukus) not in found("presentname", story.then)
    assert change(story.aukus) in found("presentname")
    assert change(story.new) not in found("novel", story.then)


def test_fields_that_search_offer_the_records_of_then(story, analyst):
    query = "?app_label=agreements&model_name=component&field_name=agreement&term=name"

    then = analyst.get(at(f"/admin/autocomplete/{query}", story.then)).json()["results"]
    now = analyst.get(f"/admin/autocomplete/{query}").json()["results"]

    assert "Oldname" in str(then)
    assert "Oldname" not in str(now)


def test_the_exports_of_a_list_contain_the_rows_of_then(story, analyst):
    page = shown(analyst, changes(Recommendation), story.then)
    address = next(unescape(link) for _a, _attribute, link in LINK.findall(page) if "format=csv" in link)

    exported = b"".join(analyst.get(address)).decode()

    assert "Build the old yard" in exported
    assert "Novel" not in exported


def test_the_history_and_the_recent_changes_end_at_the_moment(story, analyst):
    assert "A new plan." in shown(analyst, history(story.act))
    page = shown(analyst, history(story.act), story.then)
    assert "A new plan." not in page
    assert "<ins" in page or "created" in page
    assert "Novel proposal" in shown(analyst, "/admin/changes/")
    assert "Novel proposal" not in shown(analyst, "/admin/changes/", story.then)


def test_the_counts_of_the_tabs_are_those_of_then_also_after_those_of_today(story, clients):
    reader = clients[Role.READER]
    shown(reader, change(story.aukus))

    def count(page: str) -> int:
        return int(re.search(r'Components <span class="pt-count">(\d+)', page)[1])

    assert count(shown(reader, change(story.aukus), story.then)) == count(shown(reader, change(story.aukus))) + 1


def test_values_on_a_day_combine_with_the_register_of_a_moment(story, analyst):
    def status(query: str, moment=None):
        rows = analyst.get(changes(Recommendation, query) if moment is None else at(changes(Recommendation, query), moment))
        return next(row.status for row in rows.context["cl"].result_list if row.pk == story.act.pk)

    assert status("?on=2025-06-01", story.then) == "in_progress"
    assert status("?on=2024-06-01", story.then) == "not_assessed"
    assert status("?on=2025-06-01") == "not_assessed"  # the update is voided today


# ---- the banner, the field and links


def test_the_banner_says_which_moment_it_is_and_leads_back_to_today(story, analyst):
    page = shown(analyst, tab(story.aukus, "components"), story.then)

    banner = page[page.index("pt-past") :]
    assert f"{story.then.astimezone(UTC):%H:%M} UTC" in banner
    assert unescape(TODAY_LINK.search(banner)[1]) == f"{change(story.aukus)}?tab=components"
    assert "Back to today" in banner
    assert "Compare" in banner
    assert "pt-past" not in shown(analyst, change(story.aukus))


@pytest.mark.parametrize("address", ["/admin/", "/admin/checks/", "/admin/changes/", "/admin/numbers/"])
def test_every_reading_page_has_the_field(story, analyst, address):
    page = shown(analyst, address)

    assert re.search(r'<label for="as-of">\s*Register as of', page)
    assert re.search(r'<input id="as-of" name="as_of" value=""', page)
    assert f'value="{text_of(story.then)}"' in shown(analyst, address, story.then)


@pytest.mark.parametrize(
    ("typed", "carried"),
    [("2026-11-01 14:30", "2026-11-01T14:30:00Z"), ("1 Nov 2026", "2026-11-01"), ("2026-11-01T14:30:00+02:00", "2026-11-01T12:30:00Z")],
)
def test_the_field_accepts_common_forms(typed, carried):
    from policytracker.admin.past import PastMoment

    assert PastMoment.of(typed).text == carried


def test_a_page_without_a_value_shows_today(story, analyst):
    page = shown(analyst, f"{change(story.aukus)}?as_of=")

    assert "The present title" in page
    assert "pt-past" not in page


def links_of(page: str, path: str) -> set[str]:
    """The links of a page to other pages of the site, without those that lead to today."""
    today = set(TODAY_LINK.findall(page))
    found = {unescape(link) for _a, _attribute, link in LINK.findall(page) if link not in today}
    paths = {link if link.startswith("/") else f"{path}{link}" if link.startswith("?") else link for link in found}
    return {link for link in paths if not link.startswith(("#", "/static/", "http", "data:", "mailto:")) and link}


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_every_link_of_every_page_of_the_past_keeps_the_moment_and_is_no_server_error(story, clients, role):
    client, moment = clients[role], text_of(story.then)
    client.raise_request_exception = False
    waiting, seen, failed, without, random = [at("/admin/", moment)], set(), [], [], Random(role)

    while waiting and len(seen) < PAGES:
        address = waiting.pop(random.randrange(len(waiting)))
        shape = re.sub(r"\d+", "0", urlsplit(address).path), tuple(sorted(parse_qs(urlsplit(address).query)))
        if shape in seen:
            continue
        seen.add(shape)
        response = client.get(address)
        if response.status_code not in (200, 302, 403, 404):
            failed.append((response.status_code, address))
        if response.status_code == 302:
            waiting.append(response["Location"])
        if response.streaming:
            list(response)  # the turn of an export ends with its last line
            continue
        if not response["Content-Type"].startswith("text/html"):
            continue
        for link in links_of(response.content.decode(), urlsplit(address).path):
            if parse_qs(urlsplit(link).query).get("as_of") is None:
                without.append((address, link))
            elif urlsplit(link).path.startswith(("/admin/", "/api/")):
                waiting.append(link)

    assert failed == []
    assert sorted({link for _page, link in without if "/help/" not in link and not link.endswith(("/jsi18n/", "/file/"))}) == []
    assert len(seen) == PAGES


# ---- only for reading


def test_nothing_can_be_edited_in_the_past(story, clients):
    for client in clients.values():
        for address in (change(story.act), edit(story.act), change(story.aukus), edit(story.aukus), tab(story.aukus, "components")):
            page = content(shown(client, address, story.then))
            fields = re.findall(r'<(?:textarea|select|input (?!type="hidden"))[^>]* name="([^"]*)"', page)
            assert set(fields) <= {"on"}, address
            assert "Publish with parts" not in page
        assert "Add recommendation" not in shown(client, changes(Recommendation), story.then)
        shown(client, add(Recommendation), story.then, status=403)
        shown(client, delete(story.act), story.then, status=403)
        shown(client, f"{changes(Recommendation)}import/", story.then, status=403)


@pytest.mark.parametrize("role", ROLES)
def test_a_post_with_a_moment_is_refused_and_changes_nothing(story, clients, role):
    client, number = clients[role], Change.objects.count()
    forms = [
        (edit(story.act), {"key_action": "Changed", "_save": "1", "slug": "act"}),
        (change(story.act), {"_report": "submit", "report-narrative": "x"}),
        (changes(Recommendation), {"action": "bulk_edit", "_selected_action": [story.act.pk]}),
        (f"{change(story.aukus).replace('change/', 'publish/')}", {"_publish": "1"}),
        (delete(story.new), {"post": "yes"}),
        (add(Agreement), {"title": "Added"}),
        ("/admin/account/", {"form": "profile", "first_name": "X"}),
    ]

    for address, data in forms:
        response = client.post(at(address, story.then), data)
        assert response.status_code == 403, address
        assert "Nothing was saved" in response.content.decode()
    assert Change.objects.count() == number
    assert User.objects.get(pk=story.users[role].pk).first_name == ""


def test_what_has_no_history_is_not_shown_as_of_a_moment(story, clients):
    client = clients[Role.ADMINISTRATOR]

    for address in (changes(User), change(story.users[Role.READER]), "/admin/account/", changes(admin.site._registry and PartyOfficer)):
        page = shown(client, address, story.then, status=403)
        assert "history" in content(page)
    assert changes(User) not in shown(client, "/admin/", story.then)


# ---- wrong moments, and records that were not there


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2026", "0000-00-00", "9999-01-01", "x" * 500, "2026-11-01T25:00Z", "\0"])
def test_a_wrong_moment_is_400_in_the_layout(story, analyst, text):
    page = shown(analyst, at("/admin/agreements/agreement/", text), status=400)

    assert 'id="nav-sidebar' in page or "nav-sidebar" in page
    assert 'role="alert"' in page
    assert "Open this page today" in page


def test_a_moment_given_twice_is_400(story, analyst):
    shown(analyst, "/admin/?as_of=2026-01-01&as_of=2026-01-02", status=400)


def test_a_moment_before_the_register_is_404_and_says_so(story, analyst):
    for address in ("/admin/", changes(Agreement), change(story.aukus)):
        page = shown(analyst, address, "1990-01-01", status=404)
        assert "did not exist" in content(page)
        assert "present title" not in page
        assert "Presentname" not in page


def test_a_record_that_did_not_exist_then_is_404_without_its_present_name(story, clients):
    for client in clients.values():
        for address in (change(story.new), history(story.new), edit(story.new)):
            page = shown(client, address, story.then, status=404)
            assert "did not exist" in content(page)
            assert "Novel" not in page


# ---- access, then and now


def test_a_record_that_is_hidden_now_is_hidden_in_the_past(story, clients):
    for role, client in clients.items():
        status = 200 if role == Role.ADMINISTRATOR else 404
        page = shown(client, change(story.hidden_now), story.then, status=status)
        assert ("Openly agreed" in page) == (status == 200)
        for address in (changes(Agreement), "/admin/search/?s=openly", changes(Component), "/admin/changes/"):
            page = shown(client, address, story.then)
            assert ("Openly agreed" in page or "Open part" in page) == (role == Role.ADMINISTRATOR), (role, address)


def test_a_record_that_was_hidden_then_is_hidden_in_the_past(story, clients):
    for role, client in clients.items():
        status = 200 if role == Role.ADMINISTRATOR else 404
        shown(client, change(story.hidden_then), story.then, status=status)
        shown(client, change(story.hidden_then))
        assert ("Once a secret" in shown(client, changes(Agreement), story.then)) == (role == Role.ADMINISTRATOR)


def test_reviewers_read_what_was_deleted_since(story, clients):
    pk, _slug = story.gone
    address = f"/admin/agreements/agreement/{pk}/change/"

    for role, client in clients.items():
        reviews = role in (Role.REVIEWER, Role.ADMINISTRATOR)
        page = shown(client, address, story.then, status=200 if reviews else 404)
        assert ("Draft that vanished" in page) == reviews
        shown(client, address, status=404)


def test_a_user_without_a_role_or_a_sign_in_reads_nothing(story, client):
    response = client.get(at(change(story.aukus), story.then))
    assert response.status_code == 302
    assert "as_of" in response["Location"]
    assert client.get(at("/admin/", "nonsense")).status_code == 302

    client.force_login(make_user("nobody"), backend="django.contrib.auth.backends.ModelBackend")
    shown(client, change(story.aukus), story.then, status=302)


# ---- comparing


def compared(client, page: str, first, to="", status: int = 200) -> str:
    last = to if isinstance(to, str) else text_of(to)
    return shown(client, f"/admin/compare/?page={quote(page)}&to={quote(last)}", first, status)


def test_a_record_is_compared_field_by_field_with_marked_words(story, analyst):
    page = content(compared(analyst, change(story.act), story.then))

    assert re.search(r"One two three\s+<del[^>]*>four</del>\s+<ins[^>]*>4</ins>\s+five six\.", page)
    assert re.search(r"<del[^>]*>2001-01-01</del>\s+<ins[^>]*>2999-01-01</ins>", page)
    assert "Build the" in page
    assert "Low" not in page  # it did not change


def test_an_agreement_is_compared_with_its_parts_by_record(story, analyst):
    page = content(compared(analyst, change(story.aukus), story.then))

    assert '<ins class="pt-ins">Presentname</ins>' in page
    assert "Novel proposal" in page[page.index('id="added"') : page.index('id="removed"')]
    assert "Part that moves" in page[page.index('id="removed"') : page.index('id="changed"')]
    assert "yard at the coast" in page[page.index('id="changed"') :]


def test_a_list_is_compared_with_its_filters(story, analyst):
    page = content(compared(analyst, changes(Recommendation, "?overdue=true"), story.then))

    removed = page[page.index('id="removed"') :]
    assert "yard at the coast" in removed
    assert "still exists" in removed
    assert "Novel" not in page


def test_the_register_is_compared_between_two_past_moments_in_any_order(story, clients):
    first, last = text_of(story.then), text_of(story.late)
    client = clients[Role.ADMINISTRATOR]

    forward, backward = (content(compared(client, "/admin/", *moments)) for moments in ((first, last), (last, first)))

    for page in (forward, backward):
        assert "Novel proposal" in page[page.index('id="added"') : page.index('id="removed"')]
        assert "Draft that vanished" in page[page.index('id="removed"') : page.index('id="changed"')]
    assert "Novel proposal" not in content(compared(client, "/admin/", story.late))


def test_a_comparison_shows_no_record_that_the_reader_may_not_read(story, clients):
    for role in (Role.READER, Role.OFFICER, Role.ANALYST):
        for page in ("/admin/", changes(Agreement), changes(Component)):
            text = compared(clients[role], page, story.then)
            assert "Openly agreed" not in text
            assert "Open part" not in text
            assert "Draft that vanished" not in text
        compared(clients[role], change(story.hidden_now), story.then, status=404)


def test_a_comparison_with_a_wrong_moment_or_page_is_refused(story, analyst):
    compared(analyst, change(story.act), story.then, "nonsense", status=400)
    compared(analyst, change(story.new), story.then, status=404)
    assert "The whole register" in compared(analyst, "https://example.org/", story.then)
    assert analyst.get("/admin/compare/?page=/admin/").status_code == 302

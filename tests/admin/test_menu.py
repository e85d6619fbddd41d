"""The menu: at most nine entries, and everything else on the page *More*."""

import re

import pytest
from django.contrib import admin
from django.urls import reverse

from agreements.models import Agreement, Component, Party, Source
from policytracker.admin import menu
from recommendations.models import Recommendation
from tests.admin.page import add, admin_request, change, changes
from tests.make import make_agreement

ROLES = ["reader", "party officer", "analyst", "reviewer", "administrator"]
ORDER = ["Home", "Late", "Agreements", "Recommendations", "Parties", "Sources", "Changes", "Data checks", "More"]


def links(page: str) -> list[tuple[str, str, bool]]:
    """The entries of the menu: title, address, and whether it is the current one."""
    nav = page.partition('<nav id="nav-sidebar-inner"')[2].partition("</nav>")[0]
    found = re.findall(r'<a href="([^"]+)"( aria-current="page")?>.*?</span>([^<]+)</a>', nav)
    return [(title.strip(), address, bool(current)) for address, current, title in found]


@pytest.mark.parametrize("role", ROLES)
def test_the_menu_has_at_most_nine_entries_in_the_order_of_work(role, users, signed_in):
    titles = [title for title, *_ in links(signed_in(users[role]).get("/admin/").text)]

    assert titles == [title for title in ORDER if title in titles]
    assert {"Home", "Agreements", "Recommendations", "Parties", "Sources", "Changes", "Data checks", "More"} <= set(titles)


@pytest.mark.parametrize("role", ROLES)
def test_every_list_that_a_role_may_open_is_in_the_menu_or_under_more(role, users, signed_in):
    client, request = signed_in(users[role]), admin_request(users[role])
    pages = client.get("/admin/").text + client.get(reverse("more")).text

    for model, page in admin.site._registry.items():
        may_open = page.has_module_permission(request) and page.has_view_or_change_permission(request)
        assert (f'href="{changes(model)}"' in pages) == may_open, model


@pytest.mark.parametrize(
    ("address", "current"),
    [
        ("/admin/", "Home"),
        (changes(Agreement), "Agreements"),
        (add(Party), "Parties"),
        (changes(Recommendation, "?overdue=true"), "Recommendations"),
        (changes(Component), "More"),
        (reverse("more"), "More"),
        (changes(Source), "Sources"),
    ],
)
def test_the_entry_of_the_open_page_is_marked(address, current, analyst, signed_in):
    entries = links(signed_in(analyst).get(address).text)

    assert [title for title, _, is_current in entries if is_current] == [current]


def test_the_page_of_a_record_belongs_to_its_list(analyst, signed_in):
    entries = links(signed_in(analyst).get(change(make_agreement())).text)

    assert [title for title, _, is_current in entries if is_current] == ["Agreements"]


def test_a_page_that_only_some_may_open_is_shown_to_them_only(monkeypatch, analyst, reader):
    page = menu.Page("Work", "more", "edit", 1, may_open=lambda request: request.user == analyst)
    monkeypatch.setattr(menu, "PAGES", [page])

    shown = [[entry.title for entry in menu.entries(admin_request(user))[0]] for user in (analyst, reader)]

    assert ["Work" in titles for titles in shown] == [True, False]


def test_search_help_and_account_are_in_the_header_of_every_page(reader, signed_in):
    client = signed_in(reader)

    for address in ("/admin/", changes(Agreement), reverse("account"), reverse("help")):
        header = client.get(address).text.partition('<header class="pt-top">')[2].partition("</header>")[0]
        assert f'href="{reverse("help")}?page=' in header
        assert f'href="{reverse("account")}"' in header and "opencommand" in header and reverse("admin:logout") in header

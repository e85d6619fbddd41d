"""A browser for tests of the admin, and an agreement to look at."""

import os
from datetime import timedelta

import pytest
from django.db import connection

from agreements.models import Participation
from policytracker.accounts.models import User
from recommendations.models import Addressee
from recommendations.progress import EvidenceRow, Report, report_progress
from tests.browser.page import CHROMIUM, QUIET, TODAY
from tests.conftest import make_user
from tests.make import make_agreement, make_component, make_party, make_recommendation, make_source

sync_playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").sync_playwright


@pytest.fixture(scope="module", autouse=True)
def synchronous():
    # Playwright runs an event loop in this thread, so Django would reject synchronous database access.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    yield
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()
        connection.close()  # while an event loop runs, Django has a connection of its own, which nothing else closes


@pytest.fixture
def world(transactional_db, settings):
    """An agreement with a recommendation in progress."""
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
    analyst = make_user("analyst", "analyst")
    agreement, source = make_agreement(title="A framework " + "with a long name " * 8), make_source(title="A paper")
    for i in range(25):
        Participation.objects.create(agreement=agreement, party=make_party(f"P{i}"), role="party")
    make_component(agreement)
    recommendation = make_recommendation(agreement, key_action="Build processing hubs", owner=analyst, due_on=str(TODAY + timedelta(9)))
    Addressee.objects.create(recommendation=recommendation, party=make_party("AUS"))
    evidence = (EvidenceRow(source=source, quote="a-word-that-does-not-end-" * 12),)
    report_progress(recommendation, Report(status="in_progress", narrative="Begun.", evidence=evidence), by=analyst, today=TODAY)
    return agreement, recommendation


@pytest.fixture
def visit(chromium, live_server, world, client):
    """A function that returns a page, logged in as analyst. `page.errors` lists console errors, external requests and error responses."""
    client.force_login(User.objects.get(username="analyst"), backend="django.contrib.auth.backends.ModelBackend")
    contexts, unfinished = [], []

    def opened(width: int, scheme: str):
        context = chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
        contexts.append(context)
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
        page = context.new_page()
        page.errors, pending = [], set()
        unfinished.append((page, pending))
        page.on("request", lambda request: pending.add(request))
        page.on("requestfinished", lambda request: pending.discard(request))
        page.on("requestfailed", lambda request: pending.discard(request))
        page.on("console", lambda message: page.errors.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on(
            "request", lambda request: page.errors.append(request.url) if not request.url.startswith((live_server.url, "data:")) else None
        )
        page.on("response", lambda response: page.errors.append(f"{response.status} {response.url}") if response.status >= 400 else None)
        return page

    yield opened
    # A request that still reads, such as that of a part of the home page, could deadlock with the emptying of the tables.
    for page, pending in unfinished:
        for _ in range(200):
            if pending and not page.is_closed():
                page.wait_for_timeout(20)
    for context in contexts:
        context.close()

"""`make screenshots`: the images of the README. Run it after `make demo-reset`, so that they show a fresh site."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import django

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
PORT = os.environ.get("PORT", "8000")
SITE = f"http://127.0.0.1:{PORT}"
WAIT = 60  # seconds until the server answers
SIZE = {"width": 1280, "height": 800}


def pages() -> dict[str, str]:
    """The addresses to photograph, by the name of the image."""
    from django.urls import reverse

    from agreements.models import Agreement
    from recommendations.models import Recommendation

    agreement = Agreement.objects.get(slug="demo-blue-harbour-compact")
    claimed = Recommendation.objects.filter(agreements=agreement, milestones__isnull=False, updates__kind="claim").order_by("slug")
    return {
        "home": reverse("admin:index"),
        "agreement": reverse("admin:agreements_agreement_change", args=[agreement.pk]),
        "recommendation": reverse("admin:recommendations_recommendation_change", args=[claimed[0].pk]),
    }


def session_of(name: str) -> str:
    """The key of a session of this demo user."""
    from django.test import Client

    from policytracker.accounts.models import User

    client = Client()
    client.force_login(User.objects.get(username=name), backend="django.contrib.auth.backends.ModelBackend")
    return client.cookies["sessionid"].value


def wait_for_server() -> None:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        try:
            urlopen(f"{SITE}/healthz", timeout=2).close()  # noqa: S310 - our own server
            return
        except URLError:
            time.sleep(0.3)
    sys.exit(f"The server did not answer within {WAIT} seconds.")


def main() -> None:
    from playwright.sync_api import sync_playwright

    addresses, session = pages(), session_of("analyst")
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    server = subprocess.Popen([sys.executable, str(ROOT / "manage.py"), "runserver", "--noreload", PORT])  # noqa: S603 - our own command
    try:
        wait_for_server()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
            context = browser.new_context(viewport=SIZE)
            context.add_cookies([{"name": "sessionid", "value": session, "url": SITE}])
            page = context.new_page()
            for name, address in addresses.items():
                page.goto(SITE + address, wait_until="networkidle")
                page.screenshot(path=IMAGES / f"{name}.png")
            browser.close()
    finally:
        server.terminate()
        server.wait(10)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "policytracker.settings")
    django.setup()
    main()

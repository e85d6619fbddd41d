"""The browser of the tests, and questions about its pages."""

import shutil
from datetime import date

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TODAY = date.today()
# The site reads in another thread what a test writes, so it is committed.
IN_BROWSER = [pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"), pytest.mark.django_db(transaction=True)]


def fits(page) -> bool:
    """Whether the page needs no horizontal scrolling, at desktop and phone width."""
    widths = []
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        widths.append(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))
    return all(widths)

"""axe-core: the serious and critical violations of WCAG on a page, light and dark."""

import pytest

Axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed").Axe
# Colours are all that differs in the dark. Without `preload`, axe-core does not fetch the style sheets again for a rule that is off.
SCHEMES = {
    "light": {"resultTypes": ["violations"], "preload": False},
    "dark": {"resultTypes": ["violations"], "preload": False, "runOnly": ["color-contrast"]},
}
LOADED = """() => !document.querySelector("[data-load]")
    && ![...document.querySelectorAll("[data-count]")].some(number => number.textContent === "…")"""


def violations(page) -> list[str]:
    """The serious and critical violations on the page, with all its parts open, in both schemes."""
    page.wait_for_function(LOADED)
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    found = []
    for scheme, options in SCHEMES.items():
        page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", scheme == "dark")
        for violation in Axe().run(page, options=options).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                found += [f"{page.url} {scheme} {violation['id']}: {node['html']}" for node in violation["nodes"]]
    return found

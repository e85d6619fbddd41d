"""The theme and other packages below our pages: what we replace of them is known, and an upgrade shows what to look at."""

import hashlib
import re
import tomllib
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.template import engines

from policytracker.admin.theme import SUPPORTED, check_version

APPS = [settings.BASE_DIR / app for app in ("policytracker", "agreements", "recommendations")]
MODULES = [path for app in APPS for path in app.rglob("*.py")]
NOTE = re.compile(r"{# Original: sha256 ([0-9a-f]{12})")


def original_of(template: Path) -> Path | None:
    """The template of an installed package that a template of ours hides."""
    name = template.as_posix().rpartition("/templates/")[2]
    loaders = engines["django"].engine.template_loaders
    sources = [
        Path(source.name)
        for loader in loaders
        for inner in getattr(loader, "loaders", [loader])
        for source in inner.get_template_sources(name)
    ]
    return next((path for path in sources if path.exists() and not any(path.is_relative_to(app) for app in APPS)), None)


OVERRIDDEN = {path: original for app in APPS for path in app.rglob("templates/**/*.html") if (original := original_of(path))}


def noted(text: str, original: str) -> tuple[str, str]:
    """The hash that a template notes, "" without one, and the hash of its original."""
    return "".join(NOTE.findall(text)), hashlib.sha256(original.encode()).hexdigest()[:12]


@pytest.mark.parametrize("path", OVERRIDDEN, ids=lambda path: path.as_posix().rpartition("/templates/")[2])
def test_an_overridden_template_notes_the_hash_of_its_original(path):
    """If it fails: compare the original with its version before, adapt our template, and note the new hash."""
    of_template, of_original = noted(path.read_text(), OVERRIDDEN[path].read_text())

    assert of_template == of_original, f"{OVERRIDDEN[path]} is not the original that {path.relative_to(settings.BASE_DIR)} was written for"


def test_a_changed_original_and_a_missing_note_are_found():
    text, original = "{# Original: sha256 98ea6e4f216f #}<b></b>", "foo\n"

    assert len(OVERRIDDEN) > 20
    assert noted(text, "changed") == ("98ea6e4f216f", hashlib.sha256(b"changed").hexdigest()[:12])
    assert noted("<b></b>", original)[0] == ""


def test_only_one_module_imports_the_theme():
    importing = [
        path.relative_to(settings.BASE_DIR).as_posix()
        for path in MODULES
        if re.search(r"^\s*(from|import) unfold\b", path.read_text(), re.M)
    ]

    assert importing == ["policytracker/admin/theme.py"]


@pytest.mark.parametrize("installed", ["0.90.0", "0.92.0", "0.910.0", "1.91.0"])
def test_an_unsupported_version_of_the_theme_stops_the_start(installed):
    with pytest.raises(ImproperlyConfigured, match=installed):
        check_version(installed)


def test_the_supported_version_of_the_theme_is_the_pinned_one():
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]

    assert any(line.startswith(f"django-unfold>={SUPPORTED},<") for line in project["dependencies"])
    check_version(f"{SUPPORTED}.7")

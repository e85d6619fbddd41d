"""The palette: the contrast of each pair of colours that is used, computed from the variables of the style sheet."""

import re

import pytest
from django.conf import settings

from policytracker import colours

STATIC = settings.BASE_DIR / "policytracker/static/policytracker"
PALETTE = dict(re.findall(r"(--[\w-]+): ([^;]+);", (STATIC / "palette.css").read_text()))
SURFACES = ["--page", "--box", "--soft", "--shade"]
TEXTS = ["--strong", "--text", "--quiet", "--accent", "--late", "--soon", "--unknown", "--done", "--going", "--note"]
SHAPES = [name for name in PALETTE if name.endswith("-fill")] + ["--control"]
SCHEMES = ["light", "dark"]
# Accents of organisations: each is dark enough for text on white.
ACCENTS = ["#0b5a7a", "#1d70b8", "#000000", "#8b0000", "#006b3c", "#6a1b9a", "#767676", "#003399"]


def parts(call: str) -> list[str]:
    """The arguments of a function of CSS."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", call.partition("(")[2].removesuffix(")"))]


def colour(name: str, scheme: str, shades: dict[str, str]) -> colours.Colour:
    """The colour of a variable in a scheme, with the shades of an accent."""
    value = PALETTE.get(name) or shades[name.removeprefix("--color-primary-")]
    if value.startswith("light-dark("):
        value = parts(value)[SCHEMES.index(scheme)]
    return colour(parts(value)[0], scheme, shades) if value.startswith("var(") else colours.parse(value)


@pytest.mark.parametrize("accent", ACCENTS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_text_and_shapes_have_the_contrast_that_wcag_asks_for(scheme, accent):
    shades = colours.shades(colours.parse(accent))

    faint = {
        (name, surface): round(ratio, 2)
        for names, least in ((TEXTS, 4.5), (SHAPES, 3))
        for name in names
        for surface in SURFACES
        if (ratio := colours.contrast(colour(name, scheme, shades), colour(surface, scheme, shades))) < least
    }

    assert faint == {}
    for fill in ("--accent-fill", "--danger-fill"):
        assert colours.contrast(colour("--on-accent", scheme, shades), colour(fill, scheme, shades)) >= 4.5


def test_contrast_is_that_of_wcag():
    assert colours.contrast((0, 0, 0), (255, 255, 255)) == 21
    assert round(colours.contrast(colours.parse("#767676"), colours.WHITE), 2) == 4.54
    assert colours.contrast(colours.parse("#888888"), colours.WHITE) < 4.5


def test_the_palette_names_the_accent_that_the_settings_have_without_an_operator():
    """Error pages use these values before their script has run."""
    shades = colours.shades(colours.parse("#0b5a7a"))

    named = dict(re.findall(r"var\(--color-primary-(\d+), (#\w+)\)", (STATIC / "palette.css").read_text()))

    assert named == {number: shades[number] for number in named} and len(named) == 4


def test_the_surfaces_that_an_accent_is_measured_on_are_those_of_the_palette():
    assert [colour("--shade", scheme, {}) for scheme in SCHEMES] == [colours.LIGHT_BOX, colours.DARK_BOX]


@pytest.mark.parametrize("sheet", ["admin.css", "error.css"])
def test_the_other_style_sheets_name_no_colour(sheet):
    text = re.sub(r"/\*.*?\*/", "", (STATIC / sheet).read_text(), flags=re.S)

    assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;\s,)])|\brgb\([^)]*\)", text) == []

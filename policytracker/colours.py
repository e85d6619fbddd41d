"""Colours as numbers: contrast as WCAG 2 defines it, and the shades of the accent of a site."""

from __future__ import annotations

import re
from collections.abc import Callable

Colour = tuple[int, int, int]
HEX = re.compile(r"#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})", re.IGNORECASE)
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
TEXT, SHAPE = 4.5, 3.0  # the least contrast of text, and of shapes such as buttons and outlines
DARK_LINK = 6.0  # more than the least: a link stands out from the text beside it
# The surfaces of palette.css with the least contrast to an accent: a shaded box, in the light and in the dark scheme.
LIGHT_BOX, DARK_BOX = (236, 240, 242), (31, 40, 48)
# The share of white (above 0) or black (below 0) in each shade of the theme. 600 is the accent itself.
LIGHT_SHADES = {"50": 0.94, "100": 0.88, "200": 0.76, "300": 0.56, "600": 0.0, "700": -0.18, "800": -0.34, "900": -0.48, "950": -0.62}


def parse(text: str) -> Colour:
    """The colour that is written as `#1a2b3c`. Raises ValueError."""
    match = HEX.fullmatch(text.strip())
    if not match:
        raise ValueError(f"“{text}” is not a colour: write # and six hexadecimal digits, such as #0b5a7a")
    red, green, blue = (int(part, 16) for part in match.groups())
    return red, green, blue


def luminance(colour: Colour) -> float:
    """The relative luminance, from 0 (black) to 1 (white)."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (value / 255 for value in colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    """The contrast ratio, from 1 (the same luminance) to 21 (black and white)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def mixed(colour: Colour, other: Colour, share: float) -> Colour:
    """The colour with this share of the other one, from 0 to 1."""
    red, green, blue = (round(own + (added - own) * share) for own, added in zip(colour, other, strict=True))
    return red, green, blue


def lightened(colour: Colour, is_enough: Callable[[Colour], bool]) -> Colour:
    """The colour with as little white as the condition needs."""
    return next((shade for step in range(101) if is_enough(shade := mixed(colour, WHITE, step / 100))), WHITE)


def darkened(colour: Colour, is_enough: Callable[[Colour], bool]) -> Colour:
    """The colour with as little black as the condition needs."""
    return next((shade for step in range(101) if is_enough(shade := mixed(colour, BLACK, step / 100))), BLACK)


def shades(accent: Colour) -> dict[str, str]:
    """The shades of an accent by the numbers of the theme, for an accent with the contrast of text on white.

    In the light scheme 650 is the colour of links, and 600, the accent itself, that of filled buttons. In the dark scheme 400 is that of
    links, and 550 that of buttons. The text of buttons is white.
    """
    found = {number: mixed(accent, WHITE if share > 0 else BLACK, abs(share)) for number, share in LIGHT_SHADES.items()}
    found["650"] = darkened(accent, lambda shade: contrast(shade, LIGHT_BOX) >= TEXT)
    found["400"] = found["500"] = lightened(accent, lambda shade: contrast(shade, DARK_BOX) >= DARK_LINK)
    found["550"] = lightened(accent, lambda shade: contrast(shade, DARK_BOX) >= SHAPE)
    return {number: "#{:02x}{:02x}{:02x}".format(*found[number]) for number in sorted(found, key=int)}

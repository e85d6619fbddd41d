"""The name, the accent and the logo that an operator gives the site. The settings read them with these functions at the start."""

from __future__ import annotations

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from policytracker import colours

LONGEST_NAME = 40  # characters; more do not fit beside the logo
LARGEST_LOGO = 100 * 1024  # bytes; it is on every page
LOGO_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}


def name(text: str) -> str:
    """The name of the site. Raises ImproperlyConfigured for one that cannot be shown."""
    found = " ".join(text.split())
    if not 0 < len(found) <= LONGEST_NAME:
        raise ImproperlyConfigured(f"SITE_NAME has {len(found)} characters. Use 1 to {LONGEST_NAME}.")
    return found


def accent(text: str) -> dict[str, str]:
    """The shades of the accent. Raises ImproperlyConfigured for a text that is no colour, and for a colour that is too light.

    A light one is refused, not darkened: an operator who enters the colour of an organisation would get another one without a word.
    """
    try:
        colour = colours.parse(text)
    except ValueError as error:
        raise ImproperlyConfigured(f"SITE_ACCENT is not valid: {error}.") from error
    if (ratio := colours.contrast(colour, colours.WHITE)) < colours.TEXT:
        raise ImproperlyConfigured(
            f"SITE_ACCENT {text} has a contrast of {ratio:.1f}:1 with white. Text needs {colours.TEXT}:1. Use a darker colour."
        )
    return colours.shades(colour)


def logo(path: str) -> Path | None:
    """The file of the logo; None without one. Raises ImproperlyConfigured for a file that cannot be shown."""
    if not path:
        return None
    file = Path(path)
    if file.suffix.lower() not in LOGO_TYPES:
        raise ImproperlyConfigured(f"SITE_LOGO {path} is not an SVG or PNG file. Its name must end with .svg or .png.")
    if not file.is_file():
        raise ImproperlyConfigured(f"SITE_LOGO {path} is not a file that the site can find.")
    if (size := file.stat().st_size) > LARGEST_LOGO:
        raise ImproperlyConfigured(f"SITE_LOGO {path} has {size // 1024} KB. At most {LARGEST_LOGO // 1024} KB are allowed.")
    return file

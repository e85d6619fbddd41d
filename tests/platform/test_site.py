"""The name, the colour and the logo that an operator gives the site."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse

from policytracker import colours, site


@pytest.mark.parametrize("text", ["red", "#abc", "1d70b8", "#12345g", "#1d70b8ff", ""])
def test_a_text_that_is_no_colour_stops_the_start_and_names_the_variable(text):
    with pytest.raises(ImproperlyConfigured, match="SITE_ACCENT"):
        site.accent(text)


@pytest.mark.parametrize("text", ["#ffffff", "#ffcc00", "#7fb3d5", "#888888"])
def test_an_accent_that_cannot_be_read_on_white_is_refused_with_its_contrast(text):
    with pytest.raises(ImproperlyConfigured, match=r"SITE_ACCENT .*\d\.\d:1"):
        site.accent(text)


@pytest.mark.parametrize("text", ["#1d70b8", "#767676", "#8B0000"])
def test_an_accent_that_can_be_read_is_used_as_it_is(text):
    assert site.accent(text)["600"] == text.lower()


def test_the_dark_scheme_lightens_the_accent():
    shades = site.accent("#003399")

    assert colours.luminance(colours.parse(shades["400"])) > colours.luminance(colours.parse(shades["600"]))


@pytest.mark.parametrize("text", ["", "   ", "a" * 41])
def test_a_name_that_cannot_be_shown_stops_the_start(text):
    with pytest.raises(ImproperlyConfigured, match="SITE_NAME"):
        site.name(text)


def test_a_logo_that_cannot_be_shown_stops_the_start(tmp_path):
    large, other = tmp_path / "large.png", tmp_path / "logo.gif"
    large.write_bytes(b"x" * (100 * 1024 + 1))
    other.write_bytes(b"x")

    for path in (tmp_path / "missing.svg", large, other, tmp_path):
        with pytest.raises(ImproperlyConfigured, match="SITE_LOGO"):
            site.logo(str(path))
    assert site.logo("") is None


def test_the_site_shows_the_logo_and_the_name(analyst, client, settings, tmp_path):
    settings.SITE_LOGO = tmp_path / "logo.svg"
    settings.SITE_LOGO.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    settings.SITE_NAME = "Treaty Watch"
    client.force_login(analyst, backend="django.contrib.auth.backends.ModelBackend")

    logo, page, error = client.get(reverse("logo")), client.get("/admin/"), client.get("/nothing/")

    assert (logo.status_code, logo["Content-Type"]) == (200, "image/svg+xml")
    assert f'src="{reverse("logo")}"' in page.text
    assert "Treaty Watch" in error.text and f'src="{reverse("logo")}"' in error.text


def test_without_a_logo_there_is_none(client, db):
    assert client.get(reverse("logo")).status_code == 404

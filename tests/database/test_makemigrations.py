"""Migrations contain the schema, without the texts of models."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import models

from agreements.models import Agreement
from policytracker.codes import CodeField

pytestmark = pytest.mark.django_db


def missing_migrations() -> bool:
    try:
        call_command("makemigrations", "agreements", check_changes=True, dry_run=True, stdout=StringIO())
    except SystemExit:
        return True
    return False


def test_a_changed_text_needs_no_migration(monkeypatch):
    field = Agreement._meta.get_field("status")
    monkeypatch.setattr(field, "help_text", "Another text.")
    monkeypatch.setattr(field, "verbose_name", "another name")
    monkeypatch.setattr(field, "_verbose_name", "another name")
    monkeypatch.setattr(field, "choices", [(code, label.upper()) for code, label in field.choices])

    assert not missing_migrations()


@pytest.mark.parametrize(("name", "change"), [("status", {"choices": [("new", "New")]}), ("title", {"max_length": 7})])
def test_a_changed_column_needs_one(monkeypatch, name, change):
    field = Agreement._meta.get_field(name)
    assert isinstance(field, CodeField | models.CharField)
    for option, value in change.items():
        monkeypatch.setattr(field, option, value)

    assert missing_migrations()

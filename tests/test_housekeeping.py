"""`manage.py housekeeping`: what it deletes and what it keeps."""

import os
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.utils import timezone

from agreements.models import Source
from policytracker.accounts.models import Token
from policytracker.api.models import IdempotencyKey
from policytracker.records.changes import Change
from tests.api.client import Api


def ago(**time):
    return timezone.now() - timedelta(**time)


def housekeeping():
    out, err = StringIO(), StringIO()
    call_command("housekeeping", stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_idempotency_keys_are_deleted_after_a_day(reader):
    for key, age in {"old": ago(hours=25), "new": ago(hours=23)}.items():
        made = IdempotencyKey.objects.create(user=reader, address="/", key=key, body_hash="x")
        IdempotencyKey.objects.filter(pk=made.pk).update(created_at=age)

    output, _ = housekeeping()

    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == ["new"]
    assert "Deleted idempotency keys: 1\n" in output


def test_expired_tokens_and_sessions_are_deleted(reader):
    Token.objects.create(reader, name="valid")
    Token.objects.create(reader, name="expired")
    Token.objects.filter(name="expired").update(expiry=ago(seconds=1))
    Session.objects.create(session_key="valid", expire_date=timezone.now() + timedelta(hours=1))
    Session.objects.create(session_key="expired", expire_date=ago(seconds=1))

    housekeeping()

    assert list(Token.objects.values_list("name", flat=True)) == ["valid"]
    assert list(Session.objects.values_list("session_key", flat=True)) == ["valid"]


@pytest.mark.parametrize("model", [AccessAttempt, AccessFailureLog, AccessLog])
def test_login_records_are_deleted_after_ninety_days(db, model):
    for name, age in {"old": ago(days=91), "new": ago(days=89)}.items():
        counted = {"failures_since_start": 1} if model is AccessAttempt else {}
        row = model.objects.create(username=name, ip_address="127.0.0.1", **counted)
        model.objects.filter(pk=row.pk).update(attempt_time=age)

    housekeeping()

    assert list(model.objects.values_list("username", flat=True)) == ["new"]


# ---- files of sources


@pytest.fixture
def files(tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path
    return tmp_path / "sources"


def mode(path) -> int:
    return path.stat().st_mode & 0o777


def make_source(slug) -> Source:
    source = Source(slug=slug, kind="other")
    source.file.save(f"{slug}.txt", ContentFile(b"text"), save=False)
    source.save()
    return source


def age(path, **time):
    moment = ago(**time).timestamp()
    os.utime(path, (moment, moment))


def replaced_days_ago(days):
    """Set the time of all changes of sources to an earlier day."""
    Change.objects.filter(tbl="agreements_source").update(at=ago(days=days))


@pytest.mark.parametrize(("days", "stored"), [(29, ["kept.txt", "new.txt", "old.txt"]), (31, ["kept.txt", "new.txt"])])
def test_a_replaced_file_is_deleted_after_thirty_days(db, files, days, stored):
    make_source("kept")
    source = make_source("old")
    source.file.save("new.txt", ContentFile(b"other text"))
    for path in files.iterdir():
        age(path, days=400)
    replaced_days_ago(days)

    housekeeping()

    assert sorted(path.name for path in files.iterdir()) == stored


def test_an_unused_upload_is_deleted_after_a_day(db, files):
    make_source("kept")
    for name, hours in {"yesterday.txt": 25, "today.txt": 1}.items():
        (files / name).touch()
        age(files / name, hours=hours)

    output, _ = housekeeping()

    assert sorted(path.name for path in files.iterdir()) == ["kept.txt", "today.txt"]
    assert "Deleted replaced files of sources: 1\n" in output


def test_the_files_of_another_site_are_not_deleted(db, files):
    files.mkdir()
    (files / "theirs.txt").touch()
    age(files / "theirs.txt", days=400)

    _, errors = housekeeping()

    assert (files / "theirs.txt").exists()
    assert "MEDIA_ROOT" in errors


def test_an_empty_database_is_no_error(db, files):
    output, errors = housekeeping()

    assert not errors
    assert all(line.endswith(": 0") for line in output.splitlines())


def test_a_missing_file_is_logged_with_its_name(reader, files, caplog):
    source = make_source("gone")
    Source.objects.filter(pk=source.pk).update(publication="published")
    Path(source.file.path).unlink()

    response = Api(reader).get("sources/gone/file/")

    assert (response.status_code, response.json()["code"]) == (404, "file_missing")
    assert [record.levelname for record in caplog.records if source.file.name in record.getMessage()] == ["ERROR"]


def test_uploads_are_private_and_static_files_are_not(files, tmp_path, settings):
    settings.STATIC_ROOT = tmp_path / "static"
    source = Source(slug="paper", kind="other")
    source.file.save("paper.txt", ContentFile(b"text"), save=False)
    call_command("collectstatic", interactive=False, verbosity=0)

    static = [settings.STATIC_ROOT, *settings.STATIC_ROOT.rglob("*")]
    assert (mode(files), mode(files / "paper.txt")) == (0o700, 0o600)
    assert {mode(path) for path in static if path.is_file()} == {0o644}
    assert {mode(path) for path in static if path.is_dir()} == {0o755}

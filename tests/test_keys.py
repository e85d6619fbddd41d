"""The key of a record is never empty, whichever way it is written."""

import json

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, models, transaction

from agreements.models import Source
from policytracker.records.declarations import records
from policytracker.records.violations import violated_constraint
from policytracker.resources import registry
from policytracker.sql.operations import FillEmptyKeys
from tests.admin.page import add
from tests.api.client import Api
from tests.api.world import RESOURCES
from tests.make import settled

pytestmark = pytest.mark.usefixtures("world")
TEXT_KEYS = [model for model in records() if isinstance(model._meta.get_field(model.key), models.CharField)]
ADDRESSES = {resource.model: resource.address for resource in registry}


def each_model(function):
    return pytest.mark.parametrize("model", TEXT_KEYS, ids=lambda model: model._meta.model_name)(function)


@pytest.fixture
def made(administrator):
    """Creates a record of a model with a key."""

    def make(model):
        example = RESOURCES[ADDRESSES[model]]
        response = Api(administrator).post(f"{example.address}/", example.required)
        assert response.status_code == 201, response.content
        return model.objects.get(**{model.key: example.required[model.key]})

    return make


def copy_with_empty_key(record):
    """Insert a copy of the record with an empty key, past all validation in Python."""
    columns = [f.column for f in record._meta.concrete_fields if not f.generated and not f.primary_key and f.name != record.key]
    table, names = record._meta.db_table, ", ".join(columns)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({record.key}, {names}) SELECT '', {names} FROM {table} WHERE id = %s", [record.pk])
        settled()


@each_model
def test_the_database_refuses_an_empty_key(model, made):
    with pytest.raises(DatabaseError) as refused:
        copy_with_empty_key(made(model))

    rule = violated_constraint(refused.value)
    assert (rule.rule, rule.field) == (f"{model._meta.db_table}_key_is_not_empty", model.key)


@each_model
def test_the_api_refuses_an_empty_key(model, administrator):
    example = RESOURCES[ADDRESSES[model]]

    for body in (example.required | {model.key: ""}, {name: value for name, value in example.required.items() if name != model.key}):
        for sent in (body, [body]):
            response = Api(administrator).post(f"{example.address}/", sent)
            assert response.status_code == 400, response.content
            assert model.key in response.text
    assert not model.objects.filter(**{model.key: ""}).exists()


@each_model
def test_no_form_of_the_admin_stores_an_empty_key(model, administrator, client):
    client.force_login(administrator)
    client.post(add(model), {model.key: "", "title": "", "name": ""})

    assert not model.objects.filter(**{model.key: ""}).exists()


def test_loaddata_refuses_an_empty_key(tmp_path):
    path = tmp_path / "sources.json"
    path.write_text(json.dumps([{"model": "agreements.source", "fields": {"slug": "", "kind": "news", "title": "Pact signed"}}]))

    with pytest.raises(CommandError):
        call_command("loaddata", path, verbosity=0)
    assert not Source.objects.filter(slug="").exists()


def test_django_s_own_loader_refuses_an_empty_key(tmp_path):
    """An object with a primary key is stored as it is, without validation."""
    path, row = tmp_path / "sources.json", {"slug": "", "kind": "news", "title": "Pact signed"}
    path.write_text(json.dumps([{"model": "agreements.source", "pk": 4711, "fields": row}]))

    with pytest.raises((CommandError, DatabaseError)):
        call_command("loaddata", path, verbosity=0)
    assert not Source.objects.filter(slug="").exists()


@each_model
def test_a_migration_gives_a_key_to_stored_records_without_one(model, made):
    """Such a record is from before the rule, so that its trigger did not exist."""
    record, table = made(model), model._meta.db_table
    settled()
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(f"UPDATE {table} SET {model.key} = '' WHERE id = %s", [record.pk])
        settled()
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    kept = dict(model.objects.exclude(pk=record.pk).values_list("pk", model.key))

    with connection.schema_editor() as editor:
        FillEmptyKeys(model._meta.app_label).code(apps, editor)

    stored = model.objects.get(pk=record.pk)
    assert (getattr(stored, model.key), stored.version) == (f"without-key-{record.pk}", record.version)
    assert dict(model.objects.exclude(pk=record.pk).values_list("pk", model.key)) == kept
    stored.full_clean()
    with pytest.raises(DatabaseError), transaction.atomic():  # the triggers work again
        model.objects.filter(pk=record.pk).update(**{model.key: "changed"})


def test_an_import_refuses_an_empty_key(tmp_path):
    table = tmp_path / "sources.csv"
    table.write_text("slug,kind,title\n,news,Pact signed\n")

    with pytest.raises(SystemExit):
        call_command("import_table", table, "--resource", "sources")
    assert not Source.objects.filter(slug="").exists()

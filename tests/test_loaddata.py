"""`loaddata` with other fixtures than the five files: the output of `dumpdata`, and the options of `loaddata`."""

import json

import pytest
from django.core.management import CommandError, call_command

from agreements.models import Agreement, Party, Sector
from policytracker.records.changes import Change
from recommendations.models import Recommendation
from tests.make import make_agreement, make_party, make_recommendation

pytestmark = pytest.mark.django_db
NATURAL = {"use_natural_foreign_keys": True, "use_natural_primary_keys": True, "verbosity": 0}


def fixture(path, *rows: tuple[str, dict]):
    path.write_text(json.dumps([{"model": model, "fields": fields} for model, fields in rows]))
    return path


def test_loading_a_dump_by_natural_keys_changes_nothing(tmp_path):
    make_recommendation(make_agreement(), due_on="2030")
    records = [f"{model._meta.app_label}.{model.__name__}" for model in (Party, Agreement, Recommendation)]
    call_command("dumpdata", *records, output=tmp_path / "all.json", **NATURAL)
    changes = Change.objects.count()

    call_command("loaddata", tmp_path / "all.json", verbosity=0)

    assert Change.objects.count() == changes


def test_records_in_one_file_may_refer_to_each_other_in_any_order(tmp_path):
    path = fixture(
        tmp_path / "some.json",
        ("agreements.component", {"slug": "c", "agreement": ["a"], "title": "C", "lead_parties": [["GBR"]]}),
        ("agreements.agreement", {"slug": "a", "title": "A", "lead": ["unknown"]}),
        ("agreements.party", {"code": "GBR", "name": "United Kingdom", "kind": "state"}),
    )

    call_command("loaddata", path, verbosity=0)

    agreement = Agreement.objects.get(slug="a")
    assert (agreement.lead, agreement.version) == (None, 1)
    assert [party.code for party in agreement.components.get().lead_parties.all()] == ["GBR"]


def test_excluded_models_are_not_loaded(tmp_path):
    path = fixture(tmp_path / "vocabulary.json", ("agreements.sector", {"code": "s", "name": "S"}))

    call_command("loaddata", path, exclude=["agreements.sector"], verbosity=0)
    assert not Sector.objects.exists()
    call_command("loaddata", path, verbosity=0)
    assert Sector.objects.get().code == "s"


def test_unknown_fields_are_ignored_only_with_ignorenonexistent(tmp_path):
    path = fixture(tmp_path / "vocabulary.json", ("agreements.sector", {"code": "s", "name": "S", "colour": "red"}))

    with pytest.raises(CommandError, match="colour"):
        call_command("loaddata", path, verbosity=0)
    call_command("loaddata", path, ignore=True, verbosity=0)

    assert Sector.objects.get().name == "S"


def test_records_with_primary_keys_are_loaded_by_django(tmp_path):
    make_party("AUS")
    call_command("dumpdata", "agreements.party", output=tmp_path / "parties-by-number.json", verbosity=0)
    Party.objects.all().delete()

    call_command("loaddata", tmp_path / "parties-by-number.json", verbosity=0)

    assert Party.objects.get().code == "AUS"

"""The fixtures in the database: every record is valid, quotes are exact, and a dump gives the same files."""

import hashlib
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command

from agreements.models import Agreement, AgreementRelation, Citation, Component, FactCheck, Source
from policytracker.dataset import layout as dataset
from policytracker.records.changes import Change
from policytracker.records.declarations import records
from recommendations.models import Addressee, Recommendation
from tests.queries import count_queries

FIXTURES = settings.BASE_DIR / "fixtures"
# The hash of the original article without trailing white space.
ARTICLE = "02a74d022d837eaff2963c593e68a877e5ad32fdc7c68b0215b99610b1b17be3"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loaded_fixtures")]


def dumped(folder):
    call_command("dump_dataset", folder, stdout=StringIO())
    return {name: (folder / name).read_bytes() for name in dataset.files()}


def test_every_record_of_the_fixtures_is_valid():
    for model in records():
        for record in model.objects.all():
            record.full_clean()


def test_the_source_article_is_stored_unchanged():
    article = Source.objects.get(slug="source-article")

    assert hashlib.sha256(article.notes.encode()).hexdigest() == ARTICLE


@pytest.mark.parametrize("model", [AgreementRelation, Citation, FactCheck, Recommendation, Addressee])
def test_every_quote_of_the_source_article_occurs_in_it(model):
    article = Source.objects.get(slug="source-article")

    quotes = list(model.objects.filter(source=article).exclude(quote="").values_list("quote", flat=True))

    assert quotes
    assert [quote for quote in quotes if quote not in article.notes] == []


def test_the_fixtures_are_public_and_published():
    for model in (Agreement, Component, Recommendation, Source):
        assert set(model.objects.values_list("visibility", "publication")) == {("public", "published")}


def test_the_number_of_queries_of_a_dump_is_constant(tmp_path):
    assert count_queries(dumped, tmp_path / "dump") <= len(records()) + 2


def test_a_dump_equals_the_loaded_files(tmp_path):
    assert dumped(tmp_path) == {name: (FIXTURES / name).read_bytes() for name in dataset.files()}


def test_loading_the_fixtures_again_changes_no_version_and_writes_no_history():
    versions = {model: dict(model.objects.values_list(model.key, "version")) for model in records()}
    changes = Change.objects.count()

    call_command("load_dataset", FIXTURES, verbosity=0, stdout=StringIO())

    assert {model: dict(model.objects.values_list(model.key, "version")) for model in records()} == versions
    assert Change.objects.count() == changes

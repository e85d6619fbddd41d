"""The page *Changes* of a full register, with changes of every record type, takes few queries for each role."""

import pytest
from django.db import models

from policytracker.accounts.models import User
from policytracker.records.context import change_context
from policytracker.resources import registry
from tests.admin.pages import load_demo
from tests.queries import captured_queries

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("register")]
PAGE = "/admin/changes/"
FIXED = {"recommendations.progressupdate", "recommendations.dependency"}  # approved updates do not change, dependencies have no text


def load_and_change() -> None:
    """The demonstration register, and afterwards one change of a record of each type, each by itself."""
    load_demo()
    analyst = User.objects.get(username="analyst")
    for resource in registry.addressed:
        if resource.label not in FIXED:
            record = resource.model.objects.latest("pk")
            texts = (models.TextField, models.CharField)
            names = [
                field.name
                for field in resource.model._meta.fields
                if isinstance(field, texts)
                and not (field.choices or field.generated or field.name in (resource.model.key, "uid"))
                and (field.max_length or 1000) > 200
            ]
            with change_context(analyst, "touched", "admin"):
                type(record).objects.filter(pk=record.pk).update(**{name: f"{getattr(record, name)} x" for name in names[:1]})


@pytest.fixture(scope="module")
def committed_register(committed_once_per_module):
    committed_once_per_module(load_and_change)


@pytest.fixture
def register(committed_register, db):
    return None


@pytest.mark.parametrize("role", ["reader", "officer", "analyst", "reviewer", "admin"])
@pytest.mark.parametrize("query", ["", "newest=1", "user=analyst", "agreement=aukus", "agreement=demo-blue-harbour-compact&user=analyst"])
def test_the_page_takes_few_queries(role, query, signed_in):
    client = signed_in(User.objects.get(username=role))

    with captured_queries() as queries:
        page = client.get(f"{PAGE}?{query}")

    assert page.status_code == 200 and page.context["actions"]
    assert len(queries) <= 40
    assert len(page.content) <= 250 * 1024

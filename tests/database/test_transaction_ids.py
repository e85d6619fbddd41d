"""A register restored into another server meets transaction numbers that its history holds already."""

from contextlib import contextmanager
from datetime import date

import pytest
from django.db import IntegrityError, connection, transaction

from agreements.models import Agreement, Sector
from recommendations.models import Evidence, ProgressUpdate
from tests.make import make_action, make_agreement, make_recommendation, make_source

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def a_number_that_the_history_holds():
    """A transaction with the number of everything that was written before it."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("UPDATE policytracker_change SET txid = pg_current_xact_id()")
        yield


def test_a_link_is_still_counted():
    agreement, sector = make_agreement(), Sector.objects.create(code="a", name="A")

    with a_number_that_the_history_holds():
        agreement.sectors.add(sector)

    assert Agreement.objects.get(pk=agreement.pk).version == 2


def test_an_agreement_that_follows_its_actions_is_still_counted():
    agreement = make_agreement(legal_force="binding")

    with a_number_that_the_history_holds():
        make_action(agreement, acted_on="2025-01-01")

    agreement.refresh_from_db()
    assert (agreement.signed_on, agreement.version) == ("2025-01-01", 2)


def test_evidence_of_what_was_handed_in_is_still_refused():
    update = ProgressUpdate.objects.create(
        recommendation=make_recommendation(), status="in_progress", reported_on=date(2025, 1, 1), narrative="Begun.", review="submitted"
    )

    with pytest.raises(IntegrityError), a_number_that_the_history_holds():
        Evidence.objects.create(update=update, source=make_source())

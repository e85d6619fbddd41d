"""Transaction IDs of a restored database can repeat those in its history."""

from contextlib import contextmanager
from datetime import date

import pytest
from django.db import IntegrityError, connection, transaction

from agreements.models import Agreement, Sector
from recommendations.models import Evidence, ProgressUpdate
from tests.make import make_action, make_agreement, make_recommendation, make_source

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def transaction_with_a_repeated_id():
    """A transaction whose ID is that of all earlier changes in the history."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("UPDATE policytracker_change SET txid = pg_current_xact_id()")
        yield


def test_a_link_increments_the_version():
    agreement, sector = make_agreement(), Sector.objects.create(code="a", name="A")

    with transaction_with_a_repeated_id():
        agreement.sectors.add(sector)

    assert Agreement.objects.get(pk=agreement.pk).version == 2


def test_a_derived_date_increments_the_version_of_the_agreement():
    agreement = make_agreement(legal_force="binding")

    with transaction_with_a_repeated_id():
        make_action(agreement, acted_on="2025-01-01")

    agreement.refresh_from_db()
    assert (agreement.signed_on, agreement.version) == ("2025-01-01", 2)


def test_evidence_of_a_submitted_update_is_refused():
    update = ProgressUpdate.objects.create(
        recommendation=make_recommendation(), status="in_progress", reported_on=date(2025, 1, 1), narrative="Begun.", review="submitted"
    )

    with pytest.raises(IntegrityError), transaction_with_a_repeated_id():
        Evidence.objects.create(update=update, source=make_source())

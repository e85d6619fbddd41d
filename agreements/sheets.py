"""The columns that sheets have for people besides the fields of a record."""

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.utils.translation import gettext_lazy as _

from agreements.models import Party
from policytracker.records.access import Reader
from policytracker.representation.json_sql import ComputedField


def parties(reader: Reader) -> ArraySubquery:
    taking_part = Party.objects.filter(participations__agreement=OuterRef("pk")).order_by("name").distinct()
    return ArraySubquery(taking_part.values_list("name", flat=True))


AGREEMENT = {
    "parties": ComputedField(
        parties,
        {"type": "array", "items": {"type": "string"}},
        label=_("Parties"),
        help_text=_("The parties that have a role in the agreement, in any period."),
    )
}

"""The columns that sheets of recommendations have for people besides the fields of a recommendation."""

from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import DateField, F, OuterRef, QuerySet, Subquery, TextField, Value
from django.db.models.functions import Coalesce, NullIf
from django.utils.translation import gettext_lazy as _

from agreements.models import Source
from policytracker.records.access import Reader
from policytracker.representation.json_sql import ON, ComputedField
from recommendations.models import Addressee, Evidence, ProgressUpdate

TEXTS = {"type": "array", "items": {"type": "string"}}
DAY = {"type": "string", "format": "date"}


def addressees(reader: Reader) -> ArraySubquery:
    return ArraySubquery(Addressee.objects.filter(recommendation=OuterRef("pk")).order_by("id").values_list("party__name", flat=True))


def newest_update(recommendation: Any) -> QuerySet:
    """The newest update in effect that has a narrative. Everybody who reads the recommendation reads it."""
    updates = ProgressUpdate.objects.in_effect(on=ON).exclude(narrative="").filter(recommendation=recommendation)
    return updates.newest_first()[:1]


def of_newest_update(name: str, output_field: Any) -> Subquery:
    return Subquery(newest_update(OuterRef("pk")).values(name), output_field=output_field)


def evidence(reader: Reader, path: Any) -> ArraySubquery:
    """This content of the sources of the narrative that the reader may read."""
    rows = Evidence.objects.filter(update=Subquery(newest_update(OuterRef(OuterRef("pk"))).values("pk")))
    if not reader.sees_all:
        rows = rows.filter(source__in=Source.objects.visible_to(reader).values("pk"))
    return ArraySubquery(rows.order_by("id").values_list(path, flat=True))


def source_name() -> Coalesce:
    return Coalesce(
        NullIf(F("source__title"), Value("")), NullIf(F("source__publisher"), Value("")), F("source__slug"), output_field=TextField()
    )


RECOMMENDATION = {
    "addressees": ComputedField(addressees, TEXTS, label=_("Addressees"), help_text=_("The parties that it is addressed to.")),
    "last_narrative": ComputedField(
        lambda reader: of_newest_update("narrative", TextField()),
        label=_("Last narrative"),
        help_text=_("The narrative of the newest approved update that has one: an assessment, a claim or a note."),
    ),
    "last_narrative_on": ComputedField(
        lambda reader: of_newest_update("reported_on", DateField()),
        DAY,
        label=_("Narrative date"),
        help_text=_("The date to which the last narrative applies."),
    ),
    "last_narrative_sources": ComputedField(
        lambda reader: evidence(reader, source_name()),
        TEXTS,
        label=_("Narrative sources"),
        help_text=_("The sources that the last narrative rests on."),
    ),
    "last_narrative_addresses": ComputedField(
        lambda reader: evidence(reader, NullIf(F("source__original_url"), Value(""))),
        TEXTS,
        label=_("Addresses of these sources"),
        help_text=_("The addresses of the sources that the last narrative rests on, as far as they are known."),
    ),
}
BEGINS = (
    "key_action agreements addressees status due_on deadline_state priority owner progress_percent claimed_status "
    "last_narrative last_narrative_on last_narrative_sources last_narrative_addresses freshness"
)

"""Searching the records of a past moment. The index has the words of today, so the records are found as by `q` of their lists."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import TextField, Value
from django.db.models.functions import Cast, Coalesce, NullIf

from policytracker.representation.references import title
from policytracker.representation.search_query import Query, matching
from policytracker.resources import ReadContext, Resource
from policytracker.search.hits import Hit


def find_past(context: ReadContext, query: Query, types: Iterable[Resource], size: int) -> list[Hit]:
    """At most `size` hits of each type that the reader could read at the moment of the context, the newest first."""
    hits = []
    for resource in types:
        model = resource.model
        key = Cast(model.key, TextField())
        name = Coalesce(NullIf(Cast(title(model)[1], TextField()), Value(""), output_field=TextField()), key)
        rows = model.objects.visible_to(context.reader).filter(matching(resource, query, context)).order_by("-pk")
        found = rows.annotate(hit_key=key, hit_title=name).values_list("pk", "hit_key", "hit_title")[:size]
        hits += [Hit(resource, pk, hit_key, hit_title, "", (0.0, 0, pk)) for pk, hit_key, hit_title in found]
    return hits

"""Publishing an agreement together with its parts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from agreements.models import (
    Agreement,
    Citation,
    Commitment,
    Component,
    EntryIntoForceCondition,
    Measurement,
    Source,
    TreatyAction,
)
from policytracker.accounts.models import User
from policytracker.records.access import Publication
from policytracker.records.exceptions import Conflict, NotPermitted
from policytracker.records.models import RegistryRecord
from policytracker.resources import registry
from recommendations.models import Recommendation

PARTS: tuple[type[RegistryRecord], ...] = (Agreement, Component, Recommendation, Source)


def may_publish(by: User) -> bool:
    """Whether the user may publish agreements with their parts: who may change all registry records."""
    return by.has_perms([f"{model._meta.app_label}.change_{model._meta.model_name}" for model in PARTS])


def check_permission(by: User) -> None:
    """Raises NotPermitted if the user may not publish agreements with their parts."""
    if not may_publish(by):
        raise NotPermitted(str(_("Only users who may change agreements, components, recommendations and sources may publish them.")))


def publish(agreement: Agreement, *, by: User, components: bool, recommendations: bool, sources: bool) -> list[RegistryRecord]:
    """Publish an agreement and the selected drafts that belong to it. Returns the records that were published.

    Its recommendations are those that reference no other agreement. Its sources are those referenced by these recommendations
    or by the agreement's treaty actions, conditions, commitments, measurements and citations. Drafts that the user cannot read
    and archived records do not change. Raises NotPermitted, and Conflict (closed_record) for an archived agreement.
    """
    check_permission(by)
    if agreement.publication == Publication.ARCHIVED:
        raise Conflict("closed_record", _("This agreement is archived. Restore it before publishing."))
    parts = chain.from_iterable(
        rows.order_by("slug") for rows in drafts(agreement, by, components=components, recommendations=recommendations, sources=sources)
    )
    published = [record for record in (agreement, *parts) if record.publication != Publication.PUBLISHED]
    for record in published:
        record.publication = Publication.PUBLISHED
        record.save(update_fields=["publication"])
    return published


def drafts(agreement: Agreement, by: User, *, components: bool, recommendations: bool, sources: bool) -> Iterator[QuerySet]:
    """The selected drafts that belong to an agreement, by kind."""
    if components:
        yield Component.objects.visible_to(by).filter(agreement=agreement, publication=Publication.DRAFT)
    own = Recommendation.objects.visible_to(by).filter(pk__in=_only_of(agreement)) if recommendations else Recommendation.objects.none()
    yield own.filter(publication=Publication.DRAFT)
    if sources:
        yield Source.objects.visible_to(by).filter(pk__in=_referenced(agreement, own), publication=Publication.DRAFT)


def has_something_to_publish(agreement: Agreement, by: User) -> bool:
    """Whether the agreement or one of its parts is a draft that the user can read. An archived agreement is not published."""
    if agreement.publication != Publication.PUBLISHED:
        return agreement.publication == Publication.DRAFT
    first, *others = (
        rows.order_by().values("pk")[:1] for rows in drafts(agreement, by, components=True, recommendations=True, sources=True)
    )
    return bool(first.union(*others, all=True)[:1])


def _only_of(agreement: Agreement) -> QuerySet:
    """The ids of the recommendations that reference this agreement and no other."""
    links = Recommendation.agreements.through.objects
    others = links.exclude(agreement=agreement).values("recommendation")
    return links.filter(agreement=agreement).exclude(recommendation__in=others).values("recommendation")


def _referenced(agreement: Agreement, recommendations: QuerySet) -> QuerySet:
    """The ids of the sources that the agreement's records reference."""
    rows: list[Any] = [model.objects.filter(agreement=agreement) for model in (TreatyAction, EntryIntoForceCondition, Commitment)]
    rows += [
        Measurement.objects.filter(indicator__outcome__agreement=agreement),
        Citation.objects.filter(registry.of(Citation).belonging_to(agreement.pk)),
        recommendations,
    ]
    first, *others = (part.order_by().values("source") for part in rows)
    return first.union(*others)

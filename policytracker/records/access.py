"""Access rules: roles, visibility and publication. Every `visible_to()` uses them (docs/records.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db.models import Q, TextChoices
from django.utils.translation import gettext_lazy as _

from policytracker.sql.moment import moment_read
from policytracker.sql.parameters import Parameter


class Visibility(TextChoices):
    """The access level of a registry record."""

    PUBLIC = "public", _("Public")
    INTERNAL = "internal", _("Internal")
    RESTRICTED = "restricted", _("Restricted")


class Publication(TextChoices):
    """The editorial stage of a registry record."""

    DRAFT = "draft", _("Draft")
    PUBLISHED = "published", _("Published")
    ARCHIVED = "archived", _("Archived")


class Role(TextChoices):
    """The five roles. The values are the names of the groups, which a migration creates."""

    READER = "reader", _("Reader")
    OFFICER = "party officer", _("Party officer")
    ANALYST = "analyst", _("Analyst")
    REVIEWER = "reviewer", _("Reviewer")
    ADMINISTRATOR = "administrator", _("Administrator")


PUBLIC = "public"  # the role of anonymous users if PUBLIC_READ is set


@dataclass(frozen=True)
class Reader:
    """The user for whom records are read. The roles determine the SQL of a query; `id` is a parameter of it.

    With `as_of` the records are those of a past moment, and the reader must be able to read them today as well.
    """

    roles: frozenset[str]
    id: int | Parameter | None = None
    as_of: bool = field(default_factory=lambda: moment_read.get() is not None)

    @property
    def sees_all(self) -> bool:
        return Role.ADMINISTRATOR in self.roles

    @property
    def sees_unapproved(self) -> bool:
        """Whether this reader sees the draft and returned updates of other authors."""
        return bool(self.roles & {Role.REVIEWER, Role.ADMINISTRATOR})

    @property
    def sees_people(self) -> bool:
        """Whether user names are shown to this reader."""
        return PUBLIC not in self.roles

    @classmethod
    def of(cls, user: Any) -> Reader:
        """The reader for a user. Inactive users and users without a role read nothing; anonymous users only with PUBLIC_READ."""
        if isinstance(user, Reader):
            return user
        if not user.is_authenticated:
            return cls(frozenset({PUBLIC} if settings.PUBLIC_READ else ()))
        return cls(user.roles, user.pk) if user.is_active else cls(frozenset())


FULL_ACCESS = Reader(frozenset({Role.ADMINISTRATOR}), as_of=False)  # for what is done without a user
ANY, OWN, TEAM = "any", "own", "team"


def grants(reader: Reader) -> Iterator[tuple[list[Visibility], bool, str]]:
    """What the reader may read, as (visibilities, whether drafts are included, which rows: ANY, OWN or TEAM). None is part of another."""
    not_restricted = [Visibility.PUBLIC, Visibility.INTERNAL]
    if reader.roles & {Role.ANALYST, Role.REVIEWER}:
        yield not_restricted, True, ANY
        yield [Visibility.RESTRICTED], True, TEAM
        return
    yield not_restricted if Role.READER in reader.roles else [Visibility.PUBLIC], False, ANY
    if Role.OFFICER in reader.roles:
        yield not_restricted, True, OWN


def has_code(reader: Reader, name: str, codes: Sequence[str], every: type[TextChoices]) -> Q:
    """The condition that a field has one of the codes.

    As of a past moment, it requires that the field has none of the others: PostgreSQL has no statistics for columns of the views. It
    would expect few rows with one of the codes, and read them all before it looks up the few that a query needs.
    """
    return ~Q(**{f"{name}__in": [code for code in every if code not in codes]}) if reader.as_of else Q(**{f"{name}__in": codes})


def readable(reader: Reader, own: Q, team: Q) -> Q:
    """The registry records that this reader may read.

    `own` selects the records of the party that an officer acts for, `team` the restricted records whose team the user belongs to.
    """
    conditions = {OWN: own, TEAM: team}
    rule = readable_by_its_own_fields(reader)
    for visibilities, drafts, scope in grants(reader):
        if scope != ANY:
            rule |= granted(reader, visibilities, drafts) & conditions[scope]
    return rule


def readable_by_its_own_fields(reader: Reader) -> Q:
    """The registry records that this reader may read whatever they belong to."""
    rule = Q()
    for visibilities, drafts, scope in grants(reader):
        if scope == ANY:
            rule |= granted(reader, visibilities, drafts)
    return rule


def granted(reader: Reader, visibilities: list[Visibility], drafts: bool) -> Q:
    """The condition that a record has one of the visibilities and, unless `drafts` are included, is not a draft."""
    rule = has_code(reader, "visibility", visibilities, Visibility)
    # Not as "is no draft": the index of these two columns would be read with all drafts.
    return rule if drafts else rule & has_code(reader, "publication", [Publication.PUBLISHED, Publication.ARCHIVED], Publication)


def snapshot_scopes(reader: Reader, row: dict[str, Any]) -> set[str]:
    """The rows among which the reader could have read this stored earlier version of a row: ANY, OWN or TEAM."""
    return {
        scope
        for visibilities, drafts, scope in grants(reader)
        if row["visibility"] in visibilities and (drafts or row["publication"] != Publication.DRAFT)
    }

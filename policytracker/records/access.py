"""Who may read what: roles, visibility and publication, and the rule from which every `visible_to()` is made (docs/records.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import Q, TextChoices

if TYPE_CHECKING:
    from policytracker.models import User
from policytracker.records.parameters import Parameter


class Visibility(TextChoices):
    """For whose eyes a record is."""

    PUBLIC = "public", "Public"
    INTERNAL = "internal", "Internal"
    RESTRICTED = "restricted", "Restricted"


class Publication(TextChoices):
    """Where a record stands on its way to the public."""

    DRAFT = "draft", "Draft"
    PUBLISHED = "published", "Published"
    ARCHIVED = "archived", "Archived"


class Role(TextChoices):
    """The five groups, by the names that a migration gives them."""

    READER = "reader", "Reader"
    OFFICER = "party officer", "Party officer"
    ANALYST = "analyst", "Analyst"
    REVIEWER = "reviewer", "Reviewer"
    ADMINISTRATOR = "administrator", "Administrator"


PUBLIC = "public"  # what the anonymous are, where the site lets them read


@dataclass(frozen=True)
class Reader:
    """Who is reading: the roles decide the shape of a query, the id is a value in it."""

    roles: frozenset[str]
    id: int | Parameter | None = None

    @property
    def sees_all(self) -> bool:
        return Role.ADMINISTRATOR in self.roles

    @property
    def sees_unapproved(self) -> bool:
        """Whether every draft and returned update is read, not only one's own."""
        return bool(self.roles & {Role.REVIEWER, Role.ADMINISTRATOR})

    @property
    def sees_people(self) -> bool:
        """Whether people are named to this reader."""
        return PUBLIC not in self.roles

    @classmethod
    def of(cls, who: User | Reader | Any) -> Reader:
        """The reader that a user is; users without a group read nothing, nor do the anonymous unless the site is open to them."""
        if isinstance(who, Reader):
            return who
        if not who.is_authenticated:
            return cls(frozenset({PUBLIC} if settings.PUBLIC_READ else ()))
        return cls(who.roles, who.pk) if who.is_active else cls(frozenset())


ANY, OWN, TEAM = "any", "own", "team"


def grants(reader: Reader) -> Iterator[tuple[list[Visibility], bool, str]]:
    """The table of who reads what: which visibilities, whether drafts too, and of which rows."""
    open_to_staff = [Visibility.PUBLIC, Visibility.INTERNAL]
    yield [Visibility.PUBLIC], False, ANY
    if Role.READER in reader.roles:
        yield open_to_staff, False, ANY
    if Role.OFFICER in reader.roles:
        yield open_to_staff, True, OWN
    if reader.roles & {Role.ANALYST, Role.REVIEWER}:
        yield open_to_staff, True, ANY
        yield [Visibility.RESTRICTED], True, TEAM


def readable(reader: Reader, own: Q, team: Q) -> Q:
    """The rows of a register that this reader may read.

    `own` picks what belongs to the party for which an officer acts, `team` what is open to this person although restricted.
    """
    own_and_team = {ANY: Q(), OWN: own, TEAM: team}
    rule = Q()
    for visibilities, drafts, whose in grants(reader):
        granted = Q(visibility__in=visibilities) & own_and_team[whose]
        rule |= granted if drafts else granted & ~Q(publication=Publication.DRAFT)
    return rule


def can_read_snapshot(reader: Reader, row: dict[str, Any], own: bool, team: bool) -> bool:
    """The same table, asked of one row as it was."""
    own_and_team = {ANY: True, OWN: own, TEAM: team}
    return any(
        row["visibility"] in visibilities and own_and_team[whose] and (drafts or row["publication"] != Publication.DRAFT)
        for visibilities, drafts, whose in grants(reader)
    )

"""Access rules: roles, visibility and publication. Every `visible_to()` uses them (docs/records.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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


# What the roles may do, besides reading (docs/records.md).
EDITORS = frozenset({Role.ANALYST, Role.REVIEWER, Role.ADMINISTRATOR})  # write records, create assessments and notes
REVIEWERS = frozenset({Role.REVIEWER, Role.ADMINISTRATOR})  # approve the work of others, void, archive
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
        return bool(self.roles & REVIEWERS)

    @property
    def sees_people(self) -> bool:
        """Whether the names of users are shown to this reader where a record names them."""
        return bool(self.roles) and PUBLIC not in self.roles

    @property
    def sees_all_people(self) -> bool:
        """Whether the names of all users are shown to this reader."""
        return bool(self.roles & EDITORS)

    @classmethod
    def of(cls, user: Any) -> Reader:
        """The reader for a user. Inactive users and users without a role read nothing; anonymous users only with PUBLIC_READ."""
        if isinstance(user, Reader):
            return user
        if not user.is_authenticated:
            return cls(frozenset({PUBLIC} if settings.PUBLIC_READ else ()))
        return cls(user.roles, user.pk) if user.is_active else cls(frozenset())


FULL_ACCESS = Reader(frozenset({Role.ADMINISTRATOR}), as_of=False)  # of commands without a user
OWN, TEAM = "own", "team"  # the names of reasons that a record type declares: `Record.reasons`


@dataclass(frozen=True)
class Grant:
    """Rows that a reader may read: those with one of these codes in each field and, if there is a `reason`, for which it holds.

    The SQL of the present and of a past moment (`condition`) and the judgement of a stored earlier version (`includes`) follow from it.
    """

    codes: Mapping[str, Sequence[str]]
    reason: Any = None  # a Reason of records/reasons.py

    def condition(self, model: Any, reader: Reader) -> Q:
        """The condition for these rows; empty if all rows are included."""
        rule = Q()
        for name, codes in self.codes.items():
            rule &= has_code(reader, name, codes, [code for code, _label in model._meta.get_field(name).choices])
        return rule & self.reason.condition(model, reader) if self.reason else rule

    def includes(self, row: Mapping[str, Any]) -> bool:
        """Whether the columns of a row have these codes."""
        return all(row[name] in codes for name, codes in self.codes.items())


def registry_grants(reader: Reader, reasons: Mapping[str, Any], opened: Iterable[Grant]) -> Iterator[Grant]:
    """What the reader may read of a type of registry records: the table of docs/records.md, one line after another.

    `reasons` says when a record is that of the officer's party (OWN), and when the user is on its team (TEAM). `opened` are drafts that
    other records open. The grants do not overlap.
    """
    not_restricted = [Visibility.PUBLIC, Visibility.INTERNAL]
    if reader.roles & EDITORS:
        yield Grant({"visibility": not_restricted})
        if TEAM in reasons:
            yield Grant({"visibility": [Visibility.RESTRICTED]}, reasons[TEAM])
        return
    # Not as "is no draft": the index of these two columns would be read with all drafts.
    no_draft = [Publication.PUBLISHED, Publication.ARCHIVED]
    yield Grant({"visibility": not_restricted if Role.READER in reader.roles else [Visibility.PUBLIC], "publication": no_draft})
    if Role.OFFICER in reader.roles and OWN in reasons:
        yield Grant({"visibility": not_restricted}, reasons[OWN])
    yield from opened


def granted(grants: Iterable[Grant], model: Any, reader: Reader) -> Q:
    """The condition for the rows of any of the grants."""
    rule = Q(pk__in=[])
    for grant in grants:
        condition = grant.condition(model, reader)
        if not condition:
            return condition
        rule |= condition
    return rule


def has_code(reader: Reader, name: str, codes: Sequence[str], every: Sequence[str]) -> Q:
    """The condition that a field has one of the codes, of `every` code that it can have.

    As of a past moment, it requires that the field has none of the others: PostgreSQL has no statistics for columns of the views. It
    would expect few rows with one of the codes, and read them all before it looks up the few that a query needs.
    """
    others = [code for code in every if code not in codes]
    if not others:
        return Q()
    return ~Q(**{f"{name}__in": others}) if reader.as_of else Q(**{f"{name}__in": codes})

"""The input of the calculation. Dates are partial dates in EDTF, parties are codes, and "" means unknown."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import date

from django.utils.functional import cached_property

from agreements.models.agreements import ROLES_WITHOUT_STANDING
from policytracker.edtf import first_day, last_day


@dataclass(frozen=True, slots=True)
class Action:
    """A treaty action. `targets` are uids. Without a party it is an action on the text as a whole. `pk` identifies it for links."""

    uid: str
    kind: str
    party: str = ""
    acted_on: str = ""
    effective_on: str = ""
    counterparty: str = ""
    targets: frozenset[str] = frozenset()
    pk: int = 0


@dataclass(frozen=True)
class Condition:
    """A condition of entry into force."""

    uid: str
    kind: str
    number: int | None = None
    parties: frozenset[str] = frozenset()
    fixed_on: str = ""
    delay: str = ""
    text: str = ""
    pk: int = 0


@dataclass(frozen=True)
class AgreementRecord:
    """An agreement with everything that its standing depends on.

    `participants` are the parties with a participation and their roles, `dissolved` gives the `until` of parties that no longer exist,
    `protocols` are the agreements with the relation `accession_to` to this one, `names` gives the names of parties.
    """

    slug: str = ""
    actions: tuple[Action, ...] = ()
    non_binding: bool = False
    expires_on: str = ""
    participants: Mapping[str, Set[str]] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    later_joiner_delay: str = ""
    actions_complete_as_of: date | None = None
    dissolved: Mapping[str, str] = field(default_factory=dict)
    protocols: tuple[AgreementRecord, ...] = ()
    title: str = ""
    names: Mapping[str, str] = field(default_factory=dict, compare=False)
    pk: int = 0

    def name(self, party: str) -> str:
        return self.names.get(party, party)

    def only_roles_without_standing(self, party: str) -> bool:
        """Whether the party has participations, all with roles for which no standing is expected."""
        return party in self.participants and self.participants[party] <= ROLES_WITHOUT_STANDING

    @cached_property
    def has_partial_dates(self) -> bool:
        """Whether a date that the standing depends on is not known to the day."""
        dates = {self.expires_on, *self.dissolved.values(), *(condition.fixed_on for condition in self.conditions)}
        dates |= {stated for action in self.actions for stated in (action.acted_on, action.effective_on)}
        return any(first_day(stated) != last_day(stated) for stated in dates) or any(record.has_partial_dates for record in self.protocols)

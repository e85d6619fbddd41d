"""The sums of an agreement for reading: which of them contradict each other, and which count in the totals."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from agreements.models import Agreement, Commitment
from agreements.models.commitments import Bound
from agreements.source_marks import SourceMarks
from agreements.source_uses import Use
from policytracker.admin.querysets import visible

SHOWN_FIGURES = 60
COUNTS = _("Counts in the total")
DISPUTES = _("Does not count in the total: it disputes %(figure)s")
PART_OF = _("Does not count in the total: it is part of %(figure)s")


@dataclass(frozen=True)
class Figure:
    """A sum with its source, and whether it counts in the total of its stage and currency, in words.

    `use` is None without a source, and for readers who may not read it.
    """

    commitment: Commitment
    subject: str
    counts: bool
    why: str
    use: Use | None
    mark: str


@dataclass(frozen=True)
class Figures:
    """The sums of an agreement: groups that contradict each other, and all others."""

    conflicts: list[list[Figure]]
    others: list[Figure]
    inexact: bool  # whether a total contains a figure that is not exact
    more: int = 0


def figures(agreement: Agreement, user: Any, marks: SourceMarks, components: dict[int, str]) -> Figures:
    """The sums that the user may read, in one query. `components` are the titles of the components, by id."""
    rows = visible(Commitment, user).filter(agreement=agreement).select_related("payer").defer(None).defer("locator", "quote")
    found: dict[int, Commitment] = {row.pk: row for row in rows.order_by("stage", "currency", "-amount", "pk")}

    def line(row: Commitment) -> Figure:
        disputed, whole = found.get(row.disputes_id or 0), found.get(row.part_of_id or 0)
        why = DISPUTES % {"figure": disputed.figure} if disputed else PART_OF % {"figure": whole.figure} if whole else COUNTS
        subject = row.description or components.get(row.component_id or 0, "")
        return Figure(row, subject, not (disputed or whole), str(why), marks.use("commitment", row.pk), marks.of("commitment", row.pk))

    groups: dict[int, list[Figure]] = defaultdict(list)
    for pk in found:
        groups[undisputed(found, pk)].append(line(found[pk]))
    # The figure that the others of its group dispute comes first.
    conflicts = [sorted(group, key=lambda figure: not figure.counts) for group in groups.values() if len(group) > 1]
    others = [group[0] for group in groups.values() if len(group) == 1]
    return Figures(
        conflicts,
        others[:SHOWN_FIGURES],
        any(figure.counts and figure.commitment.bound != Bound.EXACTLY for group in groups.values() for figure in group),
        max(0, len(others) - SHOWN_FIGURES),
    )


def undisputed(found: dict[int, Commitment], pk: int) -> int:
    """The figure at which a chain of disputes that begins with this one ends."""
    while (disputed := found[pk].disputes_id) in found:
        pk = disputed
    return pk

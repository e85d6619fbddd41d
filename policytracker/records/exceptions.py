"""Why a request to change records is rejected. These exceptions know no HTTP; the API gives each its status."""

from __future__ import annotations

from dataclasses import dataclass


class Stale(Exception):
    """The record has changed since the caller read it."""

    def __init__(self, current_version: int):
        super().__init__("It has changed since you read it.")
        self.current_version = current_version


@dataclass(frozen=True)
class Refusal:
    """One condition that is not met."""

    code: str
    detail: str


class Refused(Exception):
    """Nothing was written, for all of these reasons."""

    def __init__(self, refusals: list[Refusal]):
        super().__init__(" ".join(refusal.detail for refusal in refusals))
        self.refusals = refusals


class EntriesRefused(Exception):
    """Entries of a list are refused, each for its own reason, and so nothing was written."""

    def __init__(self, reasons: dict[int, Exception], total: int):
        super().__init__(f"{len(reasons)} of {total} entries are refused.")
        self.reasons, self.total = reasons, total

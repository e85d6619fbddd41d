"""Who reads, and for which date: the one context that filters, reports and data checks take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from policytracker.history.as_of import moment_read
from policytracker.records.access import Reader


def today() -> date:
    """The current date in UTC. Every rule that depends on the current date takes it from here."""
    return datetime.now(UTC).date()


@dataclass(frozen=True)
class ReadContext:
    """The reader of a request, the date it is made on, and the date it is about.

    `on` is the date whose state is wanted; it may be earlier or later than `today`. `base_url` is the scheme and host that links in
    the response begin with; it is empty where no links are made. With `as_of`, the register of that moment is read, and `today` is
    the date of that moment.
    """

    reader: Reader
    today: date
    on: date
    base_url: str = ""
    as_of: datetime | None = None

    @classmethod
    def of(cls, user: Any, on: date | None = None, base_url: str = "") -> ReadContext:
        """The context of this user; `on` is today if it is not given. Inside `as_of()`, it is the context of that moment."""
        moment = moment_read.get()
        now = today() if moment is None else moment.astimezone(UTC).date()
        return cls(Reader.of(user), now, now if on is None else on, base_url, moment)

    @property
    def past(self) -> bool:
        """Whether `on` is before today. Then only what was reported up to that date counts."""
        return self.on < self.today

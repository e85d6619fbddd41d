"""Why a change of records is rejected. The API maps each exception to an HTTP status."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _


class Stale(Exception):
    """The record has changed since the caller read it."""

    def __init__(self, current_version: int):
        super().__init__(_("This record has changed since you read it."))
        self.current_version = current_version


class Rejected(Exception):
    """The change is rejected. `code` is stable; `detail` is a message for people."""

    def __init__(self, code: str, detail: str):
        super().__init__(detail)
        self.code, self.detail = code, detail


class NotPermitted(Rejected):
    """The user's role does not permit this."""

    def __init__(self, detail: str):
        super().__init__("not_permitted", detail)


class Conflict(Rejected):
    """The state of the record does not permit this change for any user."""


@dataclass(frozen=True)
class Refusal:
    """One unmet condition."""

    code: str
    detail: str


class Refused(Exception):
    """A change is refused, with all unmet conditions. Nothing was written."""

    def __init__(self, refusals: list[Refusal]):
        super().__init__(" ".join(refusal.detail for refusal in refusals))
        self.refusals = refusals


class EntriesRefused(Exception):
    """Entries of a list are refused, each for its own reason. Nothing was written."""

    def __init__(self, reasons: dict[int, Exception], total: int):
        super().__init__(_("{number} of {total} entries are refused.").format(number=len(reasons), total=total))
        self.reasons, self.total = reasons, total

"""The status codes of other registers in ours. The translation loses meaning, so an import also keeps the other code verbatim."""

import re
from dataclasses import dataclass

from recommendations.models import Status


@dataclass(frozen=True)
class Rating:
    """The status that a code of another register means. `closes`: no further work is expected, although the status is not terminal.

    `if_explained` is the status if the register also gives a comment.
    """

    status: Status
    closes: bool = False
    if_explained: Status | None = None


def term(code: str) -> str:
    """A code as it is compared: without case, and with one kind of dash and space."""
    dashed = re.sub(r"\s*[-\u2010-\u2015]\s*", "-", code.strip().casefold())
    return " ".join(dashed.replace("_", " ").split())


SCHEMES: dict[str, dict[str, Rating]] = {
    "GAO": {
        "open": Rating(Status.NOT_ASSESSED, if_explained=Status.IN_PROGRESS),
        "open-partially addressed": Rating(Status.PARTLY_IMPLEMENTED),
        "closed-implemented": Rating(Status.IMPLEMENTED),
        "closed-not implemented": Rating(Status.CLOSED_NOT_IMPLEMENTED),
    },
    "OGP": {
        "not started": Rating(Status.PROPOSED),
        "limited": Rating(Status.PARTLY_IMPLEMENTED),
        "substantial": Rating(Status.LARGELY_IMPLEMENTED),
        "complete": Rating(Status.IMPLEMENTED),
        "completed": Rating(Status.IMPLEMENTED),
        "withdrawn": Rating(Status.WITHDRAWN),
        "no evidence": Rating(Status.NOT_ASSESSED),
    },
    "GRECO": {
        "implemented satisfactorily": Rating(Status.IMPLEMENTED),
        "dealt with satisfactorily": Rating(Status.ADDRESSED_OTHERWISE),
        "dealt with in a satisfactory manner": Rating(Status.ADDRESSED_OTHERWISE),
        "partly implemented": Rating(Status.PARTLY_IMPLEMENTED),
        "not implemented": Rating(Status.PROPOSED),
    },
    "ANAO": {
        "fully": Rating(Status.IMPLEMENTED),
        "fully implemented": Rating(Status.IMPLEMENTED),
        "implemented": Rating(Status.IMPLEMENTED),
        "largely": Rating(Status.LARGELY_IMPLEMENTED),
        "largely implemented": Rating(Status.LARGELY_IMPLEMENTED),
        "partly": Rating(Status.PARTLY_IMPLEMENTED),
        "partly implemented": Rating(Status.PARTLY_IMPLEMENTED),
        "partially": Rating(Status.PARTLY_IMPLEMENTED),
        "partially implemented": Rating(Status.PARTLY_IMPLEMENTED),
        "not implemented": Rating(Status.PROPOSED),
        "ongoing": Rating(Status.IN_PROGRESS),
        "implementation ongoing": Rating(Status.IN_PROGRESS),
    },
    "PolitiFact": {
        "promise kept": Rating(Status.IMPLEMENTED),
        "kept": Rating(Status.IMPLEMENTED),
        "compromise": Rating(Status.PARTLY_IMPLEMENTED, closes=True),
        "promise broken": Rating(Status.CLOSED_NOT_IMPLEMENTED),
        "broken": Rating(Status.CLOSED_NOT_IMPLEMENTED),
        "stalled": Rating(Status.STALLED),
        "in the works": Rating(Status.IN_PROGRESS),
        "not yet rated": Rating(Status.NOT_ASSESSED),
    },
    "TrumpTracker": {
        "not started": Rating(Status.PROPOSED),
        "in progress": Rating(Status.IN_PROGRESS),
        "achieved": Rating(Status.IMPLEMENTED),
        "compromised": Rating(Status.PARTLY_IMPLEMENTED, closes=True),
        "broken": Rating(Status.CLOSED_NOT_IMPLEMENTED),
    },
    "WeVis": {
        "nodata": Rating(Status.NOT_ASSESSED),
        "proposed": Rating(Status.PLANNED),
        "working": Rating(Status.IN_PROGRESS),
        "paused": Rating(Status.STALLED),
        "done": Rating(Status.IMPLEMENTED),
    },
}


def named(name: str) -> dict[str, Rating] | None:
    """The scheme with this name, ignoring case; None if there is none."""
    return next((codes for scheme, codes in SCHEMES.items() if term(scheme) == term(name)), None)

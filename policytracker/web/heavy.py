"""Heavy requests: those whose cost grows with the size of the register, such as summaries and exports.

A process serves one report and two exports at a time. The others wait in a queue, without a database connection. Heavy requests use
at most half of the threads, so that all other requests are served meanwhile. One that finds the queue full, or waits too long, gets 503.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any, TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from policytracker.db.errors import RETRY_AFTER
from policytracker.web.errors import refuse

# An export can take minutes, because it lasts until the client has read it. Reports do not wait for exports, and two exports run at a
# time, so that the short one of another user need not wait for a long one.
REPORT, EXPORT = "report", "export"
TURNS = {REPORT: 1, EXPORT: 2}  # of each lane, for one of HEAVY_REQUESTS
MAX_WAIT = 10  # seconds

Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True)
class HeavyWhen:
    """A condition under which a request belongs to a lane."""

    lane: str
    condition: Callable[[HttpRequest], bool]


def heavy(lane: str, when: Callable[[HttpRequest], bool] = lambda request: True) -> Callable[[Handler], Handler]:
    """Declares that requests to this view, or to this method of a view class, are heavy. `when` can limit it to some of them."""

    def declare(handler: Handler) -> Handler:
        handler.heavy = (*getattr(handler, "heavy", ()), HeavyWhen(lane, when))  # type: ignore[attr-defined]
        return handler

    return declare


def lane_of(request: HttpRequest, view: Callable[..., Any]) -> str | None:
    """The lane of a heavy request, None for any other request. `view` is a function, or was made by a view class of DRF."""
    method = "get" if request.method == "HEAD" else str(request.method).lower()
    name = (getattr(view, "actions", None) or {}).get(method, method)
    handler = getattr(view.cls, name, None) if hasattr(view, "cls") else view
    return next((declared.lane for declared in getattr(handler, "heavy", ()) if declared.condition(request)), None)


class HeavyRequests:
    """Middleware: lets heavy requests wait for their turn, and refuses those beyond the limits with 503 `busy`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response
        self.turns = {lane: BoundedSemaphore(turns * settings.HEAVY_REQUESTS) for lane, turns in TURNS.items()}
        self.threads = BoundedSemaphore(settings.HEAVY_THREADS)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            response = self.get_response(request)
        except BaseException:
            self.end(request)
            raise
        if response.streaming:
            # A stream runs until the server closes the response, which it also does when the client hangs up.
            response._resource_closers.append(lambda: self.end(request))  # type: ignore[attr-defined]
        else:
            self.end(request)
        return response

    def process_view(self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any) -> HttpResponse | None:
        lane = lane_of(request, view)
        if lane is None or self.begin(request, lane):
            return None
        response = refuse(request, 503, "busy", _("The site is busy with other requests of this kind. Try again in a few seconds."))
        response["Retry-After"] = str(RETRY_AFTER)
        return response

    def begin(self, request: HttpRequest, lane: str) -> bool:
        """Wait for the turn of the request. False if there is no thread for it, or it waited too long."""
        if not self.threads.acquire(blocking=False):
            return False
        if not self.turns[lane].acquire(timeout=MAX_WAIT):
            self.threads.release()
            return False
        request.heavy_lane = lane  # type: ignore[attr-defined]
        return True

    def end(self, request: HttpRequest) -> None:
        """The request has its response: the next one of its lane can run."""
        if lane := vars(request).pop("heavy_lane", None):
            self.turns[lane].release()
            self.threads.release()

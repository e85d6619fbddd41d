"""Heavy requests: those whose cost grows with the size of the register, such as summaries and exports.

A process serves one report and two exports at a time. The others wait in a queue, without a database connection. Heavy requests use
at most half of the threads, so that all other requests are served meanwhile. One that finds the queue full, or waits too long, gets 503.

Turns are shared between clients, which are users, or addresses of anonymous users. A client has at most two requests running or
waiting; a third one gets 429. Those that wait after their connection was closed do not count, so a page can be reloaded. Signed-in
users come before anonymous ones, who have at most half of the turns and places.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from socket import MSG_DONTWAIT, MSG_PEEK
from threading import Condition
from time import monotonic
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from policytracker.sql.errors import RETRY_AFTER
from policytracker.web.errors import refuse

log = logging.getLogger(__name__)

# Reports do not wait for exports, which can take longer.
REPORT, EXPORT = "report", "export"
TURNS = {REPORT: 1, EXPORT: 2}  # of each lane, for one of HEAVY_REQUESTS
MAX_WAIT = 10  # seconds
MAX_OF_CLIENT = 2  # requests that run or wait, and as many responses that are being sent
LOOK_AFTER = 0.5  # seconds between two looks whether a waiting client is still connected
SEND_TIMEOUT = 30  # seconds for a client to accept one block of a file
LOG_EVERY = 10  # seconds between two log lines about refused requests

Handler = TypeVar("Handler", bound=Callable[..., Any])


# ---- declaring views


@dataclass(frozen=True)
class HeavyWhen:
    """A condition under which a request belongs to a lane."""

    lane: str
    condition: Callable[[HttpRequest], bool]


def heavy(lane: str, when: Callable[[HttpRequest], bool] = lambda request: True) -> Callable[[Handler], Handler]:
    """Declares that requests to this view, or to this method of a view class, are heavy. `when` can limit it to some of them.

    The view calls `take_turn()` when it has checked the request.
    """

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


# ---- turns

WAITING, RUNNING, SENDING = "waiting", "running", "sending"


@dataclass(eq=False)
class Turn:
    """A heavy request in the queue: it waits, runs, or its response is being sent. Then it needs a thread, but no turn."""

    lane: str
    client: tuple[str, Any]
    is_anonymous: bool
    state: str = WAITING
    has_left: Callable[[], bool] = lambda: False

    @classmethod
    def of(cls, request: HttpRequest, lane: str, user: Any) -> Turn:
        is_anonymous = not user.is_authenticated
        client = ("address", request.META.get("REMOTE_ADDR", "")) if is_anonymous else ("user", user.pk)
        return cls(lane, client, is_anonymous, has_left=partial(has_left, request))


class TurnRefused(Exception):
    """The request gets no turn: the client has too many requests (429), or the site is busy (503)."""

    def __init__(self, status: int):
        super().__init__(status)
        self.status = status

    def response(self, request: HttpRequest) -> HttpResponse:
        busy = _("The site is busy with other requests of this kind. Try again in a few seconds.")
        own = _("Your earlier requests of this kind are not finished. Wait for them, then try again.")
        code, detail = ("throttled", own) if self.status == 429 else ("busy", busy)
        return refuse(request, self.status, code, detail, {"Retry-After": str(RETRY_AFTER)})


class MustWait(Exception):
    """No turn is free. Ends the view, and so its transaction: the request waits without a connection, then the view runs again."""


class ClientLeft(Exception):
    """The client has closed the connection, so its request need not be completed."""


class Queue:
    """The heavy requests of one process, in the order of their arrival."""

    def __init__(self) -> None:
        self.changed = Condition()
        self.turns: list[Turn] = []
        self.refused: Counter[int] = Counter()  # since the start of the process, by status
        self.logged_at = 0.0

    def enter(self, turn: Turn) -> None:
        """Let the request wait, if it finds a place. Raises TurnRefused."""
        with self.changed:
            present = [other for other in self.turns if other.state != WAITING or not other.has_left()]
            if len(present) < len(self.turns):
                self.changed.notify_all()  # those whose clients have left end now
            of_client = Counter(other.state == SENDING for other in present if other.client == turn.client)
            if of_client[False] >= MAX_OF_CLIENT or of_client[True] >= MAX_OF_CLIENT:
                raise self.refusal(429)
            anonymous = sum(other.is_anonymous for other in present)
            if len(present) >= settings.HEAVY_THREADS or (turn.is_anonymous and anonymous >= half(settings.HEAVY_THREADS)):
                raise self.refusal(503)
            self.turns.append(turn)

    def start(self, turn: Turn) -> bool:
        """Begin the turn if it is the next one. False if it must wait."""
        with self.changed:
            if self.next(turn.lane) is not turn:
                return False
            turn.state = RUNNING
            self.changed.notify_all()  # another turn may be free for the one that is now the next
            return True

    def wait(self, turn: Turn) -> None:
        """Wait until the turn begins. Raises TurnRefused if that takes too long, and ClientLeft."""
        end = monotonic() + MAX_WAIT
        with self.changed:
            while not self.start(turn):
                left, remaining = turn.has_left(), end - monotonic()
                if left or remaining <= 0:
                    self.leave(turn)
                    raise ClientLeft if left else self.refusal(503)
                self.changed.wait(min(remaining, LOOK_AFTER))

    def next(self, lane: str) -> Turn | None:
        """The request that runs next, if a turn is free for it: signed-in users first, and one request of each client at a time."""
        turns = TURNS[lane] * settings.HEAVY_REQUESTS
        running = [turn for turn in self.turns if turn.lane == lane and turn.state == RUNNING]
        clients, anonymous = {turn.client for turn in running}, sum(turn.is_anonymous for turn in running)
        waiting = [
            turn
            for turn in self.turns
            if turn.lane == lane
            and turn.state == WAITING
            and turn.client not in clients
            and not (turn.is_anonymous and anonymous >= half(turns))
        ]
        return min(waiting, key=lambda turn: turn.is_anonymous, default=None) if len(running) < turns else None

    def send(self, turn: Turn) -> None:
        """The response is complete and is being sent. The next request can run."""
        with self.changed:
            turn.state = SENDING
            self.changed.notify_all()

    def leave(self, turn: Turn) -> None:
        """The request has ended."""
        with self.changed:
            self.turns.remove(turn)
            self.changed.notify_all()

    def refusal(self, status: int) -> TurnRefused:
        """Count and log a refused request. A flood of them fills no log."""
        self.refused[status] += 1
        if monotonic() - self.logged_at >= LOG_EVERY:
            self.logged_at = monotonic()
            log.warning("Heavy requests refused", extra={"fields": {"refused_since_start": dict(self.refused)}})
        return TurnRefused(status)


def half(number: int) -> int:
    return max(1, number // 2)


# ---- requests


def take_turn(request: Any) -> None:
    """In a handler that is declared as heavy: the request is checked, and the expensive part follows.

    Does nothing for a request that is not heavy. Raises MustWait and TurnRefused, which `HeavyRequests` handles.
    """
    http: Any = getattr(request, "_request", request)
    if hasattr(http, "heavy_queue") and http.heavy_turn is None:
        turn = Turn.of(http, http.heavy_lane, request.user)
        http.heavy_queue.enter(turn)
        http.heavy_turn = turn
        if not http.heavy_queue.start(turn):
            raise MustWait


def has_left(request: Any) -> bool:
    """Whether the client has closed the connection. Only gunicorn gives us its socket."""
    socket = request.META.get("gunicorn.socket")
    if socket is None:
        return False
    try:
        return socket.recv(1, MSG_PEEK | MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


class HeavyRequests:
    """Middleware: lets heavy requests wait for their turn, and refuses those beyond the limits with 429 or 503."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response
        self.queue = Queue()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            response = self.get_response(request)
        except BaseException:
            self.end(request)
            raise
        turn = getattr(request, "heavy_turn", None)
        if turn is not None and response.streaming:
            self.queue.send(turn)
            if socket := request.META.get("gunicorn.socket"):
                socket.settimeout(SEND_TIMEOUT)  # until its next request
            # The server closes the response when it is sent, and also when the client hangs up.
            response._resource_closers.append(lambda: self.end(request))  # type: ignore[attr-defined]
        else:
            self.end(request)
        return response

    def process_view(self, request: Any, view: Callable[..., Any], args: Any, kwargs: Any) -> None:
        lane = lane_of(request, view)
        if lane is not None and not hasattr(request, "heavy_queue"):  # the view runs again after it had to wait
            request.heavy_queue, request.heavy_lane, request.heavy_turn = self.queue, lane, None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, TurnRefused):
            return error.response(request)
        if isinstance(error, ClientLeft):
            return HttpResponse(status=499)  # nobody reads it; the log of nginx has this number too
        return (self.wait(request) or self.get_response(request)) if isinstance(error, MustWait) else None

    def wait(self, request: Any) -> HttpResponse | None:
        """Wait for the turn of the request, without a connection. The response if it gets none."""
        if not connection.in_atomic_block:
            connection.close()
        turn = request.heavy_turn
        try:
            self.queue.wait(turn)
        except (TurnRefused, ClientLeft) as error:
            request.heavy_turn = None
            return self.process_exception(request, error)
        return None

    def end(self, request: Any) -> None:
        """The request has ended: a place in the queue is free."""
        if turn := getattr(request, "heavy_turn", None):
            request.heavy_turn = None
            self.queue.leave(turn)

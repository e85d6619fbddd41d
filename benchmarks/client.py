"""An HTTP client that costs so little CPU that it does not distort what it measures: blocking sockets with keep-alive."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread

BLOCK = 256 * 1024  # bytes to read at a time
TIMEOUT = 120  # seconds
HOST = "localhost"


def message(path: str, token: str = "", method: str = "GET", body: bytes = b"", session: str = "") -> bytes:
    """A request, with the headers that a proxy with TLS adds."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", "X-Forwarded-Proto: https", "X-Forwarded-For: 127.0.0.1"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if session:
        lines.append(f"Cookie: sessionid={session}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. `size` is the number of bytes of its body, `body` is empty unless it was asked for."""

    status: int
    head: bytes
    size: int
    body: bytes = b""

    def header(self, name: bytes) -> bytes:
        """The value of a header, given in lower case; empty if it is missing."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name:
                return value.strip()
        return b""


class Connection:
    """A connection to a server on this machine. It is opened again when the server has closed it."""

    def __init__(self, port: int):
        self.port = port
        self.socket: socket.socket | None = None
        self.buffer = b""
        self.received = False  # whether a part of the current response has arrived

    def close(self) -> None:
        if self.socket:
            self.socket.close()
        self.socket, self.buffer = None, b""

    def send(self, text: bytes, keep_body: bool = False) -> Answer:
        reused = self.socket is not None
        try:
            return self._send(text, keep_body)
        except ConnectionError:
            self.close()
            if not reused or self.received:
                raise
            return self._send(text, keep_body)  # the server closes connections that are idle for seconds

    def begin(self, text: bytes) -> socket.socket:
        """Send a request without reading the response."""
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(text)
        return self.socket

    def _send(self, text: bytes, keep_body: bool) -> Answer:
        self.begin(text)
        self.received = False
        head = self._until(b"\r\n\r\n")
        lower, parts, size = head.lower(), [], 0
        length = content_length(lower)
        chunked = b"\r\ntransfer-encoding: chunked" in lower
        for part in self._chunks() if chunked else self._rest() if length is None else self._bytes(length):
            size += len(part)
            if keep_body:
                parts.append(part)
        if b"\r\nconnection: close" in lower:
            self.close()
        return Answer(int(head[9:12]), head, size, b"".join(parts))

    def _more(self) -> None:
        assert self.socket
        data = self.socket.recv(BLOCK)
        if not data:
            raise ConnectionResetError("The server closed the connection.")
        self.buffer += data
        self.received = True

    def _until(self, end: bytes) -> bytes:
        while (place := self.buffer.find(end)) < 0:
            self._more()
        text, self.buffer = self.buffer[:place], self.buffer[place + len(end) :]
        return text

    def _bytes(self, count: int) -> Iterator[bytes]:
        while count:
            if not self.buffer:
                self._more()
            part, self.buffer = self.buffer[:count], self.buffer[count:]
            count -= len(part)
            yield part

    def _rest(self) -> Iterator[bytes]:
        """What comes until the server closes the connection."""
        with suppress(ConnectionResetError):
            while True:
                part, self.buffer = self.buffer, b""
                yield part
                self._more()

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._until(b"\r\n"), 16):
            yield from self._bytes(size)
            self._until(b"\r\n")
        self._until(b"\r\n")


def content_length(head: bytes) -> int | None:
    """The length of the body, from a head in lower case, if it is given."""
    _, found, rest = head.partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else None


@dataclass(frozen=True, slots=True)
class Timing:
    """What one request took: its name, the status of the response, and seconds."""

    name: str
    status: int
    seconds: float
    size: int = 0


def timed(connection: Connection, name: str, text: bytes) -> Timing:
    start = time.perf_counter()
    answer = connection.send(text)
    return Timing(name, answer.status, time.perf_counter() - start, answer.size)


def in_threads(functions: Sequence[Callable[[], None]]) -> None:
    """Run the functions at the same time, and raise the first error of any of them."""
    errors: list[BaseException] = []

    def run(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=run, args=[function]) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]

"""A server of the site in a process of its own."""

import contextlib
import socket


def free_port() -> int:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listening:
        return listening.getsockname()[1]

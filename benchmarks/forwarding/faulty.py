"""Candidates that must not be felt: one that hangs, one that resets, one that takes ten times as long."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_BACKLOG = 4_096
_CLOSE_WITH_RESET = struct.pack("ii", 1, 0)


@contextmanager
def hanging() -> Iterator[str]:
    """Take connections and never answer; return the address."""
    with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listener:
        yield _address(listener)


@contextmanager
def resetting() -> Iterator[str]:
    """Reset every connection when its first bytes come; return the address."""
    with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listener:
        resetter = threading.Thread(target=_reset_all, args=(listener,), daemon=True)
        resetter.start()
        try:
            yield _address(listener)
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            resetter.join()


def _reset_all(listener: socket.socket) -> None:
    with suppress(OSError):
        while True:
            one, _ = listener.accept()
            with one, suppress(OSError):
                one.settimeout(1)
                one.recv(1)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CLOSE_WITH_RESET)


def _address(listener: socket.socket) -> str:
    return f"127.0.0.1:{listener.getsockname()[1]}"

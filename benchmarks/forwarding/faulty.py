"""Candidates that must not be felt: one that hangs, one that resets.

What they do costs CPU where load and service run; at the lowest priority, so that callers are not slowed by that.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_BACKLOG = 4_096
LOWEST = 19
"""The nice value of what must not take CPU from the rest."""
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
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST)  # Linux: of this thread alone
    with suppress(OSError):
        while True:
            one, _ = listener.accept()
            with one, suppress(OSError):
                one.settimeout(1)
                one.recv(1)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CLOSE_WITH_RESET)


def _address(listener: socket.socket) -> str:
    return f"127.0.0.1:{listener.getsockname()[1]}"

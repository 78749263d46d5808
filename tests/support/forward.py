"""A TCP port of this machine that leads to a Unix socket: an engine as another machine's is asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def tcp_to_unix(path: str) -> Iterator[str]:
    """Lead connections to a socket until the end, and return the address, "host:port"."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        open_ends: list[socket.socket] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    near, _ = listener.accept()
                    far = socket.socket(socket.AF_UNIX)
                    far.connect(path)
                    open_ends.extend((near, far))
                    for one, other in ((near, far), (far, near)):
                        threading.Thread(target=_copy, args=(one, other), daemon=True).start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for end in open_ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()


def _copy(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(1 << 16):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)

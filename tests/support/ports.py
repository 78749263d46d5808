"""Ports for what a test starts."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, all different.

    They lie below those that the kernel gives to outgoing connections, of which a load test beside may take thousands.
    """
    ports: set[int] = set()
    while len(ports) < count:
        port = 20_000 + secrets.randbelow(12_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.add(port)
    return sorted(ports)

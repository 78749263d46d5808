"""Ports of this machine for what has none given: a store, a web UI, a service of a test."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Iterator
from itertools import islice
from typing import Final

_RANGE: Final = range(20_000, 32_000)


def free_ports(count: int) -> tuple[int, ...]:
    """Return loopback ports that were free a moment ago, all different.

    They lie below those that the kernel gives to outgoing connections as a rule, of which a load test beside may take
    thousands.

    Raises:
        OSError: there are not so many.
    """
    ports = tuple(islice(_free(), count))
    if len(ports) < count:
        raise OSError(
            errno.EADDRINUSE, f"of {count} ports between {_RANGE[0]} and {_RANGE[-1]} only {len(ports)} are free"
        )
    return ports


def _free() -> Iterator[int]:
    for port in random.SystemRandom().sample(_RANGE, len(_RANGE)):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        yield port

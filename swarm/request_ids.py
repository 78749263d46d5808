"""What stands for `{request_id}`: a text that no other request of a run has, so that a write can be told from another.

Draws are alike for both twins of a pair, ids are not: twins that share a store would take the second's writes for
repetitions of the first's. They follow from the order of the sweep, which begins at another second in each run.
"""

from __future__ import annotations

import itertools
from hashlib import blake2b
from typing import Final

_THREAD_AND_NUMBER: Final = 64  # bits of an id behind those of the sweep's share, as the engine has them


def seed_of(text: str) -> int:
    """Return 64 bits that follow from a text alone."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def ids_of(seed: str, sweep: int, start_second: int, place: int) -> int:
    """Return what the ids of one process in one sweep begin with, 64 bits.

    Args:
        seed: the order's.
        sweep: its number in the run.
        start_second: when it begins, on this machine's clock since its start.
        place: the process's among those that take part.
    """
    return seed_of(f"ids/{seed}/{sweep}/{start_second}/{place}")


class RequestIds:
    """Hands out the ids of one process in one sweep: 32 hexadecimal digits, the last ones counting."""

    __slots__ = ("_head", "_numbers")

    def __init__(self, ids: int) -> None:
        self._head = ids << _THREAD_AND_NUMBER
        self._numbers = itertools.count()

    def take(self) -> str:
        """Return the next id."""
        return f"{self._head | next(self._numbers):032x}"

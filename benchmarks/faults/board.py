"""A few bytes that two processes share: what a service was sent, and what it is to suffer from.

A file mapped into memory, so that it holds what was noted when the service is killed, stopped or out of memory.

| bytes | what |
|---|---|
| 0 to 7 | requests of callers that came |
| 8 to 15 | when the last one came, ns of the machine's monotonic clock |
| 16 to 23 | when it died by itself, by the same clock |
| 24 | the sickness, 0: none |
"""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path

_SICKNESS = 24
_SIZE = _SICKNESS + 1
_SEEN = struct.Struct("=QQ")
_DIED = struct.Struct("=Q")


class Board:
    """A mapped file; both sides open it, one makes it."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_SIZE))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)

    def note(self) -> None:
        """Count a request that came now."""
        count, _ = self.seen()
        _SEEN.pack_into(self._map, 0, count + 1, time.monotonic_ns())

    def seen(self) -> tuple[int, int]:
        """Return how many requests came, and when the last one did; 0 when none."""
        count, last_ns = _SEEN.unpack_from(self._map, 0)
        return count, last_ns

    @property
    def died_ns(self) -> int:
        """When the service died by itself; 0 when it did not."""
        found: int = _DIED.unpack_from(self._map, _SEEN.size)[0]
        return found

    def note_death(self) -> None:
        """Note that it dies now."""
        _DIED.pack_into(self._map, _SEEN.size, time.monotonic_ns())

    @property
    def sickness(self) -> int:
        """What the service suffers from."""
        return self._map[_SICKNESS]

    @sickness.setter
    def sickness(self, number: int) -> None:
        self._map[_SICKNESS] = number

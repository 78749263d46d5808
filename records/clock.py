"""The swarm's clock: one monotonic clock for every record, with UTC beside it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Clock:
    """A pair of readings taken at once, by which monotonic nanoseconds become UTC.

    CLOCK_MONOTONIC is one clock for all processes of a machine; across machines each worker reports offsets into its
    stage and the master writes them on its own clock.
    """

    mono_ns: int
    wall_ns: int

    @classmethod
    def now(cls) -> Clock:
        """Read both clocks."""
        return cls(time.monotonic_ns(), time.time_ns())

    def utc(self, mono_ns: int) -> str:
        """Return a monotonic time as UTC, ISO 8601 with milliseconds."""
        wall_ms = (self.wall_ns + mono_ns - self.mono_ns) // 1_000_000
        moment = datetime.fromtimestamp(wall_ms / 1000, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

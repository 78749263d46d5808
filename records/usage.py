"""Usage: what each instance had consumed at one moment, in the manifest's order of instances."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostUsage:
    """The machine as a whole, cumulative since boot: busy and stolen CPU seconds over all cores, and by core."""

    busy_s: float
    steal_s: float
    busy_by_cpu_s: tuple[float, ...]
    memory_used_bytes: int


@dataclass(frozen=True, slots=True)
class UsageLine:
    """One line of `usage.jsonl`: arrays by instance; None where an instance could not be read (a gap, not a zero).

    `cpu_s` is cumulative CPU time in seconds (children included), so that any window is a difference;
    `memory_bytes` the working set (resident set of a process); `threads`, `switches` (context switches, cumulative)
    and `connections` (established TCP connections at its port) beside it. `second` is the monotonic second sampled,
    `t_ns` the moment of the sample.
    """

    t_ns: int
    utc: str
    second: int
    cpu_s: tuple[float | None, ...]
    memory_bytes: tuple[int | None, ...]
    switches: tuple[int | None, ...]
    connections: tuple[int | None, ...]
    host: HostUsage

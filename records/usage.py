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
class ContainerUsage:
    """What a container shows beside CPU time and memory; None is not known, of a limit also: there is none.

    `periods` are the scheduler's periods in which it ran under a CPU limit, `throttled_periods` those in which it was
    held back, `throttled_s` for how long, summed over the cores: all cumulative. `cpu_limit_cores` and
    `memory_limit_bytes` are the limits in force, `processes` counts processes and threads. `received_bytes` and
    `sent_bytes` are cumulative over its own interfaces; a container in the host's network has none of its own.
    """

    periods: int | None = None
    throttled_periods: int | None = None
    throttled_s: float | None = None
    cpu_limit_cores: float | None = None
    memory_limit_bytes: int | None = None
    processes: int | None = None
    received_bytes: int | None = None
    sent_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class UsageLine:
    """One line of `usage.jsonl`: arrays by instance; None where an instance could not be read (a gap, not a zero).

    `cpu_s` is cumulative CPU time in seconds (children included), so that any window is a difference;
    `memory_bytes` the working set (resident set of a process); `threads`, `switches` (context switches, cumulative)
    and `connections` (established TCP connections at its port) beside it. `second` is the monotonic second sampled,
    `t_ns` the moment of the sample. `sampled_ns` is the moment of an instance's own sample where that is another one's
    (a scrape's, an engine's), None where it is `t_ns`; a line repeats a sample until there is a newer one.
    `containers` is what containers show beside. Both are () when no instance needs them.
    """

    t_ns: int
    utc: str
    second: int
    cpu_s: tuple[float | None, ...]
    memory_bytes: tuple[int | None, ...]
    switches: tuple[int | None, ...]
    connections: tuple[int | None, ...]
    host: HostUsage
    sampled_ns: tuple[int | None, ...] = ()
    containers: tuple[ContainerUsage | None, ...] = ()

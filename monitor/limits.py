"""How much of its limits an instance uses. Pure; None is "not known" or "no limit", never 0."""

from __future__ import annotations

from monitor.window import GAP_NS, Lines, cpu_cores, memory_mean_bytes
from records.instance import Instance


def share(used: float | None, limit: float | None) -> float | None:
    """Return used ÷ limit, which may be above 1; None when either is not known or the limit is none."""
    return None if used is None or not limit else used / limit


def cpu_limit_cores(lines: Lines, index: int, instance: Instance) -> float | None:
    """Return the CPU limit of an instance in cores: the one last seen in force, else its allotment.

    Args:
        lines: usage lines in order of time.
        index: the instance's place in the arrays.
        instance: what is recorded of it.
    """
    for line in reversed(lines):
        container = line.containers[index] if line.containers else None
        if container is not None and container.cpu_limit_cores is not None:
            return container.cpu_limit_cores
    return instance.cpus


def memory_limit_bytes(lines: Lines, index: int, instance: Instance) -> int | None:
    """Return the memory limit of an instance: its allotment, else the one last seen in force.

    The allotment comes first: an engine tells the machine's memory where a container has no limit.
    """
    if instance.memory_limit_bytes is not None:
        return instance.memory_limit_bytes
    for line in reversed(lines):
        container = line.containers[index] if line.containers else None
        if container is not None and container.memory_limit_bytes is not None:
            return container.memory_limit_bytes
    return None


def cpu_ratio(
    lines: Lines, index: int, instance: Instance, from_ns: int, to_ns: int, *, gap_ns: int = GAP_NS
) -> float | None:
    """Return the CPU that an instance used in a window as a share of its limit; None as for `window.cpu_cores`."""
    cores = cpu_cores(lines, index, from_ns, to_ns, gap_ns=gap_ns)
    return share(cores, cpu_limit_cores(lines, index, instance))


def memory_ratio(lines: Lines, index: int, instance: Instance, from_ns: int, to_ns: int) -> float | None:
    """Return the mean memory of an instance in a window as a share of its limit; None without a sample."""
    return share(memory_mean_bytes(lines, index, from_ns, to_ns), memory_limit_bytes(lines, index, instance))

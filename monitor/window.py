"""What an instance used between two moments, from usage lines. Pure; None is "not known", never 0.

CPU is cumulative, so a window's CPU is a difference. A window begins and ends between samples: values there are drawn
on the straight line between the two samples around it. Where these are further apart than `GAP_NS`, or one has no
value, the watch had a gap there and the answer is None. A gap inside a window does no harm: nothing was lost.
Lines are in order of time, as the monitor writes them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Final

from records.clock import NS
from records.usage import UsageLine

GAP_NS: Final = 3 * NS // 2
Lines = Sequence[UsageLine]


def cpu_cores(lines: Lines, index: int, from_ns: int, to_ns: int, *, gap_ns: int = GAP_NS) -> float | None:
    """Return the cores that an instance used on average in [from_ns, to_ns].

    Args:
        lines: usage lines in order of time.
        index: the instance's place in the arrays.
        from_ns, to_ns: the window on the monotonic clock.
        gap_ns: samples further apart than this have a gap between them.
    Returns:
        CPU seconds per second; None when a gap or no sample covers an end, or the count went back (a restart).
    Raises: ValueError when the window is empty.
    """
    touched = [line.cpu_s[index] for line in _touching(lines, from_ns, to_ns)]
    known = [value for value in touched if value is not None]
    if known != sorted(known):
        return None
    return _rate(lines, lambda line: line.cpu_s[index], (from_ns, to_ns), gap_ns)


def memory_mean_bytes(lines: Lines, index: int, from_ns: int, to_ns: int) -> float | None:
    """Return the mean of an instance's memory over the samples in [from_ns, to_ns]; None when there is none."""
    values = [line.memory_bytes[index] for line in _inside(lines, from_ns, to_ns)]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def steal_ratio(lines: Lines, from_ns: int, to_ns: int, *, gap_ns: int = GAP_NS) -> float | None:
    """Return the part of the machine's CPU time that others took in a window, 0..1; None as for `cpu_cores`."""
    rate = _rate(lines, lambda line: line.host.steal_s, (from_ns, to_ns), gap_ns)
    return None if rate is None else rate / len(lines[0].host.busy_by_cpu_s)


def cores_busy_ratio(
    lines: Lines, cpu_set: Sequence[int], from_ns: int, to_ns: int, *, gap_ns: int = GAP_NS
) -> float | None:
    """Return the busy part of some cores in a window, whoever used them, 0..1.

    None as for `cpu_cores`, and when `cpu_set` is empty or names a core that was not sampled.
    """
    if not cpu_set or not lines or max(cpu_set) >= len(lines[0].host.busy_by_cpu_s):
        return None
    rate = _rate(lines, lambda line: sum(line.host.busy_by_cpu_s[cpu] for cpu in cpu_set), (from_ns, to_ns), gap_ns)
    return None if rate is None else rate / len(cpu_set)


def _rate(
    lines: Lines, value: Callable[[UsageLine], float | None], window: tuple[int, int], gap_ns: int
) -> float | None:
    """Return the growth of a cumulative value per second."""
    from_ns, to_ns = window
    if to_ns <= from_ns:
        raise ValueError(f"[{from_ns}, {to_ns}] is no window: its end must be later than its beginning")
    first, last = _at(lines, value, from_ns, gap_ns), _at(lines, value, to_ns, gap_ns)
    if first is None or last is None:
        return None
    return (last - first) / ((to_ns - from_ns) / NS)


def _at(lines: Lines, value: Callable[[UsageLine], float | None], t_ns: int, gap_ns: int) -> float | None:
    """Return a value at a moment, drawn between the samples around it; exact on a sample."""
    after = bisect_right(lines, t_ns, key=lambda line: line.t_ns)
    if after == 0:
        return None
    one = lines[after - 1]
    low = value(one)
    if one.t_ns == t_ns or low is None:
        return low
    if after == len(lines) or lines[after].t_ns - one.t_ns > gap_ns:
        return None
    two = lines[after]
    high = value(two)
    return None if high is None else low + (high - low) * (t_ns - one.t_ns) / (two.t_ns - one.t_ns)


def _inside(lines: Lines, from_ns: int, to_ns: int) -> Lines:
    low = bisect_right(lines, from_ns - 1, key=lambda line: line.t_ns)
    return lines[low : bisect_right(lines, to_ns, key=lambda line: line.t_ns)]


def _touching(lines: Lines, from_ns: int, to_ns: int) -> Lines:
    """Return the samples in a window with the one before and the one behind it."""
    low = max(0, bisect_right(lines, from_ns, key=lambda line: line.t_ns) - 1)
    return lines[low : bisect_right(lines, to_ns, key=lambda line: line.t_ns) + 1]

"""What an instance used between two moments, from usage lines. Pure; None is "not known", never 0.

CPU is cumulative, so a window's CPU is a difference. A window begins and ends between samples: values there are drawn
on the straight line between the two samples around it. Where these are further apart than `GAP_NS`, or one has no
value, the watch had a gap there and the answer is None. A gap inside a window does no harm: nothing was lost.
Lines are in order of time, as the monitor writes them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import itemgetter
from statistics import median
from typing import Final

from records.clock import NS
from records.usage import ContainerUsage, UsageLine

GAP_NS: Final = 3 * NS // 2
Lines = Sequence[UsageLine]
Series = Sequence[tuple[int, float | None]]  # (ns of the monotonic clock, value)
_LEAST_COVERED: Final = 0.5  # of a window by samples with times of their own; less says too little about it


def cpu_cores(lines: Lines, index: int, from_ns: int, to_ns: int, *, gap_ns: int = GAP_NS) -> float | None:
    """Return the cores that an instance used on average in [from_ns, to_ns].

    Args:
        lines: usage lines in order of time.
        index: the instance's place in the arrays.
        from_ns, to_ns: the window on the monotonic clock.
        gap_ns: samples further apart than this have a gap between them.
    Returns:
        CPU seconds per second; None when a gap or no sample covers an end, or the count went back (a restart). Of an
        instance with samples of its own times (a scrape's) an end is drawn in to its nearest sample, over at most half
        of the window in all.
    Raises: ValueError when the window is empty.
    """
    series = series_of(lines, index, lambda line: line.cpu_s[index])
    known = [value for _, value in _touching(series, from_ns, to_ns) if value is not None]
    if known != sorted(known):
        return None
    return _growth(series, (from_ns, to_ns), gap_ns, draw_in=is_sampled(lines, index))


def throttled_ratio(lines: Lines, index: int, from_ns: int, to_ns: int, *, gap_ns: int = GAP_NS) -> float | None:
    """Return the part of a container's scheduling periods in a window in which it was held back, 0..1.

    None as for `cpu_cores`, and when there was no period: it has no CPU limit, or did not run.
    """
    window = (from_ns, to_ns)
    periods = _container_growth(lines, index, lambda one: one.periods, window, gap_ns)
    throttled = _container_growth(lines, index, lambda one: one.throttled_periods, window, gap_ns)
    return throttled / periods if periods and periods > 0 and throttled is not None else None


def throttled_cores(lines: Lines, index: int, from_ns: int, to_ns: int, *, gap_ns: int = GAP_NS) -> float | None:
    """Return for how long a container was held back, in seconds per second, summed over the cores it ran on.

    None as for `cpu_cores`.
    """
    return _container_growth(lines, index, lambda one: one.throttled_s, (from_ns, to_ns), gap_ns)


def network_bytes_per_s(
    lines: Lines, index: int, from_ns: int, to_ns: int, *, gap_ns: int = GAP_NS
) -> tuple[float, float] | None:
    """Return what a container received and sent in a window, in bytes a second; None without interfaces of its own."""
    window = (from_ns, to_ns)
    received = _container_growth(lines, index, lambda one: one.received_bytes, window, gap_ns)
    sent = _container_growth(lines, index, lambda one: one.sent_bytes, window, gap_ns)
    return None if received is None or sent is None else (received, sent)


def resolution_s(lines: Lines, index: int) -> float | None:
    """Return the usual distance of an instance's samples: the median, None of fewer than two."""
    times = [t_ns for t_ns, value in series_of(lines, index, lambda line: line.cpu_s[index]) if value is not None]
    return median(b - a for a, b in pairwise(times)) / NS if len(times) > 1 else None


def memory_mean_bytes(lines: Lines, index: int, from_ns: int, to_ns: int) -> float | None:
    """Return the mean of an instance's memory over the samples in [from_ns, to_ns]; None when there is none."""
    series = series_of(lines, index, lambda line: line.memory_bytes[index])
    known = [value for t_ns, value in series if from_ns <= t_ns <= to_ns and value is not None]
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


def is_sampled(lines: Lines, index: int) -> bool:
    """Say whether an instance's samples have times of their own."""
    return any(line.sampled_ns and line.sampled_ns[index] is not None for line in lines)


def series_of(lines: Lines, index: int, value: Callable[[UsageLine], float | None]) -> Series:
    """Return (moment, value) of an instance in order of time, each sample once.

    Samples of the lines' own times keep their gaps as None. Of those with times of their own, lines repeat the newest
    until there is another, and a gap is a long distance between two.
    """
    if not is_sampled(lines, index):
        return [(line.t_ns, value(line)) for line in lines]
    own = {line.sampled_ns[index]: value(line) for line in lines if line.sampled_ns}
    return sorted((t_ns, one) for t_ns, one in own.items() if t_ns is not None and one is not None)


def _container_growth(
    lines: Lines,
    index: int,
    value: Callable[[ContainerUsage], float | None],
    window: tuple[int, int],
    gap_ns: int,
) -> float | None:
    """Return the growth of a container's cumulative figure per second; None also when it went back."""

    def figure(line: UsageLine) -> float | None:
        container = line.containers[index] if line.containers else None
        return None if container is None else value(container)

    growth = _growth(series_of(lines, index, figure), window, gap_ns, draw_in=is_sampled(lines, index))
    return None if growth is None or growth < 0 else growth


def _rate(
    lines: Lines, value: Callable[[UsageLine], float | None], window: tuple[int, int], gap_ns: int
) -> float | None:
    """Return the growth of a cumulative value of the machine per second."""
    return _growth([(line.t_ns, value(line)) for line in lines], window, gap_ns)


def _growth(series: Series, window: tuple[int, int], gap_ns: int, *, draw_in: bool = False) -> float | None:
    """Return the growth of a cumulative value per second."""
    from_ns, to_ns = window
    if to_ns <= from_ns:
        raise ValueError(f"[{from_ns}, {to_ns}] is no window: its end must be later than its beginning")
    first, last = _at(series, from_ns, gap_ns), _at(series, to_ns, gap_ns)
    if draw_in and (first is None or last is None):
        inside = [(t_ns, value) for t_ns, value in series if from_ns <= t_ns <= to_ns and value is not None]
        if not inside:
            return None
        (from_ns, first), (to_ns, last) = (
            inside[0] if first is None else (from_ns, first),
            inside[-1] if last is None else (to_ns, last),
        )
        if to_ns - from_ns < _LEAST_COVERED * (window[1] - window[0]):
            return None
    if first is None or last is None:
        return None
    return (last - first) / ((to_ns - from_ns) / NS)


def _at(series: Series, t_ns: int, gap_ns: int) -> float | None:
    """Return a value at a moment, drawn between the samples around it; exact on a sample."""
    after = bisect_right(series, t_ns, key=itemgetter(0))
    if after == 0:
        return None
    low_ns, low = series[after - 1]
    if low_ns == t_ns or low is None:
        return low
    if after == len(series) or series[after][0] - low_ns > gap_ns:
        return None
    high_ns, high = series[after]
    return None if high is None else low + (high - low) * (t_ns - low_ns) / (high_ns - low_ns)


def _touching(series: Series, from_ns: int, to_ns: int) -> Series:
    """Return the samples in a window with the one before and the one behind it."""
    low = max(0, bisect_right(series, from_ns, key=itemgetter(0)) - 1)
    return series[low : bisect_right(series, to_ns, key=itemgetter(0)) + 1]

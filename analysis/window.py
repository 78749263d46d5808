"""What a stage's measured window cost, over the part of it that usage samples cover. Pure.

A stage is judged right after its end, when the sample that closes its window may still be on its way, and the first
sample of a watch may come just after a stage began: such an end is drawn in to the nearest sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from monitor.window import cores_busy_ratio, cpu_cores, memory_mean_bytes, steal_ratio
from records.clock import NS
from records.usage import UsageLine

MARGIN_NS: Final = 2 * NS  # samples this far outside a window still help to read its ends
GAP_NS: Final = 2 * NS  # samples further apart than this leave a gap: a busy machine may delay one, not two
_LEAST_COVERED: Final = 0.5  # of the window; less says too little about it


@dataclass(frozen=True, slots=True)
class WindowUsage:
    """CPU in cores and memory in bytes by instance, in the manifest's order; ratios of the machine; None is a gap.

    `busy_ratios` are the busy parts of the sets of cores asked for, in their order, whoever used them.
    """

    cores: tuple[float | None, ...]
    memory_bytes: tuple[float | None, ...]
    stolen_ratio: float | None = None
    busy_ratios: tuple[float | None, ...] = ()


def usage_in(
    lines: Sequence[UsageLine], count: int, cpu_sets: Sequence[Sequence[int]], from_ns: int, to_ns: int
) -> WindowUsage:
    """Return what `count` instances used in a window.

    Args:
        lines: samples in order of time; those more than 2 s outside the window are not looked at.
        count: how many instances there are.
        cpu_sets: the sets of cores whose busy part is asked for; of an empty set nothing is known.
        from_ns, to_ns: the window on the samples' clock.
    """
    around = near(lines, from_ns, to_ns)
    part = covered(around, from_ns, to_ns)
    if part is None:
        return WindowUsage((None,) * count, (None,) * count, busy_ratios=(None,) * len(cpu_sets))
    return WindowUsage(
        cores=tuple(cpu_cores(around, i, *part, gap_ns=GAP_NS) for i in range(count)),
        memory_bytes=tuple(memory_mean_bytes(around, i, *part) for i in range(count)),
        stolen_ratio=steal_ratio(around, *part, gap_ns=GAP_NS),
        busy_ratios=tuple(cores_busy_ratio(around, cpu_set, *part, gap_ns=GAP_NS) for cpu_set in cpu_sets),
    )


def near(lines: Sequence[UsageLine], from_ns: int, to_ns: int) -> list[UsageLine]:
    """Return the samples in a window and up to 2 s around it."""
    return [line for line in lines if from_ns - MARGIN_NS <= line.t_ns <= to_ns + MARGIN_NS]


def covered(lines: Sequence[UsageLine], from_ns: int, to_ns: int) -> tuple[int, int] | None:
    """Return the part of a window between the first and the last sample, None when it is less than half.

    Args:
        lines: samples in order of time.
        from_ns, to_ns: the window on the samples' clock.
    """
    if not lines or to_ns <= from_ns:
        return None
    start, end = max(from_ns, lines[0].t_ns), min(to_ns, lines[-1].t_ns)
    return (start, end) if end - start >= _LEAST_COVERED * (to_ns - from_ns) else None

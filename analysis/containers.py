"""What a container showed in a stage beside CPU and memory: held back by its limit, network, processes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from analysis.window import GAP_NS, covered, near
from monitor import limits, window
from monitor.window import Lines
from records.instance import Instance

HELD_RATIO: Final = 0.5
"""A container held back in this part of its scheduling periods, or more, is at its CPU limit."""


@dataclass(frozen=True, slots=True)
class ContainerFigures:
    """What a container showed in a window; None is not known, of a limit also: there is none.

    `throttled_ratio` is the part of its scheduling periods in which its CPU limit held it back, `throttled_cores` for
    how long, in seconds a second, summed over cores. Bytes are those of its own interfaces, which it has none of in the
    host's network. `pids` is the most processes and threads seen. The limits are its own.
    """

    throttled_ratio: float | None = None
    throttled_cores: float | None = None
    received_bytes_per_s: float | None = None
    sent_bytes_per_s: float | None = None
    pids: int | None = None
    cpu_limit_cores: float | None = None
    memory_limit_bytes: int | None = None


def containers_in(
    lines: Lines, instances: Sequence[Instance], from_ns: int, to_ns: int
) -> tuple[ContainerFigures | None, ...]:
    """Return what each instance's container showed in a window; None of an instance that is none.

    Args:
        lines: usage lines in order of time; those more than 2 s outside the window are not looked at.
        instances: in the order of the lines' arrays.
        from_ns, to_ns: the window on the lines' clock; an end without a sample is drawn in, as for CPU.
    """
    around = near(lines, from_ns, to_ns)
    part = covered(around, from_ns, to_ns)
    return tuple(
        _figures(around, i, one, part) if one.watch == "container" else None for i, one in enumerate(instances)
    )


def _figures(lines: Lines, index: int, instance: Instance, span: tuple[int, int] | None) -> ContainerFigures:
    own = {
        "cpu_limit_cores": limits.cpu_limit_cores(lines, index, instance),
        "memory_limit_bytes": limits.memory_limit_bytes(lines, index, instance),
    }
    if span is None:
        return ContainerFigures(**own)  # type: ignore[arg-type]
    inside = [line.containers[index] for line in lines if span[0] <= line.t_ns <= span[1] and line.containers]
    received, sent = window.network_bytes_per_s(lines, index, *span, gap_ns=GAP_NS) or (None, None)
    return ContainerFigures(
        throttled_ratio=window.throttled_ratio(lines, index, *span, gap_ns=GAP_NS),
        throttled_cores=window.throttled_cores(lines, index, *span, gap_ns=GAP_NS),
        received_bytes_per_s=received,
        sent_bytes_per_s=sent,
        pids=max((one.processes for one in inside if one is not None and one.processes is not None), default=None),
        **own,  # type: ignore[arg-type]
    )


def merged_containers(shown: Sequence[ContainerFigures | None]) -> ContainerFigures | None:
    """Return one container's figures over several stages: means of what is known, the most pids, the last limits."""
    known = [one for one in shown if one is not None]
    if not known:
        return None
    return ContainerFigures(
        throttled_ratio=_mean([one.throttled_ratio for one in known]),
        throttled_cores=_mean([one.throttled_cores for one in known]),
        received_bytes_per_s=_mean([one.received_bytes_per_s for one in known]),
        sent_bytes_per_s=_mean([one.sent_bytes_per_s for one in known]),
        pids=max((one.pids for one in known if one.pids is not None), default=None),
        cpu_limit_cores=known[-1].cpu_limit_cores,
        memory_limit_bytes=known[-1].memory_limit_bytes,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return sum(told) / len(told) if told else None

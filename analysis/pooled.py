"""A twin's capacity from the trials of all its blocks together, where lateness grows gently with the rate. Pure.

    late shares by block -> crossing of all near it -> the same without each block -> pseudo-values

A block's own bounds judge trial by trial, and a few trials by chance; each block begins around those before it. The
crossing of all trials together knows which rates were driven and uses every late share, so that where blocks began
leaves no mark on it. Its spread over blocks is the jackknife's (J. Tukey 1958): n times the crossing of all less n − 1
times that without a block is the block's pseudo-value, and the pseudo-values' t interval is the crossing's. The slope
is found anew each time: where the trials lie beside the crossing, most of its error is the slope's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_high
from typing import Final, NamedTuple

from analysis.crossing import Crossing, crossing, crossings_without
from swarm.trials import LATE_LIMIT_RATIO

_LOOKS: Final = 3
_NEAR: Final = 0.15  # in the logarithm of the rate: further away the late share is no straight line
_NEAR_OF_SLOPE: Final = 2.0  # … or, where lateness grows slower, than the rates over which it grows by e squared
_SHARP: Final = 2.0  # lateness that grows by more than e to this over a block's width has a limit, no slope
_GENTLE: Final = 0.35  # where the bad trials near the limit have larger late shares, it is sharp
_BEHIND: Final = 0.25
"""Where the bad trials near the limit are short of their arrivals by more of a block's width, the limit is sharp: the
server fell behind. Then it is the machine that blurs late shares, now faster and now slower, not a queue's chance, and
all trials together would say how slow it was at its slowest."""


class Shares(NamedTuple):
    """A trial: the logarithm of its rate, its late share, and the share of its arrivals that was not answered in it."""

    log_rps: float
    late: float
    short: float


Block = Sequence[Shares]


@dataclass(frozen=True, slots=True)
class Pooled:
    """The crossing in the logarithm of the rate, and a pseudo-value a block."""

    log_rps: float
    pseudo: tuple[float, ...]


def pooled(blocks: Sequence[Block], around_log: float, width_log: float) -> Pooled | None:
    """Return the crossing of all blocks' trials; None where the limit is sharp, or too few trials are near it.

    Args:
        blocks: their trials, at least two blocks.
        around_log: where to look first, the logarithm of a rate.
        width_log: how far apart the bounds of a block are.
    """
    found = _near(blocks, around_log, width_log)
    if found is None:
        return None
    at, near = found
    count = len(blocks)
    group = [number for number, block in enumerate(near) for _ in block]
    if len(set(group)) < count:
        return None
    x, late, _ = zip(*(trial for block in near for trial in block), strict=True)
    without = crossings_without(x, late, group, at)
    return Pooled(at.log_rps, tuple(count * at.log_rps - (count - 1) * float(other) for other in without))


def is_gentle(blocks: Sequence[Block], around_log: float, width_log: float) -> bool:
    """Say whether lateness grows so gently with the rate that trials near the limit differ by chance alone.

    Args:
        blocks: their trials, one block or more; the others as for `pooled`.
    """
    return _near(blocks, around_log, width_log) is not None


def _near(blocks: Sequence[Block], around_log: float, width_log: float) -> tuple[Crossing, list[list[Shares]]] | None:
    """Return the crossing and the trials near it by block; None where the limit is sharp, or too few are near."""
    at: Crossing | None = None
    centre, reach = around_log, _NEAR
    before: list[list[Shares]] | None = None
    for _ in range(_LOOKS):  # the blocks' mean lies beside a skewed crossing: look again around what was found
        near = [[trial for trial in block if abs(trial.log_rps - centre) <= reach] for block in blocks]
        if near == before:
            break
        before = near
        every = [trial for block in near for trial in block]
        bad = [trial for trial in every if trial.late > LATE_LIMIT_RATIO]
        if len(every) < 2 * len(blocks) or not bad or _is_sharp(bad, width_log):
            return None
        x = [trial.log_rps for trial in every]
        at = crossing(x, [trial.late for trial in every])
        centre, reach = at.log_rps, max(_NEAR, _NEAR_OF_SLOPE / at.slope)
    if at is None or not min(x) < at.log_rps < max(x) or at.slope * width_log >= _SHARP:
        return None
    return at, near


def _is_sharp(bad: Sequence[Shares], width_log: float) -> bool:
    """Say whether bad trials near the limit, one or more, show one that is sharp, by the middle one of them."""
    late, short = median_high(trial.late for trial in bad), median_high(trial.short for trial in bad)
    return late > _GENTLE or short > _BEHIND * width_log

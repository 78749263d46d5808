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
from statistics import variance

from scipy import special

from analysis.crossing import Crossing, crossing, crossings_without
from swarm.trials import LATE_LIMIT_RATIO

Shares = tuple[tuple[float, float], ...]
"""Logarithm of the rate and late share of a block's trials."""
_LOOKS = 3
_NEAR = 0.15  # in the logarithm of the rate: further away the late share is no straight line
_NEAR_OF_SLOPE = 2.0  # … or, where lateness grows slower, than the rates over which it grows by e squared
_SHARP = 2.0  # lateness that grows by more than e to this over a block's width has a limit, no slope
_GENTLE = 0.35  # where the bad trials near the limit have larger late shares, it is sharp
_PROVEN = 0.999
"""Proven is what chance does in one of 1,000 looks: at 1 % a queue's ratio was covered one point less often."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """The crossing in the logarithm of the rate, and a pseudo-value a block."""

    log_rps: float
    pseudo: tuple[float, ...]


def pooled(blocks: Sequence[Shares], around_log: float, width_log: float) -> Pooled | None:
    """Return the crossing of all blocks' trials; None where the limit is sharp, or too few trials are near it.

    Args:
        blocks: late shares, at least two blocks.
        around_log: where to look first, the logarithm of a rate.
        width_log: how far apart the bounds of a block are.
    """
    found = _near(blocks, around_log, width_log)
    if found is None:
        return None
    at, near = found
    x, share = ([point[axis] for block in near for point in block] for axis in (0, 1))
    count = len(blocks)
    group = [number for number, block in enumerate(near) for _ in block]
    if len(set(group)) < count:
        return None
    without = crossings_without(x, share, group, at)
    return Pooled(at.log_rps, tuple(count * at.log_rps - (count - 1) * float(other) for other in without))


def is_gentle(blocks: Sequence[Shares], around_log: float, width_log: float) -> bool:
    """Say whether lateness grows so gently with the rate that trials near the limit differ by chance alone.

    Args:
        blocks: late shares, one block or more; the others as for `pooled`.
    """
    return _near(blocks, around_log, width_log) is not None


def is_wider(pseudo: Sequence[float], pairs: Sequence[float], width_log: float) -> bool:
    """Say whether pseudo-values of a ratio are proven to spread more than the ratios of the pairs' own blocks, by F.

    Those are taken to spread no less than quotients of values drawn from a block's width: that pairs agree more is
    chance.

    Args:
        pseudo: differences of the twins' pseudo-values, at least two.
        pairs: as many logarithms of ratios.
        width_log: how far apart the bounds of a block are.

    By hand: F(2, 2) at 0.1 % is 999, so of three pairs the standard deviation must be 31.6 times as large.
    """
    freedom = len(pseudo) - 1
    least = 2 * width_log**2 / 12
    return variance(pseudo) > max(variance(pairs), least) * float(special.fdtri(freedom, freedom, _PROVEN))


def _near(
    blocks: Sequence[Shares], around_log: float, width_log: float
) -> tuple[Crossing, list[list[tuple[float, float]]]] | None:
    """Return the crossing and the points near it by block; None where the limit is sharp, or too few are near."""
    at: Crossing | None = None
    centre, reach = around_log, _NEAR
    before: list[list[tuple[float, float]]] | None = None
    for _ in range(_LOOKS):  # the blocks' mean lies beside a skewed crossing: look again around what was found
        near = [[point for point in block if abs(point[0] - centre) <= reach] for block in blocks]
        if near == before:
            break
        before = near
        x, share = ([point[axis] for block in near for point in block] for axis in (0, 1))
        bad = sorted(one for one in share if one > LATE_LIMIT_RATIO)
        if len(x) < 2 * len(blocks) or not bad or bad[len(bad) // 2] > _GENTLE:
            return None
        at = crossing(x, share)
        centre, reach = at.log_rps, max(_NEAR, _NEAR_OF_SLOPE / at.slope)
    if at is None or not min(x) < at.log_rps < max(x) or at.slope * width_log >= _SHARP:
        return None
    return at, near

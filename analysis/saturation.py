"""Saturation throughput: what a twin still gives when more is asked than it can. Pure.

Per block: the mean of good answers a second over valid stages past saturation (offered more than was answered, the twin
at its CPU limit). A block without such a stage gives the most it achieved, and the value is then "at least".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.curve import BlockPoint, Curve
from analysis.intervals import Interval, mean_interval


@dataclass(frozen=True, slots=True)
class BlockSaturation:
    """One block's saturation throughput."""

    block: int
    pair: int
    value_rps: float
    at_least: bool


@dataclass(frozen=True, slots=True)
class Saturation:
    """A twin's saturation throughput for an endpoint in requests a second, over its blocks."""

    interval: Interval
    at_least: bool
    blocks: tuple[BlockSaturation, ...]


def saturation_of(curve: Curve) -> Saturation | None:
    """Return the saturation throughput, None when no valid stage was measured.

    A block that was not driven to the curve's highest rate tells nothing of saturation, unless it was past it below:
    the later pairs of a capacity search have one stage alone, at a load that both twins carry.
    """
    by_block: dict[int, list[BlockPoint]] = {}
    driven = {one.block for point in curve.points[-1:] for one in point.by_block}
    for point in curve.points:
        for one in point.by_block:
            if one.valid:
                by_block.setdefault(one.block, []).append(one)
    whole = [
        block for block in sorted(by_block) if block in driven or any(one.past_saturation for one in by_block[block])
    ]
    blocks = tuple(_of_block(by_block[block]) for block in whole or sorted(by_block))
    interval = mean_interval([block.value_rps for block in blocks])
    if interval is None:
        return None
    return Saturation(interval, any(block.at_least for block in blocks), blocks)


def _of_block(points: list[BlockPoint]) -> BlockSaturation:
    past = [point.achieved_rps for point in points if point.past_saturation]
    value = float(np.mean(past)) if past else max(point.achieved_rps for point in points)
    return BlockSaturation(points[0].block, points[0].pair, value, not past)

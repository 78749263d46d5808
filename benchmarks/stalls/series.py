"""Stalls of a target, and the latencies that they mean for whoever comes at any moment of a run. Pure.

An arrival that is meant for a moment inside a stall is answered when the target goes on: its latency is what is left of
the stall. Who comes outside of one is answered at once, in a service time that is left out here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

EDGE_S: Final = 0.5
"""No stall begins or ends so near an end of the run: a tester does not begin and end to the millisecond."""
_ARRIVALS: Final = 200_000
_GAP_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Stall:
    """The target stands still from `at_s` of the run on, for `length_s`."""

    at_s: float
    length_s: float


@dataclass(frozen=True, slots=True)
class Latencies:
    """What is reported of a run, in seconds; None where a tester does not say."""

    p50_s: float | None
    p99_s: float | None
    max_s: float | None


def once(run_s: float, length_s: float) -> tuple[Stall, ...]:
    """Return one stall in the middle of a run.

    Raises: ValueError when it does not fit, or is too short to reach the 99th percentile.
    """
    at_s = (run_s - length_s) / 2
    if at_s < EDGE_S or length_s <= 0.01 * run_s:
        raise ValueError(
            f"a stall of {length_s:g} s in {run_s:g} s: take more than 1 % of it, and {2 * EDGE_S:g} s less"
        )
    return (Stall(at_s, length_s),)


def at_random(run_s: float, length_s: float, every_s: float, seed: int) -> tuple[Stall, ...]:
    """Return stalls at random moments, an exponential pause of `every_s` on average between them; at least one."""
    rng = np.random.default_rng(seed)
    stalls: list[Stall] = []
    at_s = EDGE_S + float(rng.exponential(every_s)) % (run_s / 2 - EDGE_S)
    while at_s + length_s <= run_s - EDGE_S:
        stalls.append(Stall(at_s, length_s))
        at_s += length_s + max(_GAP_S, float(rng.exponential(every_s)))
    if not stalls:
        raise ValueError(f"no stall of {length_s:g} s fits into {run_s:g} s")
    return tuple(stalls)


def truth(stalls: Sequence[Stall], run_s: float) -> Latencies:
    """Return the latencies of arrivals spread evenly over a run.

    By hand: one stall of 1 s in 20 s. 5 % of the arrivals fall into it, so p50 is 0; 1 % are 0.2 s: the share that is
    later than 0.8 s, so p99 is 0.8 s, and the largest 1 s.
    """
    at_s = (np.arange(_ARRIVALS) + 0.5) * run_s / _ARRIVALS
    waits_s = np.zeros(_ARRIVALS)
    for stall in stalls:
        left_s = stall.at_s + stall.length_s - at_s
        waits_s = np.where((at_s >= stall.at_s) & (left_s > 0), left_s, waits_s)
    waits_s.sort()
    rank = [math.ceil(q * _ARRIVALS) - 1 for q in (0.5, 0.99)]
    return Latencies(float(waits_s[rank[0]]), float(waits_s[rank[1]]), max(stall.length_s for stall in stalls))

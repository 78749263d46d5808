"""At which rate do the late requests of many trials together reach their limit? Pure.

The bounds of a block judge trial by trial. Where lateness grows gently with the rate and is skewed (a queue near its
limit: most short trials see little, a few see much), half of the trials are still good at a rate at which 1 % of all
requests are late, so bounds lie too high. The shares of all trials together do not: the late share is fitted as
1 − exp(−h), ln h straight in the logarithm of the rate, so that as many requests were late as it says. That weighs as
variances that grow with the mean do (quasi-likelihood, R. Wedderburn 1974): late requests come in clumps, more of them
at a higher rate. The slope is the one of a list under which the shares are least surprising, of those that the span
of the rates can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from swarm.trials import LATE_LIMIT_RATIO

Floats = npt.NDArray[np.float64]
SLOPES: Final[Floats] = np.geomspace(0.3, 600, 31)
_HAZARD: Final = -np.log1p(-LATE_LIMIT_RATIO)
_LEAST_SPAN: Final = 0.15
"""Over a span of rates (in the logarithm) no slope is told apart that changes lateness by less than e; of a shorter
span this one is taken, so that a few trials close together say nothing of a slope."""
_REACH: Final = 0.2  # in the logarithm of the rate, beyond the rates tried
_MOST_STEPS: Final = 30
_CLOSE: Final = 1e-5
_SLOPES_AROUND: Final = 4
"""So many slopes of the list to either side are tried where a group is left out: a factor of 2.8."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where the late share crosses its limit: the logarithm of the rate, and how steeply (d ln h ÷ d ln rate)."""

    log_rps: float
    slope: float


def crossing(log_rps: Sequence[float], late_ratio: Sequence[float]) -> Crossing:
    """Return where the late share of trials crosses 1 %, within the rates tried.

    Args:
        log_rps: one a trial, at least two different ones.
        late_ratio: late requests of each trial as a share, 0 … 1.
    Raises: ValueError for fewer than two trials or unequal lengths.
    """
    if len(log_rps) != len(late_ratio) or len(log_rps) < 2:
        raise ValueError(f"{len(log_rps)} rates and {len(late_ratio)} shares: give at least two, one share a rate")
    x, share = np.asarray(log_rps, dtype=float), np.asarray(late_ratio, dtype=float)
    slopes = SLOPES[SLOPES * max(float(np.ptp(x)), _LEAST_SPAN) >= 1]
    start = np.full(len(slopes), float(x.mean()))
    at, slope = _fitted(_Trials(x, share, np.ones((1, len(x)))), slopes, start)
    return Crossing(float(np.clip(at[0], x.min(), x.max())), float(slope[0]))


def crossings_without(
    log_rps: Sequence[float], late_ratio: Sequence[float], group: Sequence[int], whole: Crossing
) -> Floats:
    """Return the crossing of all trials but those of one group, for each group; the slope is found anew each time.

    Args:
        log_rps, late_ratio: as for `crossing`.
        group: which group a trial belongs to: 0, 1, … none of them empty.
        whole: the crossing of all; the others are looked for around it.
    """
    x, share = np.asarray(log_rps, dtype=float), np.asarray(late_ratio, dtype=float)
    counted = (np.asarray(group)[None, :] != np.arange(max(group) + 1)[:, None]).astype(float)
    here = int(np.abs(np.log(SLOPES / whole.slope)).argmin())
    slopes = SLOPES[max(0, here - _SLOPES_AROUND) : here + _SLOPES_AROUND + 1]
    found, _ = _fitted(_Trials(x, share, counted), slopes, np.full(len(slopes), whole.log_rps))
    return found


@dataclass(frozen=True, slots=True)
class _Trials:
    """Logarithm of the rate and late share, shape (n,), and which trials count in each of g fits, shape (g, n)."""

    x: Floats
    share: Floats
    counted: Floats


def _fitted(trials: _Trials, slopes: Floats, start: Floats) -> tuple[Floats, Floats]:
    """Return crossing and slope of every fit, shape (g,): least surprise by a parabola through the three best slopes.

    Args:
        slopes: to choose from, rising, shape (k,); start: where to look first for the crossing at each.
    """
    fits, tried = len(trials.counted), len(slopes)
    counted = np.repeat(trials.counted, tried, axis=0)
    rows = _Trials(trials.x, trials.share, counted)
    each = np.tile(slopes, fits)
    at = _solved(rows, each, np.tile(start, fits))
    late = np.clip(-np.expm1(-_hazard(rows.x, at, each)), 1e-9, 1 - 1e-9)
    told = counted * (rows.share * np.log(late) + (1 - rows.share) * np.log1p(-late))
    surprise, at = -told.sum(axis=1).reshape(fits, tried), at.reshape(fits, tried)
    best, row = surprise.argmin(axis=1), np.arange(fits)
    left, right = np.maximum(best - 1, 0), np.minimum(best + 1, tried - 1)
    bend = surprise[row, left] - 2 * surprise[row, best] + surprise[row, right]
    inside = (left < best) & (best < right) & (bend > 0)
    lean = np.where(inside, (surprise[row, left] - surprise[row, right]) / np.where(inside, 2 * bend, 1.0), 0.0)
    a, b, c = at[row, left], at[row, best], at[row, right]
    found = b + lean * (c - a) / 2 + lean**2 * (a - 2 * b + c) / 2
    return found, slopes[best] * np.exp(lean * np.log(slopes[1] / slopes[0]) if tried > 1 else lean)


def _solved(trials: _Trials, slopes: Floats, start: Floats) -> Floats:
    """Return the crossing at a slope a row, of the trials that count there, within reach of the rates tried.

    As many requests were late as expected there. The difference falls as the crossing rises; Newton's steps on the
    ratio of both find it, and where one leaves the bracket seen so far, the bracket is halved.
    """
    low = np.full(len(slopes), trials.x.min() - _REACH)
    high = np.full(len(slopes), trials.x.max() + _REACH)
    at, rows, counted = start.copy(), np.arange(len(slopes)), trials.counted
    found = counted @ trials.share
    for _ in range(_MOST_STEPS):
        here = at[rows]
        hazard = _hazard(trials.x, here, slopes[rows])
        fades = np.exp(-hazard)
        late = (counted * (1 - fades)).sum(axis=1)
        grows = slopes[rows] * (counted * hazard * fades).sum(axis=1)
        is_left = late < found[rows]  # the crossing is at a lower rate: more would be late here then
        low[rows], high[rows] = np.where(is_left, low[rows], here), np.where(is_left, here, high[rows])
        with np.errstate(divide="ignore", invalid="ignore"):
            after = here + np.log(late / found[rows]) * late / grows
        inside = np.isfinite(after) & (after >= low[rows]) & (after <= high[rows])
        at[rows] = np.where(inside, after, (low[rows] + high[rows]) / 2)
        moves = np.abs(at[rows] - here) >= _CLOSE
        if not moves.any():
            break
        rows, counted = rows[moves], counted[moves]
    return at


def _hazard(x: Floats, at: Floats, slopes: Floats) -> Floats:
    steep: Floats = np.clip(slopes[:, None] * (x[None, :] - at[:, None]), -25, 4.2)
    return np.asarray(_HAZARD * np.exp(steep))

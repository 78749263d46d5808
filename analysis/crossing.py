"""At which rate do the late requests of many trials together reach their limit? Pure.

The bounds of a block judge trial by trial. Where lateness grows gently with the rate and is skewed (a queue near its
limit: most short trials see little, a few see much), half of the trials are still good at a rate at which 1 % of all
requests are late, so bounds lie too high. The shares of all trials together do not: the late share is fitted as
1 − exp(−h), ln h straight in the logarithm of the rate, by the relative errors of the shares (which no single large
share can govern); the slope is the one of a list under which the shares are least surprising, of those that the span
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
SLOPES: Final[Floats] = np.geomspace(1.5, 600, 24)
_HAZARD: Final = -np.log1p(-LATE_LIMIT_RATIO)
_LEAST_SPAN: Final = 0.15
"""Over a span of rates (in the logarithm) no slope is told apart that changes lateness by less than e; of a shorter
span this one is taken, so that a few trials close together say nothing of a slope."""
_REACH: Final = 0.2  # in the logarithm of the rate, beyond the rates tried
_HALVINGS: Final = 24


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
    low = np.full(len(slopes), x.min() - _REACH)
    high = np.full(len(slopes), x.max() + _REACH)
    for _ in range(_HALVINGS):  # the score falls as the crossing rises, for every slope by itself
        middle = (low + high) / 2
        hazard = _hazard(x, middle, slopes)
        late = -np.expm1(-hazard)
        score = (hazard * np.exp(-hazard) / late**2 * (share - late)).sum(axis=1)
        low, high = np.where(score < 0, middle, low), np.where(score < 0, high, middle)
    at = (low + high) / 2
    late = np.clip(-np.expm1(-_hazard(x, at, slopes)), 1e-9, 1 - 1e-9)
    surprise = -(share * np.log(late) + (1 - share) * np.log1p(-late)).sum(axis=1)
    best = int(surprise.argmin())
    return Crossing(float(np.clip(at[best], x.min(), x.max())), float(slopes[best]))


def _hazard(x: Floats, at: Floats, slopes: Floats) -> Floats:
    steep: Floats = np.clip(slopes[:, None] * (x[None, :] - at[:, None]), -25, 4.2)
    return np.asarray(_HAZARD * np.exp(steep))

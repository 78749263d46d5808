"""The Universal Scalability Law, fitted to a curve: a second opinion on what a twin can give. Pure.

    X(N) = λ N / (1 + α (N − 1) + β N (N − 1))

N is how many requests the twin had at once, by Little's law: answers a second times their mean service time. α is what
requests wait for each other (contention), β what they pay to agree (coherence). With β above zero throughput falls
beyond N* = √((1 − α) / β); without, it nears λ / α.

Fitted by least squares of ln X, which weighs all rates alike; intervals are t intervals from the fit's covariance,
carried to N* and the peak by their slopes (delta method). Where the points do not bear a fit there is none, with why.

Source: N. J. Gunther 2007, "Guerrilla Capacity Planning", chapter 4.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

Floats = npt.NDArray[np.float64]
Span = tuple[float, float]

LEAST_POINTS: Final = 6
LEAST_REACH: Final = 4.0  # largest N ÷ smallest
LEAST_TOGETHER: Final = 2.0  # requests at once, at the most loaded point
MOST_OFF: Final = 0.15  # of ln X, root of the mean square
MOST_BEYOND: Final = 4.0  # a peak more times above what was carried is no finding but an extrapolation
_STEP: Final = 1e-5


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the fit with its 95 % interval."""

    value: float
    lo: float
    hi: float


@dataclass(frozen=True, slots=True)
class Usl:
    """A fit over `points` points: λ in requests a second, α, β; `off_ratio` is how far points lie off it, as a share.

    `n_star` and its interval are None where β cannot be told from zero; `peak_rps` is the throughput there, else λ / α,
    and None where α cannot be told from zero either, or the peak lies more than four times above all that was carried.
    """

    lambda_rps: Parameter
    alpha: Parameter
    beta: Parameter
    n_star: Parameter | None
    peak_rps: Parameter | None
    points: int
    off_ratio: float


def fit_usl(together: Sequence[float], achieved_rps: Sequence[float]) -> Usl | str:
    """Return the fit, or why the points do not bear one.

    Args:
        together: requests that the twin had at once, one positive value a point.
        achieved_rps: answers a second at the same points, positive.
    Raises: ValueError for unequal lengths.
    """
    if len(together) != len(achieved_rps):
        raise ValueError(f"{len(together)} values of N and {len(achieved_rps)} throughputs: give one each a point")
    unfit = _unfit(together)
    if unfit is not None:
        return unfit
    n, log_x = np.asarray(together, dtype=float), np.log(np.asarray(achieved_rps, dtype=float))
    whole = _fit(n, log_x, free=3)
    if whole is None:
        return "the fit did not end"
    values, covariance = whole
    wide = float(stats.t.ppf(0.975, len(n) - 3))
    if values[2] <= 0 or values[2] - wide * np.sqrt(covariance[2, 2]) <= 0:
        return _told(n, log_x, _fit(n, log_x, free=2))
    return _told(n, log_x, whole)


def throughput(n: Floats, log_lambda: float, alpha: float, beta: float = 0.0) -> Floats:
    """Return ln X(N)."""
    below = np.maximum(1 + alpha * (n - 1) + beta * n * (n - 1), 1e-12)
    found: Floats = log_lambda + np.log(n) - np.log(below)
    return found


def _unfit(together: Sequence[float]) -> str | None:
    if len(together) < LEAST_POINTS:
        return f"{len(together)} points: a fit wants {LEAST_POINTS}"
    low, high = min(together), max(together)
    if high < LEAST_TOGETHER:
        return f"the twin never had more than {high:.2g} requests at once: a fit wants {LEAST_TOGETHER:g}"
    if high < LEAST_REACH * low:
        return f"from {low:.2g} to {high:.2g} requests at once: a fit wants {LEAST_REACH:g} times as many"
    return None


def _fit(n: Floats, log_x: Floats, *, free: int) -> tuple[Floats, Floats] | None:
    guess = [float((log_x - np.log(n)).max()), 0.1, 0.001][:free]
    bounds = ([-np.inf, 0.0, 0.0][:free], [np.inf, 1.0, 1.0][:free])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optimize.OptimizeWarning)  # no covariance: told by its values
            values, covariance = optimize.curve_fit(
                throughput, n, log_x, p0=guess, bounds=bounds, x_scale=[1, 0.1, 0.01][:free]
            )
    except (RuntimeError, ValueError):
        return None
    return np.asarray(values), np.asarray(covariance)


def _told(n: Floats, log_x: Floats, found: tuple[Floats, Floats] | None) -> Usl | str:
    if found is None:
        return "the fit did not end"
    values, covariance = found
    off = float(np.sqrt(np.mean((log_x - throughput(n, *values)) ** 2)))
    if off > MOST_OFF:
        return f"the points lie {100 * off:.0f} % off the best fit: the law does not describe them"
    if not np.all(np.isfinite(covariance)):
        return "the points do not fix the parameters: no intervals"
    wide = float(stats.t.ppf(0.975, len(n) - len(values)))

    def carried(read: Callable[[Floats], float]) -> Parameter:
        slope = np.array(
            [(read(values + step) - read(values - step)) / (2 * _STEP) for step in _STEP * np.eye(len(values))]
        )
        half = wide * float(np.sqrt(slope @ covariance @ slope))
        return Parameter(read(values), read(values) - half, read(values) + half)

    log_lambda = carried(lambda p: float(p[0]))
    alpha = carried(lambda p: float(p[1]))
    beta = carried(lambda p: float(p[2])) if len(values) == 3 else Parameter(0.0, 0.0, 0.0)
    bends = len(values) == 3 and alpha.value < 1
    peak: Parameter | None = None
    if (bends or alpha.lo > 0) and _log_peak(values) - float(log_x.max()) <= np.log(MOST_BEYOND):
        peak = carried(_log_peak)
    return Usl(
        lambda_rps=_exp(log_lambda),
        alpha=alpha,
        beta=beta,
        n_star=_exp(carried(_log_n_star)) if bends else None,
        peak_rps=None if peak is None else _exp(peak),
        points=len(n),
        off_ratio=off,
    )


def _log_n_star(p: Floats) -> float:
    return 0.5 * float(np.log(max(1 - p[1], 1e-12)) - np.log(max(p[2], 1e-12)))


def _log_peak(p: Floats) -> float:
    if len(p) == 2:
        return float(p[0] - np.log(max(p[1], 1e-12)))
    return float(throughput(np.array([np.exp(_log_n_star(p))]), *p)[0])


def _exp(found: Parameter) -> Parameter:
    return Parameter(*(float(np.exp(value)) for value in (found.value, found.lo, found.hi)))

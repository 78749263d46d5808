"""What a share can be after so many hits: exact limits, for mismatch rates and for how often a claim is false. Pure.

Source: C. J. Clopper, E. S. Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of the
binomial", as quantiles of the beta distribution.
"""

from __future__ import annotations

from scipy.special import betaincinv


def upper_limit(hits: int, of: int, confidence: float) -> float:
    """Return the one-sided upper limit of a share: there, so few hits or fewer have a chance of 1 - confidence.

    1 where all are hits, and of nothing.
    """
    return 1.0 if hits == of else float(betaincinv(hits + 1, of - hits, confidence))


def interval(hits: int, of: int) -> tuple[float, float]:
    """Return the two-sided 95 % interval of a share; from 0 to 1 of nothing."""
    low = 0.0 if hits == 0 else float(betaincinv(hits, of - hits + 1, 0.025))
    return low, upper_limit(hits, of, 0.975)

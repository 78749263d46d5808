"""The sequential test: bets on blocks, whose wealth says how sure it is that the candidate is worse. Pure, vectorised.

A block is what came within about half a second: of the candidate's n_c requests x_c were bad, of the baseline's n_b
x_b. Draw n = min(n_c, n_b) requests of each side without replacement, X and Y of them bad. If the candidate is no worse
than the baseline, (X, Y) is as likely as (Y, X), also when a stall hits many requests at once. An odd function of X − Y
has then mean 0 given the past, so that

    wealth ← wealth × (1 + E[tanh(bet × (X − Y)) | x_c, x_b])

is a non-negative martingale for every bet that is fixed before the block (its expectation over the draws is worked out,
nothing is drawn at random), and exceeds 1 / alpha at any time, ever, with probability alpha at most (Ville 1939). That
is two-sample testing by betting (Shekhar and Ramdas, "Nonparametric two-sample testing by betting", 2021, with an
antisymmetric payoff); no block can bring more than a factor of 2, so that a single burst never decides.

As likely it is where each side has a rate of its own in each block and the pair of rates may change places: two sides
that stall by one law, each for itself or both at once, and requests that differ by chance given the rate.

A margin is failures given to the baseline: each of its requests that did not fail does with this probability.

Many bets (of sizes and metrics) and cash share one wealth, with the fixed share of Herbster and Warmuth ("Tracking the
best expert", 1998): after each block a small part of the whole is divided anew, so that a fault that begins late is
found as well. A mixture of martingales, divided anew by what is past, is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

FloatArray = npt.NDArray[np.float64]
SIZES: Final = (0.15, 0.5, 1.7)
"""Bets, in units of one over the spread that a block's difference is expected to have."""
REACH: Final = 6.0
"""Standard deviations of a draw that are summed; what lies beyond is under 1e-8."""
SHARE: Final = 1 / 200
"""Part of the wealth that is divided anew after each block."""
MEMORY: Final = 0.98
"""What a block weighs when the next is there."""
SUPPOSED: Final = 20.0
"""Blocks of plain counting noise that are supposed to have been before the first."""
MOST: Final = 1e300


@dataclass(frozen=True, slots=True)
class Blocks:
    """Bad requests of all requests, by side; arrays of one shape, whole numbers."""

    bad_c: FloatArray
    all_c: FloatArray
    bad_b: FloatArray
    all_b: FloatArray

    @property
    def drawn(self) -> FloatArray:
        """Requests drawn of each side."""
        return np.minimum(self.all_c, self.all_b)


@cache
def _log_factorials(size: int) -> FloatArray:
    return np.asarray(gammaln(np.arange(size) + 1.0))


def _log_choose(n: FloatArray, k: FloatArray) -> FloatArray:
    inside = (k >= 0) & (k <= n)
    of = _log_factorials(1 << int(np.max(n, initial=1)).bit_length())
    whole, part = n.astype(np.int64), np.where(inside, k, 0).astype(np.int64)
    return np.where(inside, of[whole] - of[part] - of[np.where(inside, whole - part, 0)], -np.inf)


def _window(mean: FloatArray, spread: FloatArray, lowest: FloatArray, highest: FloatArray) -> FloatArray:
    """Return whole numbers around each mean, shape (..., width), that hold all but 1e-9 of a draw.

    Where the spread is wide only every n-th, a third of it apart: sums over smooth weights and tanh stay the same to
    1e-7, and a block of any size costs the same.
    """
    apart = np.maximum(np.floor(spread / 3), 1.0)
    low = np.maximum(np.floor(mean - REACH * spread - 3), lowest)
    high = np.minimum(np.ceil(mean + REACH * spread + 8), highest)
    width = int(np.max((high - low) / apart, initial=0)) + 1
    return low[..., None] + apart[..., None] * np.arange(width)


def draws(bad: FloatArray, every: FloatArray, drawn: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how many of the drawn are bad, and how likely: hypergeometric, both of shape (..., width)."""
    share = bad / np.maximum(every, 1)
    spread = np.sqrt(drawn * share * (1 - share) * (every - drawn) / np.maximum(every - 1, 1))
    k = _window(drawn * share, spread, np.maximum(0, drawn - (every - bad)), np.minimum(bad, drawn))
    log = _log_choose(bad[..., None], k) + _log_choose((every - bad)[..., None], drawn[..., None] - k)
    likely = np.exp(log - _log_choose(every, drawn)[..., None])
    return k, likely / np.sum(likely, axis=-1, keepdims=True)


def given(bad: FloatArray, drawn: FloatArray, margin: float) -> tuple[FloatArray, FloatArray]:
    """Return how many of the drawn that are good go bad with probability `margin`, and how likely: shape (..., width).

    bad: shape (...), of the drawn.
    """
    good = np.maximum(drawn - bad, 0)
    v = _window(good * margin, np.sqrt(good * margin * (1 - margin)), np.zeros_like(good), good)
    log = _log_choose(good[..., None], v) + v * np.log(margin) + (good[..., None] - v) * np.log1p(-margin)
    likely = np.exp(log)
    return v, likely / np.sum(likely, axis=-1, keepdims=True)


def gains(blocks: Blocks, bets: FloatArray, margin: float = 0.0) -> FloatArray:
    """Return E[tanh(bet × (X − Y))] of each block and bet, between −1 and 1.

    Args:
        blocks: shape (...).
        bets: shape (..., k), positive.
        margin: failures given to the baseline, as a probability.
    Returns: shape (..., k); 0 where a side has no request.
    """
    drawn, from_c = blocks.drawn, blocks.all_c > blocks.all_b
    whole = np.where(from_c, blocks.bad_b, blocks.bad_c)[..., None]  # the smaller side is drawn whole
    k, likely = draws(np.where(from_c, blocks.bad_c, blocks.bad_b), np.where(from_c, blocks.all_c, blocks.all_b), drawn)
    x, y = np.where(from_c[..., None], k, whole), np.where(from_c[..., None], whole, k)
    if margin > 0:
        v, of_v = given(y, np.broadcast_to(drawn[..., None], y.shape), margin)
        apart, likely = (x - y)[..., None] - v, likely[..., None] * of_v
        apart, likely = (np.reshape(one, (*drawn.shape, -1)) for one in (apart, likely))
    else:
        apart = x - y
    total = [np.sum(np.tanh(bets[..., j, None] * apart) * likely, axis=-1) for j in range(bets.shape[-1])]
    return np.where((drawn > 0)[..., None], np.clip(np.stack(total, axis=-1), -1.0, 1.0), 0.0)


@dataclass(frozen=True, slots=True)
class Spread:
    """What a block's difference is expected to vary by, from blocks of the past alone; arrays of shape (...).

    `bad` of `every` request, and `squares` of the differences, each over its requests, of so many `blocks`; all weigh
    the less the longer ago they were.
    """

    bad: FloatArray
    every: FloatArray
    squares: FloatArray
    blocks: FloatArray

    @classmethod
    def unknown(cls, shape: tuple[int, ...]) -> Spread:
        """Return what is known before the first block."""
        none = np.zeros(shape)
        return cls(none, none + 1.0, none, none)

    def bets(self, blocks: Blocks) -> FloatArray:
        """Return the bets on the next block, shape (..., sizes): of its counts only how many requests were there."""
        share, drawn = self.bad / self.every, blocks.drawn
        of_chance = share * (1 - share) * (drawn / np.maximum(blocks.all_c, 1) + drawn / np.maximum(blocks.all_b, 1))
        variance = drawn * (SUPPOSED * of_chance + self.squares) / (SUPPOSED + self.blocks)
        return np.asarray(SIZES) / np.sqrt(np.maximum(variance, 1.0))[..., None]

    def after(self, blocks: Blocks) -> Spread:
        """Return what is known with this block."""
        seen = blocks.drawn > 0
        apart = blocks.bad_c / np.maximum(blocks.all_c, 1) - blocks.bad_b / np.maximum(blocks.all_b, 1)
        keep = np.where(seen, MEMORY, 1.0)
        return Spread(
            self.bad * keep + blocks.bad_b + blocks.bad_c, self.every * keep + blocks.all_b + blocks.all_c,
            self.squares * keep + blocks.drawn * apart**2, self.blocks * keep + seen,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wealth:
    """What was put in, 1, and became of it: kept as cash, and in bets of shape (..., metrics, sizes)."""

    prior: FloatArray
    cash: FloatArray
    bets: FloatArray

    @classmethod
    def start(cls, prior: FloatArray, shape: tuple[int, ...]) -> Wealth:
        """Put 1 in. `prior` has a weight for each metric, shape (metrics,); what is left to 1 is cash."""
        left = 1.0 - float(np.sum(prior))
        if left < -1e-12 or np.any(prior < 0):
            raise ValueError(f"weights of metrics {prior.tolist()}: none is negative and their sum is at most 1")
        each = np.repeat(prior[:, None] / len(SIZES), len(SIZES), axis=1)
        return cls(prior, np.full(shape, max(left, 0.0)), np.broadcast_to(each, (*shape, *each.shape)).copy())

    @property
    def total(self) -> FloatArray:
        return np.asarray(self.cash + np.sum(self.bets, axis=(-2, -1)))

    @property
    def by_metric(self) -> FloatArray:
        """Wealth in each metric's bets, shape (..., metrics)."""
        return np.asarray(np.sum(self.bets, axis=-1))

    def after(self, gained: FloatArray) -> Wealth:
        """Return it after a block, `gained` of shape (..., metrics, sizes), with its small part divided anew."""
        won = Wealth(self.prior, self.cash, np.minimum(self.bets * (1.0 + gained), MOST))
        return won.divided(SHARE)

    def divided(self, part: float = 1.0) -> Wealth:
        """Return the same wealth, of which this part is divided by the prior; all of it when a step begins."""
        start = Wealth.start(self.prior, self.cash.shape)
        total = self.total
        return Wealth(
            self.prior,
            (1 - part) * self.cash + part * total * start.cash,
            (1 - part) * self.bets + part * total[..., None, None] * start.bets,
        )

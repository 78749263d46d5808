"""What a gray release's blocks prove: which requests are bad, and the wealth of the bets on them. Pure, vectorised.

| metric | bad is | no worse means |
|---|---|---|
| failures | a request that the side failed | at most failure_margin more of all |
| callers | a request whose caller got a failure | no more at all |
| slower at q | beyond the baseline's quantile q of the past, the candidate × (1 + latency_margin) | no more |

Spread is quantile 0.9, always among them: a candidate whose median stays and whose tail widens. Beyond 1 / alpha the
wealth says that the candidate is worse. The same bets the other way around show that it fails at most `limit` more.

All arrays have a shape (n,): n = 1 in a roll-out, many in a simulation.

Where the baseline has no more users (share 1), each block of the candidate is paired with one of the baseline's blocks
of before, the latest first, each used once, in a wealth of its own with its own part of alpha. What changed by itself
since then looks like the candidate's, so that margins are wider there: of failures three times, of latency ten times.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from shadow.gray.sequential import MEMORY, Blocks, FloatArray, Spread, Wealth, gains

Indices = npt.NDArray[np.int64]
SPREAD_Q: Final = 0.9
BEYOND: Final = 10
"""Samples that must lie beyond a quantile before it is used."""
CASH: Final = 0.2
FAILURES: Final = 0.4
CALLERS: Final = 0.04
"""What is put on each metric; the rest is on latency, more on the rarer quantiles, whose evidence comes slowest."""
LIVE: Final = 0.8
"""Part of alpha for the comparison side by side; the rest is for the one with the past."""
PAST_FAILURE: Final = 3.0
PAST_LATENCY: Final = 10.0
"""How much wider margins are where the comparison is with the past: latency wanders more than failures."""
KEPT: Final = 1_200
"""Blocks of the baseline that are kept to compare with when it has no more users."""


def gateway_uppers_us() -> FloatArray:
    """Return the gateway's bounds of latency: sixteen to a doubling, from 100 µs to 10 s, whole µs rounded down."""
    at = np.arange(266)
    bounds = np.floor(100 * 2.0 ** (at // 16) * (16 + at % 16) / 16)
    return np.asarray(np.minimum(bounds, 10_000_000.0))


@dataclass(frozen=True, slots=True)
class SideBlock:
    """One side's block: counts of shape (n,), latency of shape (n, buckets), the last bucket without an end."""

    requests: FloatArray
    failed: FloatArray
    callers: FloatArray
    latency: FloatArray


@dataclass(frozen=True, slots=True)
class Margins:
    """How much worse is no worse."""

    failure: float
    latency: float
    quantiles: tuple[float, ...]

    @property
    def of_the_past(self) -> Margins:
        return Margins(min(PAST_FAILURE * self.failure, 0.5), PAST_LATENCY * self.latency, self.quantiles)


class Bets:
    """One wealth over all metrics, and what their bets need to know of the past."""

    def __init__(self, margins: Margins, shape: tuple[int, ...]) -> None:
        rare = -np.log1p(-np.asarray(margins.quantiles))
        prior = np.array([FAILURES, CALLERS, *(rare / np.sum(rare) * (1 - CASH - FAILURES - CALLERS))])
        self.wealth = Wealth.start(prior, shape)
        self._margins = (margins.failure, *[0.0] * (1 + len(rare)))
        self._spreads = [Spread.unknown(shape) for _ in prior]

    def take(self, metrics: list[Blocks]) -> None:
        """Settle the bets on a block and lay those on the next."""
        gained = [
            gains(blocks, spread.bets(blocks), margin)
            for blocks, spread, margin in zip(metrics, self._spreads, self._margins, strict=True)
        ]
        self._spreads = [spread.after(blocks) for blocks, spread in zip(metrics, self._spreads, strict=True)]
        self.wealth = self.wealth.after(np.stack(gained, axis=-2))


class Proof:
    """The bet that the candidate does not fail `limit` more than the baseline; its wealth is the evidence for it."""

    def __init__(self, limit: float, shape: tuple[int, ...]) -> None:
        self.limit = limit
        self.wealth = Wealth.start(np.ones(1), shape)
        self._spread = Spread.unknown(shape)

    def take(self, failures: Blocks) -> None:
        """Settle the bets on a block."""
        gained = -gains(failures, self._spread.bets(failures), self.limit)
        self._spread = self._spread.after(failures)
        self.wealth = self.wealth.after(gained[..., None, :])


class Evidence:
    """All of a roll-out's evidence; fed one block of both sides at a time."""

    def __init__(self, margins: Margins, uppers_us: FloatArray, shape: tuple[int, ...] = (1,)) -> None:
        self.margins = margins
        self._uppers_us = uppers_us
        self._shape = shape
        self._slower = _slower(uppers_us, margins.latency)
        self._past = np.zeros((*shape, len(uppers_us) + 1))
        self._kept: deque[SideBlock] = deque(maxlen=KEPT)
        self._alone = False
        self.live = Bets(margins, shape)
        self.after: Bets | None = None
        self.proof = Proof(margins.failure, shape)

    def step(self, share: float, next_share: float | None) -> None:
        """Begin a step: the wealth stays and is divided anew; the proof begins again, for what the next step risks.

        Of all requests at the next share no more than failure_margin may fail that would not have: at 5 % of the users
        the candidate's own failures may thus be 20 times that. The last step shows the margin itself.
        """
        self.live.wealth = self.live.wealth.divided()
        self._alone = share >= 1.0
        margins = self.margins.of_the_past if self._alone else self.margins
        self.proof = Proof(min(margins.failure / (next_share or 1.0), 0.5), self._shape)
        self._slower = _slower(self._uppers_us, margins.latency)
        if self._alone and self.after is None:
            self.after = Bets(margins, self._shape)

    @property
    def paired(self) -> int | None:
        """Blocks of the past that are left to compare with; None while the baseline has users of its own."""
        return len(self._kept) if self._alone else None

    def take(self, baseline: SideBlock, candidate: SideBlock) -> None:
        """Add a block. Where the baseline has no more users its own part is not looked at."""
        if not self._alone:
            self._bet(self.live, baseline, candidate)
            self._past = self._past * MEMORY + baseline.latency
            self._kept.append(baseline)
        elif self._kept and self.after is not None:
            self._bet(self.after, self._kept.pop(), candidate)

    def thresholds(self) -> tuple[Indices, Indices]:
        """Return the bucket at the end of which "slow" begins: the baseline's and the candidate's, (n, quantiles).

        The first bucket past the last bound where the past does not say enough.
        """
        below = np.cumsum(self._past, axis=-1)
        total = below[..., -1:]
        q = np.asarray(self.margins.quantiles)
        at = np.sum(below[..., None, :] < (q * total)[..., None], axis=-1)
        enough = total * np.minimum(q, 1 - q) >= BEYOND
        at = np.where(enough, np.minimum(at, len(self._uppers_us)), len(self._uppers_us))
        return at, self._slower[at]

    def _bet(self, bets: Bets, baseline: SideBlock, candidate: SideBlock) -> None:
        failures = Blocks(candidate.failed, candidate.requests, baseline.failed, baseline.requests)
        callers = Blocks(candidate.callers, candidate.requests, baseline.callers, baseline.requests)
        self.proof.take(failures)
        bets.take([failures, callers, *self._slow(baseline, candidate)])

    def _slow(self, baseline: SideBlock, candidate: SideBlock) -> list[Blocks]:
        last = len(self._uppers_us)
        ours, theirs = self.thresholds()
        found: list[Blocks] = []
        for k in range(len(self.margins.quantiles)):
            usable = (ours[..., k] < last) & (theirs[..., k] < last)
            (bad_b, all_b), (bad_c, all_c) = (
                _beyond(side.latency, at[..., k], usable) for side, at in ((baseline, ours), (candidate, theirs))
            )
            found.append(Blocks(bad_c, all_c, bad_b, all_b))
        return found


def _slower(uppers_us: FloatArray, margin: float) -> Indices:
    """Return for each bound the first that is a margin above it, past the last where none is."""
    return np.append(np.searchsorted(uppers_us, uppers_us * (1 + margin) * (1 - 1e-9)), len(uppers_us))


def _beyond(latency: FloatArray, at: Indices, usable: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Return how many lie beyond a bucket, and all; 0 of 0 where there is no threshold."""
    below = np.cumsum(latency, axis=-1)
    until = np.take_along_axis(below, at[..., None], axis=-1)[..., 0]
    every = np.where(usable, below[..., -1], 0.0)
    return np.where(usable, below[..., -1] - until, 0.0), every

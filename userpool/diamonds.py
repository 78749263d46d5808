"""The diamond side of the ledgers: withdrawals that find what they take. Pure.

Each withdrawal takes at most what came in by a *block* of receipts that is its own: those that became available since
the user's withdrawal before it, and are younger than 30 days, the shortest life of a diamond lot. Blocks of one user
do not overlap, so there is an assignment of diamonds to withdrawals that works, and by the exchange of `coins` taking
first-expiring-first works as well. What a block leaves, and what nobody withdraws in time, expires.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from userpool.arrays import owners, prefix_sums, stable_order
from userpool.coins import Gifts
from userpool.shape import DAY_MS, IntArray, PoolShape, stream

SETTLE_MS: Final = 7 * DAY_MS
SHORTEST_LIFE_MS: Final = 30 * DAY_MS
AMOUNT_MAX: Final = 2**32 - 1
WHOLE_PERMILLE: Final = 750
"""How many withdrawals of a thousand take all of their block; the others leave up to three tenths."""


@dataclass(frozen=True, slots=True)
class Withdrawals:
    """Withdrawals: columns of one length, amounts >= 1."""

    user: IntArray
    time_ms: IntArray
    diamonds: IntArray


@dataclass(frozen=True, slots=True)
class _Receipts:
    """What each user has received until when: `keys` is user << bits | ms since the pool's start, ascending."""

    keys: IntArray
    sums: IntArray
    bits: int

    def until(self, user: IntArray, since_start_ms: IntArray) -> IntArray:
        """Return the diamonds received until then, that ms included, by the user and all users before."""
        sums: IntArray = self.sums[np.searchsorted(self.keys, (user << self.bits) | since_start_ms, side="right")]
        return sums


def draw_withdrawals(gifts: Gifts, wished: IntArray, seed: int, shape: PoolShape) -> Withdrawals:
    """Return at most wished[u] withdrawals of each user; those that would find nothing are left out."""
    rng = stream(seed, "withdrawals")
    receipts = _receipts(gifts, shape)
    user, at_ms = _draw_times(rng, wished, shape)
    last_ms = np.where(np.diff(user, prepend=-1) != 0, 0, np.roll(at_ms, 1))
    since_ms = np.maximum(0, np.maximum(last_ms - SETTLE_MS, at_ms - SHORTEST_LIFE_MS))
    available = receipts.until(user, at_ms - SETTLE_MS) - receipts.until(user, since_ms)
    partly = 1000 - rng.integers(1, 300, len(user))
    permille = np.where(rng.integers(0, 1000, len(user)) < WHOLE_PERMILLE, 1000, partly)
    diamonds = np.minimum(available * permille // 1000, AMOUNT_MAX)
    found = diamonds >= 1
    return Withdrawals(user[found], shape.start_ms + at_ms[found], diamonds[found])


def _draw_times(rng: np.random.Generator, wished: IntArray, shape: PoolShape) -> tuple[IntArray, IntArray]:
    """Return users and times (ms since the pool's start, the first week left out), ascending."""
    user = owners(wished)
    bits = (shape.days * DAY_MS).bit_length()
    keys = (user << bits) | (SETTLE_MS + rng.integers(0, max(1, shape.days * DAY_MS - SETTLE_MS), len(user)))
    keys.sort()
    return user, keys & ((1 << bits) - 1)


def _receipts(gifts: Gifts, shape: PoolShape) -> _Receipts:
    bits = (shape.days * DAY_MS).bit_length()
    by_time = stable_order(gifts.time_ms - shape.start_ms)
    order = by_time[stable_order(gifts.receiver[by_time])]
    keys = (gifts.receiver[order] << bits) | (gifts.time_ms[order] - shape.start_ms)
    return _Receipts(keys, prefix_sums(gifts.coins[order]), bits)

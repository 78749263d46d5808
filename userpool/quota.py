"""How many entries of each kind every user gets, so that ledgers come out as long as wanted. Pure integers.

Gifts tie users together: every gift sent is one received, so what hosts receive is scaled to what all users send.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from userpool.shape import HOST, IntArray, stream

EPISODE_ENTRIES: Final = 10
BONUS_EVERY: Final = 20
HOLD_EVERY: Final = 6
CALLER_PERMILLE: Final = 400
GENEROUS_HOST_PERMILLE: Final = 125
WITHDRAWALS_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class Quota:
    """Counts per user, shape (users,) each. A hold is two entries: itself and its capture or release.

    `episodes` is the number of recharges; gifts and holds of a user are spread over its episodes.
    """

    episodes: IntArray
    bonuses: IntArray
    gifts: IntArray
    holds: IntArray
    received: IntArray
    withdrawals: IntArray

    @property
    def spends(self) -> IntArray:
        """Return gifts and holds together."""
        return self.gifts + self.holds

    @property
    def entries(self) -> IntArray:
        """Return the entries of each user when every hold is settled and every withdrawal finds something."""
        return sum((getattr(self, field.name) for field in fields(self)), self.holds)


def share_out(wanted: IntArray, tiers: IntArray, seed: int) -> Quota:
    """Return the quota of each user for the wanted ledger lengths."""
    rng = stream(seed, "quota")
    draws = rng.integers(0, 1000, (2, len(wanted)))
    is_host = tiers == HOST
    withdrawals = np.where(is_host, np.minimum(WITHDRAWALS_MAX, wanted // 30), 0)
    generous = is_host & (draws[0] < GENEROUS_HOST_PERMILLE)
    thanks = wanted // np.array([120, 60, 100, 1])[tiers]
    spending = np.where(is_host, np.where(generous, wanted // 20, 0), wanted - thanks)
    received = np.where(is_host, wanted - withdrawals - spending, thanks)

    episodes = np.where(spending > 0, np.maximum(1, spending // EPISODE_ENTRIES), 0)
    bonuses = spending // BONUS_EVERY
    holds = np.where((draws[1] < CALLER_PERMILLE) & ~is_host, spending // HOLD_EVERY, 0)
    gifts = np.maximum(0, spending - episodes - bonuses - 2 * holds)
    return _balanced(Quota(episodes, bonuses, gifts, holds, received, withdrawals))


def _balanced(quota: Quota) -> Quota:
    """Return the quota with as many gifts received as sent; gifts nobody is there to receive are not sent."""
    sent, wished = int(quota.gifts.sum()), int(quota.received.sum())
    if wished == 0 or sent == 0:
        gifts, received = np.zeros_like(quota.gifts), np.zeros_like(quota.received)
    else:
        gifts, received = quota.gifts, quota.received * sent // wished
        takers = np.flatnonzero(quota.received)
        short = sent - int(received.sum())  # less than one for each taker, as each was rounded down once
        received[takers[:short]] += 1
    return Quota(quota.episodes, quota.bonuses, gifts, quota.holds, received, quota.withdrawals)

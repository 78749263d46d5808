"""The coin side of the ledgers: episodes of a recharge and what is spent from it, holds and their end, bonuses.

Why no prefix of a ledger goes below zero, whatever overlaps:

1. Every gift and hold belongs to one *episode*. Its episode's recharge comes at least a second earlier, holds at least
   the sum of the episode's gifts and holds, and is valid for 30 days or more, while an episode ends within two hours.
   So there is one assignment of coins to takings that works: each from its own recharge.
2. The service takes from the lot that expires first. Exchange: let some assignment serve all takings still to come,
   and let it use a coin of lot b now where the service uses one of lot a, which expires no later. If the assignment
   needs that coin of a later, at a time when a is still valid, then b is valid then too, and there already: give that
   later taking the coin of b. So an assignment that works still exists after every step of the service.
3. Bonuses and releases only add coins; more supply breaks no assignment.

Captures and releases end a hold of the same user, whole, at least a minute after it; holds whose end would lie beyond
the pool's now stay open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from userpool.arrays import owners, positions, prefix_sums
from userpool.gifts import CELLS, draw_amounts, draw_gift_ids, table
from userpool.quota import Quota
from userpool.shape import DAY_MS, HOUR_MS, WHALE, IntArray, PoolShape, stream

STEP_MS: Final = 180_000
EPISODE_MS: Final = 2 * HOUR_MS
"""Longest episode with room to spare: at most 24 takings, one per step."""
SETTLE_MIN_MS: Final = 60_000
SETTLE_MAX_MS: Final = 48 * HOUR_MS
OPEN_PERMILLE: Final = 15
RELEASE_PERMILLE: Final = 200
TOP_UP: Final = 50
"""Recharges come in multiples of this many coins."""
_RECHARGE_HOURS: Final = table((720, 1440, 2160, 4320, 8760), (40, 25, 15, 10, 10))
_BONUS_HOURS: Final = table((24, 48, 72, 168, 336), (20, 20, 20, 20, 20))
_LIFE_DAYS: Final = table((28, 35, 42, 49, 56, 63, 77, 91, 105, 120), (18, 18, 16, 14, 10, 8, 6, 4, 3, 3))


@dataclass(frozen=True, slots=True)
class Lots:
    """Recharges or bonuses: columns of one length; `hours` is how long the coins are valid."""

    user: IntArray
    time_ms: IntArray
    coins: IntArray
    hours: IntArray


@dataclass(frozen=True, slots=True)
class Gifts:
    """Gifts: columns of one length; the receiver is in `receiver`, never the sender."""

    user: IntArray
    receiver: IntArray
    time_ms: IntArray
    coins: IntArray
    gift_id: IntArray


@dataclass(frozen=True, slots=True)
class Holds:
    """Holds: columns of one length; `settled_ms` is meaningful where `ends` is true, and `released` there alone."""

    user: IntArray
    time_ms: IntArray
    coins: IntArray
    settled_ms: IntArray
    ends: IntArray
    released: IntArray


@dataclass(frozen=True, slots=True)
class CoinEvents:
    """All coin events of a pool, unordered."""

    recharges: Lots
    bonuses: Lots
    gifts: Gifts
    holds: Holds


@dataclass(frozen=True, slots=True)
class _Windows:
    """When each user is about: an episode starts in [start_ms, start_ms + span_ms)."""

    start_ms: IntArray
    span_ms: IntArray


@dataclass(frozen=True, slots=True)
class _Takings:
    """Gifts and holds in the order user, episode, time; `episode` counts over the whole pool."""

    user: IntArray
    episode: IntArray
    time_ms: IntArray
    is_hold: IntArray


def draw_coin_events(quota: Quota, tiers: IntArray, seed: int, shape: PoolShape) -> CoinEvents:
    """Return the coin events of all users for their quotas."""
    windows = _draw_windows(len(tiers), seed, shape)
    starts_ms = _draw_starts(quota.episodes, windows, seed)
    takings = _draw_takings(quota, starts_ms, seed)
    holding = np.flatnonzero(takings.is_hold)
    giving = np.flatnonzero(takings.is_hold == 0)
    rng = stream(seed, "amounts")
    givers = takings.user[giving]
    gift_ids = draw_gift_ids(rng, tiers[givers] == WHALE)
    coins = np.empty(len(takings.user), dtype=np.int64)
    coins[giving] = draw_amounts(rng, gift_ids)
    coins[holding] = 20 * (1 + rng.integers(0, 30, len(holding)))
    receivers = draw_receivers(givers, quota.received, seed)
    kept = receivers >= 0
    given = giving[kept]
    return CoinEvents(
        _recharges(quota, starts_ms, coins, seed),
        _draw_bonuses(quota.bonuses, windows, seed),
        Gifts(givers[kept], receivers[kept], takings.time_ms[given], coins[given], gift_ids[kept]),
        _draw_holds(takings.user[holding], takings.time_ms[holding], coins[holding], seed, shape),
    )


def draw_receivers(givers: IntArray, received: IntArray, seed: int) -> IntArray:
    """Return who receives each gift: user u exactly received[u] times, in runs of up to four; -1 where nobody can.

    A gift to oneself is swapped with the nearest later gift (in a circle) where both fit; only a pool in which one
    user would be giver and receiver of nearly everything leaves some without a receiver.
    """
    deck = owners(received)
    whole = len(deck) // 4 * 4
    rng = stream(seed, "receivers")
    receivers = np.concatenate([rng.permutation(deck[:whole].reshape(-1, 4)).ravel(), deck[whole:]])
    for own in np.flatnonzero(receivers == givers).tolist():
        if receivers[own] == givers[own]:
            _swap_away(receivers, givers, own)
    receivers[receivers == givers] = -1
    return receivers


def _swap_away(receivers: IntArray, givers: IntArray, own: int) -> None:
    user = givers[own]
    for start in (own + 1, 0):  # a short look ahead nearly always finds one; else everywhere
        stop = own + 1 + 64 if start else len(givers)
        fits = np.flatnonzero((receivers[start:stop] != user) & (givers[start:stop] != user))
        if len(fits):
            other = start + int(fits[0])
            receivers[own], receivers[other] = receivers[other], receivers[own]
            return


def _draw_windows(users: int, seed: int, shape: PoolShape) -> _Windows:
    """Return when each user is about: most until now, the others for as long at some earlier time."""
    rng = stream(seed, "windows")
    life_ms = np.minimum(_LIFE_DAYS[rng.integers(0, CELLS, users)], shape.days) * DAY_MS
    spare_ms = shape.days * DAY_MS - life_ms
    early_ms = rng.integers(0, spare_ms + 1)
    stays = rng.integers(0, 1000, users) < 700
    start_ms = shape.start_ms + np.where(stays, spare_ms, early_ms)
    return _Windows(start_ms, life_ms - EPISODE_MS)


def _draw_starts(episodes: IntArray, windows: _Windows, seed: int) -> IntArray:
    user = owners(episodes)
    return windows.start_ms[user] + stream(seed, "episodes").integers(0, windows.span_ms[user])


def _draw_takings(quota: Quota, starts_ms: IntArray, seed: int) -> _Takings:
    """Return gifts and holds spread evenly over each user's episodes, each in a step of its own."""
    spends = quota.spends
    user, place = owners(spends), positions(spends)
    total, of_user = spends[user], quota.episodes[user]
    local = place * of_user // total
    first = -(-local * total // of_user)
    episode = (np.cumsum(quota.episodes) - quota.episodes)[user] + local
    holds = quota.holds[user]
    is_hold = (place + 1) * holds // total - place * holds // total
    within_ms = (place - first) * STEP_MS + stream(seed, "gaps").integers(0, STEP_MS, len(user), dtype=np.uint32)
    return _Takings(user, episode, starts_ms[episode] + 1000 + within_ms, is_hold)


def _recharges(quota: Quota, starts_ms: IntArray, coins: IntArray, seed: int) -> Lots:
    """Return one recharge per episode: what the episode takes and some more, rounded up to whole top-ups."""
    rng = stream(seed, "recharges")
    user, place = owners(quota.episodes), positions(quota.episodes)
    spends, episodes = quota.spends[user], quota.episodes[user]
    before = (np.cumsum(quota.spends) - quota.spends)[user]
    sums = prefix_sums(coins)
    needed = sums[before - (-(place + 1) * spends // episodes)] - sums[before - (-place * spends // episodes)]
    generous = rng.integers(0, 1000, len(user)) < 100
    spare = np.where(generous, needed * rng.integers(0, 500, len(user)) // 1000, 0)
    paid = np.maximum(TOP_UP, -(-(needed + spare) // TOP_UP) * TOP_UP)
    return Lots(user, starts_ms, paid, _RECHARGE_HOURS[rng.integers(0, CELLS, len(user))])


def _draw_bonuses(bonuses: IntArray, windows: _Windows, seed: int) -> Lots:
    rng = stream(seed, "bonuses")
    user = owners(bonuses)
    time_ms = windows.start_ms[user] + rng.integers(0, windows.span_ms[user])
    coins = 5 * (1 + rng.integers(0, 20, len(user)))
    return Lots(user, time_ms, coins, _BONUS_HOURS[rng.integers(0, CELLS, len(user))])


def _draw_holds(user: IntArray, time_ms: IntArray, coins: IntArray, seed: int, shape: PoolShape) -> Holds:
    rng = stream(seed, "holds")
    settled_ms = time_ms + rng.integers(SETTLE_MIN_MS, SETTLE_MAX_MS, len(user))
    fate = rng.integers(0, 1000, len(user))
    ends = (settled_ms <= shape.now_ms) & (fate >= OPEN_PERMILLE)
    released = fate >= 1000 - RELEASE_PERMILLE
    return Holds(user, time_ms, coins, settled_ms, ends.astype(np.int64), released.astype(np.int64))

"""The shape of a pool: how activity, tiers and ledger sizes are spread over its users. Pure integers.

First step of making a pool. Every number comes from PCG64 and integer arithmetic, so that the same seed gives the same
bytes on every machine: no logarithm, no power of a float, no `choice` with probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

TIERS: Final = ("viewer", "fan", "whale", "host")
VIEWER, FAN, WHALE, HOST = range(4)

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
BLOCK: Final = 16
"""Consecutive ranks that hold a fixed number of each tier, so that no tier gets all the busiest users by luck."""


@dataclass(frozen=True, slots=True)
class PoolShape:
    """The parameters of a pool; the defaults are pinned by a test of the request-weighted mean.

    Requests are drawn by activity weight and a ledger is about as long as its user is active, so a request meets a
    longer ledger than the average user has. With exponent 3 that mean is about 0.8 x entries / rank offset: 32,000
    entries at the defaults (16,000 users, 3.2 million entries, rank offset 75), which is what keeps one core of the
    reference pair's baseline near a thousand requests a second. A smaller offset makes it longer.

    Attributes:
        entries_per_user: ledger entries of the whole pool per user; the true total is within 10 % of it from
            a thousand users on (below, the busiest cannot be given as much as they want).
        exponent: s of the Zipf-Mandelbrot weight 1 / (rank + q)^s; an integer >= 1.
        rank_offset: q at 16,000 users; scales with the pool, so that the mean is the same for any number of users.
        top_weight: activity weight of the most active user.
        least_entries, spare_entries: everyone but the empty has least .. least + spare entries, and more by weight.
        empty_permille: share of users with an empty ledger; viewers of the less active half.
        busy_permille: share of ranks, from the top, whose tiers are dealt by `busy_tiers`.
        busy_tiers: how many of 16 consecutive busy ranks are viewer, fan, whale, host.
        quiet_permille: the same for all other ranks, of a thousand, drawn at random.
        days: what the ledger spans, ending at `now_ms`; at most 398, so that daily statistics fit 400 buckets.
        now_ms: time of the last entry, Unix ms.
    """

    entries_per_user: int = 200
    exponent: int = 3
    rank_offset: int = 75
    top_weight: int = 2**30
    least_entries: int = 2
    spare_entries: int = 10
    empty_permille: int = 30
    busy_permille: int = 100
    busy_tiers: tuple[int, int, int, int] = (2, 4, 3, 7)
    quiet_permille: tuple[int, int, int, int] = (810, 150, 10, 30)
    days: int = 64
    now_ms: int = 1_767_225_600_000

    def __post_init__(self) -> None:
        if not 8 <= self.days <= 398:
            raise ValueError(f"days = {self.days}: a ledger spans 8 to 398 days")
        if self.exponent < 1 or self.rank_offset < 1:
            raise ValueError(f"exponent = {self.exponent}, rank_offset = {self.rank_offset}: both are at least 1")
        if sum(self.busy_tiers) != BLOCK or sum(self.quiet_permille) != 1000:
            raise ValueError(f"busy_tiers add up to {BLOCK}, quiet_permille to 1000: viewer, fan, whale, host")

    @property
    def start_ms(self) -> int:
        """Return the earliest time of an entry, Unix ms."""
        return self.now_ms - self.days * DAY_MS


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the generator of one purpose; streams of different names are independent, whatever else is drawn."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *name.encode()])))


def draw_ranks(users: int, seed: int) -> IntArray:
    """Return each user's activity rank, a permutation of 1..users."""
    return stream(seed, "ranks").permutation(users).astype(np.int64) + 1


def activity_weights(ranks: IntArray, shape: PoolShape) -> IntArray:
    """Return the Zipf-Mandelbrot weights top x ((1 + q) / (rank + q))^s, rounded down, at least 1.

    One factor at a time, rounding down at each: below 2^63 for every pool of up to ten million users.
    """
    q = max(1, len(ranks) * shape.rank_offset // 16_000)
    weights = np.full(len(ranks), shape.top_weight, dtype=np.int64)
    for _ in range(shape.exponent):
        weights = weights * (q + 1) // (ranks + q)
    return np.maximum(weights, 1)


def draw_tiers(ranks: IntArray, seed: int, shape: PoolShape) -> IntArray:
    """Return each user's tier as an index into TIERS: dealt in blocks to the busy ranks, drawn for the others."""
    users = len(ranks)
    rng = stream(seed, "tiers")
    busy = min(users, max(1, -(-users * shape.busy_permille // (1000 * BLOCK))) * BLOCK)
    block = np.repeat(np.arange(4), shape.busy_tiers)
    dealt = rng.permuted(np.tile(block, (-(-busy // BLOCK), 1)), axis=1).ravel()[:busy]
    drawn = np.searchsorted(np.cumsum(shape.quiet_permille), rng.integers(0, 1000, users - busy), side="right")
    by_rank = np.concatenate([dealt, drawn]).astype(np.int64)
    return by_rank[ranks - 1]


def wanted_entries(weights: IntArray, ranks: IntArray, tiers: IntArray, seed: int, shape: PoolShape) -> IntArray:
    """Return how long each user's ledger should be: a few entries for everyone, the rest by weight, 0 for the empty."""
    users = len(weights)
    rng = stream(seed, "sizes")
    few = shape.least_entries + rng.integers(0, shape.spare_entries + 1, users)
    rest = max(0, shape.entries_per_user * users - int(few.sum()))
    entries: IntArray = few + rest * weights // int(weights.sum())
    quiet = np.flatnonzero((tiers == VIEWER) & (ranks > users // 2))
    empty = rng.permutation(quiet)[: users * shape.empty_permille // 1000]
    entries[empty] = 0
    return entries

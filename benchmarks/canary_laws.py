"""Traffic of both sides of a gray release in virtual time: counts of half a second, many roll-outs at once.

| world | what is alike on both sides |
|---|---|
| lognormal | median 8 ms, sigma 0.5, each request for itself; 0.1 % fail, as everywhere |
| bimodal | 70 % around 5 ms, 30 % around 40 ms |
| stalls | each side for itself stands still once in 2 s, 100 ms on average; a request in it waits, one in ten fails |
| long stalls | each side once in 40 s, 1.5 s on average: longer than a block |
| own pace | each side's latency wanders by 5 %, over 5 s, for itself |
| common pace | latency wanders by 30 % over 10 s, on both sides at once |
| drift | latency rises by half and failures tenfold within the roll-out, on both sides |
| users | 16,000, each of its own latency (sigma 0.3) and activity (sigma 1): each share has its own mix of them |

In "long stalls", "own pace" and "users" blocks are not what the test takes them for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr

from shadow.gray.evidence import SideBlock, gateway_uppers_us
from shadow.gray.sequential import FloatArray

RATE_RPS: Final = 2_000.0
BLOCK_S: Final = 0.5
ROLL_OUT_S: Final = 150.0
FAILING: Final = 0.001
USERS: Final = 16_000
SUBSTEPS: Final = 25
STALLED: Final = (70_000.0, 0.8)
"""Median and sigma of what a stalled request takes, µs."""
STALLED_FAIL: Final = 0.1
Mix = tuple[tuple[float, float, float], ...]
"""(weight, median in µs, sigma) of lognormal parts."""


def uppers_us() -> FloatArray:
    """Return the gateway's bounds from 1 ms to 1 s: what lies outside is in the first and the last bucket."""
    every = gateway_uppers_us()
    return every[(every >= 1_000) & (every <= 1_000_000)]


@dataclass(frozen=True, slots=True)
class World:
    """A law of traffic. Stalls: begun a second and their mean; pace: sd of the log of latency and its time."""

    name: str
    mix: Mix = ((1.0, 8_000.0, 0.5),)
    stalls_per_s: float = 0.0
    stall_s: float = 0.1
    pace: float = 0.0
    pace_s: float = 1.0
    common: bool = False
    drift: bool = False
    user_sigma: float = 0.0


WORLDS: Final = (
    World("lognormal"),
    World("bimodal", ((0.7, 5_000.0, 0.3), (0.3, 40_000.0, 0.3))),
    World("stalls", stalls_per_s=0.5),
    World("long stalls", stalls_per_s=0.025, stall_s=1.5),
    World("own pace", pace=0.05, pace_s=5.0),
    World("common pace", pace=0.3, pace_s=10.0, common=True),
    World("drift", drift=True),
    World("users", user_sigma=0.3),
)


@dataclass(frozen=True, slots=True)
class Effect:
    """What the candidate does worse: failures more, all latencies × scale, or p99 × tail by stretching beyond p90."""

    name: str = "equal"
    failures: float = 0.0
    scale: float = 1.0
    tail: float = 1.0


EQUAL: Final = Effect()


def mix_cdf(mix: Mix, at_us: FloatArray) -> FloatArray:
    """Return the part of latencies at or below."""
    log = np.log(np.maximum(at_us, 1e-9))
    return np.asarray(sum(w * ndtr((log - np.log(median)) / sigma) for w, median, sigma in mix))


def mix_quantile(mix: Mix, q: float) -> float:
    """Return a quantile of a mix, in µs, by bisection."""
    low, high = 1.0, 1e9
    for _ in range(200):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if float(mix_cdf(mix, np.array(middle))) >= q else (middle, high)
    return high


def squeezed(mix: Mix, bounds_us: FloatArray, tail: float) -> FloatArray:
    """Return where bounds lie in a law whose part beyond p90 is not stretched, so that p99 becomes p99 × tail."""
    if tail == 1.0:
        return bounds_us
    p90, p99 = mix_quantile(mix, 0.9), mix_quantile(mix, 0.99)
    stretch = (tail * p99 - p90) / (p99 - p90)
    return np.where(bounds_us > p90, p90 + (bounds_us - p90) / stretch, bounds_us)


class Traffic:
    """Many roll-outs' traffic at once; call `block` for each half second, in order."""

    def __init__(self, world: World, repetitions: int, rng: np.random.Generator) -> None:
        self.world = world
        self._n = repetitions
        self._rng = rng
        self._uppers_us = uppers_us()
        self._stalled = [np.zeros(repetitions, bool), np.zeros(repetitions, bool)]
        self._pace = [np.zeros(repetitions), np.zeros(repetitions)]
        self._t_s = 0.0
        self._users: tuple[float, FloatArray] | None = None

    def block(self, share: float, effect: Effect) -> tuple[SideBlock, SideBlock]:
        """Return the next half second: baseline and candidate."""
        self._t_s += BLOCK_S
        self._walk()
        sides = []
        for k, part in enumerate((1 - share, share)):
            changed = effect if k else EQUAL
            sides.append(self._side(k, part, share, changed))
        return sides[0], sides[1]

    def _walk(self) -> None:
        """Let each side's pace wander; where it is common the second has the first's."""
        keep = np.exp(-BLOCK_S / self.world.pace_s)
        for k in (0, 1):
            noise = self._rng.standard_normal(self._n) * self.world.pace * np.sqrt(1 - keep**2)
            self._pace[k] = self._pace[0] if k and self.world.common else self._pace[k] * keep + noise

    def _stalls(self, side: int) -> FloatArray:
        """Return the part of the block in which a side stands still: it begins and ends by chance."""
        world, step_s = self.world, BLOCK_S / SUBSTEPS
        if not world.stalls_per_s:
            return np.zeros(self._n)
        begins, ends = 1 - np.exp(-world.stalls_per_s * step_s), 1 - np.exp(-step_s / world.stall_s)
        stalled, total = self._stalled[side], np.zeros(self._n)
        for drawn in self._rng.random((SUBSTEPS, self._n)):
            stalled = np.where(stalled, drawn >= ends, drawn < begins)
            total += stalled
        self._stalled[side] = stalled
        return np.asarray(total / SUBSTEPS)

    def _mixes(self, side: int, share: float) -> FloatArray:
        """Return the weight of each class of users' pace on a side, shape (n, classes)."""
        if self._users is None or self._users[0] != share:
            self._users = (share, _user_mix(share, self._n, self._rng))
        return self._users[1][side]

    def _side(self, side: int, part: float, share: float, effect: Effect) -> SideBlock:
        world, progress = self.world, min(self._t_s / ROLL_OUT_S, 1.0)
        stalled = self._stalls(side)
        log_scale = self._pace[side] + np.log(effect.scale) + (np.log(1.5) * progress if world.drift else 0.0)
        bounds = squeezed(world.mix, self._uppers_us, effect.tail)
        below = (1 - stalled[:, None]) * self._below(side, share, bounds, log_scale)
        if world.stalls_per_s:
            below += stalled[:, None] * ndtr(np.log(self._uppers_us / STALLED[0]) / STALLED[1])
        likely = np.diff(below, prepend=0.0, append=1.0, axis=1)
        latency = self._rng.poisson(np.maximum(likely, 0.0) * RATE_RPS * BLOCK_S * part).astype(np.float64)
        requests = latency.sum(axis=1)
        failing = FAILING * (1 + 9 * progress if world.drift else 1.0) + effect.failures
        failed = self._rng.binomial(requests.astype(np.int64), np.minimum(failing + STALLED_FAIL * stalled, 1.0))
        return SideBlock(requests, failed.astype(np.float64), np.zeros(self._n), latency)

    def _below(self, side: int, share: float, bounds: FloatArray, log_scale: FloatArray) -> FloatArray:
        if not self.world.pace and not self.world.user_sigma:
            return np.broadcast_to(mix_cdf(self.world.mix, bounds / np.exp(log_scale[0])), (self._n, len(bounds)))
        scale = np.exp(log_scale)[:, None]
        if not self.world.user_sigma:
            return mix_cdf(self.world.mix, bounds / scale)
        weights, below = self._mixes(side, share), np.zeros((self._n, len(bounds)))
        for k, z in enumerate(USER_CLASSES):
            own = np.exp(self.world.user_sigma * z)
            below += weights[:, k, None] * mix_cdf(self.world.mix, bounds / (scale * own))
        return below


USER_CLASSES: Final = np.linspace(-2.5, 2.5, 11)


def _user_mix(share: float, repetitions: int, rng: np.random.Generator) -> FloatArray:
    """Return how much of each side's traffic each class of users makes, shape (2, repetitions, classes).

    A class's activity is a sum over its users on that side, each lognormal with sigma 1: a gamma of the same mean and
    variance.
    """
    middle = (USER_CLASSES[1:] + USER_CLASSES[:-1]) / 2
    of_class = np.diff(ndtr(middle), prepend=0.0, append=1.0)
    users = rng.multinomial(USERS, of_class, size=repetitions)
    theirs = rng.binomial(users, share)
    sides = []
    for count in (users - theirs, theirs):
        activity = rng.gamma(np.maximum(count, 1e-9) / (np.e - 1))
        sides.append(activity / np.maximum(activity.sum(axis=1, keepdims=True), 1e-12))
    return np.stack(sides)

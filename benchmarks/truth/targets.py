"""Targets whose capacity under an SLO is known, in virtual time: arrivals in, departures out. numpy alone.

One server at a time: dₙ = max(arrivalₙ, dₙ₋₁) + sₙ, which is cumsum(s) plus a running maximum, so whole trials are
computed at once. Every trial begins with an empty system and a warm-up, as a real one does after a drain.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
LATE: Final = 0.01
_SWINGS_S: Final = (5.1, 10.7, 22.3, 45.1, 92.3, 187.0)
_SWING_STEP_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Answered:
    """One run of a target: arrival and departure by request in seconds, and which answers failed."""

    arrival_s: Floats
    departure_s: Floats
    failed: Bools


@dataclass(frozen=True, slots=True)
class Target:
    """A target: `serve` answers arrivals, `capacity_rps` is the truth under `limit_ms` and `saturation_rps` a probe's.

    `serve(rng, arrival_s, rate_rps, at_s)` returns departures; `at_s` is the time of the run, for what drifts.
    `failing(rng, count, rate_rps)` says which answers fail. `poisson`: how arrivals come. `moments_s`: a run begins at
    one of so many seconds, drawn, for what depends on the time of day.
    """

    name: str
    limit_ms: float
    capacity_rps: float
    saturation_rps: float
    serve: Callable[[np.random.Generator, Floats, float, float], Floats]
    failing: Callable[[np.random.Generator, int, float], Bools] | None = None
    poisson: bool = True
    moments_s: float = 0.0

    def run(self, rng: np.random.Generator, rate_rps: float, length_s: float, at_s: float = 0.0) -> Answered:
        """Offer a rate for so long, from an empty system on."""
        arrival_s = arrivals(rng, rate_rps, length_s, poisson=self.poisson)
        departure_s = self.serve(rng, arrival_s, rate_rps, at_s)
        count = len(arrival_s)
        failed = np.zeros(count, dtype=bool) if self.failing is None else self.failing(rng, count, rate_rps)
        return Answered(arrival_s, departure_s, failed)


def arrivals(rng: np.random.Generator, rate_rps: float, length_s: float, *, poisson: bool) -> Floats:
    """Return arrival times in [0, length_s), rising."""
    if poisson:
        times: Floats = np.sort(rng.random(rng.poisson(rate_rps * length_s))) * length_s
        return times
    return (np.arange(int(rate_rps * length_s)) + rng.random()) / rate_rps


def one_server(arrival_s: Floats, service_s: Floats) -> Floats:
    """Return the departures of one server, first come first served.

    By hand: arrivals 0, 1, 5 and services 2, 2, 2 leave at 2, 4 and 7.
    """
    worked = np.cumsum(service_s)
    left: Floats = worked + np.maximum.accumulate(arrival_s - (worked - service_s))
    return left


def many_servers(arrival_s: Floats, service_s: Floats, servers: int) -> Floats:
    """Return the departures of c servers with one queue (Kiefer and Wolfowitz: the next free server takes the next)."""
    free, out, replace_first = [0.0] * servers, list[float](), heapq.heapreplace
    for at, work in zip(arrival_s.tolist(), service_s.tolist(), strict=True):
        first = free[0]
        left = (at if at > first else first) + work
        replace_first(free, left)
        out.append(left)
    return np.array(out)


def fixed(mu_rps: float, limit_ms: float) -> Target:
    """D/D/1: a fixed service time, evenly spaced arrivals. The capacity is the service rate, whatever the limit."""

    def serve(_rng: np.random.Generator, arrival_s: Floats, _rate: float, _at: float) -> Floats:
        return one_server(arrival_s, np.full(len(arrival_s), 1 / mu_rps))

    return Target("D/D/1", limit_ms, mu_rps, mu_rps, serve, poisson=False)


def exponential(mu_rps: float, limit_ms: float) -> Target:
    """M/M/1: the sojourn time is exponential with rate µ − λ, so p99 = ln 100 / (µ − λ)."""

    def serve(rng: np.random.Generator, arrival_s: Floats, _rate: float, _at: float) -> Floats:
        return one_server(arrival_s, rng.exponential(1 / mu_rps, len(arrival_s)))

    return Target("M/M/1", limit_ms, mu_rps - math.log(1 / LATE) / (limit_ms / 1000), mu_rps, serve)


def exponential_servers(mu_rps: float, servers: int, limit_ms: float) -> Target:
    """M/M/c with `mu_rps` in all: the tail of the sojourn time from Erlang's C."""
    each_rps = mu_rps / servers

    def serve(rng: np.random.Generator, arrival_s: Floats, _rate: float, _at: float) -> Floats:
        return many_servers(arrival_s, rng.exponential(1 / each_rps, len(arrival_s)), servers)

    def late(rate_rps: float) -> float:
        return sojourn_tail(rate_rps, each_rps, servers, limit_ms / 1000)

    capacity_rps = float(brentq(lambda rate: late(rate) - LATE, 0.05 * mu_rps, 0.9999 * mu_rps))
    return Target(f"M/M/{servers}", limit_ms, capacity_rps, mu_rps, serve)


def sojourn_tail(rate_rps: float, each_rps: float, servers: int, t_s: float) -> float:
    """Return P(sojourn > t) of M/M/c: wait is 0, or exponential with rate cµ − λ with Erlang's C as its chance."""
    load = rate_rps / each_rps
    term, total = 1.0, 1.0
    for k in range(1, servers):
        term *= load / k
        total += term
    last = term * load / servers * servers / (servers - load)
    waits = last / (total + last)
    theta = servers * each_rps - rate_rps
    served = math.exp(-each_rps * t_s)
    both = theta / (theta - each_rps) * (served - math.exp(-theta * t_s))
    return (1 - waits) * served + waits * (math.exp(-theta * t_s) + both)


def stalling(mu_rps: float, limit_ms: float, *, stall_s: float, every_s: float, seed: int = 1) -> Target:
    """A fixed service time and a server that stops for `stall_s` at random; capacity by long simulation."""

    def serve(rng: np.random.Generator, arrival_s: Floats, _rate: float, _at: float) -> Floats:
        return with_stalls(rng, arrival_s, rng.poisson(_last(arrival_s) / every_s))

    def serve_long(rng: np.random.Generator, arrival_s: Floats, _rate: float, _at: float) -> Floats:
        return with_stalls(rng, arrival_s, round(_last(arrival_s) / every_s))

    def with_stalls(rng: np.random.Generator, arrival_s: Floats, stalls: int) -> Floats:
        at = np.sort(rng.random(stalls)) * _last(arrival_s)
        starts = at + stall_s * np.arange(len(at))  # times at which work stands still, pushed apart by those before
        real = np.ravel(np.column_stack((starts, starts + stall_s)))
        worked = np.repeat(at, 2)
        ends = (np.concatenate(([0.0], real, [1e6])), np.concatenate(([0.0], worked, [1e6 - stall_s * len(at)])))
        left = one_server(np.interp(arrival_s, *ends), np.full(len(arrival_s), 1 / mu_rps))
        after = np.searchsorted(at, left, side="left")  # stalls that began before the work was done
        gone: Floats = left + stall_s * after
        return gone

    target = Target("stall", limit_ms, math.nan, mu_rps, serve)
    return replace(target, capacity_rps=simulated_capacity(replace(target, serve=serve_long), seed=seed))


def _last(arrival_s: Floats) -> float:
    return float(arrival_s[-1]) if len(arrival_s) else 0.0


def simulated_capacity(target: Target, *, seed: int, length_s: float = 5_000) -> float:
    """Return the rate at which 1 % are late in long runs, with the same draws at every rate.

    Give a target whose runs do not differ in how often the rare thing happens that makes it late: then a run of this
    length says it to half a percent.
    Raises: ValueError when the rate is not between 2 and 98 % of the saturation.
    """

    def excess(rate_rps: float) -> float:
        run = target.run(np.random.default_rng(seed), rate_rps, length_s)
        return float(np.mean(run.departure_s - run.arrival_s > target.limit_ms / 1000)) - LATE

    low_rps, high_rps = 0.02 * target.saturation_rps, 0.98 * target.saturation_rps
    if not excess(low_rps) < 0 < excess(high_rps):
        raise ValueError(f"{target.name}: no capacity between {low_rps:g} and {high_rps:g} a second; change its SLO")
    return float(brentq(excess, low_rps, high_rps, xtol=1e-3 * target.saturation_rps))


def falling(mu_rps: float, limit_ms: float) -> Target:
    """A server that gives less the more it is overloaded: at twice its limit, half of it."""

    def serve(_rng: np.random.Generator, arrival_s: Floats, rate_rps: float, _at: float) -> Floats:
        given_rps = mu_rps if rate_rps <= mu_rps else mu_rps * max(0.2, 1.5 - 0.5 * rate_rps / mu_rps) * 0.95
        return one_server(arrival_s, np.full(len(arrival_s), 1 / given_rps))

    return Target("limit falls", limit_ms, mu_rps, 0.9 * mu_rps, serve, poisson=False)


def drifting(mu_rps: float, limit_ms: float, *, lost_an_hour: float) -> Target:
    """A server that slows down as time goes on; the truth is that of the beginning (its ratio to a like one stays)."""

    def serve(_rng: np.random.Generator, arrival_s: Floats, _rate: float, at_s: float) -> Floats:
        return one_server(arrival_s, np.full(len(arrival_s), 1 / (mu_rps * (1 - lost_an_hour * at_s / 3_600))))

    return Target("slow drift", limit_ms, mu_rps, mu_rps, serve, poisson=False)


def swinging(mu_rps: float, limit_ms: float, *, by: float) -> Target:
    """A fixed work a request on a machine that others share: its speed swings, for whoever runs on it, at any moment.

    `by` is the standard deviation of the speed's logarithm: sines of `_SWINGS_S`, alike strong, so that it moves as
    much within seconds as within minutes. The truth is that of its mean speed.
    """

    def speed(at_s: Floats) -> Floats:
        turns = at_s[:, None] / np.array(_SWINGS_S) + np.arange(len(_SWINGS_S)) * 0.618
        return np.exp(by * math.sqrt(2 / len(_SWINGS_S)) * np.sin(2 * math.pi * turns).sum(axis=1))

    def serve(_rng: np.random.Generator, arrival_s: Floats, _rate: float, at_s: float) -> Floats:
        clock_s = np.arange(0, 2 * _last(arrival_s) + 1, _SWING_STEP_S)
        done = np.concatenate(([0.0], np.cumsum(speed(at_s + clock_s[:-1]) * _SWING_STEP_S)))
        left = one_server(np.interp(arrival_s, clock_s, done), np.full(len(arrival_s), 1 / mu_rps))
        return np.interp(left, done, clock_s)

    return Target("swings", limit_ms, mu_rps, mu_rps, serve, poisson=False, moments_s=1e6)


def failing_above(mu_rps: float, limit_ms: float, *, above_rps: float, name: str) -> Target:
    """A server of ample speed of whose answers 5 % fail, or are wrong, above a rate."""

    def failing(rng: np.random.Generator, count: int, rate_rps: float) -> Bools:
        out: Bools = rng.random(count) < (0.05 if rate_rps > above_rps else 0.0)
        return out

    return replace(fixed(mu_rps, limit_ms), name=name, capacity_rps=above_rps, failing=failing)

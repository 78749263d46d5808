"""All that a run of the sender benchmark found, as it stands in `engine.json` and in the table."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.sending.ratios import Estimate, median_interval, paired

Rounds = dict[str, list[float | None]]
"""Requests per CPU-second of each sender by round; None where it had no slot."""


@dataclass(frozen=True, slots=True)
class Regime:
    """One kind of target: what each sender did, and how they compare."""

    name: str
    per_cpu_s: dict[str, Estimate]
    rate_rps: dict[str, Estimate]
    ratios: dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """An open loop at one rate: how late it sent, µs, and what of the rate it sent."""

    rate_rps: float
    sent_ratio: float
    lag_p50_us: float | None
    lag_p99_us: float | None
    lag_max_us: float | None
    sender_cpu_ratio: float | None


@dataclass(frozen=True, slots=True)
class Stall:
    """One stall at a constant rate: latency from the intended start, computed and measured, in seconds."""

    rate_rps: float
    stall_s: float
    run_s: float
    dropped: int
    expected: dict[str, float]
    measured: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Figures:
    """The whole run."""

    machine: str
    versions: dict[str, str]
    regimes: dict[str, Regime]
    open_loop: tuple[OpenLoop, ...] = ()
    stall: Stall | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)

    def tree(self) -> dict[str, object]:
        """Return what `engine.json` holds: the ratios of the saturated target under `ratios`."""
        return {
            "machine": self.machine,
            "versions": self.versions,
            "ratios": _estimates(self.regimes["saturated"].ratios) | _estimates(self.regimes["users_800"].ratios),
            "server_limited": _estimates(self.regimes["server_limited"].ratios),
            "requests_per_cpu_s": {name: _estimates(one.per_cpu_s) for name, one in self.regimes.items()},
            "rate_rps": {name: _estimates(one.rate_rps) for name, one in self.regimes.items()},
            "open_loop": [{key: getattr(one, key) for key in one.__slots__} for one in self.open_loop],
            "stall": None if self.stall is None else {key: getattr(self.stall, key) for key in self.stall.__slots__},
            "notes": list(self.notes),
        }


def regime(name: str, per_cpu_s: Rounds, rate_rps: Rounds, pairs: dict[str, tuple[str, str]]) -> Regime:
    """Return a regime's figures.

    Args:
        name: the regime's.
        per_cpu_s, rate_rps: by sender and round.
        pairs: ratios by key: numerator and denominator.
    """
    ratios = {
        key: found
        for key, (one, other) in pairs.items()
        if one in per_cpu_s and other in per_cpu_s and (found := paired(per_cpu_s[one], per_cpu_s[other])) is not None
    }
    return Regime(name, _medians(per_cpu_s), _medians(rate_rps), ratios)


def _medians(rounds: Rounds) -> dict[str, Estimate]:
    known = {name: [value for value in values if value is not None] for name, values in rounds.items()}
    return {name: median_interval(values) for name, values in known.items() if values}


def _estimates(estimates: dict[str, Estimate]) -> dict[str, dict[str, float]]:
    return {
        name: {"value": one.value, "lo": one.lo, "hi": one.hi, "rounds": one.count} for name, one in estimates.items()
    }

"""What a fleet costs: capacity -> instances -> vCPU -> money a year, by twin and saved. Pure.

One instance carries what was measured, in proportion to its vCPU; the shares of it that endpoints take add up
(utilisation adds). A fleet is sized for the plan's rates ÷ (1 − head-room): instances = the largest of what CPU asks,
what memory asks, and the minimum, rounded up.

Intervals: the ends of a capacity's interval become ends of the need, exactly (need falls as capacity grows). Where
several estimates meet, in a sum over endpoints or a difference of twins, their half-widths add as squares, which takes
them as independent (Zou, Donner 2008); ranges of minimum and maximum meet end to end. Rounding up keeps order, so the
ends of a count are the ends rounded up; a *difference* of two rounded counts can stray by less than one instance from
the difference of the needs, so its ends are rounded outwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from analysis.ratio import Bound
from records.plan import CostPlan

HOURS_PER_YEAR: Final = 8_760.0
_DIGITS: Final = 9  # 7,000 / (1,000 × 0.7) is 10, not 10.000000000000002

Binding = Literal["cpu", "memory", "minimum"]
Sizing = Literal["capacity", "saturation"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with the ends of its interval; None is an end that nothing bounds.

    `interval` names the kind: `t95` and the like, or `range` (minimum and maximum). `bound` says that the value is but
    a bound, since a twin was never seen at its limit.
    """

    value: float
    lo: float | None
    hi: float | None
    interval: str
    bound: Bound | None = None

    def times(self, factor: float) -> Estimate:
        """Return the estimate in other units; `factor` is positive."""
        lo = None if self.lo is None else self.lo * factor
        hi = None if self.hi is None else self.hi * factor
        return replace(self, value=self.value * factor, lo=lo, hi=hi)


@dataclass(frozen=True, slots=True)
class Demand:
    """What a fleet is asked of one endpoint, and what a twin carried of it on `vcpus`.

    `capacity_rps` has its interval; a bound on it is `at_least`. `bytes_per_rps`: how memory grows with the rate, None
    where it was not measured.
    """

    endpoint: str
    fleet_rps: float
    capacity_rps: Estimate
    vcpus: float
    bytes_per_rps: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """The memory of what was measured: what it may use, and what it used before any load, in bytes."""

    limit_bytes: float
    idle_bytes: float


@dataclass(frozen=True, slots=True)
class Fleet:
    """The fleet of one twin. `need` is the count before rounding up: the largest of what CPU and memory ask for (None:
    unknown) and the minimum; `binding` says which of them decided.
    """

    vcpus_per_instance: float
    instances: Estimate
    vcpus: Estimate
    money_per_year: Estimate
    binding: Binding
    need: Estimate
    cpu_instances: float
    memory_instances: float | None


@dataclass(frozen=True, slots=True)
class Saving:
    """Baseline less candidate; below zero the candidate costs more."""

    instances: Estimate
    vcpus: Estimate
    money_per_year: Estimate


@dataclass(frozen=True, slots=True)
class CostSummary:
    """What each twin's fleet costs a year and what the candidate saves; null for a twin that cannot be sized.

    `fleet_rate_rps` and `sized_by` by endpoint. `assumptions` belong to every figure; `missing` says why one is null.
    """

    currency: str
    price_per_vcpu_hour: float
    price_source: str
    fleet_rate_rps: dict[str, float]
    head_room: float
    minimum_instances: int
    sized_by: dict[str, Sizing]
    twins: dict[str, Fleet | None]
    saved: Saving | None
    assumptions: tuple[str, ...]
    missing: tuple[str, ...]


class DoesNotFit(ValueError):  # noqa: N818 - a finding, not a fault
    """An instance of the twin has no room for the twin at rest, however little it is asked."""


def fleet_of(demands: Sequence[Demand], cost: CostPlan, room: Room | None = None) -> Fleet:
    """Return the fleet that carries all demands together.

    Args:
        demands: at least one; rates and capacities positive.
        cost: head-room, minimum and price; without `vcpus_per_instance` an instance is what was measured.
        room: the memory of what was measured, None where it is unknown: memory then asks for nothing.
    Raises: DoesNotFit when an instance's memory does not hold the twin at rest.
    """
    measured = max(demand.vcpus for demand in demands)
    size = cost.vcpus_per_instance or measured
    by_cpu = together([_need(demand, size, cost.head_room) for demand in demands])
    by_memory = None if room is None else _by_memory(demands, room, size / measured, cost.head_room)
    need = _at_least(by_cpu, float(cost.minimum_instances))
    if by_memory is not None:
        need = _larger(need, by_memory)
    of_memory = 0.0 if by_memory is None else by_memory.value
    binding = _binding(by_cpu.value, of_memory, cost.minimum_instances)
    instances = replace(_rounded_up(need), bound=by_cpu.bound if binding == "cpu" else None)
    vcpus = instances.times(size)
    return Fleet(
        vcpus_per_instance=size,
        instances=instances,
        vcpus=vcpus,
        money_per_year=vcpus.times(cost.price_per_vcpu_hour * HOURS_PER_YEAR),
        binding=binding,
        need=need,
        cpu_instances=by_cpu.value,
        memory_instances=None if by_memory is None else by_memory.value,
    )


def saving_of(baseline: Fleet, candidate: Fleet, cost: CostPlan) -> Saving | None:
    """Return what the candidate saves; None when neither twin was seen at its limit, for then nothing bounds it.

    Twins whose instances differ in size are compared by vCPU; the difference of counts is then rounded all the same.
    """
    bounds = (baseline.instances.bound, candidate.instances.bound)
    if all(bounds):
        return None
    bound: Bound | None = "at_most" if bounds[0] else "at_least" if bounds[1] else None
    counts = replace(_apart(baseline, candidate, 1.0, 1.0), bound=bound)
    sizes = (baseline.vcpus_per_instance, candidate.vcpus_per_instance)
    vcpus = (
        counts.times(sizes[0]) if sizes[0] == sizes[1] else replace(_apart(baseline, candidate, *sizes), bound=bound)
    )
    return Saving(counts, vcpus, vcpus.times(cost.price_per_vcpu_hour * HOURS_PER_YEAR))


def together(parts: Sequence[Estimate]) -> Estimate:
    """Return the sum of estimates; at most when one of them is at most."""
    value, kind = sum(part.value for part in parts), _kind(parts)
    below, above = _meet([_below(part) for part in parts], kind), _meet([_above(part) for part in parts], kind)
    bound: Bound | None = "at_most" if any(part.bound for part in parts) else None
    return Estimate(value, _finite(value - below), _finite(value + above), kind, bound)


def _need(demand: Demand, size: float, head_room: float) -> Estimate:
    """Return how many instances of `size` vCPU an endpoint asks for; at most where its capacity is at least."""
    asked = demand.fleet_rps / (1.0 - head_room) * demand.vcpus / size
    capacity = demand.capacity_rps
    return Estimate(
        value=asked / capacity.value,
        lo=0.0 if capacity.hi is None else asked / capacity.hi,
        hi=asked / capacity.lo if capacity.lo is not None and capacity.lo > 0 else None,
        interval=capacity.interval,
        bound="at_most" if capacity.bound else None,
    )


def _by_memory(demands: Sequence[Demand], room: Room, scale: float, head_room: float) -> Estimate | None:
    free = room.limit_bytes * scale - room.idle_bytes
    if free <= 0:
        raise DoesNotFit(
            f"at rest it uses {room.idle_bytes / 2**20:,.0f} MiB, an instance has "
            f"{room.limit_bytes * scale / 2**20:,.0f} MiB"
        )
    grown = [
        demand.bytes_per_rps.times(demand.fleet_rps / (1.0 - head_room) / free)
        for demand in demands
        if demand.bytes_per_rps is not None
    ]
    return together([_at_least(one, 0.0) for one in grown]) if len(grown) == len(demands) else None


def _at_least(need: Estimate, floor: float) -> Estimate:
    hi = None if need.hi is None else max(need.hi, floor)
    return replace(need, value=max(need.value, floor), lo=max(need.lo or 0.0, floor), hi=hi)


def _larger(one: Estimate, two: Estimate) -> Estimate:
    """Return the larger of two needs, end by end; the first alone where the second is surely below it."""
    if two.hi is not None and two.hi <= (one.lo or 0.0):
        return one
    his = (one.hi, two.hi)
    return Estimate(
        max(one.value, two.value),
        max(one.lo or 0.0, two.lo or 0.0),
        None if None in his else max(hi for hi in his if hi is not None),
        _kind((one, two)),
        one.bound,
    )


def _binding(by_cpu: float, by_memory: float, minimum: int) -> Binding:
    """CPU decides where it asks for as many whole instances as any; then memory; the minimum only where alone."""
    counts = (_ceil(by_cpu), _ceil(by_memory), minimum)
    names: tuple[Binding, ...] = ("cpu", "memory", "minimum")
    return names[counts.index(max(counts))]


def _rounded_up(need: Estimate) -> Estimate:
    lo, hi = (None if end is None else float(_ceil(end)) for end in (need.lo, need.hi))
    return replace(need, value=float(_ceil(need.value)), lo=lo, hi=hi)


def _apart(baseline: Fleet, candidate: Fleet, base_size: float, candidate_size: float) -> Estimate:
    """Return the difference of two rounded counts, each times its size, with ends rounded outwards."""
    base, cand = baseline.need.times(base_size), candidate.need.times(candidate_size)
    kind = _kind((base, cand))
    value = baseline.instances.value * base_size - candidate.instances.value * candidate_size
    apart = base.value - cand.value
    below, above = _meet([_below(base), _above(cand)], kind), _meet([_above(base), _below(cand)], kind)
    if base_size == candidate_size == 1.0:
        lo, hi = _outwards(apart - below, -1), _outwards(apart + above, 1)
    else:
        lo, hi = apart - below - candidate_size, apart + above + base_size
    return Estimate(value, _finite(lo), _finite(hi), kind)


def _below(part: Estimate) -> float:
    return math.inf if part.lo is None else part.value - part.lo


def _above(part: Estimate) -> float:
    return math.inf if part.hi is None else part.hi - part.value


def _meet(widths: Sequence[float], kind: str) -> float:
    return sum(widths) if kind == "range" else math.sqrt(sum(width * width for width in widths))


def _kind(parts: Sequence[Estimate]) -> str:
    kinds = [part.interval for part in parts]
    return "range" if "range" in kinds else kinds[0]


def _ceil(value: float) -> int:
    return math.ceil(round(value, _DIGITS))


def _outwards(value: float, side: int) -> float:
    if math.isinf(value):
        return value
    return float(_ceil(value) if side > 0 else math.floor(round(value, _DIGITS)))


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value

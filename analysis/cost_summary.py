"""The cost part of `summary.json`, from a run's plan and the throughputs of its twins. Pure.

An endpoint is sized by capacity under the SLO where both twins have one, else by saturation throughput of both, never
by one of each. What is assumed is told with the figures, and what is missing is told instead of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from analysis import setting
from analysis.cost import CostSummary, Demand, DoesNotFit, Estimate, Fleet, Room, Sizing, fleet_of, saving_of
from analysis.findings import Findings, memory_of
from analysis.intervals import mean_interval
from analysis.summary_schema import EndpointSummary, Throughput
from records.plan import CostPlan

PUBLISHED_PRICE = 0.0856
PRICE_SOURCE = "the published case: about 300,000 USD a year for about 400 vCPU"

Twins = Mapping[str, Mapping[str, EndpointSummary]]


def cost_of(findings: Findings, twins: Twins) -> CostSummary | None:
    """Return the costs; None when the plan names no fleet rate, for then there is nothing to size."""
    cost = findings.run.plan.cost
    if not cost.fleet_rate_rps:
        return None
    sized_by = {name: _sizing(findings, twins, name) for name in cost.fleet_rate_rps}
    fleets: dict[str, Fleet | None] = {}
    missing: list[str] = []
    for twin in findings.twins:
        fleets[twin] = None
        try:
            fleets[twin] = _fleet(findings, twins[twin], twin, sized_by)
        except _CannotSize as reason:
            missing.append(f"{findings.label(twin)}: {reason}")
        except DoesNotFit as reason:
            missing.append(f"{findings.label(twin)}: does not fit its instances: {reason}")
    baseline, candidate = (fleets[twin] for twin in findings.twins)
    saved = None
    if baseline is not None and candidate is not None:
        saved = saving_of(baseline, candidate, cost)
        if saved is None:
            missing.append("saved: neither twin was driven to its limit, so nothing bounds what is saved")
    return CostSummary(
        currency=cost.currency,
        price_per_vcpu_hour=cost.price_per_vcpu_hour,
        price_source=PRICE_SOURCE if cost.price_per_vcpu_hour == PUBLISHED_PRICE else "the plan",
        fleet_rate_rps=dict(cost.fleet_rate_rps),
        head_room=cost.head_room,
        minimum_instances=cost.minimum_instances,
        sized_by=sized_by,
        twins=fleets,
        saved=saved,
        assumptions=_assumptions(cost, sized_by, fleets),
        missing=tuple(missing),
    )


class _CannotSize(ValueError):  # noqa: N818 - a finding, not a fault
    """A figure that sizing needs is unknown."""


def _sizing(findings: Findings, twins: Twins, endpoint: str) -> Sizing:
    both = [twins[twin].get(endpoint) for twin in findings.twins]
    return "capacity" if all(one is not None and one.capacity_rps is not None for one in both) else "saturation"


def _fleet(
    findings: Findings, endpoints: Mapping[str, EndpointSummary], twin: str, sized_by: Mapping[str, Sizing]
) -> Fleet:
    cost = findings.run.plan.cost
    rooms = {name: _room(findings, twin, name) for name in cost.fleet_rate_rps}
    demands = [
        _demand(findings, endpoints, twin, name, fleet_rps, sized_by[name])
        for name, fleet_rps in cost.fleet_rate_rps.items()
    ]
    known = [room for room in rooms.values() if room is not None]
    tightest = min(known, key=lambda room: room.limit_bytes - room.idle_bytes, default=None)
    return fleet_of(demands, cost, tightest if len(known) == len(rooms) else None)


def _demand(
    findings: Findings,
    endpoints: Mapping[str, EndpointSummary],
    twin: str,
    endpoint: str,
    fleet_rps: float,
    sizing: Sizing,
) -> Demand:
    told = endpoints.get(endpoint)
    carried = None if told is None else told.capacity_rps if sizing == "capacity" else told.saturation_rps
    if carried is None or carried.value <= 0:
        raise _CannotSize(f"no {sizing} is known for {endpoint}")
    instances, plan = findings.run.manifest.instances, findings.run.plan
    vcpus = setting.twin_cores(instances, setting.serving(instances, twin, endpoint, plan), plan, twin)
    if vcpus is None:
        raise _CannotSize(f"its allotment is unknown; give twins.{twin}.cpus")
    return Demand(endpoint, fleet_rps, _estimate(carried), vcpus, _bytes_per_rps(findings, twin, endpoint))


def _estimate(carried: Throughput) -> Estimate:
    return Estimate(carried.value, carried.lo, carried.hi, carried.interval, "at_least" if carried.at_least else None)


def _bytes_per_rps(findings: Findings, twin: str, endpoint: str) -> Estimate | None:
    """Return how memory grew with the rate, from rest to the same load, over the blocks there."""
    same = findings.same_load[endpoint]
    if same is None:
        return None
    mine = same.baseline if twin == findings.baseline else same.candidate
    at_rest = mine.idle_memory_bytes
    used = [block.memory_bytes for block in mine.point.counted if block.memory_bytes is not None]
    found = None if at_rest is None else mean_interval([(one - at_rest) / same.rate_rps for one in used])
    return None if found is None else Estimate(found.value, found.lo, found.hi, found.kind)


def _room(findings: Findings, twin: str, endpoint: str) -> Room | None:
    memory = memory_of(findings.run, twin, endpoint)
    if memory.limit_bytes is None or memory.idle_bytes is None:
        return None
    return Room(memory.limit_bytes, memory.idle_bytes)


def _assumptions(cost: CostPlan, sized_by: Mapping[str, Sizing], fleets: Mapping[str, Fleet | None]) -> tuple[str, ...]:
    known = [fleet for fleet in fleets.values() if fleet is not None]
    texts = [
        f"sized for the fleet's rates with {100 * cost.head_room:g} % of capacity kept free and at least "
        f"{cost.minimum_instances} instances",
        "one instance carries what was measured, in proportion to its vCPU; instances add up without loss, and so do "
        "the shares of an instance that endpoints take",
        "hardware like that measured; only the endpoints named; all hours of a year of 8,760 h at the full fleet",
    ]
    if "saturation" in sized_by.values():
        texts.append("sized by saturation throughput, which holds no SLO: head-room alone keeps the fleet off it")
    if any(fleet.memory_instances is None for fleet in known):
        texts.append("memory was not measured at the same load, so it asks for no instances")
    elif known:
        texts.append("memory grows in a straight line from rest through the same load, its spread over blocks carried")
    if any(fleet.instances.interval == "range" for fleet in known):
        texts.append("ends are from minimum and maximum over blocks, no confidence interval")
    elif known:
        texts.append("ends are the 95 % intervals of the throughputs carried through, twins and endpoints independent")
    return tuple(texts)

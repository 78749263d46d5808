"""What a plan needs of this machine, computed before anything is started: CPUs, descriptors, ports.

Pure over `HostLimits`; `read_limits` is the edge.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from records.errors import Fault
from records.plan import Plan, TwinPlan

_SPARE_DESCRIPTORS = 128  # logs, listeners, ledger columns, the event loop


@dataclass(frozen=True, slots=True)
class HostLimits:
    """What this machine offers to this process."""

    cpus: frozenset[int]
    descriptors: int
    ephemeral_ports: int


def read_limits() -> HostLimits:
    """Read the limits of this process; the soft descriptor limit counts as the hard one, to which it is raised."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    low, high = (int(n) for n in Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split())
    return HostLimits(frozenset(os.sched_getaffinity(0)), hard, high - low + 1)


def raise_descriptors() -> None:
    """Raise the soft descriptor limit to the hard one; children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def shortages(plan: Plan, limits: HostLimits) -> tuple[Fault, ...]:
    """Return everything that the plan asks beyond what the machine has, with the remedy for each."""
    return (*_cpus(plan, limits), *_processes(plan, limits), *_descriptors(plan, limits), *_ports(plan, limits))


def _cpus(plan: Plan, limits: HostLimits) -> Iterator[Fault]:
    offered = ", ".join(str(c) for c in sorted(limits.cpus))
    sets = {f"twins.{name}.cpu_set": twin.cpu_set for name, twin in plan.twins.items()}
    for path, cpu_set in {**sets, "swarm.cpu_set": plan.swarm.cpu_set}.items():
        missing = sorted(set(cpu_set) - limits.cpus)
        if missing:
            yield Fault(path, str(cpu_set), f"this machine offers the cores {offered}; name only these")
    for name, twin in plan.twins.items():
        if twin.cpus is not None and twin.cpu_set and twin.cpus > len(twin.cpu_set):
            yield Fault(
                f"twins.{name}.cpus", f"{twin.cpus:g}", f"is more than the {len(twin.cpu_set)} cores of its cpu_set"
            )


def _processes(plan: Plan, limits: HostLimits) -> Iterator[Fault]:
    if plan.swarm.processes > len(limits.cpus):
        yield Fault("swarm.processes", str(plan.swarm.processes), f"this machine offers {len(limits.cpus)} cores")


def _descriptors(plan: Plan, limits: HostLimits) -> Iterator[Fault]:
    """Both sides of a connection live here: a seat is a descriptor of the generator and one of an instance."""
    connections = plan.seats * plan.swarm.processes
    sides = {"the generator (per process)": plan.seats * _connections_a_seat(plan)}
    for name, twin in plan.twins.items():
        if twin.start != "external":
            sides[f"an instance of {name}"] = -(-connections // _fewest_instances(plan, twin))
    for side, needed in sides.items():
        if needed + _SPARE_DESCRIPTORS > limits.descriptors:
            yield Fault(
                "swarm.seats", str(plan.seats),
                f"{side} would need {needed + _SPARE_DESCRIPTORS} descriptors, the limit is {limits.descriptors}: "
                f"raise it (ulimit -n) or lower swarm.seats to {_most_seats(plan, needed, limits)}",
            )  # fmt: skip


def _ports(plan: Plan, limits: HostLimits) -> Iterator[Fault]:
    connections = plan.seats * plan.swarm.processes
    for name, twin in plan.twins.items():
        needed = -(-connections // _fewest_instances(plan, twin))
        if needed > limits.ephemeral_ports:
            yield Fault(
                f"twins.{name}", f"{needed} connections to one address",
                f"this machine has {limits.ephemeral_ports} ports for one destination: fewer seats or more instances",
            )  # fmt: skip


def _connections_a_seat(plan: Plan) -> int:
    """Return how many connections a seat may hold: one, and in a mix one for each entry that is drawn."""
    return max(1, sum(1 for entry in plan.workload if entry.weight > 0)) if plan.stages.mix else 1


def _fewest_instances(plan: Plan, twin: TwinPlan) -> int:
    """Return over how few instances the connections of a sweep are spread."""
    swept = {entry.name for entry in plan.workload if entry.hot or plan.stages.mix}
    served = [name for instance in twin.instances for name in instance.serves if name in swept]
    return min((served.count(name) for name in set(served)), default=1)


def _most_seats(plan: Plan, needed: int, limits: HostLimits) -> int:
    return max(1, plan.seats * (limits.descriptors - _SPARE_DESCRIPTORS) // needed)

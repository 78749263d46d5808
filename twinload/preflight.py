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
from records.plan import Plan
from swarm.connections import SPARE_DESCRIPTORS, of_instance, of_process, remedy


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
    """Both sides of a connection live here: each is a descriptor of the generator and one of an instance."""
    sides = {"the generator (per process)": of_process(plan, plan.sweeps, processes=plan.swarm.processes)}
    for name, twin in plan.twins.items():
        if twin.start != "external":
            sides[f"an instance of {name}"] = of_instance(plan, name, plan.sweeps)
    for side, connections in sides.items():
        needed = connections + SPARE_DESCRIPTORS
        if needed > limits.descriptors:
            yield Fault(
                *_asked(plan),
                f"{side} would need {needed} descriptors, the limit is {limits.descriptors}: "
                f"raise it (ulimit -n) or {remedy(plan, needed, limits.descriptors)}",
            )


def _ports(plan: Plan, limits: HostLimits) -> Iterator[Fault]:
    for name in plan.twins:
        needed = of_instance(plan, name, plan.sweeps)
        if needed > limits.ephemeral_ports:
            yield Fault(
                f"twins.{name}", f"{needed} connections to one address",
                f"this machine has {limits.ephemeral_ports} ports for one destination: "
                f"lower {_asked(plan)[0]} or use more instances",
            )  # fmt: skip


def _asked(plan: Plan) -> tuple[str, str]:
    """Return the key that asks for connections, and its value."""
    if plan.swarm.sender == "native-schedule":
        return "engine.connections", str(plan.engine.connections)
    return "swarm.seats", str(plan.seats)

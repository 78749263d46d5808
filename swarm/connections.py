"""How many connections a plan may hold at once, on either side: what descriptors and ports must suffice for. Pure.

Asked before a run starts anything (twinload's preflight) and by every process that sends (preparation).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from records.plan import Plan
from swarm.stages import serving
from swarm.templates import MIX

SPARE_DESCRIPTORS: Final = 128
"""Beside connections: logs, listeners, ledger columns, event loops, a sender's wake-ups."""


def of_process(plan: Plan, endpoints: Sequence[str], *, processes: int) -> int:
    """Return the most connections that one sending process holds: to all instances of the twin under load.

    Args:
        plan: the plan; a seat holds one connection, and with the mix one for each entry that is drawn.
        endpoints: the sweeps that are driven.
        processes: how many share the load; only the native schedule's connections are shared.
    """
    if plan.swarm.sender != "native-schedule":
        return plan.seats * _a_seat(plan, endpoints)
    instances = max((len(serving(plan, twin, endpoint)) for twin in plan.twins for endpoint in endpoints), default=1)
    return max(-(-plan.engine.connections // processes), plan.engine.threads) * instances


def of_instance(plan: Plan, twin: str, endpoints: Sequence[str]) -> int:
    """Return the most connections that one instance of a twin gets from all processes together."""
    if plan.swarm.sender == "native-schedule":
        return max(plan.engine.connections, plan.engine.threads * plan.swarm.processes)
    return -(-plan.seats * plan.swarm.processes // _fewest_instances(plan, twin, endpoints))


def remedy(plan: Plan, needed: int, limit: int) -> str:
    """Return what to lower, and to how much, where `needed` descriptors are more than `limit`."""
    connections = needed - SPARE_DESCRIPTORS
    key, value = "swarm.seats", plan.seats
    if plan.swarm.sender == "native-schedule":
        key, value = "engine.connections", plan.engine.connections
    return f"lower {key} to {max(1, value * (limit - SPARE_DESCRIPTORS) // connections)} or less"


def _a_seat(plan: Plan, endpoints: Sequence[str]) -> int:
    return max(1, sum(1 for entry in plan.workload if entry.weight > 0)) if MIX in endpoints else 1


def _fewest_instances(plan: Plan, twin: str, endpoints: Sequence[str]) -> int:
    """Return over how few instances the connections of a sweep are spread."""
    swept = {entry.name for entry in plan.workload if entry.name in endpoints or MIX in endpoints}
    served = [name for instance in plan.twins[twin].instances for name in instance.serves if name in swept]
    return min((served.count(name) for name in set(served)), default=1)

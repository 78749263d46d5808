"""Before the first request: all that a run needs, read and checked, so that a fault is one message and no load."""

from __future__ import annotations

import logging
import os
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusters import ClusterError, check_current, recorded
from records.errors import RecordError
from records.instance import Instance
from records.plan import Plan
from shadow import ShadowError, StoreError, gate_key, load_known, replayed_endpoints
from swarm.connections import SPARE_DESCRIPTORS, of_process, remedy
from swarm.options import Choice, choose
from swarm.schedule import ScheduleError, Scope
from swarm.targets import SwarmError, find_instances, make_routes, planned_instances
from swarm.templates import EntryRequests, Mix
from userpool.errors import PoolError
from userpool.imports import raw_ids
from userpool.reading import Pool, read_pool

logger = logging.getLogger("twinload.swarm")
FAULTS = (SwarmError, ScheduleError, RecordError, PoolError, ClusterError, ShadowError)
"""What a person can set right: shown as a message, exit code 2."""


KnownBodies = Mapping[tuple[str, str], tuple[int, ...]]
"""Hashes of answers by (twin, workload entry): one per pool user, 0 where none is known."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What was chosen, who asks, what is asked, and where."""

    choice: Choice
    pool: Pool
    entries: Mapping[str, EntryRequests]
    mix: Mix
    instances: tuple[Instance, ...]

    @property
    def plan(self) -> Plan:
        """The plan as overridden."""
        return self.choice.plan


def prepare(
    options: Mapping[str, Any], *, started: bool, sending: bool, environ: Mapping[str, str] = os.environ
) -> Preparation:
    """Return a checked preparation.

    Args:
        options: Locust's options with the swarm's own.
        started: a campaign has started what the plan names; otherwise it is looked up.
        sending: this process conducts or sends alone, so targets are needed; a worker gets them with its orders.
    Raises: one of FAULTS.
    """
    choice = choose(options, environ)
    plan, root = choice.plan, choice.root
    pool = read_pool(root / plan.pool.folder)
    columns = pool_columns(plan, root, pool)
    entries = {entry.name: EntryRequests(entry, columns, environ) for entry in plan.workload}
    mix = Mix(tuple(entries.values()), [entry.weight for entry in plan.workload])
    instances: tuple[Instance, ...] = ()
    if started:
        instances = planned_instances(plan, plan.twins)
    elif sending:
        instances = find_instances(plan, choice.scope.twins, recorded(root, plan))
        check_current(plan, root, instances, environ=environ)
    if instances:
        routes = make_routes(plan, instances, root=root, environ=environ)
        _check_served(choice.scope, mix, routes)
    allow_descriptors(plan, choice.scope.endpoints, processes=plan.swarm.processes if started else 1)
    return Preparation(choice, pool, entries, mix, instances)


def pool_columns(plan: Plan, root: Path, pool: Pool) -> Mapping[str, Sequence[str]]:
    """Return the pool's columns for the templates; with `send = "raw"` real ids in memory alone."""
    if plan.pool.send != "raw" or plan.pool.import_file is None or plan.pool.key_file is None:
        return pool.columns
    raw = raw_ids(root / plan.pool.import_file, root / plan.pool.key_file)
    unknown = sum(1 for user in pool.ids if user not in raw)
    if unknown:
        raise SwarmError(
            f"{unknown} users of the pool are not in {plan.pool.import_file}; import it again with `twinload pool`"
        )
    return {**pool.columns, "user_id": [raw[user] for user in pool.ids]}


def known_bodies(plan: Plan, root: Path, pool: Pool, instances: Sequence[Instance]) -> KnownBodies:
    """Return the hashes of the answers that a passed gate knows, by twin and entry.

    None when none shall be compared, or when no gate of these twins, workload and pool is kept here: that is logged,
    and every report says how many bodies were compared.

    Args:
        instances: what runs; external ones are asked for their version.
    Raises: TargetError when the gate's key cannot be made.
    """
    if not plan.engine.check_ratio:
        return {}
    names = [name for name in replayed_endpoints(plan) if plan.entry(name).hot or plan.stages.mix]
    try:
        known = load_known(root, gate_key(plan, pool, instances, root=root), names, len(pool))
    except StoreError as error:
        logger.warning("no body is compared with the gate's: %s", error)
        return {}
    return {(twin, name): tuple(int(h) for h in hashes) for twin in plan.twins for name, hashes in known.items()}


def allow_descriptors(plan: Plan, endpoints: Sequence[str], *, processes: int) -> None:
    """Raise this process's limit of open files to what its connections need.

    Raises: SwarmError when the system does not allow it.
    """
    connections = of_process(plan, endpoints, processes=processes)
    needed = connections + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise SwarmError(
            f"{connections} connections need {needed} open files, this process may have {hard}: "
            f"{remedy(plan, needed, hard)} and raise swarm.processes, or raise `ulimit -Hn`"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # all of it: who takes a lost process's share over


def _check_served(scope: Scope, mix: Mix, routes: Mapping[tuple[str, str], Any]) -> None:
    needed = {name for name in scope.endpoints if name != "mix"} | (
        set(mix.names) if "mix" in scope.endpoints else set()
    )
    for twin in scope.twins:
        missing = sorted(name for name in needed if (twin, name) not in routes)
        if missing:
            raise SwarmError(f"twin {twin}: no running instance serves {missing[0]}; start it with `twinload up`")

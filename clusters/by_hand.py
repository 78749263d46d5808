"""Containers that a person started with the compose program: found by their labels, as the plan describes them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clusters.command import launches
from clusters.compose_file import PROJECT
from clusters.containers import discover
from clusters.engine import connect
from clusters.errors import EngineDenied, EngineMissing, EngineTooOld
from records.instance import Instance
from records.plan import Plan
from records.plan_compose import as_containers, faults_of_compose


def containers_by_hand(plan: Plan, root: Path, twins: Sequence[str]) -> tuple[Instance, ...]:
    """Return the running containers of these twins, in the plan's order; () where no engine can be asked.

    A plan that starts processes is looked at as one of containers: its compose file is the same.
    """
    planned = as_containers(plan)
    if next(faults_of_compose(planned), None) is not None:
        return ()
    try:
        engine = connect()
    except (EngineMissing, EngineDenied, EngineTooOld):
        return ()
    try:
        found = discover(engine.client, {PROJECT: plan.compose.project}, local=engine.local)
    finally:
        engine.close()
    return tuple(
        replace(one.instance, container=it.id, pid=it.pid, started=it.started, log=None)
        for one in launches(planned, root.resolve(), tuple(twins), os.environ)
        if one.image is not None and (it := found.get(one.name)) is not None and it.running
    )

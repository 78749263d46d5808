"""`twinload up`, `status` and `down`."""

from __future__ import annotations

import argparse
import json

import msgspec
from rich.table import Table

import clusters
from twinload.context import Context
from twinload.errors import BadEnvironment
from twinload.pool_step import ensure_pool
from twinload.preflight import raise_descriptors


def up(context: Context, options: argparse.Namespace) -> int:
    """Start the clusters and leave them running."""
    plan = context.fitting_plan()
    raise_descriptors()
    ensure_pool(plan, context.root, context.talk.say)
    started = clusters.start_clusters(plan, context.root, twins=options.twin or None, detach=True, say=context.talk.say)
    if context.as_json:
        context.talk.out.print_json(json.dumps(msgspec.to_builtins(started.instances)))
        return 0
    for instance in started.instances:
        context.talk.out.print(
            f"{instance.name:<16} {instance.scheme}://{instance.address}  {', '.join(instance.serves)}"
        )
    context.talk.say("up until `twinload down`; now `locust`, `twinload gate` or your own client")
    return 0


def status(context: Context, options: argparse.Namespace) -> int:
    """Show what runs."""
    found = [one for one in clusters.status(context.root) if not options.twin or one.instance.twin in options.twin]
    if context.as_json:
        context.talk.out.print_json(json.dumps(msgspec.to_builtins(found)))
        return 0
    if not found:
        context.talk.out.print("nothing is up; start it with `twinload up`")
        return 0
    table = Table("instance", "twin", "address", "state", "pid", "CPU s", "memory MiB", box=None)
    for one in found:
        state = "ended" if not one.running else {True: "ready", False: "not ready", None: "running"}[one.ready]
        cpu = "" if one.cpu_s is None else f"{one.cpu_s:.2f}"
        memory = "" if one.memory_bytes is None else f"{one.memory_bytes / 2**20:.0f}"
        it = one.instance
        table.add_row(it.name, it.twin, it.address, state, str(it.pid or ""), cpu, memory)
    context.talk.out.print(table)
    return 0


def down(context: Context, options: argparse.Namespace) -> int:
    """Stop what `up` started."""
    _check_twins(context, options)
    stopped = clusters.stop_recorded(context.root, options.twin or None, say=context.talk.say)
    names = ", ".join(one.name for one in stopped)
    if context.as_json:
        context.talk.out.print_json(json.dumps({"stopped": [one.name for one in stopped]}))
        return 0
    context.talk.out.print(f"stopped: {names}" if stopped else "nothing was up")
    return 0


def _check_twins(context: Context, options: argparse.Namespace) -> None:
    """Refuse a name that no running instance has, so that a slip does not look like "nothing was up"."""
    known = {one.instance.twin for one in clusters.status(context.root)}
    unknown = sorted(set(options.twin) - known)
    if unknown and known:
        raise BadEnvironment(f"no twin {', '.join(unknown)} is up; there are: {', '.join(sorted(filter(None, known)))}")

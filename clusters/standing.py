"""What `twinload up` left running: who it is, how it does, and how it is ended; and what a dead owner left."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from clusters.ask import Asker
from clusters.by_hand import containers_by_hand
from clusters.containers import is_up, remove_ids
from clusters.identity import is_ours, is_running, orphans, signal_group
from clusters.record import Entry, Lock, read_entries, write_entries
from records.instance import Instance
from records.plan import Plan, TwinPlan

_GRACE_S: Final = 5.0
_STEP_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class InstanceState:
    """How a recorded instance does; figures are None when it is not running here.

    `ready` is None for an https instance: its certificates are the plan's, which the record does not hold; and for a
    store, which has no ready path.
    `cpu_s` is CPU time since its start, `age_s` how long ago that was, `memory_bytes` its resident set; all without
    children.
    """

    instance: Instance
    running: bool
    ready: bool | None
    cpu_s: float | None = None
    age_s: float | None = None
    memory_bytes: int | None = None


def is_alive(entry: Entry) -> bool:
    """Say whether what is recorded is still there and still ours; an external instance always counts as there.

    Raises: ClusterError when a container runs on another machine and its engine does not answer.
    """
    pid = entry.instance.pid
    if entry.instance.container is not None and pid is None:
        return is_up(entry.instance.container)
    return pid is None or is_ours(pid, entry.token, entry.argv, entry.mark)


def recorded(root: Path, plan: Plan | None = None) -> tuple[Instance, ...]:
    """Return the instances that `twinload up` recorded and that are alive.

    With a plan, also the containers of its other twins that a person started with the compose program.

    Raises: RecordUnreadable.
    """
    entries = [entry for entry in read_entries(root.resolve()) if entry.instance.role == "target"]
    ours = tuple(entry.instance for entry in entries if entry.kept and is_alive(entry))
    known = {instance.twin for instance in ours}
    others = (
        [] if plan is None else [n for n, twin in plan.twins.items() if twin.start != "external" and n not in known]
    )
    return (*ours, *(containers_by_hand(plan, root, others) if plan is not None and others else ()))


def status(root: Path) -> tuple[InstanceState, ...]:
    """Return the state of every recorded instance, those of a run under way included.

    Raises: RecordUnreadable.
    """
    return tuple(_state(entry, root) for entry in read_entries(root.resolve()))


def stop_recorded(
    root: Path, twins: Sequence[str] | None = None, *, say: Callable[[str], None] | None = None
) -> tuple[Instance, ...]:
    """End what `twinload up` recorded (of these twins, or all), and return what was ended.

    A store goes with the last of the instances that share it.

    Raises: Held when a run owns the clusters; RecordUnreadable; FolderUnwritable.
    """
    folder = root.resolve()
    with Lock(folder):
        entries = clean_leftovers(folder, say or _silent)
        chosen = tuple(entry for entry in entries if twins is None or entry.instance.twin in twins)
        if all(entry in chosen or entry.instance.role != "target" for entry in entries):
            chosen = entries
        _end(chosen, _GRACE_S)
        write_entries(folder, (entry for entry in entries if entry not in chosen))
    return tuple(entry.instance for entry in chosen)


def clean_leftovers(folder: Path, say: Callable[[str], None]) -> tuple[Entry, ...]:
    """End what a dead owner left and return the entries that stand on. Only under the lock.

    What stands on is what `twinload up` keeps and is alive. A kept instance that died takes its children with it.
    """
    entries = read_entries(folder)
    stays = tuple(entry for entry in entries if entry.kept and is_alive(entry))
    leftovers = tuple(entry for entry in entries if entry not in stays)
    for entry in leftovers:
        if is_alive(entry) and (entry.instance.pid is not None or entry.instance.container is not None):
            say(f"{entry.instance.name}: {what_runs(entry.instance)} was left over; it is ended")
    _end(leftovers, 0.0)
    if leftovers:
        write_entries(folder, stays)
    return stays


def _end(entries: Sequence[Entry], grace_s: float) -> None:
    """End what is recorded, processes with their children: SIGTERM, a while, SIGKILL; never one that is not ours."""
    remove_ids([entry.instance.container for entry in entries if entry.instance.container is not None], grace_s)
    entries = [entry for entry in entries if entry.instance.container is None]
    ours = [entry for entry in entries if entry.instance.pid is not None and is_alive(entry)]
    try:
        if grace_s > 0:
            _signal(ours, signal.SIGTERM)
            _wait_gone(ours, grace_s)
    finally:
        _signal(ours, signal.SIGKILL)
        for entry in entries:
            _kill_orphans(entry)
        _wait_gone(ours, 1.0)


def _signal(entries: Sequence[Entry], number: signal.Signals) -> None:
    for entry in entries:
        if entry.instance.pid is not None and is_alive(entry):
            signal_group(entry.instance.pid, number)


def _kill_orphans(entry: Entry) -> None:
    if entry.instance.pid is not None:
        for pid in orphans(entry.instance.pid, entry.mark):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _wait_gone(entries: Sequence[Entry], limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while time.monotonic() < end and any(is_running(entry.instance.pid or 0, entry.token) for entry in entries):
        time.sleep(_STEP_S)


def _state(entry: Entry, root: Path) -> InstanceState:
    instance = entry.instance
    if not is_alive(entry):
        return InstanceState(instance, running=False, ready=False)
    ready = _ready(entry, root)
    if instance.pid is None:
        return InstanceState(instance, running=ready is True, ready=ready)
    try:
        process = psutil.Process(instance.pid)
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info()
            age_s = time.time() - process.create_time()
    except psutil.Error:
        return InstanceState(instance, running=False, ready=False)
    return InstanceState(instance, True, ready, times.user + times.system, age_s, memory.rss)


def _ready(entry: Entry, root: Path) -> bool | None:
    instance = entry.instance
    if instance.role != "target" or instance.scheme != "http" or instance.address is None:
        return None
    twin = TwinPlan.model_validate(
        {"start": "external", "instances": [{"name": instance.name, "address": instance.address}]}
    )
    with Asker(twin, instance.address, root) as asker:
        return asker.ask(entry.ready).status == 200


def what_runs(instance: Instance) -> str:
    """Return what an instance is, in words."""
    if instance.container is not None:
        return f"container {instance.container[:12]}"
    return f"process {instance.pid}" if instance.pid is not None else "external"


def _silent(_: str) -> None:
    """Take a line of progress that nobody wants."""

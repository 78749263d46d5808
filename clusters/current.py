"""Is what `twinload up` left running what the plan would start now?

A program that was rebuilt, a script that was edited or a plan that was changed since leaves instances that answer for
something that is not there any more. What was started is in the record: command, names of the plan's variables, and
the files by content as they were right before the start. The variables' values are the process's own, never recorded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Final

import psutil

from clusters.command import MARK, Launch, launches
from clusters.errors import Outdated
from clusters.image import files_of_image
from clusters.program import Files, files_of
from clusters.record import Entry, read_entries
from clusters.standing import is_alive
from clusters.store import recorded_store
from records.instance import Instance
from records.plan import Plan
from records.plan_store import store_url

_SHOWN: Final = 3
_OF_PROCESS: Final = frozenset({"pid", "started", "container"})


def check_current(
    plan: Plan, root: Path, instances: Sequence[Instance], *, environ: Mapping[str, str] = os.environ
) -> None:
    """Come back when the recorded ones among these instances are what the plan would start now.

    Args:
        plan: what would be started.
        root: the plan's folder.
        instances: those about to be used, from `recorded`; twins that the plan does not have are not looked at.
        environ: fills `${NAME}`; where one is not set, the variables of that instance are not compared.
    Raises: Outdated, which names the instances; RecordUnreadable.
    """
    folder = root.resolve()
    used = {instance.name for instance in instances}
    twins = tuple(name for name in plan.twins if any(instance.twin == name for instance in instances))
    recorded = read_entries(folder)
    entries = {e.instance.name: e for e in recorded if e.kept and e.instance.name in used and is_alive(e)}
    store = recorded_store(recorded) if plan.store.is_started else None
    url = store_url(store.instance.address) if store is not None and store.instance.address is not None else None
    planned = {launch.name: launch for launch in launches(plan, folder, twins, environ, store=url)}
    differences = [*_of_entries(entries, planned, twins), *_not_running(entries, planned, used)]
    if differences:
        more = f", and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        raise Outdated(
            f"not what the plan would start now: {', '.join(differences[:_SHOWN])}{more}; "
            "`twinload down`, then `twinload up` again"
        )


def _of_entries(entries: Mapping[str, Entry], planned: Mapping[str, Launch], twins: Sequence[str]) -> Iterator[str]:
    hashes: dict[Path, str] = {}
    for name, entry in entries.items():
        if entry.instance.twin not in twins:
            continue
        launch = planned.get(name)
        what = _difference(entry, launch, hashes) if launch is not None else "is no longer in the plan"
        if what is not None:
            yield f"{name} ({what})"


def _not_running(entries: Mapping[str, Entry], planned: Mapping[str, Launch], used: set[str]) -> Iterator[str]:
    """Yield the planned instances that are not there, of twins of which others are."""
    recorded = {entry.instance.twin for entry in entries.values()}
    for name, launch in planned.items():
        if launch.instance.twin in recorded and name not in used:
            yield f"{name} (is not running)"


def _difference(entry: Entry, launch: Launch, hashes: dict[Path, str]) -> str | None:
    """Return in words what differs first between what was started and what would be, or None."""
    for field in fields(Instance):
        if field.name not in _OF_PROCESS and getattr(entry.instance, field.name) != getattr(
            launch.instance, field.name
        ):
            return f"its {field.name} was changed in the plan"
    if entry.argv != launch.argv:
        return "its command was changed in the plan"
    if not launch.argv:
        return None
    if entry.variables != launch.variables or _has_other_values(entry, launch):
        return "its env was changed"
    if launch.image is not None:
        return changed_file(entry.files, files_of_image(launch.image))
    return changed_file(entry.files, files_of(launch.argv, launch.folder, launch.env.get("PATH"), hashes))


def changed_file(then: Files, now: Files | None) -> str | None:
    """Return in words which file is not what was started, or None."""
    if now is None:
        return "its program is gone"
    if then == now:
        return None
    changed = [name for one, other in ((then, now), (now, then)) for name, sha in one if (name, sha) not in other]
    return f"{changed[0] if changed else 'its order of files'} was changed since its start"


def _has_other_values(entry: Entry, launch: Launch) -> bool:
    """Say whether a variable of the plan has another value in the process; one that hides its environment has none."""
    if launch.missing or entry.instance.pid is None:
        return False
    try:
        environment = psutil.Process(entry.instance.pid).environ()
    except (psutil.Error, OSError):
        return False
    if launch.image is None and environment.get(MARK) != entry.mark:
        return False
    return any(environment.get(name) != launch.env[name] for name in launch.variables)

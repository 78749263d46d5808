"""What a run's plan and instances say about a stage: who serves, on how much CPU and memory, sent by how many cores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError

from records.errors import RunFolderError
from records.instance import Instance
from records.manifest import Manifest
from records.plan import Plan

MIX: Final = "mix"


def plan_of(manifest: Manifest) -> Plan:
    """Return the plan that the run was made with; RunFolderError when the manifest holds none that can be read."""
    try:
        return Plan.model_validate(manifest.plan)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunFolderError(
            f"manifest.json, plan.{where}: {first['msg']}; the run was made by another version or was changed"
        ) from error


def label_of(plan: Plan, twin: str) -> str:
    """Return the name of a twin for people."""
    found = plan.twins.get(twin)
    return found.label if found is not None and found.label else twin


def serving(instances: Sequence[Instance], twin: str, endpoint: str, plan: Plan) -> tuple[int, ...]:
    """Return the positions of a twin's instances that serve an endpoint; for the mix, any entry with weight > 0."""
    wanted = {entry.name for entry in plan.workload if entry.weight > 0} if endpoint == MIX else {endpoint}
    return tuple(i for i, one in enumerate(instances) if _is_of(one, twin) and wanted.intersection(one.serves))


def of_twin(instances: Sequence[Instance], twin: str) -> tuple[int, ...]:
    """Return the positions of all instances of a twin."""
    return tuple(i for i, one in enumerate(instances) if _is_of(one, twin))


def generators(instances: Sequence[Instance]) -> tuple[int, ...]:
    """Return the positions of the generator's processes."""
    return tuple(i for i, one in enumerate(instances) if one.role == "generator")


def twin_cores(instances: Sequence[Instance], positions: Sequence[int], plan: Plan, twin: str) -> float | None:
    """Return the CPU allotment, in cores, that instances of a twin have together; None where nothing limits them.

    The plan's `cpus` or `cpu_set` speak for the whole twin, whose instances share them; without either, the cores
    that the instances are pinned to, then the sum of their own shares. Containers have limits of their own, so some of
    a twin's may have less together than the whole.
    """
    planned = plan.twins[twin].allotment_cores if twin in plan.twins else None
    if planned is not None:
        own = sum_or_none([instances[i].cpus for i in positions])
        return min(planned, round(own, 6)) if own is not None and _are_containers(instances, positions) else planned
    pinned = {cpu for i in positions for cpu in instances[i].cpu_set}
    if pinned:
        return float(len(pinned))
    return sum_or_none([instances[i].cpus for i in positions])


def twin_memory_bytes(instances: Sequence[Instance], positions: Sequence[int], plan: Plan, twin: str) -> float | None:
    """Return the memory that instances of a twin may use together, in bytes; None where nothing limits them."""
    planned = plan.twins[twin].memory if twin in plan.twins else None
    own = sum_or_none([instances[i].memory_limit_bytes for i in positions])
    if planned is None or (own is not None and _are_containers(instances, positions)):
        return own
    return float(planned)


def twin_cpu_set(instances: Sequence[Instance], positions: Sequence[int]) -> tuple[int, ...]:
    """Return the cores that instances are pinned to; () when they are not pinned."""
    return tuple(sorted({cpu for i in positions for cpu in instances[i].cpu_set}))


def generator_cpu_set(instances: Sequence[Instance], plan: Plan) -> tuple[int, ...]:
    """Return the cores that the generator is pinned to; () when it is not pinned."""
    pinned = {cpu for i in generators(instances) for cpu in instances[i].cpu_set}
    return tuple(sorted(pinned or set(plan.swarm.cpu_set)))


def generator_cores(instances: Sequence[Instance], plan: Plan) -> float:
    """Return how many cores the generator can use at most, and no more than it is pinned to.

    One a sender process, which Python runs on; the native schedule's sending threads come on top.
    """
    pinned = generator_cpu_set(instances, plan)
    threads = 1 + (plan.engine.threads if plan.swarm.sender == "native-schedule" else 0)
    most = float(plan.swarm.processes * threads)
    return min(most, float(len(pinned))) if pinned else most


def sum_or_none(values: Sequence[float | None]) -> float | None:
    """Return the sum of values that are all known; None when one is not, or there are none."""
    known = [value for value in values if value is not None]
    return float(sum(known)) if known and len(known) == len(values) else None


def _are_containers(instances: Sequence[Instance], positions: Sequence[int]) -> bool:
    return all(instances[i].watch == "container" for i in positions)


def _is_of(instance: Instance, twin: str) -> bool:
    return instance.role == "target" and instance.twin == twin

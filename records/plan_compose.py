"""What a plan says of containers: their limits and images, and the rules that tie `start = "compose"` to `[compose]`.

`cpus` and `memory` of a twin are the whole twin's, while a container's limits are its own:

| limit | each container's |
|---|---|
| CPU set | the twin's: all of its containers share it |
| CPU | the twin's `cpus`, when the CPU set holds them together to no more; else an equal part of it |
| memory | an equal part of the twin's `memory`, in whole MiB |
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from records.errors import Fault
from records.plan import ComposePlan, InstancePlan, Plan, TwinPlan
from records.plan_types import is_loopback

PARALLEL: Final = ("GOMAXPROCS", "WORKERS")  # what runtimes take for the number of cores that they may use
LEAST_BYTES: Final = 6 << 20  # what an engine accepts as a limit
_MIB: Final = 1 << 20


def container_cpus(twin: TwinPlan) -> float | None:
    """Return the CPU limit of each of a twin's containers, in cores; None when nothing limits them."""
    whole = twin.allotment_cores
    if whole is None or (twin.cpu_set and len(twin.cpu_set) <= whole):
        return whole
    return whole / len(twin.instances)


def container_memory_bytes(twin: TwinPlan) -> int | None:
    """Return the memory limit of each of a twin's containers, in bytes; None when nothing limits them."""
    return None if twin.memory is None else twin.memory // len(twin.instances) // _MIB * _MIB


def program_of(twin: TwinPlan, instance: InstancePlan) -> str | None:
    """Return the program of an instance: its command's first word without folder; None when it has no command."""
    command = instance.command or twin.command
    return PurePosixPath(command[0]).name if command else None


def image_of(program: str) -> str:
    """Return the tag of a program's image; it is built here and comes from no registry."""
    return f"twinload/{program}:local"


def as_containers(plan: Plan) -> Plan:
    """Return a plan whose twins, all that are started here, are started as containers."""
    twins = {
        name: twin if twin.start == "external" else twin.model_copy(update={"start": "compose"})
        for name, twin in plan.twins.items()
    }
    return plan.model_copy(update={"twins": twins})


def faults_of_compose(plan: Plan) -> Iterator[Fault]:
    """Yield every fault of the twins that are started as containers."""
    twins = {name: twin for name, twin in plan.twins.items() if twin.start == "compose"}
    if twins:
        yield from _store(plan)
    for name, twin in twins.items():
        yield from _limits(name, twin)
        for instance in twin.instances:
            yield from _instance(plan.compose, name, twin, instance)
    yield from _parallel(twins)


def _limits(name: str, twin: TwinPlan) -> Iterator[Fault]:
    if twin.allotment_cores is None:
        yield Fault(f"twins.{name}.cpus", "", 'start = "compose" limits CPU: give cpus, or cpu_set, or both')
    memory = container_memory_bytes(twin)
    if memory is None:
        yield Fault(f"twins.{name}.memory", "", 'start = "compose" limits memory: give memory, such as "2GiB"')
    elif memory < LEAST_BYTES:
        count = len(twin.instances)
        remedy = f"is {memory >> 20} MiB for each of {count} containers, and an engine takes 6 MiB at least: give more"
        yield Fault(f"twins.{name}.memory", f"{twin.memory} bytes", remedy)
    if twin.scheme != "http":
        yield Fault(f"twins.{name}.scheme", twin.scheme, 'start = "compose" speaks http; use start = "external"')


def _store(plan: Plan) -> Iterator[Fault]:
    """Containers take a store that runs already, where they can reach it."""
    if plan.store.is_started:
        remedy = 'starts a process, which a compose file cannot name: give store.redis = "redis://HOST:PORT" instead'
        yield Fault("store.start", "true", remedy)
    address = plan.store.address
    if address is not None and plan.compose.network == "bridge" and is_loopback(address):
        remedy = 'is each container\'s own loopback with network = "bridge": use network = "host", or another address'
        yield Fault("store.redis", plan.store.redis or "", remedy)


def _instance(compose: ComposePlan, name: str, twin: TwinPlan, instance: InstancePlan) -> Iterator[Fault]:
    path = f"twins.{name}.instances.{instance.name}"
    program = program_of(twin, instance)
    if program is None:
        yield Fault(f"{path}.command", "", 'start = "compose" needs a command, here or for the twin')
    elif program not in compose.images:
        there = ", ".join(sorted(compose.images)) or "none yet"
        yield Fault("compose.images", program, f"{path} runs it: name its Dockerfile's folder (there are: {there})")
    host = instance.address.rsplit(":", 1)[0]
    if compose.network == "bridge" and not host.replace(".", "").isdigit():
        remedy = 'network = "bridge" publishes a port at an IPv4 address: use one, such as 127.0.0.1'
        yield Fault(f"{path}.address", instance.address, remedy)


def _parallel(twins: dict[str, TwinPlan]) -> Iterator[Fault]:
    """Left to themselves, runtimes read a CPU limit differently; told different numbers, they are not compared."""
    told = {
        f"twins.{name}.instances.{instance.name}.env.{key}": value
        for name, twin in twins.items()
        for instance in twin.instances
        for key, value in {**twin.env, **instance.env}.items()
        if key in PARALLEL
    }
    first = next(iter(told), "")
    for path, value in told.items():
        if value != told[first]:
            yield Fault(path, value, f"is unlike {first} ({told[first]}): give both twins as many")

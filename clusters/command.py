"""What to run: a plan's command, environment and cores as they are for one instance. Pure.

Templates name `{address} {host} {port} {name} {pool} {store}`; any other brace stays as it is. `${NAME}` in an
environment value or a header takes a variable of the starter's environment, so that a plan holds no secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from records.instance import Instance, Watch
from records.plan import InstancePlan, Plan, TwinPlan
from records.plan_compose import container_cpus, container_memory_bytes, image_of, program_of
from records.plan_store import NONE

LOGS: Final = ".twinload/logs"
POOL: Final = "/pool"  # where a container finds the pool's folder
MARK: Final = "TWINLOAD_MARK"  # by it a process is known as one that we started
INHERITED: Final = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
_TEMPLATE = re.compile(r"\{(address|host|port|name|pool|store)\}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Launch:
    """All that starting (or, for an external twin, finding) one instance takes.

    `argv` is () for an external instance; `program` is argv[0] resolved against the plan's folder, a bare name still
    to be looked for in `env["PATH"]`. `variables` names those of `env` that the plan sets; `missing`
    those of the starter that were asked for and are not set. `image` is the tag of what runs as a container: `argv` is
    then what its first process shows.
    """

    instance: Instance
    twin: TwinPlan
    argv: tuple[str, ...]
    env: Mapping[str, str]
    folder: Path
    missing: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    image: str | None = None

    @property
    def name(self) -> str:
        """The instance's name."""
        return self.instance.name

    @property
    def address(self) -> str:
        """The instance's "host:port"."""
        return self.instance.address or ""

    @property
    def log(self) -> Path | None:
        """Where the instance's output goes; None when it is not started here."""
        return self.folder / self.instance.log if self.instance.log else None


def launches(
    plan: Plan, folder: Path, twins: tuple[str, ...], environ: Mapping[str, str], *, store: str | None = None
) -> tuple[Launch, ...]:
    """Return what to start, in the plan's order; `store` is the address of one that the start itself brings."""
    url = store or plan.store.text or NONE
    return tuple(
        _launch(plan, name, instance, folder, environ, url)
        for name, twin in plan.twins.items()
        if name in twins
        for instance in twin.instances
    )


def _launch(
    plan: Plan, twin_name: str, instance: InstancePlan, folder: Path, environ: Mapping[str, str], store: str
) -> Launch:
    twin = plan.twins[twin_name]
    known = _instance(twin_name, twin, instance)
    if twin.start == "external":
        return Launch(known, twin, (), {}, folder)
    env = {name: environ[name] for name in INHERITED if name in environ}
    missing: list[str] = []
    own = {**twin.env, **instance.env}
    for name, value in own.items():
        env[name], absent = fill_variables(value, environ)
        missing += absent
    absent_names, names = tuple(dict.fromkeys(missing)), tuple(sorted(own))
    program = program_of(twin, instance) if twin.start == "compose" else None
    if program is not None:
        argv = (f"/{program}", *container_arguments(plan, twin, instance))
        return Launch(known, twin, argv, env, folder, absent_names, names, image_of(program))
    pool = folder / plan.pool.folder
    words = instance.command or twin.command or ()
    argv = tuple(fill(part, instance.name, instance.address, pool, store) for part in words)
    return Launch(known, twin, argv, env, folder, absent_names, names)


def container_arguments(plan: Plan, twin: TwinPlan, instance: InstancePlan) -> tuple[str, ...]:
    """Return what follows the program in its container.

    There the pool is at `POOL`; on the bridge an instance is asked from outside of its loopback, so it listens on all.
    """
    bridge = plan.compose.network == "bridge"
    address = f"0.0.0.0:{split_address(instance.address)[1]}" if bridge else instance.address
    words = (instance.command or twin.command or [""])[1:]
    return tuple(fill(word, instance.name, address, Path(POOL), plan.store.text or NONE) for word in words)


def _instance(twin_name: str, twin: TwinPlan, instance: InstancePlan) -> Instance:
    container = twin.start == "compose"
    watches: dict[str, Watch] = {"process": "process", "compose": "container", "external": "none"}
    return Instance(
        name=instance.name,
        role="target",
        twin=twin_name,
        address=instance.address,
        scheme=twin.scheme,
        serves=tuple(instance.serves),
        cpu_set=tuple(twin.cpu_set),
        cpus=container_cpus(twin) if container else twin.allotment_cores,
        memory_limit_bytes=container_memory_bytes(twin) if container else twin.memory,
        watch=watches[twin.start],
        log=None if twin.start == "external" else f"{LOGS}/{instance.name}.log",
    )


def split_address(address: str) -> tuple[str, int]:
    """Return host (IPv6 without brackets) and port of "host:port"."""
    host, port = address.rsplit(":", 1)
    return host.strip("[]"), int(port)


def fill(template: str, name: str, address: str, pool: Path, store: str = NONE) -> str:
    """Fill one part of a command; braces that name nothing of ours stay."""
    host, port = split_address(address)
    values = {"address": address, "host": host, "port": str(port), "name": name, "pool": str(pool), "store": store}
    return _TEMPLATE.sub(lambda match: values[match[1]], template)


def fill_variables(text: str, environ: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return a text with every `${NAME}` filled in, and the names that are not set (they become empty)."""
    missing = tuple(name for name in _VARIABLE.findall(text) if name not in environ)
    return _VARIABLE.sub(lambda match: environ.get(match[1], ""), text), missing

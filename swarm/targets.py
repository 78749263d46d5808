"""Where load may go: the plan's addresses and nothing else, as routes from a twin and an entry to its instances.

Instances come from the plan (a campaign has started them, or they are external) or from what `twinload up` recorded.
Secrets (`${NAME}`) are resolved here, kept in memory and sent; never recorded.

Errors:

* SwarmError        load cannot be sent; the message says what to do
  x NoTargetsError       nothing runs that the plan names
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from records.instance import Instance
from records.plan import Plan, TwinPlan

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class SwarmError(Exception):
    """Base of what can keep the swarm from sending load."""


class NoTargetsError(SwarmError):
    """Nothing runs that load could be sent to."""


@dataclass(frozen=True, slots=True)
class Route:
    """One instance as a sender needs it.

    `base` is scheme and address, as a URL begins; `headers` are sent with every request, secrets filled in.
    """

    twin: str
    instance: str
    host: str
    port: int
    base: str
    scheme: str = "http"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: str | None = None

    @property
    def host_header(self) -> str:
        """What its Host header says; its address where none was given."""
        given = (value for name, value in self.headers.items() if name.lower() == "host")
        return next(given, self.base.split("://", 1)[1])

    @property
    def server_name(self) -> str:
        """The name that its certificate must carry: its Host header without a port."""
        host = self.host_header
        if host.startswith("["):
            return host[1:].split("]", 1)[0]
        return host if host.count(":") > 1 else host.rsplit(":", 1)[0]


Routes = Mapping[tuple[str, str], tuple[Route, ...]]
"""From (twin, workload entry) to the instances that serve it."""


def planned_instances(plan: Plan, twins: Iterable[str]) -> tuple[Instance, ...]:
    """Return the plan's instances of these twins, as targets."""
    return tuple(
        Instance(
            name=instance.name, role="target", twin=name, address=instance.address, scheme=plan.twins[name].scheme,
            serves=tuple(instance.serves),
        )
        for name in twins
        for instance in plan.twins[name].instances
    )  # fmt: skip


def find_instances(plan: Plan, twins: Sequence[str], recorded: Sequence[Instance]) -> tuple[Instance, ...]:
    """Return the instances of these twins that run: recorded ones, and those of external twins.

    Raises: NoTargetsError when one of the twins has none, or a container of it is missing.
    """
    found: list[Instance] = []
    for name in twins:
        known = [instance for instance in recorded if instance.twin == name and instance.role == "target"]
        if not known and plan.twins[name].start == "external":
            known = list(planned_instances(plan, [name]))
        if not known:
            raise NoTargetsError(
                f"twin {name} is not running: start it with `twinload up`, "
                f'or name running instances in the plan (twins.{name}: start = "external")'
            )
        there = {instance.name for instance in known}
        gone = [instance.name for instance in plan.twins[name].instances if instance.name not in there]
        if gone and any(instance.container is not None for instance in known):
            raise NoTargetsError(
                f"twin {name}: {', '.join(gone)} not running, and load would meet fewer instances than the plan has; "
                "start all of them again: `docker-compose up -d`, or `twinload down` and `twinload up`"
            )
        found += known
    return tuple(found)


def make_routes(plan: Plan, instances: Iterable[Instance], *, root: Path, environ: Mapping[str, str]) -> Routes:
    """Return the routes to the given instances.

    Raises: SwarmError when an address is not the plan's, nothing serves an entry, or a secret is not set.
    """
    allowed = {instance.address for twin in plan.twins.values() for instance in twin.instances}
    routes: dict[tuple[str, str], list[Route]] = {}
    for instance in instances:
        if instance.twin is None or instance.address is None:
            continue
        if instance.address not in allowed:
            raise SwarmError(
                f"{instance.name} at {instance.address} is not in the plan: load goes to the plan's addresses alone; "
                "restart the twins with `twinload up`"
            )
        route = _route(plan.twins[instance.twin], instance.twin, instance, root, environ)
        for entry in instance.serves:
            routes.setdefault((instance.twin, entry), []).append(route)
    return {key: tuple(found) for key, found in routes.items()}


def resolved(text: str, environ: Mapping[str, str], where: str) -> str:
    """Return a text with its `${NAME}` filled in from the environment.

    Raises: SwarmError that names the variable, never a value.
    """
    missing = [name for name in _VARIABLE.findall(text) if name not in environ]
    if missing:
        raise SwarmError(f"{where}: ${{{missing[0]}}} is not set; export {missing[0]} before the run")
    return _VARIABLE.sub(lambda match: environ[match[1]], text)


def _route(twin: TwinPlan, name: str, instance: Instance, root: Path, environ: Mapping[str, str]) -> Route:
    host, port = str(instance.address).rsplit(":", 1)
    headers = {key: resolved(value, environ, f"twins.{name}.headers.{key}") for key, value in twin.headers.items()}
    if not any(key.lower() == "host" for key in headers):
        headers["Host"] = twin.host or str(instance.address)
    ca_file = str(root / twin.ca_file) if twin.ca_file else None
    base = f"{instance.scheme}://{instance.address}"
    return Route(name, instance.name, host.strip("[]"), int(port), base, instance.scheme, headers, ca_file)

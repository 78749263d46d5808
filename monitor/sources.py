"""Opening what tells CPU and memory of instances that are no processes of this machine, each by the best way there is.

| watch | way |
|---|---|
| container, files readable | its control group's files |
| container, engine elsewhere or in a virtual machine | the engine's statistics stream |
| external, `[watch] external = "auto"` or "scrape" | its own page, at the twin's `metrics` path |
| external, `[watch] external = "prometheus"` | the Prometheus server |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self, cast

from docker import DockerClient
from docker.errors import NotFound

from clusters.ask import Asker
from clusters.engine import Engine, connect
from monitor.container_events import ContainerEvents
from monitor.container_files import ContainerFiles
from monitor.container_stream import ContainerStream
from monitor.errors import SourceUnavailable
from monitor.prometheus import Server, ServerSource, ServerWatch
from monitor.scrape import CPU, Scrape, figures_of
from monitor.source import Source
from records.clock import Clock
from records.event import Event
from records.instance import Instance
from records.plan import Plan, TwinPlan

_STREAM_TIMEOUT_S: Final = 10  # without a sample; the engine sends one a second
_SCRAPE_TIMEOUT_S: Final = 2.0
_SHARED: Final = ("host", "container:")


@dataclass(frozen=True, slots=True)
class Sources:
    """The open sources by instance; a context manager that closes them and ends the telling of events.

    `instances` are those given, in their order, each with the `watch` that it has now. `ways` says by instance in words
    where its figures come from.
    """

    instances: tuple[Instance, ...]
    by_name: Mapping[str, Source]
    ways: Mapping[str, str]
    _open: ExitStack

    def close(self) -> None:
        """Close all."""
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_sources(
    plan: Plan,
    instances: Sequence[Instance],
    root: Path,
    clock: Clock,
    tell: Callable[[Event], None],
) -> Sources:
    """Open a source for every container and external instance.

    Args:
        plan: for external twins, where to ask.
        instances: all that are watched; those that need no source are passed on as they are.
        root: the plan's folder.
        clock: for the times of events.
        tell: takes what happens to containers; called from a thread.
    Raises: SourceUnavailable; the errors of `clusters.engine.connect` where there are containers.
    """
    with ExitStack() as stack:
        found = _open_containers(instances, stack, clock, tell)
        external = [one for one in instances if _is_external(plan, one)]
        for name, (source, way) in _external(plan, external, root):
            stack.callback(source.close)
            found[name] = source, way
        kept = stack.pop_all()
    seen = tuple(
        replace(one, watch="prometheus") if one in external and one.name in found else one for one in instances
    )
    by_name = {name: source for name, (source, _) in found.items()}
    return Sources(seen, by_name, {name: way for name, (_, way) in found.items()}, kept)


def _open_containers(
    instances: Sequence[Instance], stack: ExitStack, clock: Clock, tell: Callable[[Event], None]
) -> dict[str, tuple[Source, str]]:
    """Open a source for every container, and return each with its way in words; `stack` closes them.

    Raises: SourceUnavailable; the errors of `clusters.engine.connect`.
    """
    containers = [one for one in instances if one.watch == "container" and one.container is not None]
    found: dict[str, tuple[Source, str]] = {}
    if not containers:
        return found
    engine = connect()
    stack.callback(engine.close)
    for one in containers:
        source, way = _container(engine, one)
        stack.callback(source.close)
        found[one.name] = source, way
    events = ContainerEvents(engine.client, containers, clock, tell, _renewing(found))
    stack.callback(events.close)
    return found


def _is_external(plan: Plan, instance: Instance) -> bool:
    return instance.twin is not None and instance.watch == "none" and plan.twins[instance.twin].start == "external"


def _container(engine: Engine, instance: Instance) -> tuple[Source, str]:
    container = str(instance.container)
    try:
        attrs = engine.client.api.inspect_container(container)
    except NotFound:
        raise SourceUnavailable(
            f"{instance.name}: its container {container[:12]} is gone; start the twins anew"
        ) from None
    limits = attrs["HostConfig"]
    own_network = not str(limits.get("NetworkMode", "")).startswith(_SHARED)
    why = f"the engine is at {engine.where}"
    if engine.local:
        try:
            return ContainerFiles(container, int(attrs["State"]["Pid"]), own_network=own_network), "cgroup files"
        except OSError as error:
            why = f"its files cannot be read: {error}"
    stream = ContainerStream(messages_of(engine.client, container), cpu_limit_cores=cpu_limit_cores(limits))
    return stream, f"the engine's statistics stream ({why})"


def messages_of(client: DockerClient, container: str) -> Callable[[], Iterator[Mapping[str, Any]]]:
    """Return what opens a container's statistics stream."""

    def open_stream() -> Iterator[Mapping[str, Any]]:
        client.api.timeout = _STREAM_TIMEOUT_S
        return cast("Iterator[Mapping[str, Any]]", client.api.stats(container, decode=True, stream=True))

    return open_stream


def cpu_limit_cores(host_config: Mapping[str, Any]) -> float | None:
    """Return a container's CPU limit in cores, from what an inspection shows; None without one."""
    if host_config.get("NanoCpus"):
        return float(host_config["NanoCpus"]) / 1e9
    quota, period = host_config.get("CpuQuota") or 0, host_config.get("CpuPeriod") or 100_000
    return quota / period if quota > 0 else None


def _renewing(found: Mapping[str, tuple[Source, str]]) -> Callable[[Instance, int], None]:
    """Return what opens a container's files anew; a stream finds it by itself."""

    def renew(instance: Instance, pid: int) -> None:
        source, _ = found[instance.name]
        if isinstance(source, ContainerFiles):
            with suppress(OSError):  # it ended again already: a gap
                source.renew(pid)

    return renew


def _external(plan: Plan, instances: Sequence[Instance], root: Path) -> Iterator[tuple[str, tuple[Source, str]]]:
    watch = plan.watch
    if not instances or watch.external == "none":
        return
    if watch.external == "prometheus":
        server = ServerWatch(Server(watch, root), watch, [one.name for one in instances])
        for one in instances:
            yield one.name, (ServerSource(server, one.name), f"Prometheus at {watch.url}, at its interval of scraping")
        return
    pages = {one.name: _telling(plan, one, root) for one in instances}
    for name, page in pages.items():
        if page is not None:
            yield name, (Scrape(page, watch.interval_s), f"its own page, every {watch.interval_s:g} s")


def _telling(plan: Plan, instance: Instance, root: Path) -> Callable[[], str | None] | None:
    """Return what asks an instance's page, None when that does not tell CPU time and need not."""
    twin = plan.twins[str(instance.twin)]
    page = _page(twin, instance, root)
    text = None if page is None else page()
    told = None if text is None else figures_of(text, 0)
    if told is not None and told.cpu_s is not None:
        return page
    if plan.watch.external == "scrape":
        where = (
            "it has no metrics path" if twin.metrics is None else f"{twin.scheme}://{instance.address}{twin.metrics}"
        )
        raise SourceUnavailable(f"{instance.name} does not tell {CPU} ({where}): correct metrics, or watch.external")
    return None


def _page(twin: TwinPlan, instance: Instance, root: Path) -> Callable[[], str | None] | None:
    if twin.metrics is None or instance.address is None:
        return None
    path, asker = twin.metrics, Asker(twin, instance.address, root)

    def ask() -> str | None:
        answer = asker.ask(path, timeout_s=_SCRAPE_TIMEOUT_S)
        return answer.body.decode("utf-8", "replace") if answer.status == 200 else None

    return ask

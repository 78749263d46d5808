"""An instance: one process, container or address that is watched, in one list for every way of starting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["target", "generator", "host", "store"]
Watch = Literal["process", "container", "prometheus", "host", "none"]


@dataclass(frozen=True, slots=True)
class Instance:
    """What is known of an instance once it runs.

    `serves` names workload entries. `cpus` is its share of the allotment in cores (instances of a twin that share
    cores share `cpu_set`); None where nothing limits it. `group` names instances whose allotment is one and the same:
    the CPU share of a twin is the sum over its instances ÷ the group's `group_cpus`. `memory_limit_bytes` likewise.
    `pid` and `started` (when it began) name a process beyond reuse of its id. `container` is the full id of the
    container that it runs in, with `watch` "container"; `pid` is then the container's first process where this machine
    runs it, and None where another one does. A container has limits of its own: `cpus` and `memory_limit_bytes` are
    the instance's, not its twin's.
    """

    name: str
    role: Role
    twin: str | None = None
    address: str | None = None
    scheme: str = "http"
    serves: tuple[str, ...] = ()
    cpu_set: tuple[int, ...] = ()
    cpus: float | None = None
    memory_limit_bytes: int | None = None
    watch: Watch = "none"
    pid: int | None = None
    started: float | None = None
    log: str | None = None
    container: str | None = None

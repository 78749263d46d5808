"""Where figures of an instance come from when they are not read from its processes: the seam beside the readers.

| source | figures at the moment of | its thread |
|---|---|---|
| cgroup files of a container | the line: read when it is made | none |
| statistics stream of an engine | the engine's reading | one a container |
| scrape of an instance | the scrape | one an instance |
| Prometheus server | its scrape of the instance | one for all |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from records.usage import ContainerUsage


@dataclass(frozen=True, slots=True)
class SourceReading:
    """What a source tells of an instance; None is not known.

    `sampled_ns` is the moment of the figures on the monotonic clock, None for now. `on_host_ports` says that the
    instance's connections show among this machine's own, by the port of its address.
    """

    cpu_s: float | None
    memory_bytes: int | None
    sampled_ns: int | None = None
    container: ContainerUsage | None = None
    on_host_ports: bool = False


class Source(Protocol):
    """Tells the newest figures of one instance."""

    def read(self) -> SourceReading | None:
        """Return the newest figures at once, without waiting for any; None is a gap."""
        ...

    def close(self) -> None:
        """End what gathers the figures."""
        ...

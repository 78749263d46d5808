"""CPU and memory of each instance, of the generator and of the host, once a second on the swarm's clock.

procfs and sockets (or portable, where there is no /proc) read -> account makes cumulative figures of process trees ->
sampler makes a usage line -> watch takes one each whole second. What is no process of this machine has a source:
container_files (cgroup), container_stream, scrape or prometheus; sources opens the one that fits, and container_events
tells what happens to containers; by_hand opens them for a run by hand. window and limits (pure) answer what an instance
used between two moments, and how much of its limits. A gap in sampling is a gap, not a zero.

Errors:

* MonitorError
  x UnknownInstance a name that is not watched
  x SamplingFailed  the sampling thread ended; raised by `check` and `stop`
  x SourceUnavailable what should tell an instance's CPU and memory does not
"""

from monitor.errors import MonitorError, SamplingFailed, SourceUnavailable, UnknownInstance
from monitor.sources import Sources, open_sources
from monitor.watch import Monitor

__all__ = [
    "Monitor",
    "MonitorError",
    "SamplingFailed",
    "SourceUnavailable",
    "Sources",
    "UnknownInstance",
    "open_sources",
]

"""CPU and memory of each instance, of the generator and of the host, once a second on the swarm's clock.

procfs and sockets (or portable, where there is no /proc) read -> account makes cumulative figures of process trees ->
sampler makes a usage line -> watch takes one each whole second. window (pure) answers what an instance used between
two moments. A gap in sampling is a gap, not a zero.

Errors:

* MonitorError
  x UnknownInstance a name that is not watched
  x SamplingFailed  the sampling thread ended; raised by `check` and `stop`
"""

from monitor.errors import MonitorError, SamplingFailed, UnknownInstance
from monitor.watch import Monitor

__all__ = ["Monitor", "MonitorError", "SamplingFailed", "UnknownInstance"]

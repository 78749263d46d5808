"""What is tested and how it is started: plan -> processes that are pinned, ready, watched and never left behind.

command (what to run) -> preflight (can it?) -> child (one process) -> ready (does it answer?) -> start (all of it, as
a context manager); store (the redis-server that instances share, where a run starts one); record (what runs, on disk),
standing (what `twinload up` left running) and current (is that what the plan would start now?); ports (which are free).
Containers: compose_file (what to run, as compose reads it) -> engine (can it?)
-> compose (build, up) -> containers (found by label, watched, removed) with guardian (removes them when their owner is
killed). `contract/` says what the reference pair answers, `go/` and `rust/` are its twins.

Errors:

* ClusterError
  x CannotStart      nothing was started; carries all faults, each one of:
    x UnknownTwin, PortTaken, AddressUnusable, BinaryMissing, CoresMissing, VariableMissing, FolderUnwritable,
      StoreMissing
    x EngineMissing, EngineDenied, EngineTooOld, ComposeMissing, LimitMissing, ImageMissing (containers)
  x Held             a run under way, or `twinload up`, has the clusters
  x NotReady         an instance ended before it was ready, or was not ready in time
  x Outdated         what `twinload up` left running is not what the plan would start now
  x RecordUnreadable the record of what runs is damaged
"""

from clusters.counters import fetch_counters, fetch_version
from clusters.current import check_current
from clusters.errors import (
    AddressUnusable,
    BinaryMissing,
    CannotStart,
    ClusterError,
    ComposeMissing,
    CoresMissing,
    EngineDenied,
    EngineMissing,
    EngineTooOld,
    FolderUnwritable,
    Held,
    ImageMissing,
    LimitMissing,
    NotReady,
    Outdated,
    PortTaken,
    RecordUnreadable,
    StoreMissing,
    UnknownTwin,
    VariableMissing,
)
from clusters.standing import InstanceState, recorded, status, stop_recorded
from clusters.start import Clusters, Death, start_clusters

__all__ = [
    "AddressUnusable",
    "BinaryMissing",
    "CannotStart",
    "ClusterError",
    "Clusters",
    "ComposeMissing",
    "CoresMissing",
    "Death",
    "EngineDenied",
    "EngineMissing",
    "EngineTooOld",
    "FolderUnwritable",
    "Held",
    "ImageMissing",
    "InstanceState",
    "LimitMissing",
    "NotReady",
    "Outdated",
    "PortTaken",
    "RecordUnreadable",
    "StoreMissing",
    "UnknownTwin",
    "VariableMissing",
    "check_current",
    "fetch_counters",
    "fetch_version",
    "recorded",
    "start_clusters",
    "status",
    "stop_recorded",
]

"""Events: what happened in a run beside the counting: a stage found invalid, an instance that died, an interrupt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

EventKind = Literal[
    "counters",  # the targets' own request counters: at the start of the load, after each sweep, and at its end
    "probe",  # the rough limit that a probe found
    "instance-died",
    "instance-oom",  # the kernel ended a process of a container that had reached its memory limit
    "instance-restarted",  # a container runs again, as another process: its figures begin anew
    "stage-invalid",
    "worker-lost",
    "search",  # how a block's capacity search ended, and why the pairs did
    "schedule-cut",  # blocks left out so that the run fits its time limit
    "resumed",  # a later segment of the run begins: what an event before it says of the end holds no more
    "stage-aborted",  # a stage that a killed or interrupted segment left unfinished: its seconds are in no figure
    "set-aside",  # a half-written line that a crash left was moved out of a raw file
    "hook",  # a command of the plan was run, and how it ended
    "safety-stop",  # the run ended because it harmed a target
    "interrupted",
    "failed",
    "finished",
]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of `events.jsonl`; `figures` holds the numbers that belong to it, `text` what a person reads."""

    t_ns: int
    utc: str
    kind: EventKind
    text: str
    stage: int | None = None
    instance: str | None = None
    figures: dict[str, float] = field(default_factory=dict)

"""The channel between a campaign and the Locust process that it started: JSON lines over one socket, both ways.

The campaign asks for a sweep, the swarm answers with seconds while it runs, a stage line after each stage's drain, and
`SweepDone`. One sweep is under way at a time. The socket's descriptor is inherited and named by `TWINLOAD_CHANNEL`.
When the campaign's end closes, the swarm stops its load and quits.

| campaign -> swarm | swarm -> campaign |
|---|---|
| Sweep, then Sweep… | Ready once, then per sweep: Counted*, StageDone*, Told*, SweepDone |
| Stop (ends the sweep early) | StageDone with `complete = false`, SweepDone |
| Quit | (closes) |
"""

from __future__ import annotations

from typing import Final

import msgspec

from records.event import Event
from records.second import Second
from records.stage import Stage, StageLine

VARIABLE: Final = "TWINLOAD_CHANNEL"


class Sweep(msgspec.Struct, tag="sweep", frozen=True):
    """Drive these stages back to back; the first begins on the next whole second but one."""

    stages: tuple[Stage, ...]


class Stop(msgspec.Struct, tag="stop", frozen=True):
    """End the sweep under way now; what was counted is still told."""


class Quit(msgspec.Struct, tag="quit", frozen=True):
    """End the process."""


class Ready(msgspec.Struct, tag="ready", frozen=True):
    """All seats stand; `pids` are the processes whose CPU is the generator's."""

    pids: tuple[int, ...]
    seats: int


class Counted(msgspec.Struct, tag="counted", frozen=True):
    """A finished second."""

    second: Second


class StageDone(msgspec.Struct, tag="stage-done", frozen=True):
    """A stage is over and drained; `valid` is still open, the campaign judges."""

    line: StageLine


class Told(msgspec.Struct, tag="told", frozen=True):
    """Something happened in the swarm."""

    event: Event


class SweepDone(msgspec.Struct, tag="sweep-done", frozen=True):
    """Nothing of the sweep is in flight any more."""


ToSwarm = Sweep | Stop | Quit
ToCampaign = Ready | Counted | StageDone | Told | SweepDone


def encode(message: ToSwarm | ToCampaign) -> bytes:
    """Return a message as one line."""
    return msgspec.json.encode(message) + b"\n"


def decode_order(line: bytes) -> ToSwarm:
    """Read a line that came to the swarm; msgspec.DecodeError when it is none."""
    order: ToSwarm = msgspec.json.decode(line, type=ToSwarm)
    return order


def decode_report(line: bytes) -> ToCampaign:
    """Read a line that came to the campaign; msgspec.DecodeError when it is none."""
    report: ToCampaign = msgspec.json.decode(line, type=ToCampaign)
    return report

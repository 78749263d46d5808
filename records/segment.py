"""A segment: one process's part of a run. A run that was killed or interrupted goes on as the next segment.

    manifest.json (segment 1) -> segments.jsonl (a line for each later one) -> the raw lines of all, one after the other

All lines of a folder stand on the *run's clock*. It is the first segment's monotonic clock, and stands still while
nobody drives the run: another process after a reboot has a monotonic clock that began anew, so what a later segment
writes is moved by whole seconds to `PAUSE_S` behind the last line before it. UTC is never moved, so that a line still
says when it was. Within a segment all distances stay as measured; readers need to know nothing of segments.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from records.clock import NS
from records.event import Event
from records.instance import Instance
from records.manifest import HostFacts
from records.second import Second
from records.stage import StageLine
from records.usage import UsageLine

PAUSE_S: Final = 5
"""Between segments: more than any window looks beyond its ends for samples."""
Timed = StageLine | Second | UsageLine | Event


@dataclass(frozen=True, slots=True)
class Segment:
    """One line of `segments.jsonl`: who went on with a run, and from what.

    `number` counts from 2 (the manifest tells of segment 1). `t_ns` is when it began on the run's clock; `mono_ns` and
    `wall_ns` one reading of its own clocks, `shift_s` what is added to its monotonic time. `aborted` are the stages
    that the segment before left unfinished, by id: their seconds stand in the folder and in no figure. `set_aside`
    names what was found half-written, by the raw file it stood in.
    """

    number: int
    t_ns: int
    utc: str
    mono_ns: int
    wall_ns: int
    shift_s: int
    argv: tuple[str, ...]
    commit: str | None
    dirty: bool | None
    versions: dict[str, str]
    host: HostFacts
    instances: tuple[Instance, ...]
    aborted: tuple[int, ...] = ()
    set_aside: dict[str, str] = field(default_factory=dict)


def shift_after(last_ns: int, now_ns: int) -> int:
    """Return by how many seconds a monotonic time of now is moved to stand `PAUSE_S` behind a run's last line.

    By hand: a last line at 100.2 s, and a clock that shows 7.9 s after a reboot: 101 + 5 - 7 = 99 s, so now is 106.9 s.
    """
    return -(-last_ns // NS) + PAUSE_S - now_ns // NS


def moved(line: Timed, shift_s: int) -> Timed:
    """Return a line with all its monotonic times moved by whole seconds; UTC stays."""
    if not shift_s:
        return line
    t_ns = line.t_ns + shift_s * NS
    if isinstance(line, StageLine):
        return replace(line, t_ns=t_ns, start_second=line.start_second + shift_s)
    if isinstance(line, Second):
        return replace(line, t_ns=t_ns, second=line.second + shift_s)
    if isinstance(line, UsageLine):
        sampled_ns = tuple(None if one is None else one + shift_s * NS for one in line.sampled_ns)
        return replace(line, t_ns=t_ns, second=line.second + shift_s, sampled_ns=sampled_ns)
    return replace(line, t_ns=t_ns)

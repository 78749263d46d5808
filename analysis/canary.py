"""A gray release's folder read back into windows of time, lines of what was decided, and how it ended.

manifest.json   the plan and where the run comes from, written before the first request
canary.jsonl    one line a poll of the gateway: share and cumulative counts of each route by side, the callers' view
events.jsonl    what the gateway and the controller did and why, with figures
canary.json     how it ended; missing when the run was killed

Memory grows with the number of windows, at most `MOST_WINDOWS` and one a change of share, and by five numbers a poll.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from analysis.canary_counts import since
from records.clock import NS
from records.errors import RunFolderError
from records.manifest import Manifest
from records.run_folder import RunReader
from shadow.gray.counts import RouteCounts, SideCounts, sum_routes

POLLS: Final = "canary.jsonl"
EVENTS: Final = "events.jsonl"
RESULT: Final = "canary.json"
MOST_WINDOWS: Final = 1_200
_WIDTHS_S: Final = (1, 2, 5, 10, 30, 60, 300, 900, 3600)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Callers:
    """What the callers saw so far: requests sent, ended (`done`), failed of these by cause, never sent; latency."""

    sent: int = 0
    done: int = 0
    dropped: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    p50_ms: float | None = None
    p99_ms: float | None = None

    @property
    def failures(self) -> int:
        """Failed requests of every cause."""
        return sum(self.failed.values())


@dataclass(frozen=True, slots=True)
class Poll:
    """One line of `canary.jsonl`; `t_s` counts from the run's start, `share` is 0 to 1, `waits`: what a step wants."""

    t_s: float
    share: float
    routes: dict[str, RouteCounts] = field(default_factory=dict)
    callers: Callers | None = None
    waits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """What was counted in a stretch of time with one share, all routes together; `callers_failed` None: not told."""

    from_s: float
    to_s: float
    share: float
    counts: RouteCounts
    callers_done: int | None = None
    callers_failed: int | None = None


@dataclass(frozen=True, slots=True)
class Ticks:
    """The candidate's counts at every poll, since the first one, all routes together; columns of equal length."""

    t_s: array[float]
    share: array[float]
    requests: array[int]
    failures: array[int]


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of `events.jsonl`: who (`by`) did what (`kind`), why, and with which figures."""

    t_s: float
    by: str
    kind: str
    utc: str = ""
    share: float | None = None
    reasons: tuple[str, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def breaker_to(self) -> str | None:
        """The breaker's new state, None for what is none of the breaker's."""
        found = self.figures.get("to") if self.kind == "breaker" else None
        return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """`canary.json`: how the roll-out ended (done, back, held or stopped), why, and what was left to the gateway."""

    outcome: str
    reasons: tuple[str, ...] = ()
    left: str = ""
    callers: Callers | None = None


@dataclass(frozen=True, slots=True)
class CanaryRun:
    """A gray release, read back; `outcome` None: it was killed before its end. `last`: the last poll."""

    manifest: Manifest
    windows: tuple[Window, ...]
    routes: dict[str, RouteCounts]
    ticks: Ticks
    happenings: tuple[Happening, ...]
    outcome: Outcome | None
    last: Poll | None

    @property
    def sides(self) -> tuple[str, str]:
        """The labels of baseline and candidate."""
        twins: Mapping[str, Mapping[str, Any]] = self.manifest.plan["twins"]
        names = [str(twin.get("label") or name) for name, twin in twins.items()]
        return names[0], names[1]

    @property
    def callers(self) -> Callers | None:
        """What the callers saw in all; None where nobody told."""
        told = self.outcome.callers if self.outcome is not None else None
        return told or (self.last.callers if self.last is not None else None)

    @property
    def reached(self) -> float:
        """The largest share that a poll saw, 0 without any."""
        return max(self.ticks.share, default=0.0)

    @property
    def begin_s(self) -> float:
        """The time of the first poll, 0 without any: from then on it counts."""
        return self.ticks.t_s[0] if self.ticks.t_s else 0.0

    @property
    def end_s(self) -> float:
        """The time of the last poll, 0 without any."""
        return self.ticks.t_s[-1] if self.ticks.t_s else 0.0


def read_canary(folder: Path) -> CanaryRun:
    """Read a gray release's folder, whole or cut short.

    Raises: RunFolderError when it is none, or a line before the last is damaged.
    """
    manifest = RunReader(folder).manifest()
    if not (folder / POLLS).is_file():
        raise RunFolderError(f"{folder} is no gray release: it has no {POLLS}; `twinload report` is for the others")
    gathered = _Gathered(_width_s(folder / POLLS))
    for poll in _lines(folder / POLLS, Poll):
        gathered.take(poll)
    return CanaryRun(
        manifest, tuple(gathered.finished()), gathered.routes, gathered.ticks, tuple(_happenings(folder, manifest)),
        _outcome(folder / RESULT), gathered.before,
    )  # fmt: skip


class _Gathered:
    """Polls taken one by one: windows of `width_s`, cut where the share changes, and a line a poll of the candidate."""

    def __init__(self, width_s: int) -> None:
        self.routes: dict[str, RouteCounts] = {}
        self.ticks = Ticks(array("d"), array("d"), array("q"), array("q"))
        self.before: Poll | None = None
        self._width_s = width_s
        self._windows: list[Window] = []

    def take(self, poll: Poll) -> None:
        """Take the next poll; the first is the zero of all counts."""
        before, self.before = self.before, poll
        if before is None:
            self._tick(poll, SideCounts())
            return
        parts = {name: since(now, before.routes.get(name, RouteCounts())) for name, now in poll.routes.items()}
        for name, part in parts.items():
            self.routes[name] = sum_routes((self.routes[name], part)) if name in self.routes else part
        counts = sum_routes(parts.values())
        self._tick(poll, counts.candidate)
        # A share that falls does so after what made it fall: the failures belong to the larger one.
        window = Window(before.t_s, poll.t_s, max(before.share, poll.share), counts, *_callers(poll, before))
        last = self._windows[-1] if self._windows else None
        if last is not None and last.share == window.share and self._bin(last.from_s) == self._bin(before.t_s):
            self._windows[-1] = merged_windows((last, window))
        else:
            self._windows.append(window)

    def finished(self) -> list[Window]:
        """Return the windows in order."""
        return self._windows

    def _bin(self, t_s: float) -> int:
        return int(t_s // self._width_s)

    def _tick(self, poll: Poll, new: SideCounts) -> None:
        ticks = self.ticks
        ticks.t_s.append(poll.t_s)
        ticks.share.append(poll.share)
        ticks.requests.append((ticks.requests[-1] if ticks.requests else 0) + new.requests)
        ticks.failures.append((ticks.failures[-1] if ticks.failures else 0) + new.failed.total)


def merged_windows(windows: tuple[Window, ...]) -> Window:
    """Return adjacent windows of one share as one."""
    done = [one.callers_done for one in windows if one.callers_done is not None]
    failed = [one.callers_failed for one in windows if one.callers_failed is not None]
    return Window(
        windows[0].from_s, windows[-1].to_s, windows[0].share, sum_routes(one.counts for one in windows),
        sum(done) if done else None, sum(failed) if failed else None,
    )  # fmt: skip


def _callers(poll: Poll, before: Poll) -> tuple[int | None, int | None]:
    if poll.callers is None:
        return None, None
    earlier = before.callers or Callers()
    return poll.callers.done - earlier.done, poll.callers.failures - earlier.failures


def _width_s(path: Path) -> int:
    """Return the width that cuts the run into at most MOST_WINDOWS; the last whole line tells how long it was."""
    last_s = 0.0
    for poll in _lines(path, _When):
        last_s = poll.t_s
    return next((width for width in _WIDTHS_S if last_s / width <= MOST_WINDOWS), _WIDTHS_S[-1])


@dataclass(frozen=True, slots=True)
class _When:
    t_s: float


@dataclass(frozen=True, slots=True)
class _EventLine:
    kind: str
    t_s: float | None = None
    t_ns: int | None = None
    utc: str = ""
    by: str = "gateway"
    share: float | None = None
    reasons: tuple[str, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)


def _happenings(folder: Path, manifest: Manifest) -> list[Happening]:
    path = folder / EVENTS
    found: list[Happening] = []
    for line in _lines(path, _EventLine) if path.is_file() else ():
        t_s = line.t_s if line.t_s is not None else (((line.t_ns or 0) - manifest.mono_ns) / NS)
        found.append(Happening(t_s, line.by, line.kind, line.utc, line.share, line.reasons, line.figures))
    return sorted(found, key=lambda one: one.t_s)


def _outcome(path: Path) -> Outcome | None:
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Outcome)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RunFolderError(f"{path} cannot be read: {error}; remove it to see the run as one cut short") from error


def _lines(path: Path, kind: type[T]) -> Iterator[T]:
    """Yield a file's lines; a last one that a crash cut short is left out."""
    decoder = msgspec.json.Decoder(kind)
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise RunFolderError(f"{path}, line {number}: {error}; the folder is damaged") from error

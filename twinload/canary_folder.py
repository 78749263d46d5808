"""The folder of a gray release, written line by line as it happens: nothing is lost when the writer is killed.

manifest.json   the plan and where the run comes from, written before the first request
canary.jsonl    one line a poll: share, step, what it waits for, the gateway's cumulative counts, the callers' view
events.jsonl    what the gateway told and what was decided, by whom, why, by which figures
canary.json     how it ended; missing when the run was killed
pairs.jsonl, pairs.jsonl.coverage   what was compared, when this run had the gateway, real ids replaced by pseudonyms
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from records.clock import NS, Clock
from records.errors import RunFolderError
from records.manifest import Manifest
from records.run_folder import MANIFEST
from shadow.gateway_events import GatewayEvent
from shadow.gray.counts import Breaker, CanaryStatus, RouteCounts, SideCounts
from shadow.gray.rollout import Decision
from shadow.mirrored import COVERAGE, PAIRS
from shadow.record import write_whole

POLLS: Final = "canary.jsonl"
EVENTS: Final = "events.jsonl"
RESULT: Final = "canary.json"
RAW: Final = (MANIFEST, POLLS, EVENTS, RESULT, PAIRS, COVERAGE)
_TAIL_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class PollLine:
    """One line of `canary.jsonl`; `t_s` counts from the manifest's time, sides are summed up over routes."""

    t_s: float
    utc: str
    share: float
    step: int
    waits: tuple[str, ...]
    breaker: Breaker
    retry_budget: float | None
    unknown_user: int
    baseline: SideCounts
    candidate: SideCounts
    routes: dict[str, RouteCounts]
    callers: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class EventLine:
    """One line of `events.jsonl`."""

    t_s: float
    utc: str
    by: str
    kind: str
    share: float
    reasons: tuple[str, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """`canary.json`: how it ended.

    share: what the gateway was told last; reached_share: the most that it was. left: the state that the gateway was
    left in, for people. restarts: of the gateway by this run. callers: None without traffic of our own.
    """

    outcome: str
    share: float
    reached_share: float
    reasons: tuple[str, ...]
    left: str
    began_utc: str
    ended_utc: str
    length_s: float
    restarts: int
    callers: dict[str, Any] | None
    gateway: dict[str, Any] | None


class CanaryWriter:
    """The one writer of a gray release's lines, each flushed as it is written. Raises RunFolderError (all methods)."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self._clock = Clock(manifest.mono_ns, manifest.wall_ns)
        try:
            self._polls = (folder / POLLS).open("ab", buffering=0)
            self._events = (folder / EVENTS).open("ab", buffering=0)
        except OSError as error:
            raise _cannot("make", folder, error) from error

    def t_s(self, mono_ns: int) -> float:
        """Return a monotonic time in seconds since the run's beginning."""
        return (mono_ns - self._clock.mono_ns) / NS

    def poll(
        self, mono_ns: int, status: CanaryStatus, step: int, waits: tuple[str, ...], callers: Mapping[str, Any] | None
    ) -> None:
        """Write a poll."""
        every = status.all_routes
        line = PollLine(
            round(self.t_s(mono_ns), 6), self._clock.utc(mono_ns), status.share, step, waits, status.breaker,
            status.retry_budget, status.unknown_user, _without_latency(every.baseline),
            _without_latency(every.candidate), status.routes, None if callers is None else dict(callers),
        )  # fmt: skip
        self._write(self._polls, POLLS, line)

    def decided(self, mono_ns: int, decision: Decision) -> None:
        """Write a decision."""
        self._event(
            mono_ns, decision.by, decision.kind, decision.share, reasons=decision.reasons, figures=decision.figures
        )

    def told(self, event: GatewayEvent, share: float) -> None:
        """Write what the gateway told, at the time that it says."""
        reason = event.figures.get("reason")
        self._event(
            event.t_ns, "gateway", event.kind, share, reasons=(str(reason),) if reason else (), figures=event.figures
        )

    def result(self, result: Result) -> None:
        """Write how it ended."""
        write_whole(self.folder / RESULT, msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")

    def close(self) -> None:
        """Close the files; every line is written already."""
        self._polls.close()
        self._events.close()

    def _event(
        self, mono_ns: int, by: str, kind: str, share: float, *, reasons: tuple[str, ...], figures: dict[str, Any]
    ) -> None:
        t_s = round(self.t_s(mono_ns), 6)
        self._write(self._events, EVENTS, EventLine(t_s, self._clock.utc(mono_ns), by, kind, share, reasons, figures))

    def _write(self, file: Any, name: str, line: PollLine | EventLine) -> None:
        try:
            file.write(msgspec.json.encode(line) + b"\n")
        except OSError as error:
            raise _cannot("write", self.folder / name, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def read_result(folder: Path) -> Result | None:
    """Return how a gray release ended, None when it was killed before its end.

    Raises: RunFolderError when the folder is none of a gray release, or the file is damaged.
    """
    if not (folder / POLLS).is_file():
        raise RunFolderError(f"{folder} is no gray release: it has no {POLLS}; `twinload report` is for the others")
    path = folder / RESULT
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Result)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RunFolderError(f"{path}: {error}; remove it to see the run as one cut short") from error


def last_poll(folder: Path) -> PollLine | None:
    """Return the last whole line of `canary.jsonl`, None when there is none."""
    path = folder / POLLS
    if not path.is_file():
        return None
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _TAIL_BYTES, 0))
        lines = file.read().split(b"\n")[:-1]
    try:
        return msgspec.json.decode(lines[-1], type=PollLine) if lines else None
    except msgspec.DecodeError as error:
        raise RunFolderError(f"{path}, last line: {error}; the file was changed or is damaged") from error


def _without_latency(side: SideCounts) -> SideCounts:
    """The routes have it."""
    return SideCounts(side.requests, side.failed, side.fell_back, side.caller_failed)


def _cannot(verb: str, path: Path, error: OSError) -> RunFolderError:
    return RunFolderError(f"cannot {verb} {path}: {error.strerror}; give a folder with room and write permission")

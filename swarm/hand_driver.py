"""The driver of a run by hand: the schedule decides, and a run folder keeps what was counted.

`locust` in its web UI or headless, alone or with workers: the process that conducts also writes
`runs/<UTC time>-<label>-by-hand/` and points `runs/latest` to it.

A capacity search is `twinload run`'s alone: it must know of each trial whether the generator was the limit before it
chooses the next rate, and only the campaign judges while the load goes on. By hand the plan's stages are driven, the
curve, whatever `search.mode` says; the report judges them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from records.clock import NS, Clock
from records.event import Event, EventKind
from records.instance import Instance
from records.run_folder import RunWriter, point_latest
from records.second import Second
from records.stage import Stage, StageLine
from records.usage import UsageLine
from swarm.conductor import Outcome
from swarm.manifest import manifest
from swarm.options import Choice
from swarm.schedule import Note, campaign
from userpool.reading import Pool

logger = logging.getLogger("twinload.swarm")
RUNS_VARIABLE = "TWINLOAD_RUNS"
_NO_SEARCH = "by hand the plan's stages are driven, no capacity is searched: `twinload run` does that"


class Watch(Protocol):
    """What watches the instances' CPU and memory while a run by hand goes on."""

    def start(self) -> None:
        """Begin to sample."""

    def set_pids(self, name: str, pids: Iterable[int]) -> None:
        """Name the processes of an instance."""

    def stop(self) -> None:
        """End sampling."""


MakeWatch = Callable[[Sequence[Instance], Clock, Callable[[UsageLine], None]], Watch]


class HandDriver:
    """Drives the schedule in this process.

    Args:
        choice, pool, instances: what is driven, by whom, against what.
        now_ns: monotonic ns; the pair with UTC is taken here.
        say: gets the lines for a person at the end.
        make_watch: makes the watch over the instances; None to go without.
    """

    def __init__(
        self,
        choice: Choice,
        pool: Pool,
        instances: Sequence[Instance],
        *,
        now_ns: Callable[[], int],
        say: Callable[[str], None],
        make_watch: MakeWatch | None = None,
    ) -> None:
        self._choice = choice
        self._pool = pool
        self._instances = instances
        self._clock = Clock.now()
        self._now_ns = now_ns
        self._say = say
        self._make_watch = make_watch
        self._watch: Watch | None = None
        self._writer: RunWriter | None = None
        self._lines: list[StageLine] = []
        self._awake = True
        self._sweeps = campaign(choice.plan, choice.scope, clock=lambda: now_ns() / NS, tell=self._note)
        self._begun = False

    def ready(self, pids: tuple[int, ...], seats: int) -> None:
        """Open the run folder and begin to watch."""
        generator = Instance("generator", "generator", watch="process", pid=pids[0])
        instances = [*self._instances, generator, Instance("host", "host", watch="host")]
        facts = manifest(
            self._choice, self._pool, instances, label=f"{self._choice.plan.label}-by-hand", seats=seats,
            clock=self._clock,
        )  # fmt: skip
        runs = Path(os.environ.get(RUNS_VARIABLE) or self._choice.root / "runs")
        self._writer = RunWriter(runs / facts.run_id, facts)
        point_latest(runs, self._writer.path)
        if self._choice.plan.search.mode == "capacity":
            self._note(Note("search", _NO_SEARCH))
        if self._make_watch is not None:
            self._watch = self._make_watch(instances, self._clock, self._writer.write)
            self._watch.set_pids(generator.name, pids)
            self._watch.start()

    def next_sweep(self) -> tuple[Stage, ...] | None:
        """Return the schedule's next sweep.

        Raises: ScheduleError when nothing can be driven.
        """
        if not self._awake:
            return None
        lines, self._lines = tuple(self._lines), []
        try:
            sweep = self._sweeps.send(lines) if self._begun else next(self._sweeps)
        except StopIteration:
            return None
        self._begun = True
        return sweep

    def wake(self) -> None:
        """Let the schedule end here."""
        self._awake = False

    def stop_wanted(self) -> str | None:
        """Return None: a person stops a run through Locust."""
        return None

    def counted(self, second: Second) -> None:
        """Write a second."""
        self._open().write(second)

    def stage_done(self, line: StageLine) -> None:
        """Write a stage's line and keep it for the schedule."""
        self._lines.append(line)
        self._open().write(line)

    def told(self, event: Event) -> None:
        """Write an event."""
        if self._writer is not None:
            self._writer.write(event)

    def sweep_done(self) -> None:
        """Do nothing: the schedule goes on when it is asked."""

    def closed(self, outcome: Outcome, text: str) -> None:
        """Close the folder and say where it is; the watch ends and the files are closed also when a write fails."""
        self._sweeps.close()
        with ExitStack() as stack:
            if self._writer is not None:
                stack.callback(self._say_where, self._writer.path)
                stack.callback(self._writer.close)
            if self._watch is not None:
                self._watch.stop()
            if outcome != "failed":  # a failure was told when it happened
                self._tell(outcome, text)

    def _say_where(self, folder: Path) -> None:
        self._say(f"run folder: {folder}")
        self._say(f"report:     twinload report {folder}")

    def _open(self) -> RunWriter:
        if self._writer is None:
            raise RuntimeError("a record came before the run folder was open")
        return self._writer

    def _note(self, note: Note) -> None:
        logger.info("%s", note.text)
        self._tell(note.kind, note.text, note)

    def _tell(self, kind: EventKind, text: str, note: Note | None = None) -> None:
        now_ns = self._now_ns()
        stage, figures = (note.stage, note.figures) if note else (None, {})
        self.told(Event(now_ns, self._clock.utc(now_ns), kind, text, stage, None, figures))

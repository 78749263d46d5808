"""The driver of a run by hand: the schedule decides, and a run folder keeps what was counted.

`locust` in its web UI or headless, alone or with workers: the process that conducts also writes
`runs/<UTC time>-<label>-by-hand/` and points `runs/latest` to it. An instance that dies ends the sweep under way on its
twin, which gets no more of them until the instance is back; the other twin's go on, and in the end it is told.

A capacity search is `twinload run`'s alone: it must know of each trial whether the generator was the limit before it
chooses the next rate, and only the campaign judges while the load goes on. By hand the plan's stages are driven, the
curve, whatever `search.mode` says; the report judges them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from clusters.ask import Asker
from records.clock import NS, Clock
from records.event import Event, EventKind
from records.instance import Instance
from records.plan import Plan
from records.run_folder import RunWriter, point_latest
from records.second import Second
from records.stage import Stage, StageLine
from records.usage import UsageLine
from swarm.conductor import Outcome
from swarm.manifest import manifest
from swarm.options import Choice
from swarm.roll import Roll
from swarm.schedule import Note, ScheduleError, Sweep, campaign
from swarm.targets import SwarmError
from userpool.reading import Pool

logger = logging.getLogger("twinload.swarm")
RUNS_VARIABLE = "TWINLOAD_RUNS"
_NO_SEARCH = "by hand the plan's stages are driven, no capacity is searched: `twinload run` does that"


class Watch(Protocol):
    """What watches the instances' CPU and memory while a run by hand goes on."""

    @property
    def instances(self) -> tuple[Instance, ...]:
        """What is watched, each with its way."""

    @property
    def ways(self) -> Mapping[str, str]:
        """Where an instance's figures come from, in words, by its name."""

    def start(self, emit: Callable[[UsageLine], None], pids: Mapping[str, Iterable[int]]) -> None:
        """Begin to sample; `pids` are the processes of instances whose record has none."""

    def news(self) -> tuple[Event, ...]:
        """Return what happened to instances since this was last asked."""

    def stop(self) -> None:
        """End sampling; also when it never began."""


MakeWatch = Callable[[Plan, Path, Sequence[Instance], Clock], Watch]


class HandDriver:
    """Drives the schedule in this process.

    Args:
        choice, pool, instances: what is driven, by whom, against what.
        now_ns: monotonic ns; the pair with UTC is taken here.
        say: gets the lines for a person at the end.
        make_watch: makes the watch over the instances, of a plan and its folder; None to go without.

    `is_ready` says of an instance that runs again whether it can take load: its ready path is asked.
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
        self.is_ready = self._answers
        self._roll = Roll()
        self._lost: str | None = None
        self._twin: str | None = None  # under load
        self._watch: Watch | None = None
        self._writer: RunWriter | None = None
        self._lines: list[StageLine] = []
        self._awake = True
        self._sweeps = campaign(
            choice.plan, choice.scope, clock=lambda: now_ns() / NS, tell=self._note, is_gone=self._is_gone
        )
        self._begun = False

    def ready(self, pids: tuple[int, ...], seats: int) -> None:
        """Open the run folder and begin to watch."""
        generator = Instance("generator", "generator", watch="process", pid=pids[0])
        instances = (*self._instances, generator, Instance("host", "host", watch="host"))
        if self._make_watch is not None:
            self._watch = self._make_watch(self._choice.plan, self._choice.root, instances, self._clock)
            instances = self._watch.instances
        facts = manifest(
            self._choice, self._pool, instances, label=f"{self._choice.plan.label}-by-hand", seats=seats,
            clock=self._clock,
        )  # fmt: skip
        runs = Path(os.environ.get(RUNS_VARIABLE) or self._choice.root / "runs")
        self._writer = RunWriter(runs / facts.run_id, facts)
        point_latest(runs, self._writer.path)
        if self._choice.plan.search.mode == "capacity":
            self._note(Note("search", _NO_SEARCH))
        if self._watch is not None:
            for way in dict.fromkeys(self._watch.ways.values()):
                names = ", ".join(name for name, one in self._watch.ways.items() if one == way)
                logger.info("CPU and memory of %s: %s", names, way)
            self._watch.start(self._writer.write, {generator.name: pids})

    def next_sweep(self) -> tuple[Stage, ...] | None:
        """Return the schedule's next sweep.

        Raises: ScheduleError when nothing can be driven; SwarmError at the end of a schedule in which one died.
        """
        if not self._awake:
            return None
        sweep = self._next()
        if sweep is None and self._roll.died:
            raise SwarmError(f"{', '.join(self._roll.died)} died under load; all else was driven")
        self._twin, self._lost = (None if sweep is None else sweep[0].twin), None
        return sweep

    def _next(self) -> Sweep | None:
        lines, self._lines = tuple(self._lines), []
        try:
            sweep = self._sweeps.send(lines) if self._begun else next(self._sweeps)
        except StopIteration:
            return None
        except ScheduleError:
            if not self._roll.died:
                raise
            return None
        self._begun = True
        return sweep

    def wake(self) -> None:
        """Let the schedule end here."""
        self._awake = False

    def stop_wanted(self) -> str | None:
        """Return which instance of the twin under load died in this sweep; a person stops a run through Locust."""
        self._hear()
        return self._lost

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
                stack.callback(self._watch.stop)
                self._hear()
            if outcome != "failed":  # a failure was told when it happened
                self._tell(outcome, text)

    def _say_where(self, folder: Path) -> None:
        self._say(f"run folder: {folder}")
        self._say(f"report:     twinload report {folder}")

    def _open(self) -> RunWriter:
        if self._writer is None:
            raise RuntimeError("a record came before the run folder was open")
        return self._writer

    def _hear(self) -> None:
        """Take what happened to instances; a death, once in each life, is told aloud."""
        for event in self._watch.news() if self._watch is not None else ():
            name = event.instance or ""
            if event.kind == "instance-restarted" and self._roll.see_restart(name):
                self._mourn(name, replace(event, kind="instance-died", text=f"{name} ended"))
            if event.kind != "instance-died":
                logger.warning("%s", event.text)
                self.told(event)
            elif self._roll.hear_death(name) or self._roll.see_death(name):
                self._mourn(name, event)

    def _mourn(self, name: str, event: Event) -> None:
        logger.error("%s", event.text)
        self.told(event)
        if any(one.name == name and one.twin == self._twin for one in self._instances):
            self._lost = f"{name} died"

    def _is_gone(self, twin: str) -> bool:
        """Say whether an instance of a twin is gone, or back and not ready yet."""
        self._hear()
        own = [one for one in self._instances if one.twin == twin and one.name in self._roll.deaths]
        return any(one.name in self._roll.gone or not self.is_ready(one) for one in own)

    def _answers(self, instance: Instance) -> bool:
        if instance.twin is None or instance.address is None:
            return False
        twin = self._choice.plan.twins[instance.twin]
        with Asker(twin, instance.address, self._choice.root) as asker:
            return asker.ask(twin.ready).status == 200

    def _note(self, note: Note) -> None:
        logger.info("%s", note.text)
        self._tell(note.kind, note.text, note)

    def _tell(self, kind: EventKind, text: str, note: Note | None = None) -> None:
        now_ns = self._now_ns()
        stage, figures = (note.stage, note.figures) if note else (None, {})
        self.told(Event(now_ns, self._clock.utc(now_ns), kind, text, stage, None, figures))

"""The campaign: drives the schedule through the generator, watches, judges each stage, and writes all of it down.

    schedule --Sweep--> generator --Second, StageLine, Event--> campaign --lines--> run folder
                        monitor   --UsageLine----------------------^

A stage is judged when its last usage sample is there, so its line follows its end by about a second. An instance that
dies, or someone who wants the end, ends the sweep under way; what it still counts is kept and judged.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from analysis.capacity import enough
from analysis.validity import figures_of, judge
from clusters import Clusters, Death
from monitor import Monitor
from records.channel import Counted, Ready, StageDone, Sweep, SweepDone, ToCampaign, Told
from records.clock import NS, Clock
from records.event import Event, EventKind
from records.instance import Instance
from records.plan import Plan
from records.run_folder import RunWriter
from records.second import Second
from records.stage import Stage, StageLine
from records.usage import UsageLine
from swarm.schedule import Answers, Note, ScheduleError, Scope, campaign
from swarm.trials import Counts, TrialBook
from twinload.errors import INTERRUPTED, BadEnvironment, InstanceDied, Interrupted, OwnFault
from twinload.generator import Generator
from twinload.progress import Progress

_POLL_S: Final = 0.2
_LATE_S: Final = 30.0  # beyond its length and the last time-out, a sweep is lost
_SETTLE_S: Final = 3.0  # for the usage sample after a stage's end
_KEEP: Final = 60  # usage lines kept from before a sweep
_REST_S: Final = 2.0  # two samples of the twins at rest: what their memory is compared with


@dataclass(slots=True)
class Campaign:
    """One campaign over started clusters; `run` comes back when the schedule is done, or raises why it is not."""

    plan: Plan
    instances: Sequence[Instance]
    clusters: Clusters
    generator: Generator
    writer: RunWriter
    clock: Clock
    progress: Progress
    end_wanted: Callable[[], bool]
    usage: list[UsageLine] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    samples: queue.SimpleQueue[UsageLine] = field(default_factory=queue.SimpleQueue)
    told: queue.SimpleQueue[Event] = field(default_factory=queue.SimpleQueue)
    pending: list[StageLine] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    judged: dict[int, StageLine] = field(default_factory=dict)
    book: TrialBook = field(init=False)

    def __post_init__(self) -> None:
        self.book = TrialBook(self.plan)

    def run(self, monitor: Monitor, read_counters: Callable[[], dict[str, float]]) -> None:
        """Drive the whole schedule; the targets' own counters are read right before and right after it.

        Raises: InstanceDied, Interrupted, BadEnvironment, OwnFault: the load has ended, what was counted is written.
        """
        self._rest()
        self.tell("counters", "the targets' counters before the load", figures=read_counters())
        answers = Answers(self._counts, lambda trials: enough(trials, self.plan))
        schedule = campaign(self.plan, Scope.of(self.plan), clock=time.monotonic, tell=self._note, answers=answers)
        try:
            stages = next(schedule)
            while True:
                stages = schedule.send(self._sweep(stages, monitor))
        except StopIteration:
            pass
        except ScheduleError as error:
            raise BadEnvironment(str(error)) from error
        monitor.check()
        self.tell("counters", "the targets' counters after the load", figures=read_counters())
        self.tell("finished", "the schedule is done")

    def tell(self, kind: EventKind, text: str, *, instance: str | None = None, stage: int | None = None,
             figures: dict[str, float] | None = None) -> None:  # fmt: skip
        """Write an event of now."""
        now = time.monotonic_ns()
        self._record(Event(now, self.clock.utc(now), kind, text, stage, instance, figures or {}))

    def _rest(self) -> None:
        until = time.monotonic() + _REST_S
        while time.monotonic() < until:
            self._heed_end()
            time.sleep(_POLL_S)

    def _heed_end(self) -> None:
        if self.end_wanted():
            raise Interrupted(INTERRUPTED)

    def _sweep(self, stages: tuple[Stage, ...], monitor: Monitor) -> tuple[StageLine, ...]:
        self._heed_end()
        del self.usage[:-_KEEP]
        self.book.forget()
        self.progress.sweep(stages)
        self.generator.sweep(Sweep(stages))
        lines: list[StageLine] = []
        try:
            self._collect(monitor, lines, length_s=sum(stage.length_s for stage in stages))
        finally:
            self._judge_all()
        if self.dead:
            raise InstanceDied(f"{', '.join(self.dead)} died under load; the rest of the schedule was left out")
        self._heed_end()
        return tuple(self.judged.pop(line.stage.id, line) for line in lines)

    def _counts(self, line: StageLine) -> Counts:
        return self.book.counts(line)

    def _collect(self, monitor: Monitor, lines: list[StageLine], *, length_s: int) -> None:
        """Take messages until the sweep is done, and end it early when an instance died or the end is wanted."""
        drain_s = self.plan.last_answer_s + _LATE_S
        until, stopping = time.monotonic() + length_s + drain_s, False
        while time.monotonic() < until:
            for message in self.generator.messages(timeout_s=_POLL_S):
                if self._take(message, lines):
                    return
            monitor.check()
            self._take_samples()
            self._judge(patient=True)
            for death in self.clusters.deaths():
                self._mourn(death)
            if not stopping and (self.dead or self.end_wanted()):
                self.generator.stop_sweep()
                stopping, until = True, time.monotonic() + drain_s
        last = self.generator.last_lines()
        raise OwnFault(f"a sweep of {length_s} s did not end; the generator's last lines:\n{last}")

    def _take(self, message: ToCampaign, lines: list[StageLine]) -> bool:
        """File one message; True when it ends the sweep."""
        match message:
            case Counted(second):
                self._count(second)
            case StageDone(line):
                lines.append(line)
                self.pending.append(line)
            case Told(event):
                self._record(event)
            case SweepDone():
                return True
            case Ready():
                raise OwnFault("the generator said twice that it is ready")
        return False

    def _count(self, second: Second) -> None:
        self.writer.write(second)
        self.book.add(second)
        self.progress.count(second)

    def _take_samples(self) -> None:
        with suppress(queue.Empty):
            while True:
                line = self.samples.get_nowait()
                self.writer.write(line)
                self.usage.append(line)
        with suppress(queue.Empty):
            while True:
                event = self.told.get_nowait()
                if event.kind != "instance-died":  # the clusters tell a death, with the end of its log
                    self._record(event)

    def _judge_all(self) -> None:
        deadline = time.monotonic() + _SETTLE_S
        while self.pending and time.monotonic() < deadline:
            time.sleep(_POLL_S / 4)
            self._take_samples()
            self._judge(patient=True)
        self._judge(patient=False)

    def _judge(self, *, patient: bool) -> None:
        """Judge what can be judged: a stage whose end the usage samples have reached, or all when out of patience."""
        while self.pending:
            line = self.pending[0]
            end_ns = (line.start_second + line.stage.length_s) * NS
            if patient and (not self.usage or self.usage[-1].t_ns < end_ns):
                return
            figures = figures_of(line, self.usage, self.instances, self.plan, events=self.events)
            why = judge(line, figures)
            judged = replace(line, valid=None if line.stage.kind == "probe" else not why, why=why)
            self.writer.write(judged)
            self.judged[line.stage.id] = judged
            self.pending.pop(0)
            self.progress.stage(judged, figures)
            if why:
                self.tell("stage-invalid", f"{line.stage.name}: {'; '.join(why)}", stage=line.stage.id)

    def _mourn(self, death: Death) -> None:
        self.dead.append(death.name)
        self.tell("instance-died", str(death), instance=death.name)
        self.progress.say(str(death))

    def _note(self, note: Note) -> None:
        self.tell(note.kind, note.text, stage=note.stage, figures=note.figures)

    def _record(self, event: Event) -> None:
        self.events.append(event)
        self.writer.write(event)
        if event.kind in ("probe", "search", "schedule-cut", "worker-lost", "stage-invalid"):
            self.progress.say(event.text)

"""The campaign: drives the schedule through the generator, watches, judges each stage, and writes all of it down.

    schedule --Sweep--> generator --Second, StageLine, Event--> campaign --lines--> run folder
                        monitor   --UsageLine----------------------^

A stage is judged when its last usage sample is there, so its line follows its end by about a second. An instance of the
twin under load that dies, or someone who wants the end, ends the sweep under way; what it still counts is kept and
judged. A twin without one of its instances gets no more sweeps (`roll`), the other twin's go on.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from analysis.standing import LoadCost, load_costs, standing
from analysis.validity import UNJUDGED, figures_of, judge
from clusters import Clusters
from monitor import Monitor
from records import provenance
from records.channel import Counted, Ready, StageDone, Sweep, SweepDone, ToCampaign, Told
from records.clock import NS, Clock
from records.event import Event, EventKind
from records.instance import Instance
from records.plan import Plan
from records.run_folder import RunWriter
from records.second import Second
from records.stage import Stage, StageLine
from records.usage import UsageLine
from swarm.roll import Roll
from swarm.schedule import Answers, Note, ScheduleError, Scope, campaign
from swarm.trials import Counts, TrialBook
from twinload.errors import INTERRUPTED, BadEnvironment, Ended, InstanceDied, Interrupted, OwnFault, SafetyStopped
from twinload.generator import Generator
from twinload.hooks import Hooks
from twinload.past import Past
from twinload.progress import Progress
from twinload.safety import Safety

_SPOKEN: Final = frozenset(
    {"probe", "search", "schedule-cut", "worker-lost", "stage-invalid", "instance-oom", "instance-restarted"}
)
_POLL_S: Final = 0.2
_LATE_S: Final = 30.0  # beyond its length and the last time-out, a sweep is lost
_SETTLE_S: Final = 3.0  # for the usage sample after a stage's end
_KEEP: Final = 60  # usage lines kept from before a sweep
_REST_S: Final = 2.0  # two samples of the twins at rest: what their memory is compared with
ReadCounters = Callable[[str | None], dict[str, float]]  # of one twin, or of all


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
    is_ready: Callable[[Instance], bool] = lambda _: True
    usage: list[UsageLine] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    samples: queue.SimpleQueue[UsageLine] = field(default_factory=queue.SimpleQueue)
    told: queue.SimpleQueue[Event] = field(default_factory=queue.SimpleQueue)
    pending: list[StageLine] = field(default_factory=list)
    roll: Roll = field(default_factory=Roll)
    judged: dict[int, StageLine] = field(default_factory=dict)
    past: Past = field(default_factory=Past)
    hooks: Hooks | None = None
    load_s: float = 0.0  # the schedule's clock: until the end of the stage that was last over
    begun_ns: int = 0
    prepared: tuple[int, str] | None = None  # the block for which the hooks were run, and its twin
    costs: list[LoadCost] = field(default_factory=list)
    book: TrialBook = field(init=False)
    safety: Safety = field(init=False)

    def __post_init__(self) -> None:
        self.book = TrialBook(self.plan)
        self.safety = Safety(self.plan, provenance.memory_bytes())

    def run(self, monitor: Monitor, read_counters: ReadCounters) -> None:
        """Drive the whole schedule; the targets' own counters are read before and after it, and after each sweep.

        Raises: Interrupted, BadEnvironment, OwnFault: the load has ended, what was counted is written; InstanceDied
        at the end of a schedule in which one died.
        """
        self._rest()
        self.tell("counters", "the targets' counters before the load", figures=read_counters(None))
        self.begun_ns = self.events[-1].t_ns
        answers = Answers(self._counts, lambda trials: standing(trials, self.costs, self.plan))
        scope = replace(Scope.of(self.plan), first_id=self.past.next_id)
        schedule = campaign(
            self.plan, scope, clock=lambda: self.load_s, tell=self._note, answers=answers, is_gone=self._is_gone
        )
        try:
            stages = next(schedule)
            while True:
                stages = schedule.send(self._given(stages, monitor, read_counters))
        except StopIteration:
            pass
        except Ended:
            self.tell("counters", "the targets' counters when the load ended early", figures=read_counters(None))
            raise
        except ScheduleError as error:
            if not self.roll.died:
                raise BadEnvironment(str(error)) from error
        monitor.check()
        self.tell("counters", "the targets' counters after the load", figures=read_counters(None))
        if self.roll.died:
            cut = "; ".join(event.text for event in self.events if event.kind == "schedule-cut")
            left = cut or "only the sweep under way was ended"
            raise InstanceDied(f"{', '.join(self.roll.died)} died under load: {left}; all else was measured")
        self.tell("finished", "the schedule is done")

    def tell(self, kind: EventKind, text: str, *, instance: str | None = None, stage: int | None = None,
             figures: dict[str, float] | None = None) -> None:  # fmt: skip
        """Write an event of now."""
        now = time.monotonic_ns()
        self._record(Event(now, self.clock.utc(now), kind, text, stage, instance, figures or {}))

    def _rest(self) -> None:
        until = time.monotonic() + _REST_S
        while time.monotonic() < until:
            self.heed_end()
            time.sleep(_POLL_S)

    def heed_end(self) -> None:
        """Raise SafetyStopped or Interrupted when the run must not go on."""
        harm = self.safety.harm()
        if harm is not None:
            raise SafetyStopped(f"stopped for safety: {harm}; see [safety] stop_when of the plan")
        if self.end_wanted():
            raise Interrupted(INTERRUPTED)

    def _given(self, stages: tuple[Stage, ...], monitor: Monitor, read_counters: ReadCounters) -> tuple[StageLine, ...]:
        """Return the lines of a sweep: those that stand in the folder, then those of the rest, which is driven."""
        given = self.past.take(stages)
        for line in given:
            self.load_s = max(self.load_s, self.past.load_s_of(line.stage.id))
            self.costs += self.past.costs_of(line.stage.id)
        rest = stages[len(given) :]
        if not rest:
            return given
        self._prepare(rest[0])
        lines = self._sweep(rest, monitor)
        twin, last = rest[0].twin, rest[-1].id
        self.tell("counters", f"{twin}'s counters after a sweep", stage=last, figures=read_counters(twin))
        reached_ns = max((line.t_ns for line in lines), default=time.monotonic_ns())
        self.load_s = max(self.load_s, self.past.load_s + (reached_ns - self.begun_ns) / NS)
        return (*given, *lines)

    def _prepare(self, stage: Stage) -> None:
        """Run the plan's hooks where a block begins, or goes on in another segment."""
        if self.hooks is None or self.prepared == (stage.block, stage.twin):
            return
        self.prepared = (stage.block, stage.twin)
        for ran in self.hooks.before(stage):
            text = f"{ran.hook} ended well after {ran.seconds:.1f} s; output: {ran.log}"
            self.tell("hook", text, figures={"seconds": ran.seconds, "block": stage.block, "pair": stage.pair})

    def _sweep(self, stages: tuple[Stage, ...], monitor: Monitor) -> tuple[StageLine, ...]:
        self.heed_end()
        del self.usage[:-_KEEP]
        self.book.forget()
        self.progress.sweep(stages)
        self.generator.sweep(Sweep(stages))
        lines: list[StageLine] = []
        try:
            self._collect(monitor, lines, stages[0].twin, length_s=sum(stage.length_s for stage in stages))
        finally:
            self._judge_all()
        self.heed_end()
        return tuple(self.judged.pop(line.stage.id, line) for line in lines)

    def _counts(self, line: StageLine) -> Counts:
        return self.past.counts(line.stage.id) or self.book.counts(line)

    def _collect(self, monitor: Monitor, lines: list[StageLine], twin: str, *, length_s: int) -> None:
        """Take messages until the sweep is done; end it early when its twin lost an instance or the end is wanted."""
        drain_s = self.plan.last_answer_s + _LATE_S
        until, stopping, before = time.monotonic() + length_s + drain_s, False, self._losses(twin)
        while time.monotonic() < until:
            for message in self.generator.messages(timeout_s=_POLL_S):
                if self._take(message, lines):
                    return
            monitor.check()
            self._take_samples()
            self._judge(patient=True)
            self._hear_deaths()
            if not stopping and (self._losses(twin) > before or self.end_wanted() or self.safety.harm()):
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
        self.safety.count(second)
        self.progress.count(second)

    def _take_samples(self) -> None:
        with suppress(queue.Empty):
            while True:
                line = self.samples.get_nowait()
                self.writer.write(line)
                self.safety.sample(line)
                self.usage.append(line)
        with suppress(queue.Empty):
            while True:
                self._heed(self.told.get_nowait())

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
            why = judge(line, figures, is_slow_itself=self.book.is_slow_itself(line))
            judged = replace(line, valid=None if line.stage.kind in UNJUDGED else not why, why=why)
            self.writer.write(judged)
            self.judged[line.stage.id] = judged
            self.costs += load_costs(judged, figures)
            self.pending.pop(0)
            self.progress.stage(judged, figures)
            if why:
                self.tell("stage-invalid", f"{line.stage.name}: {'; '.join(why)}", stage=line.stage.id)

    def _hear_deaths(self) -> None:
        for death in self.clusters.deaths():
            if self.roll.hear_death(death.name):
                self._mourn(death.name, str(death))

    def _heed(self, event: Event) -> None:
        """Take an event of the watch; of an instance's first death the clusters tell, with the end of its log."""
        name = event.instance or ""
        if event.kind == "instance-died":
            if self.roll.see_death(name):
                self._mourn(name, event.text)
            return
        if event.kind == "instance-restarted":
            self._hear_deaths()  # so that a death stands before the new life
            if self.roll.see_restart(name):
                self._mourn(name, f"{name} ended")
        self._record(event)

    def _mourn(self, name: str, text: str) -> None:
        self.tell("instance-died", text, instance=name)
        self.progress.say(text)

    def _losses(self, twin: str) -> int:
        return sum(self.roll.deaths.get(one.name, 0) for one in self.instances if one.twin == twin)

    def _is_gone(self, twin: str) -> bool:
        """Say whether an instance of a twin is gone, or back and not ready yet."""
        self._hear_deaths()
        self._take_samples()
        own = [one for one in self.instances if one.twin == twin and one.name in self.roll.deaths]
        return any(one.name in self.roll.gone or not self.is_ready(one) for one in own)

    def _note(self, note: Note) -> None:
        if self.past.was_told(note):
            return
        self.tell(note.kind, note.text, stage=note.stage, figures=note.figures)

    def _record(self, event: Event) -> None:
        self.events.append(event)
        self.writer.write(event)
        if event.kind in _SPOKEN:
            self.progress.say(event.text)

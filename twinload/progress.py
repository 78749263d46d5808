"""Progress of a campaign in a terminal: a bar with the time left, a line a stage."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich import progress as bars
from rich.markup import escape

from analysis.validity import UNJUDGED, StageFigures
from records.hdr import Sparse, merged, quantile_us
from records.plan import Plan
from records.second import Second
from records.stage import Stage, StageLine
from swarm.schedule import pair_seconds
from swarm.stages import PROBE_WARMUP_S, overhead_s
from twinload.talk import Talk


class Progress:
    """Shows where the run is; silent where the talk is."""

    def __init__(self, plan: Plan, talk: Talk) -> None:
        self._plan = plan
        self._talk = talk
        self._service: dict[int, Sparse] = {}
        self._bar = bars.Progress(
            bars.TextColumn("{task.description}"), bars.BarColumn(), bars.TaskProgressColumn(),
            bars.TimeRemainingColumn(), console=talk.err, transient=True,
            disable=talk.loudness < 0 or not talk.err.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("load", total=_whole_s(plan))

    def sweep(self, stages: tuple[Stage, ...]) -> None:
        """Announce a sweep."""
        first = stages[0]
        self._bar.advance(self._task, overhead_s(self._plan))
        label = self._plan.twins[first.twin].label or first.twin
        where = "probe" if first.kind == "probe" else f"pair {first.pair + 1}"
        self._bar.update(self._task, description=f"{where} · {label} · {first.endpoint}")
        if first.kind != "probe":
            self.say(f"{where} · {label} · {first.endpoint}")

    def count(self, second: Second) -> None:
        """Take a finished second in."""
        if second.phase == "measure":
            seen = merged((self._service.get(second.stage), *(count.service for count in second.status.values())))
            self._service[second.stage] = seen

    def stage(self, line: StageLine, figures: StageFigures) -> None:
        """Tell a finished stage."""
        self._bar.advance(self._task, line.stage.length_s)
        service = self._service.pop(line.stage.id, ())
        if line.stage.kind in UNJUDGED:
            return
        p99 = quantile_us(service, 0.99)
        self.say(
            f"  {_rate(line.stage.rate_rps)} rps offered  {figures.achieved_rps:7,.0f} achieved  "
            f"p99 {'    –   ' if p99 is None else f'{p99 / 1000:6.1f} ms'}  "
            f"CPU {_percent(figures.target_percent)}  generator {_percent(figures.generator_percent)}"
            + (f"  INVALID: {'; '.join(line.why)}" if line.why else "")
        )

    def stopping(self) -> None:
        """Tell that the end was asked for."""
        self.say("stopping: the stage under way ends now, the report of what there is follows")

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if self._talk.loudness >= 0:
            self._bar.console.print(escape(text))

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._bar.stop()


def _whole_s(plan: Plan) -> float:
    """Return how long the whole schedule takes: the rates of a probed plan change its length in no way.

    A capacity search may end earlier; it is shown as if it took all its time.
    """
    if plan.search.mode == "capacity":
        return plan.search.time_limit_s
    limits = dict.fromkeys(plan.sweeps, 1.0)
    pairs_s = plan.search.pairs * pair_seconds(plan, plan.sweeps, twins=len(plan.twins), limits_rps=limits)
    probe_s = PROBE_WARMUP_S + plan.stages.probe_s + overhead_s(plan) if plan.stages.kind == "probe" else 0.0
    return min(pairs_s + probe_s * len(plan.sweeps) * len(plan.twins), plan.search.time_limit_s)


def _rate(rate_rps: float | None) -> str:
    return "      –" if rate_rps is None else f"{rate_rps:7,.0f}"


def _percent(value: float | None) -> str:
    return "  –  " if value is None else f"{value:4.0f} %"

"""Progress of a campaign in a terminal: a bar with the time left, a line a stage."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich import progress as bars
from rich.markup import escape

from analysis.validity import StageFigures
from records.hdr import Sparse, merged, quantile_us
from records.plan import Plan
from records.second import Second
from records.stage import Stage, StageLine
from twinload.talk import Talk


class Progress:
    """Shows where the run is; silent where the talk is."""

    def __init__(self, plan: Plan, talk: Talk, *, total_s: float) -> None:
        self._plan = plan
        self._talk = talk
        self._service: dict[int, Sparse] = {}
        self._bar = bars.Progress(
            bars.TextColumn("{task.description}"), bars.BarColumn(), bars.TaskProgressColumn(),
            bars.TimeRemainingColumn(), console=talk.err, transient=True,
            disable=talk.loudness < 0 or not talk.err.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("load", total=total_s)

    def expect(self, total_s: float) -> None:
        """Set how many seconds of load there are in all."""
        self._bar.update(self._task, total=total_s)

    def sweep(self, stages: tuple[Stage, ...]) -> None:
        """Announce a sweep."""
        first = stages[0]
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
        if line.stage.kind == "probe":
            return
        p99 = quantile_us(service, 0.99)
        self.say(
            f"  {line.stage.rate_rps or 0:7,.0f} rps offered  {figures.achieved_rps:7,.0f} achieved  "
            f"p99 {'    –   ' if p99 is None else f'{p99 / 1000:6.1f} ms'}  "
            f"CPU {_percent(figures.target_percent)}  generator {_percent(figures.generator_percent)}"
            + (f"  INVALID: {'; '.join(line.why)}" if line.why else "")
        )

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if self._talk.loudness >= 0:
            self._bar.console.print(escape(text))

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._bar.stop()


def _percent(value: float | None) -> str:
    return "  –  " if value is None else f"{value:4.0f} %"

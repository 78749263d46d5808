"""What a person sees of a gray release: share, both sides' figures, what it waits for; a line a decision."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.markup import escape
from rich.text import Text

from analysis.canary_counts import quantile_ms
from shadow.gray.counts import CanaryStatus
from shadow.gray.rollout import Decision, Rollout
from twinload.canary_folder import PollLine
from twinload.talk import Talk


class CanaryProgress:
    """Shows where a roll-out is: a block that is redrawn in a terminal, a line a decision everywhere."""

    def __init__(self, talk: Talk, names: tuple[str, str]) -> None:
        self._talk = talk
        self._names = names
        self._live = Live(console=talk.err, auto_refresh=False, transient=True) if _has_screen(talk) else None

    def show(self, t_s: float, rollout: Rollout, status: CanaryStatus | None) -> None:
        """Show a poll."""
        if self._live is None:
            return
        head = (
            f"{percent(rollout.share)} of the users · step {rollout.step} of {len(rollout.rules.steps)} · {t_s:.0f} s"
        )
        body = () if status is None else status_lines(status, self._names)
        waits = waits_line(rollout.waits)
        self._live.update(Text("\n".join((head, *body, *waits))), refresh=True)

    def decided(self, decision: Decision) -> None:
        """Tell a decision."""
        if self._talk.loudness < 0:
            return
        line = f"{percent(decision.share):>6}  {decision.kind} by the {decision.by}: {'; '.join(decision.reasons)}"
        console = self._talk.err if self._live is None else self._live.console
        console.print(escape(line))

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()


def status_lines(status: CanaryStatus, names: tuple[str, str]) -> Iterator[str]:
    """Yield a gateway's figures as lines: the breaker, then a line a side, counted since the gateway began."""
    breaker = status.breaker
    state = breaker.state if breaker.reason is None else f"{breaker.state} ({breaker.reason})"
    if breaker.reopens_in_s is not None:
        state += f", asks again in {breaker.reopens_in_s:.0f} s"
    budget = "" if status.retry_budget is None else f" · retry budget {status.retry_budget:,.0f}"
    yield f"breaker {state} · opened {breaker.opens:,} times{budget} · without a user id {status.unknown_user:,}"
    width = max(len(name) for name in names)
    heads = ("requests", "success", "p50", "p99", "fell back", "callers failed")
    columns = zip(heads, (11, 9, 9, 9, 10, 15), strict=True)
    yield f"{'':{width}}  {' '.join(f'{text:>{wide}}' for text, wide in columns)}"
    every = status.all_routes
    for name, side in zip(names, (every.baseline, every.candidate), strict=True):
        good = f"{100 * (1 - side.failed.total / side.requests):.3f} %" if side.requests else "–"
        p50, p99 = (_ms(quantile_ms(side, q)) for q in (0.5, 0.99))
        figures = f"{side.requests:>11,} {good:>9} {p50:>9} {p99:>9} {side.fell_back:>10,} {side.caller_failed:>15,}"
        yield f"{name:{width}}  {figures}"
    pairs = every.compared
    yield f"compared: {pairs.match:,} equal, {pairs.mismatch:,} different, {pairs.raced:,} raced"


def waits_line(waits: tuple[str, ...]) -> Iterator[str]:
    """Yield what a step waits for, nothing when that is nothing."""
    if waits:
        yield f"waits: {' · '.join(waits)}"


def poll_lines(line: PollLine) -> Iterator[str]:
    """Yield what the last poll of a controller says beside the gateway's figures."""
    yield f"controller: step {line.step}, last poll at {line.utc}"
    yield from waits_line(line.waits)


def percent(share: float) -> str:
    """Return a share of the users as people say it."""
    return f"{100 * share:g} %"


def _ms(value_ms: float | None) -> str:
    if value_ms is None:
        return "–"
    return "> 10 s" if math.isinf(value_ms) else f"{value_ms:,.1f} ms"


def _has_screen(talk: Talk) -> bool:
    return talk.loudness >= 0 and talk.err.is_terminal

"""What one trial of the capacity search showed: counts out of its seconds, and what they say under the SLO. Pure.

    seconds of a stage -> TrialBook -> Counts -> judged -> search (next rate), and later analysis/capacity (the figure)

A trial is a stage at one rate. Three shares are held against three limits, each by itself:

| share | of | limit |
|---|---|---|
| late: answered after `slo.p99_ms`, or dropped | requests | 1 %: p99 within the limit is exactly this |
| lost: failed (wrong answers too) or dropped | requests | `slo.failed_ratio` |
| short: arrivals of the measured seconds less answers in them | arrivals | 1 %, and what the window's edges hide |

A trial whose second half differs from its first is not steady: the median time moved by more than half and by more than
a tenth of the limit. Good trials of that kind count and are marked: what a longer trial would have shown is in the
share of the arrivals that was answered, which a block's capacity is corrected by.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from records.hdr import Histogram, Sparse, highest_us
from records.plan import Plan, SloPlan
from records.second import Second
from records.stage import StageLine
from swarm.search import Outcome

LATE_LIMIT_RATIO: Final = 0.01
SHORT_LIMIT_RATIO: Final = 0.01
_MOVED_FACTOR: Final = 1.5
_MOVED_OF_LIMIT: Final = 0.1
_EDGE_DEVIATIONS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Half:
    """One half of a trial's measured seconds, by the second of the answers' end."""

    answered: int
    late: int
    median_ms: float | None


@dataclass(frozen=True, slots=True)
class Counts:
    """A trial in numbers.

    `requests` were started in the measured part, whenever they ended, dropped ones included; `late` and `lost` are of
    them. `arrivals` were due in the measured seconds and `answered` ended in them, whenever they had started.
    """

    requests: int
    late: int
    lost: int
    arrivals: float
    answered: int
    halves: tuple[Half, Half] | None = None
    connections: int | None = None

    @property
    def late_ratio(self) -> float:
        """Late requests as a share; NaN without requests."""
        return self.late / self.requests if self.requests else math.nan

    @property
    def lost_ratio(self) -> float:
        """Lost requests as a share; NaN without requests."""
        return self.lost / self.requests if self.requests else math.nan

    @property
    def short_ratio(self) -> float:
        """Arrivals that were not answered within the window, as a share; below 0 when an old backlog was answered."""
        return 1 - self.answered / self.arrivals if self.arrivals else math.nan

    @property
    def edge_ratio(self) -> float:
        """How much of `short_ratio` may be the chance of the window's two edges."""
        if not self.arrivals:
            return 0.0
        most = math.inf if self.connections is None else self.connections
        return min(_EDGE_DEVIATIONS * math.sqrt(self.arrivals), most) / self.arrivals


@dataclass(frozen=True, slots=True)
class Trial:
    """A finished trial: its line as judged, and what was counted. `valid` is False when it is no evidence."""

    line: StageLine
    counts: Counts

    @property
    def rate_rps(self) -> float:
        """The offered rate."""
        return self.line.stage.rate_rps or 0.0

    @property
    def valid(self) -> bool:
        """Whether nobody has anything against it."""
        return self.line.complete and self.line.valid is not False


@dataclass(frozen=True, slots=True)
class Judged:
    """What a trial says: its `excess`, whether it was `steady` over its halves, and the reasons against it.

    excess: the worst of its shares ÷ the share's limit; up to 1 is good.
    """

    excess: float
    steady: bool
    reasons: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the SLO held."""
        return self.excess <= 1


def judge_trial(counts: Counts, slo: SloPlan) -> Judged:
    """Hold a trial against the SLO.

    By hand: 2,000 requests of which 20 are late are 1 %, within; 21 are not. 1,980 answers to 2,000 arrivals are 1 %
    short, within; without connections told the edges may hide 3 × sqrt(2,000) = 134 more.
    """
    if not counts.requests:
        return Judged(math.inf, steady=True, reasons=("no request was sent",))
    late = counts.late / (LATE_LIMIT_RATIO * counts.requests)
    lost = _over(counts.lost, slo.failed_ratio * counts.requests)
    short = (counts.short_ratio - counts.edge_ratio) / SHORT_LIMIT_RATIO if counts.arrivals else 0.0
    reasons = []
    if late > 1:
        reasons.append(f"{100 * counts.late_ratio:.2f} % later than {slo.p99_ms:g} ms")
    if lost > 1:
        reasons.append(f"{100 * counts.lost_ratio:.2f} % failed or dropped")
    if short > 1:
        reasons.append(f"answered {100 - 100 * counts.short_ratio:.1f} % of the arrivals")
    return Judged(max(late, lost, short, 0.0), _steady(counts, slo), tuple(reasons))


def _over(count: float, allowed: float) -> float:
    if allowed:
        return count / allowed
    return math.inf if count else 0.0


def _steady(counts: Counts, slo: SloPlan) -> bool:
    if counts.halves is None:
        return True
    first, second = counts.halves
    if first.median_ms is not None and second.median_ms is not None:
        low, high = sorted((first.median_ms, second.median_ms))
        if high > _MOVED_FACTOR * low and high - low > _MOVED_OF_LIMIT * slo.p99_ms:
            return False
    return True


@dataclass(slots=True)
class _Rows:
    """What is kept of one stage's seconds."""

    requests: int = 0
    late: int = 0
    lost: int = 0
    slow: int = 0
    offered: dict[int, float] = field(default_factory=dict)
    answered: dict[int, int] = field(default_factory=dict)
    late_at: dict[int, int] = field(default_factory=dict)
    times: dict[int, Histogram] = field(default_factory=dict)


class TrialBook:
    """Takes seconds as they come and gives a stage's counts when its line is there.

    `plan`: its SLO says which answers are late, its engine how many connections the larger twin may have.
    """

    def __init__(self, plan: Plan) -> None:
        self._slo = plan.slo
        self._connections = plan.engine.connections * max(len(twin.instances) for twin in plan.twins.values())
        self._rows: dict[int, _Rows] = {}

    def add(self, second: Second) -> None:
        """Count one line of `seconds.jsonl`."""
        rows = self._rows.setdefault(second.stage, _Rows())
        at = second.second
        rows.answered[at] = rows.answered.get(at, 0) + second.done
        times = rows.times.setdefault(at, Histogram())
        late = slow = 0
        for count in second.status.values():
            slow += late_of(count.service, self._slo.p99_ms)
            taken = count.service if count.latency is None else count.latency
            late += late_of(taken, self._slo.p99_ms)
            times.add(taken)
        rows.late_at[at] = rows.late_at.get(at, 0) + late
        if second.phase == "measure":
            rows.offered[at] = rows.offered.get(at, 0.0) + (second.offered or 0.0)
        if second.phase in ("measure", "drain"):
            rows.requests += second.done + second.dropped
            rows.late += late + second.dropped
            rows.slow += slow
            rows.lost += second.failed + second.dropped

    def is_slow_itself(self, line: StageLine) -> bool:
        """Say whether more of a trial's answers than the SLO allows were late from their actual send on."""
        rows = self._rows.get(line.stage.id)
        return line.stage.kind == "trial" and rows is not None and rows.slow > LATE_LIMIT_RATIO * rows.requests

    def forget(self) -> None:
        """Forget the seconds that nobody asked for: of sweeps that are over."""
        self._rows.clear()

    def counts(self, line: StageLine) -> Counts:
        """Return a finished stage's counts and forget its seconds."""
        rows = self._rows.pop(line.stage.id, _Rows())
        start = line.start_second + line.stage.warmup_s
        end, middle = start + line.stage.measure_s, start + line.stage.measure_s // 2
        halves = (_half(rows, start, middle), _half(rows, middle, end)) if line.stage.measure_s > 1 else None
        inside = range(start, end)
        return Counts(
            requests=rows.requests,
            late=rows.late,
            lost=rows.lost,
            arrivals=sum(rows.offered.get(at, 0.0) for at in inside),
            answered=sum(rows.answered.get(at, 0) for at in inside),
            halves=halves,
            connections=self._connections,
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """A block's trials as the search sees them, in the order driven.

    `used` are the trials that stand behind `outcomes`, one each. `marked` are those of them that were good and not
    steady.
    """

    used: tuple[Trial, ...]
    outcomes: tuple[Outcome, ...]
    marked: tuple[Trial, ...] = ()


def evidence_of(trials: Sequence[Trial], slo: SloPlan) -> Evidence:
    """Return what a block's trials say.

    A trial that followed a bad one at once, without a rest, is left out: what the overloaded twin still held leaked
    into it.
    """
    used: list[Trial] = []
    outcomes: list[Outcome] = []
    marked: list[Trial] = []
    tainted_until: int | None = None
    for trial in trials:
        stage, begin = trial.line.stage, trial.line.start_second
        if begin == tainted_until:
            tainted_until = begin + stage.length_s
            continue
        judged = judge_trial(trial.counts, slo)
        tainted_until = None if judged.good else begin + stage.length_s
        if trial.valid and judged.good and not judged.steady:
            marked.append(trial)
        used.append(trial)
        outcomes.append(Outcome(trial.rate_rps, judged.excess if trial.valid else None))
    return Evidence(tuple(used), tuple(outcomes), tuple(marked))


def late_of(times: Sparse, limit_ms: float) -> int:
    """Return how many values of a histogram are above a limit, by the largest value that a bucket stands for."""
    if not times:
        return 0
    table = np.asarray(times, dtype=np.int64)
    return int(table[highest_us(table[:, 0]) > limit_ms * 1000, 1].sum())


def _half(rows: _Rows, start: int, end: int) -> Half:
    times = Histogram()
    for at in range(start, end):
        if at in rows.times:
            times.add(rows.times[at].sparse())
    sparse = times.sparse()
    median = None
    if sparse:
        table = np.asarray(sparse, dtype=np.int64)
        at_rank = int(np.searchsorted(np.cumsum(table[:, 1]), -(-times.total // 2)))
        median = float(highest_us(table[at_rank : at_rank + 1, 0])[0]) / 1000
    answered = sum(rows.answered.get(at, 0) for at in range(start, end))
    return Half(answered, sum(rows.late_at.get(at, 0) for at in range(start, end)), median)

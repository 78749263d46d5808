"""The order of a run's sweeps: probes first, then pairs of blocks. Pure; two drivers use it.

`campaign` is a generator: it yields a sweep (stages to drive back to back), gets its stage lines sent back, and yields
the next. `twinload run` drives it through a channel, `locust` by hand in its own process.

    probe of every endpoint and twin -> pair 0 (block 0, block 1) -> pair 1 (block 2, block 3) -> …

A block is one twin through all endpoints. Both twins get the same absolute rates: fractions of the larger twin's rough
limit. The order within the pairs is drawn by seed and balanced: of n pairs, half (rounded up or down by lot) begin with
the baseline. Pairs that do not fit the time limit are left out, which is told; one pair is always driven. A twin that
is gone when its turn comes is left out for that turn, and in the end it is told how often; the other twin goes on.

With `search.mode = "capacity"` the pairs are those of capacity_pairs, which ask what the trials showed; it ends when a
twin is gone.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from records.event import EventKind
from records.plan import Plan
from records.stage import Stage, StageLine
from swarm.capacity_pairs import CapacityPairs, Count, Enough, Standing
from swarm.stages import Place, overhead_s, probe_stage, sweep_stages

Sweep = tuple[Stage, ...]
BEFORE_PAIRS = -1
"""`pair` and `block` of a probe stage: probes belong to none."""


class ScheduleError(Exception):
    """No endpoint can be driven; the message names them and says where to look."""


@dataclass(frozen=True, slots=True)
class Note:
    """What the schedule tells beside its sweeps; becomes an event of the run."""

    kind: EventKind
    text: str
    stage: int | None = None
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of the plan is driven: both twins and all sweeps, or what a person chose by hand.

    `first_id` is the id of the first stage; another than 0 in a run that goes on, where earlier ones are taken.
    """

    twins: tuple[str, ...]
    endpoints: tuple[str, ...]
    first_id: int = 0

    @classmethod
    def of(cls, plan: Plan) -> Scope:
        """Return the whole plan."""
        return cls(tuple(plan.twins), plan.sweeps)


@dataclass(frozen=True, slots=True)
class Answers:
    """What a driver answers a capacity search: a finished stage's counts, and whether the trials so far suffice."""

    count: Count
    enough: Enough = lambda _: Standing(False, "")


def campaign(
    plan: Plan,
    scope: Scope,
    *,
    clock: Callable[[], float],
    tell: Callable[[Note], None],
    answers: Answers | None = None,
    is_gone: Callable[[str], bool] = lambda _: False,
) -> Generator[Sweep, tuple[StageLine, ...], None]:
    """Yield the sweeps of a run; send each sweep's stage lines to get the next.

    Args:
        plan: stages, pairs, seed and time limit.
        scope: twins and endpoints to drive.
        clock: seconds; its value at the first step is when the time limit begins.
        tell: gets a note for every rough limit found, pair left out, endpoint that cannot be driven, twin left out.
        answers: of the driver to a capacity search; without them the plan's stages are driven, whatever the mode.
        is_gone: says of a twin, before each of its sweeps, whether an instance of it is missing.
    Raises: ScheduleError when the probes were driven and no endpoint had a good answer.
    """
    started_s = clock()
    next_id = scope.first_id
    limits_rps: dict[str, float] = {}
    left_out: Counter[str] = Counter()
    own_rps: dict[tuple[str, str], float] = {}
    if plan.stages.kind == "probe":
        for endpoint in scope.endpoints:
            found = []
            for twin in scope.twins:
                if is_gone(twin):
                    left_out[twin] += 1
                    continue
                stage = probe_stage(plan, Place(twin, endpoint, BEFORE_PAIRS, BEFORE_PAIRS), next_id)
                next_id += 1
                found.append(_rough_limit((yield (stage,)), stage, tell))
                own_rps[twin, endpoint] = found[-1]
            if max(found, default=0.0) > 0:
                limits_rps[endpoint] = max(found)
            else:
                tell(Note("failed", f"{endpoint}: no good answer to any probe, so its stages cannot be placed"))
    endpoints = tuple(e for e in scope.endpoints if plan.stages.kind != "probe" or e in limits_rps)
    if not endpoints:
        raise ScheduleError(
            f"{', '.join(scope.endpoints)}: no good answer to any probe of {' or '.join(scope.twins)}, so there is "
            "nothing to drive; look at the targets' logs, and at what `expect` of these workload entries asks for"
        )
    if plan.search.mode == "capacity" and answers is not None:
        pairs_of = CapacityPairs(
            _with_curve(plan), scope.twins, endpoints, limits_rps, own_rps, itertools.count(next_id), answers.count,
            answers.enough,
            left_s=lambda: plan.search.time_limit_s - (clock() - started_s),
            tell=lambda text, figures: tell(Note("search", text, None, figures)),
        )  # fmt: skip
        yield from _while_whole(pairs_of.run(), is_gone, tell)
        return
    one_pair_s = pair_seconds(plan, endpoints, twins=len(scope.twins), limits_rps=limits_rps)
    left_s = plan.search.time_limit_s - (clock() - started_s)
    pairs = fitting_pairs(plan.search.pairs, one_pair_s, left_s)
    if pairs < plan.search.pairs:
        tell(_cut(plan, pairs, one_pair_s))
    block = 0
    for pair, order in enumerate(pair_orders(scope.twins, pairs, plan.search.seed)):
        left_s = plan.search.time_limit_s - (clock() - started_s)
        if pair and one_pair_s > left_s:
            tell(_cut(plan, pair, one_pair_s))
            break
        for twin in order:
            for endpoint in endpoints:
                if is_gone(twin):
                    left_out[twin] += 1
                    continue
                sweep = sweep_stages(plan, Place(twin, endpoint, pair, block), next_id, limits_rps.get(endpoint))
                next_id += len(sweep)
                yield sweep
            block += 1
    for twin, sweeps in left_out.items():
        text = f"{sweeps} sweep{'s' if sweeps > 1 else ''} of {twin} left out: an instance of it was gone"
        tell(Note("schedule-cut", text, None, {"sweeps": sweeps}))


def _with_curve(plan: Plan) -> Plan:
    """Return the plan whose stages are those of a search's curve."""
    stages = plan.stages.model_copy(update={"fractions": plan.search.curve_fractions})
    return plan.model_copy(update={"stages": stages})


def _while_whole(
    sweeps: Generator[Sweep, tuple[StageLine, ...], None], is_gone: Callable[[str], bool], tell: Callable[[Note], None]
) -> Generator[Sweep, tuple[StageLine, ...], None]:
    """Pass sweeps on until one is of a twin that is gone: a pair without it compares nothing."""
    try:
        sweep = next(sweeps)
        while not is_gone(sweep[0].twin):
            sweep = sweeps.send((yield sweep))
    except StopIteration:
        return
    tell(Note("schedule-cut", f"the search ended: an instance of {sweep[0].twin} was gone"))


def pair_orders(twins: tuple[str, ...], pairs: int, seed: int) -> tuple[tuple[str, ...], ...]:
    """Return the order of twins within each pair: drawn by seed, each order as often as the other, or once more."""
    rng = random.Random(f"order/{seed}")  # noqa: S311 - a draw that must be repeatable
    orders = [twins, twins[::-1]]
    rng.shuffle(orders)
    drawn = [orders[number % 2] for number in range(pairs)]
    rng.shuffle(drawn)
    return tuple(drawn)


def pair_seconds(plan: Plan, endpoints: tuple[str, ...], *, twins: int, limits_rps: dict[str, float]) -> float:
    """Return how long one pair of blocks takes, drains included."""
    total_s = 0.0
    for endpoint in endpoints:
        sweep = sweep_stages(plan, Place("", endpoint, 0, 0), 0, limits_rps.get(endpoint))
        total_s += sum(stage.length_s for stage in sweep) + overhead_s(plan)
    return total_s * twins


def fitting_pairs(wanted: int, one_pair_s: float, left_s: float) -> int:
    """Return how many of the wanted pairs fit the time that is left; at least one."""
    return max(1, min(wanted, int(left_s // one_pair_s)))


def _rough_limit(lines: tuple[StageLine, ...], stage: Stage, tell: Callable[[Note], None]) -> float:
    """Return good answers a second in the measured part of a probe; 0 when there was none."""
    good = sum(line.good for line in lines if line.stage.id == stage.id)
    limit_rps = good / stage.measure_s
    text = f"{stage.twin} {stage.endpoint}: rough limit {limit_rps:.0f} requests a second"
    tell(Note("probe", text, stage.id, {"limit_rps": limit_rps}))
    return limit_rps


def _cut(plan: Plan, pairs: int, one_pair_s: float) -> Note:
    text = (
        f"{pairs} of {plan.search.pairs} pairs fit the time limit of {plan.search.time_limit_s:g} s "
        f"(one takes {one_pair_s:.0f} s); raise search.time_limit_s to {one_pair_s * plan.search.pairs * 1.2:.0f}"
    )
    return Note("schedule-cut", text, None, {"pairs": pairs, "wanted": plan.search.pairs, "pair_s": one_pair_s})

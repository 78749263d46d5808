"""The stages of one sweep, made from the plan: pure, the first step of the load.

    plan -> stages (what a sweep does) -> schedule (in which order) -> pacing (when each seat starts)

The rates of ramp, steps, spike, soak and list stand in the plan; those of a probe are fractions of a rough limit that
was found first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from records.plan import Plan
from records.plan_rules import planned_rates, ramp_seconds
from records.stage import Stage
from swarm.templates import MIX

PROBE_WARMUP_S = 1
LEAST_REQUESTS = 1_000
"""Of a trial: a p99 has ten requests beyond it then."""
LONGEST_TRIAL_S = 10
_LEAST_IN_TURNS = 4
SAME_LOAD = "same-load"
"""The name of a search's stage at which both twins are compared."""
SAME_LOAD_APART = 0.2
"""A stage of a curve that is so near the one at the same load, relatively, makes way for it."""
REST_S = 1
"""Between trials of a sweep nothing is sent for so long; what waits for a connection is dropped after a warm-up."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sweep stands in a run: one pass of the stages with one workload on one twin."""

    twin: str
    endpoint: str
    pair: int
    block: int


@dataclass(frozen=True, slots=True)
class _Step:
    """`rate_rps` None: a closed loop of `users`, or a live stage."""

    name: str
    rate_rps: float | None
    users: int | None
    warmup_s: int
    measure_s: int
    live: bool = False


def probe_stage(plan: Plan, place: Place, stage_id: int) -> Stage:
    """Return the short burst that finds a rough limit: everyone who can be served at once goes on at once.

    Those are the seats, or with the native schedule as many users as there are connections to the twin.
    """
    users = None
    if plan.swarm.sender == "native-schedule":
        users = plan.engine.connections * len(serving(plan, place.twin, place.endpoint))
    return Stage(
        id=stage_id, name="probe", kind="probe", twin=place.twin, endpoint=place.endpoint, pair=place.pair,
        block=place.block, rate_rps=None, warmup_s=PROBE_WARMUP_S, measure_s=plan.stages.probe_s, users=users,
    )  # fmt: skip


def sweep_stages(
    plan: Plan, place: Place, first_id: int, limit_rps: float | None = None, same_rps: float | None = None
) -> tuple[Stage, ...]:
    """Return the stages of one sweep, back to back.

    Args:
        plan: the plan; `limit_rps` is read for kind "probe" alone.
        place: twin, endpoint, pair and block of the sweep.
        first_id: id of the first stage; the others follow.
        limit_rps: the rough limit that the fractions refer to, > 0.
        same_rps: a load at which twins are compared gets a stage of its own, in place of what is planned nearby.
    Raises: ValueError when kind is "probe" and there is no limit.
    """
    steps = tuple(_steps(plan, limit_rps))
    if same_rps is not None:
        far = [step for step in steps if abs((step.rate_rps or 0.0) / same_rps - 1) > SAME_LOAD_APART]
        steps = tuple(sorted((*far, _same_load_step(plan, same_rps)), key=lambda step: step.rate_rps or 0.0))
    return _stages(plan, place, first_id, steps)


def same_load_stage(plan: Plan, place: Place, rate_rps: float) -> Stage:
    """Return the stage at which both twins of a pair are compared, without an id."""
    return _stages(plan, place, 0, [_same_load_step(plan, rate_rps)])[0]


def overhead_s(plan: Plan) -> float:
    """Return what a sweep takes beside its stages: its drain, the last reports, and until the next begins.

    It begins on a whole second: on the next one where one process sends by schedule, for that one knows when all is
    told and needs no time to be reached; else a second later.
    """
    return 1.0 if plan.swarm.sender == "native-schedule" and plan.swarm.processes == 1 else 2.0


def same_load_seconds(plan: Plan) -> int:
    """Return how long a search measures at the same load: for long where CPU is asked for, else as other stages."""
    asks = "cpu_s_per_1k" in plan.verdict.ask
    return max(plan.search.same_load_s, plan.stages.measure_s) if asks else plan.stages.measure_s


def _same_load_step(plan: Plan, rate_rps: float) -> _Step:
    return _Step(SAME_LOAD, rate_rps, None, plan.stages.warmup_s, same_load_seconds(plan))


def _stages(plan: Plan, place: Place, first_id: int, steps: Iterable[_Step]) -> tuple[Stage, ...]:
    before_rps, stages = 0.0, []
    for stage_id, step in enumerate(steps, start=first_id):
        ramp_s = 0.0 if step.rate_rps is None else ramp_seconds(before_rps, step.rate_rps, plan.swarm)
        stages.append(
            Stage(
                id=stage_id,
                name=step.name,
                kind="measure",
                twin=place.twin,
                endpoint=place.endpoint,
                pair=place.pair,
                block=place.block,
                rate_rps=step.rate_rps,
                warmup_s=max(step.warmup_s, math.ceil(ramp_s)),
                measure_s=step.measure_s,
                ramp_s=ramp_s,
                loop="closed" if plan.is_closed_loop else "open",
                users=step.users,
                live=step.live,
            )
        )
        before_rps = step.rate_rps or 0.0
    return tuple(stages)


def _steps(plan: Plan, limit_rps: float | None) -> Iterator[_Step]:
    stages = plan.stages
    if stages.kind == "probe":
        if limit_rps is None or not limit_rps > 0:
            raise ValueError(f'limit_rps = {limit_rps}: kind = "probe" needs a rough limit above 0, from a probe stage')
        for fraction in stages.fractions:
            yield _Step(f"at-{fraction:g}", round(limit_rps * fraction, 2), None, stages.warmup_s, stages.measure_s)
        return
    if stages.kind == "live":
        yield _Step("live", None, None, stages.warmup_s, stages.measure_s, live=True)
        return
    has_users_alone = plan.swarm.sender == "native-schedule" and plan.is_closed_loop
    measured_s = [listed.measure_s for listed in stages.list_ or []] if stages.kind == "list" else []
    for number, (name, rate_rps, users, warmup_s) in enumerate(planned_rates(stages, plan.swarm)):
        measure_s = measured_s[number] if measured_s else stages.measure_s
        yield _Step(name, None if has_users_alone else rate_rps, users, warmup_s, measure_s)


def serving(plan: Plan, twin: str, endpoint: str) -> tuple[str, ...]:
    """Return the names of the twin's instances that a sweep asks: those that serve one of its workload entries."""
    entries = {entry.name for entry in plan.workload if entry.weight > 0} if endpoint == MIX else {endpoint}
    return tuple(instance.name for instance in plan.twins[twin].instances if entries & set(instance.serves))


def ladder_turns(rates_rps: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    """Return in which turns the loads of a ladder are driven, a sweep each.

    Args:
        rates_rps: rising.

    A low load and a high one make a turn, from the outside in, so that a good trial comes before each that may be bad:
    of four, the first and the fourth, then the second and the third. Of fewer than four all may be bad: one turn.
    """
    if len(rates_rps) < _LEAST_IN_TURNS:
        return (tuple(rates_rps),) if rates_rps else ()
    half = -(-len(rates_rps) // 2)
    lows, highs = rates_rps[:half], rates_rps[half:][::-1]
    both = itertools.zip_longest(lows, highs)
    return tuple(tuple(rate for rate in turn if rate is not None) for turn in both)


def trial_stages(
    plan: Plan, place: Place, ids: Iterator[int], rates_rps: Sequence[float], *, rests: bool
) -> tuple[Stage, ...]:
    """Return trials of the capacity search, one a rate, as a sweep.

    Args:
        plan: the plan.
        place: twin, endpoint, pair and block.
        ids: gives the stages their ids.
        rates_rps: in the order driven.
        rests: with a rest behind each but the last, for it may overload the twin.
    """
    stages: list[Stage] = []
    for rate_rps in rates_rps:
        if stages and rests:
            stages.append(rest_stage(plan, place, next(ids)))
        stages.append(_trial_stage(plan, place, next(ids), rate_rps))
    return tuple(stages)


def _trial_stage(plan: Plan, place: Place, stage_id: int, rate_rps: float) -> Stage:
    """Return one trial; LONGEST_TRIAL_S ends what is run longer for the sake of requests."""
    return Stage(
        id=stage_id, name="trial", kind="trial", twin=place.twin, endpoint=place.endpoint, pair=place.pair,
        block=place.block, rate_rps=rate_rps, warmup_s=plan.stages.warmup_s, measure_s=trial_seconds(plan, rate_rps),
        loop="closed" if plan.is_closed_loop else "open",
    )  # fmt: skip


def trial_seconds(plan: Plan, rate_rps: float) -> int:
    """Return how long a trial at a rate is measured."""
    return max(plan.search.trial_s, min(math.ceil(LEAST_REQUESTS / rate_rps), LONGEST_TRIAL_S))


def rest_stage(plan: Plan, place: Place, stage_id: int, pause_s: int = REST_S) -> Stage:
    """Return a pause in which nothing is sent."""
    return Stage(
        id=stage_id, name="rest", kind="rest", twin=place.twin, endpoint=place.endpoint, pair=place.pair,
        block=place.block, rate_rps=0.0, warmup_s=0, measure_s=pause_s,
        loop="closed" if plan.is_closed_loop else "open",
    )  # fmt: skip

"""The order of a capacity search: one pair of blocks after the other until enough is known. Pure; part of the schedule.

    pair 0: every endpoint, both twins: the planned stages (the curve), then a search from the rough limit
    pair 1, 2, …: one stage at the same load for both twins, and a search from where those before it ended

The two blocks of a pair take turns (`swarm.turns`). Where hooks put a twin's state back before its block, that block
stays whole: the other one would meet, or undo, what they did.

Where probes were driven, the same load is set by the smaller of both rough limits, before anything else, so that the
first pair's curve has its stage too. It is measured for longer than a trial: a twin's cost per answer falls as its rate
grows, so trials at other loads say nothing of it, and a lower load tells less in the same time.

A twin's first block is searched by ladders (`swarm.search`), a turn for each low and high load of one, until its
bounds are narrow. Later blocks are walks, a turn for each trial: they end at their first two bounds, for many pairs of
them say more than few exact ones. Only where lateness grows so gently with the rate that all trials count together
(`Standing.gentle`) they are ladders too: a walk's few trials lie too far from the limit there. The order within pairs
is drawn by seed: of pairs 0 and 1 one begins with each twin, and so on, so that it is balanced wherever they end.

Three pairs are what an interval takes. Where the time allows for three of the least that a block may be, every block of
them gets its share of what is left beyond that, and ends with the bounds that it has by then: six minutes for two
endpoints are three rough pairs rather than one exact one.

The first block of a twin begins where its probe found the limit, or higher where its curve answered more: a probe of
two seconds may meet a slow moment. All blocks behind it begin around the mean of those before (`swarm.starts`), each on
a grid drawn anew: a block that began where the one before it ended would carry its error on, and an interval over
blocks must not.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from records.plan import Plan
from records.stage import Stage, StageLine
from swarm.search import Bounds, Goal, Search, relevant_bounds
from swarm.stages import (
    REST_S,
    SAME_LOAD,
    Place,
    ladder_turns,
    overhead_s,
    rest_stage,
    same_load_seconds,
    same_load_stage,
    sweep_stages,
    trial_seconds,
    trial_stages,
)
from swarm.starts import Start, start_of
from swarm.trials import Counts, Trial, evidence_of
from swarm.turns import Sweeps, in_turns

START_OF_LIMIT = 0.95
"""Where the first search begins, of the twin's own rough limit."""
SAME_LOAD_OF_ROUGH = 0.7
"""The load at which both twins are compared, of the smaller rough limit: both carry it, neither is nearly idle."""
SAME_LOAD_OF_LEAST = 0.8
"""Without rough limits: the largest planned load within this share of the smaller bound of the first pair."""
LEAST_PAIRS = 3
"""So many are shared the time for, as an interval takes."""
RESERVE = 1.04
"""So much more than the usual time is kept for pairs to come: now and then a sweep begins a second later."""
WALK_TRIALS: Final = 3
"""A walk takes so many as a rule."""
MOST_DRIVEN = 2
"""So many times `Goal.most_trials` are driven at most, those that gave no evidence included."""

Count = Callable[[StageLine], Counts]


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether enough is known, and in words what is, or what is not.

    `gentle` are the endpoints at which a twin's lateness grows gently with the rate.
    """

    is_enough: bool
    text: str
    gentle: frozenset[str] = frozenset()


Enough = Callable[[Sequence[Trial]], Standing]


@dataclass(frozen=True, slots=True)
class Keep:
    """Seconds that a block leaves to those behind it: the least for each, and with `fair_s` their share beyond that.

    A block that has not seen both sides of the limit yet is of no use and may take all that is beyond the least.
    """

    least_s: float = 0.0
    fair_s: float = 0.0


@dataclass(slots=True)
class CapacityPairs:
    """The state of a capacity search over the pairs.

    Args:
        plan: stages, SLO, search.
        twins, endpoints: what is driven.
        limits_rps: rough limits by endpoint, of the larger twin (for the planned stages).
        own_rps: rough limits by (twin, endpoint), where the searches begin; empty when no probe was driven.
        ids: gives the stages their ids.
        count: gives a finished stage's counts.
        enough: says whether the trials so far suffice.
        left_s: seconds that are left.
        tell: gets what happened, as text and figures.
    """

    plan: Plan
    twins: tuple[str, ...]
    endpoints: tuple[str, ...]
    limits_rps: dict[str, float]
    own_rps: dict[tuple[str, str], float]
    ids: Iterator[int]
    count: Count
    enough: Enough
    left_s: Callable[[], float]
    tell: Callable[[str, dict[str, float]], None]
    trials: list[Trial] = field(default_factory=list)
    _found: dict[tuple[str, str], list[Bounds]] = field(default_factory=dict)
    _gentle: frozenset[str] = frozenset()
    _counts: dict[int, Counts] = field(default_factory=dict)
    _answered_rps: dict[tuple[str, str], float] = field(default_factory=dict)

    def run(self) -> Sweeps:
        """Yield sweeps until enough is known or the next pair would not fit the time."""
        shares = self._slack_s(0, 0) >= 0
        for pair in itertools.count():
            done = 0
            for places in self._together(pair):
                keep = self._keep(places, done) if shares and pair < LEAST_PAIRS else Keep()
                yield from self._counted(in_turns([self._search(place, keep) for place in places]))
                done += len(places)
            standing, driven = self.enough(tuple(self.trials)), f"{pair + 1} pair{'s' if pair else ''}"
            self._gentle = standing.gentle
            if standing.is_enough:
                self.tell(f"{driven}: {standing.text}", {"pairs": pair + 1})
                return
            next_s = self._usual_s()
            if next_s > self.left_s():
                limit_s = self.plan.search.time_limit_s
                up = f"the time limit of {limit_s:g} s is reached (one takes {next_s:.0f} s more)"
                said = f"; {standing.text}" if standing.text else ""
                self.tell(f"{driven}: {up}{said}", {"pairs": pair + 1, "pair_s": next_s})
                return

    def _counted(self, sweeps: Sweeps) -> Sweeps:
        """Pass sweeps on; count the trials of each once it is over, for whoever drives forgets its seconds then."""
        lines: tuple[StageLine, ...] | None = None
        with suppress(StopIteration):
            while True:
                lines = yield (next(sweeps) if lines is None else sweeps.send(lines))
                self._counts |= {line.stage.id: self.count(line) for line in lines if line.stage.kind == "trial"}

    def _together(self, pair: int) -> Iterator[tuple[Place, ...]]:
        """Yield the blocks of a pair in the order driven; those of one tuple take turns."""
        order = pair_order(self.twins, pair, self.plan.search.seed)
        blocks = tuple(enumerate(order, start=pair * len(order)))
        if self.plan.hook_commands:
            for (block, twin), endpoint in itertools.product(blocks, self.endpoints):
                yield (Place(twin, endpoint, pair, block),)
        else:
            for endpoint in self.endpoints:
                yield tuple(Place(twin, endpoint, pair, block) for block, twin in blocks)

    def _usual_s(self, pair: int = 1) -> float:
        """Return how long a pair takes in which every block takes the least: what is worth beginning."""
        places = [Place(*each, pair, pair) for each in itertools.product(self.twins, self.endpoints)]
        return sum(self._least_s(place) for place in places)

    def _least_s(self, place: Place) -> float:
        """Return how long a block takes that is a walk, or in which one ladder is enough: so much until it is known."""
        start = self._start(place)
        ladder = ladder_turns([start.around_rps] * goal_of(self.plan).rungs)
        turns = ((start.around_rps,),) * WALK_TRIALS if self._is_found and start.is_walk else ladder
        return self._ahead_s(place) + self._turns_s(turns)

    def _turns_s(self, turns: Sequence[Sequence[float]]) -> float:
        """Return how long trials take, of which each turn is a sweep."""
        trials_s = sum(self.plan.stages.warmup_s + trial_seconds(self.plan, rate) for turn in turns for rate in turn)
        rests_s = REST_S * max(0, len(turns[0]) - 1) if _rests(turns) else 0
        return overhead_s(self.plan) * len(turns) + trials_s + rests_s

    def _ahead_s(self, place: Place) -> float:
        """Return how long the stages ahead of a block's first trials take."""
        ahead_s = float(sum(stage.length_s for stage in self._stages(place)))
        return ahead_s if place.pair or not ahead_s else overhead_s(self.plan) + ahead_s + rest_s_of(self.plan)

    @property
    def _is_found(self) -> bool:
        return len(self._found) == len(self.twins) * len(self.endpoints)

    def _slack_s(self, pair: int, done: int) -> float:
        """Return what is left of the time beyond the least for each block to come, to the end of the third pair.

        `done` blocks of the pair are over.
        """
        least_s = sum(self._usual_s(min(later, 1)) for later in range(pair, LEAST_PAIRS))
        over_s = self._usual_s(min(pair, 1)) * done / (len(self.twins) * len(self.endpoints))
        return self.left_s() - RESERVE * (least_s - over_s)

    def _keep(self, places: Sequence[Place], done: int) -> Keep:
        """Return what the blocks that take turns leave to those behind them, of the time left when they begin."""
        behind = (LEAST_PAIRS - places[0].pair) * len(self.twins) * len(self.endpoints) - done
        slack_s = max(0.0, self._slack_s(places[0].pair, done))
        least_s = self.left_s() - sum(self._least_s(place) for place in places) - slack_s
        return Keep(least_s, least_s + slack_s * (1 - len(places) / behind))

    def _limit(self, place: Place) -> float | None:
        return self.limits_rps.get(place.endpoint)

    def _planned(self, place: Place) -> tuple[Stage, ...]:
        """Return the stages ahead of a block's first trials.

        A curve goes far beyond the limit: a rest ends it where what it left waiting outlasts the pause between sweeps.
        """
        ahead, rest_s = tuple(replace(stage, id=next(self.ids)) for stage in self._stages(place)), rest_s_of(self.plan)
        if not ahead or place.pair or not rest_s:
            return ahead
        return (*ahead, rest_stage(self.plan, place, next(self.ids), rest_s))

    def _stages(self, place: Place) -> tuple[Stage, ...]:
        """Return the stages ahead of a block's first trials, without ids."""
        same_rps = self._same_rps(place)
        if not place.pair:
            return sweep_stages(self.plan, place, 0, self._limit(place), same_rps)
        if same_rps is not None:
            return (same_load_stage(self.plan, place, same_rps),)
        return self._planned_same_load(sweep_stages(self.plan, place, 0, self._limit(place)))

    def _same_rps(self, place: Place) -> float | None:
        """Return the load at which both twins are compared; None where a twin's rough limit is not known."""
        limits = [self.own_rps.get((twin, place.endpoint), 0.0) for twin in self.twins]
        return round(SAME_LOAD_OF_ROUGH * min(limits), 2) or None

    def _planned_same_load(self, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        """Return the planned stage at which later pairs compare both twins; () when no rate is planned."""
        rated = [stage for stage in stages if stage.rate_rps is not None]
        if not rated:
            return ()
        chosen = rated[0]  # until the first pair is over: all are of the same length
        if self._is_found:
            least = min(self._found[twin, chosen.endpoint][0].lower_rps or 0.0 for twin in self.twins)
            fitting = [s for s in rated if _rate(s) <= SAME_LOAD_OF_LEAST * least]
            chosen = max(fitting, key=_rate) if fitting else min(rated, key=_rate)
        return (replace(chosen, measure_s=max(chosen.measure_s, same_load_seconds(self.plan))),)

    def _search(self, place: Place, keep: Keep) -> Sweeps:
        """Drive a block's trials; the stages ahead share the first turn's sweep, a curve has its own.

        Beyond its first trials a block takes nothing of what it keeps for others, nor of what is not left, but for the
        first pair where nothing is kept. A stage at the same load that was invalid is driven once more: without it the
        pair would be lost to the comparison there.
        """
        plan, again = self.plan, True
        mine: list[Trial] = []
        evidence = evidence_of(mine, plan.slo)
        ahead = self._planned(place)
        if ahead and not place.pair:
            lines = yield ahead
            ahead, again = self._repeated(lines), False
            self._answered_rps[place.twin, place.endpoint] = _most_answered(lines)
        search, ahead_s = self._begin(place), sum(stage.length_s for stage in ahead)
        while len(mine) < MOST_DRIVEN * search.goal.most_trials:
            turns = ladder_turns(search.next_rates(evidence.outcomes)) or (((),) if ahead else ())
            bounds = relevant_bounds(evidence.outcomes, search.goal)
            is_open = bounds.lower_rps is None or bounds.upper_rps is None
            kept_s = keep.least_s if is_open else keep.fair_s
            bounded = place.pair or (mine and keep.fair_s)
            takes_s = ahead_s + self._turns_s(turns)
            if not turns or (bounded and takes_s > self.left_s() - (kept_s if mine else 0.0)):
                break
            for turn in turns:
                lines = yield (*ahead, *trial_stages(plan, place, self.ids, turn, rests=_rests(turns)))
                ahead = self._repeated(lines) if again else ()
                again = False
                mine += [Trial(line, self._counts.pop(line.stage.id)) for line in lines if line.stage.kind == "trial"]
            ahead_s = sum(stage.length_s for stage in ahead)
            evidence = evidence_of(mine, plan.slo)
        self.trials += mine
        bounds = relevant_bounds(evidence.outcomes, search.goal)
        self._found.setdefault((place.twin, place.endpoint), []).append(bounds)
        self.tell(*_ended(place, bounds, len(mine), is_walk=search.goal.is_walk))

    def _repeated(self, lines: Sequence[StageLine]) -> tuple[Stage, ...]:
        """Return the stage at the same load, to be driven once more, where it was invalid."""
        measured = [line for line in lines if line.stage.kind == "measure" and line.valid is False]
        bad = [line.stage for line in measured if line.stage.pair or line.stage.name == SAME_LOAD]
        return tuple(replace(stage, id=next(self.ids)) for stage in bad)

    def _begin(self, place: Place) -> Search:
        """Return a block's search, its grid drawn from the seed."""
        rng = random.Random(f"grid/{self.plan.search.seed}/{place.twin}/{place.endpoint}/{place.block}")  # noqa: S311
        return self._start(place).search(goal_of(self.plan), rng)

    def _start(self, place: Place) -> Start:
        found = self._found.get((place.twin, place.endpoint), ())
        return start_of(found, self._rough_rps(place), goal_of(self.plan), walks=self._walks(place))

    def _walks(self, place: Place) -> bool:
        """Say whether a block is a walk, where both bounds are known before it."""
        return place.pair > 0 and place.endpoint not in self._gentle

    def _rough_rps(self, place: Place) -> float:
        """Return the rate that a twin's first block begins around: what probe and curve found, or planned."""
        key = place.twin, place.endpoint
        own = max(self.own_rps.get(key, 0.0), self._answered_rps.get(key, 0.0))
        if key in self.own_rps and own:
            return START_OF_LIMIT * own
        rates = [stage.rate_rps for stage in sweep_stages(self.plan, place, 0, None) if stage.rate_rps is not None]
        return max(rates, default=100.0)


def _rests(turns: Sequence[Sequence[float]]) -> bool:
    """Say whether a turn's trials have rests between them: of one turn alone all may be bad."""
    return len(turns) == 1


def _most_answered(lines: Sequence[StageLine]) -> float:
    """Return the most good answers a second that a valid stage of a curve had; 0 without one."""
    valid = [line for line in lines if line.stage.kind == "measure" and line.valid is not False]
    return max((line.good / line.stage.measure_s for line in valid), default=0.0)


def rest_s_of(plan: Plan) -> int:
    """Return how long a twin rests behind a curve, beside the pause between two sweeps.

    What still waits then is as much as it answers in the time limit of the queue.
    """
    return max(0, REST_S + math.ceil(plan.engine.queue_limit_s - overhead_s(plan)))


def goal_of(plan: Plan) -> Goal:
    """Return what the searches of a plan are to reach."""
    return Goal(width_ratio=plan.search.capacity_width, most_excess=plan.search.most_excess)


def pair_order(twins: tuple[str, ...], pair: int, seed: int) -> tuple[str, ...]:
    """Return the order of twins within a pair: of pairs 0 and 1 one begins with each twin, of 2 and 3, and so on."""
    first = random.Random(f"order/{seed}/{pair // 2}").random() < 0.5  # noqa: S311 - a draw that must be repeatable
    return twins if first == (pair % 2 == 0) else twins[::-1]


def _rate(stage: Stage) -> float:
    return stage.rate_rps or 0.0


def _ended(place: Place, bounds: Bounds, driven: int, *, is_walk: bool) -> tuple[str, dict[str, float]]:
    lower, upper = bounds.lower_rps, bounds.upper_rps
    figures = {"pair": float(place.pair), "block": float(place.block), "trials": float(driven)}
    if lower is not None:
        figures["lower_rps"] = lower
    if upper is not None:
        figures["upper_rps"] = upper
    if lower is None and upper is None:
        said = "no trial gave evidence"
    elif upper is None:
        said = f"at least {lower:.0f} requests a second"
    elif lower is None:
        said = f"below {upper:.0f} requests a second"
    else:
        said = f"capacity between {lower:.0f} and {upper:.0f} requests a second"
    state = "" if is_walk or bounds.reached or upper is None else ", not confirmed"
    return f"{place.twin} {place.endpoint}, pair {place.pair + 1}: {said} ({driven} trials{state})", figures

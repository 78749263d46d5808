"""Which resource bound a twin where its limit was not seen, by hand: trials of one block."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.binding import Binding, Seen, binding_of
from analysis.capacity import block_capacities, capacity_of
from analysis.curve import Curve
from benchmarks.truth.virtual import make_plan
from records.stage import Stage, StageLine
from swarm.trials import Counts, Trial

PLAN = make_plan(20.0, seed=1, time_limit_s=360, ratio_width=0.05)


def bound_of(tried: Sequence[tuple[float, bool]]) -> Binding:
    """Return what bound a twin whose trials were all good: rates, and whether each was valid."""
    trials = []
    for number, (rate_rps, valid) in enumerate(tried):
        stage = Stage(number, "trial", "trial", "baseline", "known", 0, 0, rate_rps, 1, 2)
        line = StageLine(0, "", stage, "x", 1, 100 * number, None, 0, 0, valid=valid)
        trials.append(Trial(line, Counts(2000, 0, 0, 2000, 2000, None, 0)))
    blocks = block_capacities(trials, PLAN)
    capacity = capacity_of(blocks, "baseline", "known", PLAN)
    return binding_of(Seen(Curve("baseline", "known", ()), None, capacity, blocks, (), None))


def test_a_search_that_the_time_ended_below_the_limit_blames_nobody() -> None:
    found = bound_of([(1000.0, True), (1050.0, True)])
    assert (found.resource, found.why) == ("unknown", "the time was up before a trial met the limit")


def test_trials_that_were_no_evidence_blame_the_generator() -> None:
    assert bound_of([(1000.0, True), (1050.0, False), (1050.0, False)]).resource == "generator"

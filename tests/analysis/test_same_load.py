"""At which rate twins are compared, and what is paired there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.cost_ratio import cost_ratio, is_waited_for
from analysis.curve import BlockPoint, Curve, CurvePoint, Quantiles
from analysis.figures import cpu_s_per_1k
from analysis.proof import proof_of
from analysis.same_load import Memory, best_rate, same_load
from benchmarks.truth.virtual import make_plan

UNKNOWN = Memory(None, None)
PLAN = make_plan(20.0, seed=1, time_limit_s=360, ratio_width=0.05)
NONE = Quantiles(None, None, None, None)


def point(rate_rps: float, cores: dict[int, float | None], *, valid: bool = True, carried: float = 1.0) -> CurvePoint:
    """Return a point at a rate with a block a pair, of so many cores each."""
    answered = carried * rate_rps
    blocks = tuple(
        BlockPoint(pair, pair, pair, rate_rps, answered, answered, NONE, used, None, None, False, valid, ())
        for pair, used in cores.items()
    )
    return CurvePoint(
        "open", None, rate_rps, answered, 0, len(blocks), NONE, None, None, proof_of([]), {}, {}, valid, (), (),
        blocks, rate_rps, arrived_rps=rate_rps,
    )  # fmt: skip


def curve(*points: CurvePoint) -> Curve:
    return Curve("twin", "known", points)


def test_a_rate_of_three_pairs_goes_before_a_higher_one_of_fewer() -> None:
    assert best_rate({400.0: 3, 800.0: 2, 900.0: 1}) == 400.0
    assert best_rate({400.0: 3, 500.0: 7}) == 500.0  # three are enough for an interval
    assert best_rate({400.0: 1, 500.0: 2, 600.0: 1}) == 500.0
    assert best_rate({400.0: 1, 500.0: 1}) == 500.0


@given(st.dictionaries(st.floats(1, 1e6), st.integers(0, 9), min_size=1))
def test_no_other_rate_of_as_many_pairs_is_higher(pairs: dict[float, int]) -> None:
    best = best_rate(pairs)
    assert all(rate <= best or min(count, 3) < min(pairs[best], 3) for rate, count in pairs.items())


def test_twins_are_compared_at_the_highest_rate_that_both_carried_in_three_pairs() -> None:
    three = {0: 0.4, 1: 0.4, 2: 0.4}
    found = same_load(
        curve(point(400, three), point(800, {0: 0.8}), point(900, three, valid=False)),
        curve(point(400, three), point(800, {0: 0.4}), point(900, three)),
        UNKNOWN, UNKNOWN,
    )  # fmt: skip
    assert found is not None
    assert found.rate_rps == 400
    assert same_load(curve(point(400, three)), curve(point(500, three)), UNKNOWN, UNKNOWN) is None
    assert same_load(curve(point(400, three, carried=0.9)), curve(point(400, three)), UNKNOWN, UNKNOWN) is None


def test_cpu_of_a_thousand_answers_is_unknown_where_either_is() -> None:
    assert cpu_s_per_1k(0.5, 250.0) == 2.0
    assert cpu_s_per_1k(None, 250.0) is None
    assert cpu_s_per_1k(0.5, 0.0) is None


def test_the_ratio_that_a_search_waits_for_is_paired_and_widened_for_its_stop() -> None:
    base, cand = point(400, {0: 0.4, 1: 0.4, 2: 0.4, 3: None}), point(400, {0: 0.2, 1: 0.2, 2: 0.21, 3: 0.3})
    same = same_load(curve(base), curve(cand), UNKNOWN, UNKNOWN)
    assert same is not None
    ratio = cost_ratio(same, PLAN)
    assert ratio is not None
    assert (ratio.pairs, ratio.interval) == (3, "t95")
    assert ratio.value == pytest.approx((0.5 * 0.5 * 0.525) ** (1 / 3))
    # log-ratios spread by 0.02817; too wide for 5 %, so that time ended it: t(2) at 97 % is 5.643
    assert ratio.hi is not None
    assert ratio.hi / ratio.value == pytest.approx(1.0961, rel=1e-3)
    assert "wider than asked" in ratio.note


def test_under_three_pairs_there_is_minimum_and_maximum_and_without_any_none() -> None:
    def of(cores: dict[int, float | None]) -> object:
        same = same_load(curve(point(400, {0: 0.4, 1: 0.4})), curve(point(400, cores)), UNKNOWN, UNKNOWN)
        assert same is not None
        found = cost_ratio(same, PLAN)
        return None if found is None else (found.pairs, found.interval)

    assert of({0: 0.2, 1: 0.3}) == (2, "range")
    assert of({0: None, 1: None}) is None


def test_only_a_search_that_is_asked_for_cpu_waits_for_it() -> None:
    assert not is_waited_for(PLAN)
    asked = PLAN.model_copy(update={"verdict": PLAN.verdict.model_copy(update={"ask": ["cpu_s_per_1k"]})})
    assert is_waited_for(asked)
    curve_mode = {"search": PLAN.search.model_copy(update={"mode": "curve"})}
    assert not is_waited_for(asked.model_copy(update=curve_mode))

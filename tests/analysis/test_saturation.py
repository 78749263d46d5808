"""Saturation throughput from curves, block by block."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.curve import BlockPoint, Curve, CurvePoint, Quantiles
from analysis.proof import SenderProof
from analysis.ratio import ratios_of
from analysis.saturation import saturation_of

NO_TIMES = Quantiles(None, None, None, None)


def block(number: int, offered: float, achieved: float, *, past: bool, valid: bool = True) -> BlockPoint:
    return BlockPoint(
        number * 100 + int(offered), number, number, offered, achieved, achieved, NO_TIMES, 0.5, 50.0, 1e8, past, valid,
        () if valid else ("the generator was the limit",),
    )  # fmt: skip


def curve(*blocks: BlockPoint) -> Curve:
    rates = sorted({one.at_rps for one in blocks})
    return Curve("go", "balance", tuple(_point(rate, [b for b in blocks if b.at_rps == rate]) for rate in rates))


def _point(rate: float, blocks: list[BlockPoint]) -> CurvePoint:
    return CurvePoint(
        "closed", None, rate, 0.0, 0, len(blocks), NO_TIMES, None, None, SenderProof(), {}, {}, True, (), (),
        tuple(blocks), rate,
    )  # fmt: skip


def test_a_block_gives_the_mean_of_its_stages_past_saturation() -> None:
    found = saturation_of(
        curve(
            block(0, 500, 500, past=False), block(0, 900, 780, past=True), block(0, 1_000, 820, past=True),
            block(1, 500, 500, past=False), block(1, 900, 860, past=True), block(1, 1_000, 860, past=True),
        )
    )  # fmt: skip
    assert found is not None
    assert [one.value_rps for one in found.blocks] == [800.0, 860.0]
    interval = found.interval
    assert (interval.value, interval.lo, interval.hi, interval.kind, found.at_least) == (830, 800, 860, "range", False)


def test_without_a_stage_past_saturation_the_most_achieved_is_a_lower_bound() -> None:
    found = saturation_of(curve(block(0, 500, 500, past=False), block(0, 900, 880, past=False)))
    assert found is not None
    assert (found.interval.value, found.at_least) == (880.0, True)


def test_invalid_stages_do_not_count() -> None:
    found = saturation_of(curve(block(0, 500, 500, past=False), block(0, 900, 400, past=True, valid=False)))
    assert found is not None
    assert (found.interval.value, found.at_least) == (500.0, True)


def test_nothing_valid_is_no_saturation() -> None:
    assert saturation_of(curve()) is None
    assert saturation_of(curve(block(0, 900, 400, past=True, valid=False))) is None


@given(st.lists(st.tuples(st.floats(1, 1e5), st.booleans()), min_size=1, max_size=8))
def test_the_value_lies_between_the_least_and_the_most_achieved(stages: list[tuple[float, bool]]) -> None:
    found = saturation_of(curve(*(block(0, 100.0 + i, a, past=past) for i, (a, past) in enumerate(stages))))
    achieved = [a for a, _ in stages]
    assert found is not None
    assert min(achieved) * (1 - 1e-9) <= found.interval.value <= max(achieved) * (1 + 1e-9)
    assert found.at_least == (not any(past for _, past in stages))


def test_a_ratio_with_an_unsaturated_twin_says_that_it_is_a_bound() -> None:
    full = saturation_of(curve(block(0, 900, 800, past=True)))
    open_ = saturation_of(curve(block(0, 900, 880, past=False)))
    for baseline, candidate, bound in ((full, open_, "at_least"), (open_, full, "at_most"), (full, full, None)):
        ratio = ratios_of(baseline, candidate, None).saturation
        assert ratio is not None
        assert ratio.bound == bound
        assert (bound or "").replace("_", " ") in ratio.note
    assert ratios_of(open_, open_, None).saturation is None  # would compare the load, not the twins
    assert ratios_of(full, None, None).saturation is None
    same = ratios_of(full, full, None).saturation
    assert same is not None
    assert same.value == pytest.approx(1.0)

"""The crossing of all blocks: its pseudo-values by hand, its coverage on drawn queues, and when it says nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.crossing import crossing
from analysis.pooled import Shares, is_gentle, is_wider, pooled
from analysis.stopping import half_width

WIDTH_LOG = math.log(1.02)


def block(rng: np.random.Generator, at: float, slope: float, trials: int = 6) -> Shares:
    """Return trials around a limit, late in clumps: a Poisson number of them, of sizes that differ."""
    x = at + rng.normal(0, 0.04, trials)
    expected = 0.01 * np.exp(slope * (x - at))
    clumps = rng.poisson(expected / 0.004)
    share = np.array([rng.exponential(0.004, count).sum() for count in clumps])
    return tuple(zip(x.tolist(), share.tolist(), strict=True))


def test_pseudo_values_are_n_times_all_less_the_rest_without_a_block() -> None:
    rng = np.random.default_rng(1)
    blocks = [block(rng, 7.0, 15.0, 12) for _ in range(3)]
    found = pooled(blocks, 7.0, WIDTH_LOG)
    assert found is not None
    rest = crossing(*zip(*(blocks[1] + blocks[2]), strict=True))
    assert found.pseudo[0] == pytest.approx(3 * found.log_rps - 2 * rest.log_rps, abs=2e-3)


def test_intervals_of_pseudo_values_hold_the_limit_about_as_often_as_they_say() -> None:
    rng, holds, runs = np.random.default_rng(2), 0, 200
    for _ in range(runs):
        found = pooled([block(rng, 7.0, 15.0) for _ in range(6)], 7.02, WIDTH_LOG)
        assert found is not None
        holds += abs(found.log_rps - 7.0) <= half_width(found.pseudo, 0.95)
    assert 0.88 <= holds / runs <= 0.99  # standard error 1.5 %


def test_where_blocks_begin_does_not_move_the_crossing() -> None:
    rng = np.random.default_rng(3)
    blocks = [block(rng, 7.0, 15.0) for _ in range(8)]
    left, right = pooled(blocks, 6.97, WIDTH_LOG), pooled(blocks, 7.03, WIDTH_LOG)
    assert left is not None
    assert right is not None
    assert left.log_rps == pytest.approx(right.log_rps, abs=0.01)


def test_a_sharp_limit_has_no_crossing() -> None:
    sharp: Shares = ((6.97, 0.0), (6.99, 0.0), (7.01, 0.4), (7.03, 0.7))
    assert pooled([sharp] * 3, 7.0, WIDTH_LOG) is None


def test_one_block_tells_a_gentle_slope_from_a_sharp_limit() -> None:
    rng = np.random.default_rng(6)
    assert is_gentle([block(rng, 7.0, 15.0, 8)], 7.0, WIDTH_LOG)
    assert not is_gentle([((6.97, 0.0), (6.99, 0.0), (7.01, 0.4), (7.03, 0.7))], 7.0, WIDTH_LOG)


def test_too_few_trials_near_it_or_none_that_was_late_give_no_crossing() -> None:
    assert pooled([((7.0, 0.02),)] * 3, 7.0, WIDTH_LOG) is None
    assert pooled([((6.9, 0.0), (7.0, 0.0), (7.1, 0.0))] * 3, 7.0, WIDTH_LOG) is None


def test_a_block_with_no_trial_near_the_crossing_gives_none() -> None:
    rng = np.random.default_rng(4)
    far: Shares = ((9.0, 0.2), (9.1, 0.2))
    assert pooled([block(rng, 7.0, 15.0), block(rng, 7.0, 15.0), far], 7.0, WIDTH_LOG) is None


def test_a_ratio_is_wider_where_f_of_both_variances_says_so() -> None:
    pseudo = [0.0, 0.1, 0.2]  # a standard deviation of 0.1; F(2, 2) at 0.1 % is 999, the square of 31.607
    assert is_wider(pseudo, [0.3, 0.3, 0.3 + 0.0031 * math.sqrt(3)], 1e-6)
    assert not is_wider(pseudo, [0.3, 0.3, 0.3 + 0.0032 * math.sqrt(3)], 1e-6)


def test_pairs_that_agree_by_chance_make_no_ratio_wider() -> None:
    pseudo, width = [0.4, 0.5, 0.6], math.sqrt(0.01 / 999 * 6)  # a variance of 0.01 is 999 times that of the least
    assert is_wider(pseudo, [0.3, 0.3, 0.3], 0.99 * width)
    assert not is_wider(pseudo, [0.3, 0.3, 0.3], 1.01 * width)

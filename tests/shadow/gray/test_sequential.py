"""Bets on blocks: by hand, against scipy, and fair whatever the block's outcome is."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, hypergeom

from shadow.gray.sequential import SHARE, SIZES, Blocks, Spread, Wealth, draws, gains


def one(bad_c: int, all_c: int, bad_b: int, all_b: int) -> Blocks:
    return Blocks(*(np.array([float(n)]) for n in (bad_c, all_c, bad_b, all_b)))


def gain(blocks: Blocks, bet: float, margin: float = 0.0) -> float:
    return float(gains(blocks, np.array([[bet]]), margin)[0, 0])


def test_a_small_block_by_hand() -> None:
    # Candidate: 1 of 1 bad. Baseline: 1 of 2 bad, so that its one drawn request is bad half of the time.
    assert gain(one(1, 1, 1, 2), 0.7) == pytest.approx(0.5 * math.tanh(0.7))
    # With failures given to half of the good ones it is bad in three of four cases.
    assert gain(one(1, 1, 1, 2), 0.7, 0.5) == pytest.approx(0.25 * math.tanh(0.7))


def test_a_side_without_requests_brings_nothing() -> None:
    assert gain(one(0, 0, 3, 10), 1.0) == 0.0
    assert gain(one(3, 10, 0, 0), 1.0) == 0.0


@pytest.mark.parametrize(
    ("bad", "every", "drawn"), [(3, 20, 7), (0, 9, 4), (9, 9, 4), (480, 1000, 50), (8, 1000, 1000)]
)
def test_draws_are_hypergeometric(bad: int, every: int, drawn: int) -> None:
    k, likely = draws(*(np.array([float(n)]) for n in (bad, every, drawn)))
    assert np.sum(likely) == pytest.approx(1, abs=1e-12)
    assert likely[0] == pytest.approx(hypergeom.pmf(k[0], every, bad, drawn), abs=1e-12)


def test_a_gain_is_the_mean_over_all_draws_and_given_failures() -> None:
    all_c, bad_c, all_b, bad_b, margin, bet = 6, 2, 15, 4, 0.05, 0.4
    mean = sum(
        hypergeom.pmf(y, all_b, bad_b, all_c) * binom.pmf(v, all_c - y, margin) * math.tanh(bet * (bad_c - y - v))
        for y in range(all_c + 1) for v in range(all_c - y + 1)
    )  # fmt: skip
    assert gain(one(bad_c, all_c, bad_b, all_b), bet, margin) == pytest.approx(mean, abs=1e-12)


def expected(law: dict[tuple[int, int], float], all_c: int, all_b: int, bet: float, margin: float = 0.0) -> float:
    """Return E[gain] over all outcomes (bad of the candidate, bad of the baseline) of a block."""
    return sum(p * gain(one(c, all_c, b, all_b), bet, margin) for (c, b), p in law.items())


@pytest.mark.parametrize("bet", [0.05, 0.5, 3.0])
@pytest.mark.parametrize(("all_c", "all_b"), [(3, 3), (2, 6), (6, 2)])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_a_bet_on_independent_equals_is_fair(all_c: int, all_b: int, share: float, bet: float) -> None:
    law = {
        (c, b): float(binom.pmf(c, all_c, share) * binom.pmf(b, all_b, share))
        for c, b in product(range(all_c + 1), range(all_b + 1))
    }
    assert expected(law, all_c, all_b, bet) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("bet", [0.05, 0.5, 3.0])
def test_a_bet_is_fair_when_requests_fail_together(bet: float) -> None:
    # Each side for itself stands still in three of ten blocks; then three of four requests fail instead of one in ten.
    alone: dict[tuple[int, int], float] = {}
    together: dict[tuple[int, int], float] = {}
    for c, b in product(range(5), range(9)):
        of_c, of_b = ([float(binom.pmf(k, n, share)) for share in (0.1, 0.75)] for k, n in ((c, 4), (b, 8)))
        alone[c, b] = (0.7 * of_c[0] + 0.3 * of_c[1]) * (0.7 * of_b[0] + 0.3 * of_b[1])
        together[c, b] = 0.7 * of_c[0] * of_b[0] + 0.3 * of_c[1] * of_b[1]
    assert expected(alone, 4, 8, bet) == pytest.approx(0, abs=1e-12)
    assert expected(together, 4, 8, bet) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("bet", [0.05, 0.5, 3.0])
@pytest.mark.parametrize(("all_c", "all_b"), [(4, 4), (3, 7), (7, 3)])
def test_a_candidate_at_the_margin_is_no_worse(all_c: int, all_b: int, bet: float) -> None:
    share, margin = 0.1, 0.08
    at = share + (1 - share) * margin
    law = {
        (c, b): float(binom.pmf(c, all_c, at) * binom.pmf(b, all_b, share))
        for c, b in product(range(all_c + 1), range(all_b + 1))
    }
    assert expected(law, all_c, all_b, bet, margin) == pytest.approx(0, abs=1e-12)
    assert expected(law, all_c, all_b, bet, margin / 2) > 0
    assert expected(law, all_c, all_b, bet, 2 * margin) < 0


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 60), st.integers(0, 60), st.floats(0.01, 5))
def test_sides_that_change_places_turn_the_gain_around(c: int, more_c: int, b: int, more_b: int, bet: float) -> None:
    forth, back = one(c, c + more_c, b, b + more_b), one(b, b + more_b, c, c + more_c)
    assert gain(forth, bet) == pytest.approx(-gain(back, bet), abs=1e-9)
    assert abs(gain(forth, bet)) <= 1


def test_wealth_is_one_at_first_and_dividing_it_changes_no_total() -> None:
    wealth = Wealth.start(np.array([0.5, 0.3]), (2,))
    assert wealth.total == pytest.approx([1, 1])
    assert wealth.cash == pytest.approx([0.2, 0.2])
    gained = np.zeros((2, 2, len(SIZES)))
    gained[0, 0, :] = 0.5
    after = wealth.after(gained)
    assert after.total == pytest.approx([1.25, 1])
    assert after.by_metric[0] == pytest.approx([0.75 * (1 - SHARE) + SHARE * 1.25 * 0.5, 0.3 + SHARE * 0.25 * 0.3])
    assert after.divided().by_metric[0] == pytest.approx([1.25 * 0.5, 1.25 * 0.3])


def test_weights_above_one_are_refused() -> None:
    with pytest.raises(ValueError, match="sum is at most 1"):
        Wealth.start(np.array([0.8, 0.3]), ())


def test_a_bet_is_laid_before_the_block_is_seen() -> None:
    spread = Spread.unknown((1,))
    assert spread.bets(one(0, 50, 0, 1000)) == pytest.approx(spread.bets(one(50, 50, 1000, 1000)))
    assert spread.bets(one(0, 50, 0, 1000))[0] == pytest.approx(np.array(SIZES))


def test_a_bet_on_more_than_was_ever_seen_is_not_lost() -> None:
    spread = Spread.unknown((1,))
    for bad in (0, 0, 400, 400):
        spread = spread.after(one(bad, 500, 0, 500))
    again = one(400, 500, 0, 500)
    assert gains(again, spread.bets(again))[0, -1] > 0.9


def test_bets_become_small_where_requests_fail_together() -> None:
    spread = Spread.unknown((1,))
    for n in range(40):
        spread = spread.after(one(25 * (n % 2), 50, 500, 1000))
    assert np.all(spread.bets(one(0, 50, 0, 1000)) < 0.5 * np.array(SIZES) / math.sqrt(50 * 0.25))

"""Activity, tiers and sizes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from userpool import TIERS, PoolShape, PoolSummary, read_pool, request_weighted_entries, seated_mean_entries
from userpool.shape import HOST, VIEWER, activity_weights, draw_ranks, draw_tiers, stream, wanted_entries


def test_weights_fall_with_the_third_power_of_rank_plus_offset() -> None:
    shape = PoolShape(rank_offset=16_000, top_weight=10**9)  # 4 users: q = 4
    weights = activity_weights(np.array([1, 2, 6, 4]), shape)
    assert weights.tolist() == [10**9, 578_703_703, 125_000_000, 244_140_625]


@settings(deadline=None)
@given(users=st.integers(1, 500), seed=st.integers(0, 2**50))
def test_ranks_are_a_permutation_and_tiers_are_tiers(users: int, seed: int) -> None:
    ranks = draw_ranks(users, seed)
    assert sorted(ranks.tolist()) == list(range(1, users + 1))
    tiers = draw_tiers(ranks, seed, PoolShape())
    assert len(tiers) == users
    assert set(tiers.tolist()) <= set(range(len(TIERS)))


def test_any_sixteen_busy_ranks_in_a_block_hold_seven_hosts() -> None:
    tiers = draw_tiers(np.arange(1, 16_001), 3, PoolShape())
    blocks = tiers[:1600].reshape(-1, 16)
    assert ((blocks == HOST).sum(axis=1) == 7).all()


def test_three_percent_have_no_entries_and_all_of_them_are_viewers() -> None:
    shape = PoolShape()
    ranks = draw_ranks(16_000, 1)
    tiers = draw_tiers(ranks, 1, shape)
    wanted = wanted_entries(activity_weights(ranks, shape), ranks, tiers, 1, shape)
    assert (wanted == 0).sum() == 480
    assert (tiers[wanted == 0] == VIEWER).all()
    assert abs(int(wanted.sum()) - 3_200_000) < 16_000


def test_weights_of_ten_million_users_do_not_overflow() -> None:
    ranks = np.array([1, 5_000_000, 10_000_000, 10_000_000])
    scaled = activity_weights(ranks, PoolShape(rank_offset=750_000_000))  # 4 users with the q of ten million: 187,500
    exact = [2**30 * 187_501**3 // (rank + 187_500) ** 3 for rank in ranks.tolist()]
    assert np.abs(scaled - exact).max() <= 3  # rounded down at each of three factors
    assert scaled[0] == 2**30


def test_streams_of_two_names_differ_and_of_one_name_agree() -> None:
    assert stream(1, "a").integers(0, 2**60) == stream(1, "a").integers(0, 2**60)
    assert stream(1, "a").integers(0, 2**60) != stream(1, "b").integers(0, 2**60)


def test_a_request_meets_a_ledger_of_about_32000_entries(reference_pool: PoolSummary) -> None:
    # Continuous: sum(w L) / sum(w) = 0.8 x entries / (rank offset) = 0.8 x 3.2e6 / 75 = 34,133 for lengths by weight
    # alone; what everyone has at least takes 3.5 % of the entries away from it, which leaves 32,940.
    pool = read_pool(reference_pool.folder)
    assert pool.entries is not None
    mean = request_weighted_entries(pool.activity, pool.entries)
    assert abs(mean - 32_940) < 1_000
    assert reference_pool.request_weighted_entries == int(mean)
    # A seat asks as often as any other, so no user has more than one of 64 requests, which takes the busiest down.
    assert 0.8 * mean <= seated_mean_entries(pool.activity, pool.entries, 64) <= mean


def test_the_means_of_three_users_by_hand() -> None:
    activity, entries = np.array([2, 1, 1]), np.array([10, 4, 0])
    assert request_weighted_entries(activity, entries) == 6.0  # (20 + 4 + 0) / 4
    # Two seats: {user 0} and {users 1, 2}: (10 + (4 + 0) / 2) / 2.
    assert seated_mean_entries(activity, entries, 2) == 6.0
    # Three seats: one user each; a fourth stays empty and does not count.
    assert seated_mean_entries(activity, entries, 4) == (10 + 4 + 0) / 3

"""Which requests are bad, and what is kept for when the baseline has no more users."""

from __future__ import annotations

import numpy as np
import pytest

from shadow.gray.evidence import KEPT, Evidence, Margins, SideBlock, gateway_uppers_us

MARGINS = Margins(0.001, 0.1, (0.5, 0.9))
BOUNDS_US = np.array([100.0, 105.0, 110.0, 120.0, 200.0])


def block(latency: list[int], failed: int = 0) -> SideBlock:
    one = np.array([latency], dtype=np.float64)
    return SideBlock(one.sum(axis=1), np.array([float(failed)]), np.zeros(1), one)


def test_the_gateways_bounds_by_hand() -> None:
    bounds = gateway_uppers_us()
    assert bounds[:4].tolist() == [100, 106, 112, 118]
    assert bounds[[16, 17, 32, 256, 264, 265]].tolist() == [200, 212, 400, 6_553_600, 9_830_400, 10_000_000]
    assert len(bounds) == 266
    assert np.all(np.diff(bounds) <= 0.067 * bounds[:-1])


def test_slow_begins_at_the_baselines_quantile_and_for_the_candidate_a_margin_later() -> None:
    evidence = Evidence(MARGINS, BOUNDS_US)
    evidence.step(0.5, 1.0)
    assert evidence.thresholds()[0].tolist() == [[5, 5]]  # nothing is known
    evidence.take(block([60, 30, 20, 0, 0, 0]), block([1, 0, 0, 0, 0, 0]))
    ours, theirs = evidence.thresholds()
    # The median lies in the first bucket, so that slow is beyond 100 µs, for the candidate beyond 110; the quantile
    # 0.9 in the third (99 of 110 are needed, 90 lie below): 110 µs, and 121 is within the bucket up to 200.
    assert ours.tolist() == [[0, 2]]
    assert theirs.tolist() == [[2, 4]]


def test_a_quantile_beyond_all_bounds_is_not_used() -> None:
    evidence = Evidence(MARGINS, BOUNDS_US)
    evidence.step(0.5, 1.0)
    evidence.take(block([10, 0, 0, 0, 0, 990]), block([1, 0, 0, 0, 0, 0]))
    assert evidence.thresholds()[1].tolist() == [[5, 5]]
    before = evidence.live.wealth.by_metric[0, 2:].copy()
    evidence.take(block([990, 0, 0, 0, 0, 0]), block([0, 0, 0, 0, 0, 50]))
    assert evidence.live.wealth.by_metric[0, 2:] == pytest.approx(before, rel=0.01)


def test_a_step_shows_what_the_next_share_may_risk() -> None:
    evidence = Evidence(MARGINS, BOUNDS_US)
    evidence.step(0.01, 0.05)
    assert evidence.proof.limit == pytest.approx(0.02)
    evidence.step(0.5, 1.0)
    assert evidence.proof.limit == pytest.approx(0.001)
    evidence.step(1.0, None)
    assert evidence.proof.limit == pytest.approx(0.003)  # against the past


def test_without_users_of_the_baseline_each_block_of_before_is_used_once() -> None:
    evidence = Evidence(MARGINS, BOUNDS_US)
    evidence.step(0.5, 1.0)
    assert evidence.paired is None
    for _ in range(3):
        evidence.take(block([500, 0, 0, 0, 0, 0]), block([500, 0, 0, 0, 0, 0]))
    live = float(evidence.live.wealth.total[0])
    evidence.step(1.0, None)
    seen = []
    for _ in range(5):
        evidence.take(block([0, 0, 0, 0, 0, 0]), block([0, 0, 0, 0, 500, 0], failed=400))
        seen.append(evidence.paired)
    assert seen == [2, 1, 0, 0, 0]
    assert float(evidence.live.wealth.total[0]) == pytest.approx(live)
    assert evidence.after is not None
    assert float(evidence.after.wealth.total[0]) > 2
    assert KEPT >= 600


def test_many_roll_outs_at_once_are_as_one_after_the_other() -> None:
    rng = np.random.default_rng(5)
    both = Evidence(MARGINS, BOUNDS_US, (2,))
    alone = [Evidence(MARGINS, BOUNDS_US) for _ in range(2)]
    for one in (both, *alone):
        one.step(0.3, 1.0)
    for _ in range(30):
        sides = [rng.poisson(n, (2, 6)).astype(np.float64) for n in (70, 30)]
        failed = rng.poisson(2, (2, 2)).astype(np.float64)
        blocks = [SideBlock(side.sum(axis=1), failed[k], np.zeros(2), side) for k, side in enumerate(sides)]
        both.take(*blocks)
        for k in (0, 1):
            alone[k].take(*(SideBlock(b.requests[[k]], b.failed[[k]], b.callers[[k]], b.latency[[k]]) for b in blocks))
    assert both.live.wealth.total == pytest.approx([float(one.live.wealth.total[0]) for one in alone], rel=1e-6)
    assert both.proof.wealth.total == pytest.approx([float(one.proof.wealth.total[0]) for one in alone], rel=1e-6)

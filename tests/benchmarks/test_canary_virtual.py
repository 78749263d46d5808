"""The simulation of gray releases in its quick form: its traffic against its laws, the test over it, the picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import canary_picture
from benchmarks.canary_laws import (
    BLOCK_S,
    EQUAL,
    FAILING,
    RATE_RPS,
    WORLDS,
    Effect,
    Traffic,
    World,
    mix_cdf,
    mix_quantile,
    squeezed,
    uppers_us,
)
from benchmarks.canary_virtual import Lengths, block_of, detect, main, roll_out

LOGNORMAL, BIMODAL, STALLS = WORLDS[:3]


def test_quantiles_of_a_lognormal_by_hand() -> None:
    assert mix_quantile(LOGNORMAL.mix, 0.5) == pytest.approx(8_000)
    assert mix_quantile(LOGNORMAL.mix, 0.99) == pytest.approx(8_000 * np.exp(0.5 * 2.3263479))
    assert float(mix_cdf(BIMODAL.mix, np.array(15_000.0))) == pytest.approx(0.7, abs=1e-3)


def test_a_stretched_tail_moves_p99_and_not_p90() -> None:
    p90, p99 = (mix_quantile(LOGNORMAL.mix, q) for q in (0.9, 0.99))
    bounds = squeezed(LOGNORMAL.mix, np.array([p90, 1.3 * p99]), 1.3)
    assert bounds == pytest.approx([p90, p99])


def test_traffic_has_its_rate_its_share_and_its_latency() -> None:
    rng = np.random.default_rng(1)
    traffic = Traffic(LOGNORMAL, 200, rng)
    blocks = [traffic.block(0.05, Effect(failures=0.02)) for _ in range(20)]
    n = 200 * 20 * RATE_RPS * BLOCK_S
    ours, theirs = (sum(float(block[k].requests.sum()) for block in blocks) for k in (0, 1))
    assert theirs / n == pytest.approx(0.05, rel=0.01)
    assert ours / n == pytest.approx(0.95, rel=0.01)
    assert sum(float(b.failed.sum()) for b, _ in blocks) / ours == pytest.approx(FAILING, rel=0.05)
    assert sum(float(c.failed.sum()) for _, c in blocks) / theirs == pytest.approx(FAILING + 0.02, rel=0.05)
    latency = np.sum([b.latency.sum(axis=0) for b, _ in blocks], axis=0)
    below = np.cumsum(latency)[np.searchsorted(uppers_us(), 8_000)] / ours
    assert below == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_equal_sides_are_alike_in_every_world(world: World) -> None:
    traffic = Traffic(world, 400, np.random.default_rng(2))
    late = int(np.searchsorted(uppers_us(), 20_000))
    shares: list[list[float]] = [[], []]
    for _ in range(40):
        for k, one in enumerate(traffic.block(0.5, EQUAL)):
            shares[k].append(float(np.mean(one.latency[:, late:].sum(axis=1) / one.requests)))
    assert np.mean(shares[0]) == pytest.approx(np.mean(shares[1]), rel=0.25)


def test_a_longer_block_is_the_sum_of_its_half_seconds() -> None:
    one, other = (Traffic(LOGNORMAL, 3, np.random.default_rng(4)) for _ in range(2))
    halves = [one.block(0.5, EQUAL) for _ in range(4)]
    for k, side in enumerate(block_of(other, 0.5, EQUAL, 2.0)):
        assert side.requests == pytest.approx(sum(half[k].requests for half in halves))
        assert side.failed == pytest.approx(sum(half[k].failed for half in halves))
        assert side.latency == pytest.approx(sum(half[k].latency for half in halves))
    assert Lengths(2.0, 30.0).blocks == 15


def test_equal_candidates_are_hardly_sent_back_where_the_usual_test_sends_many() -> None:
    found = roll_out(STALLS, 60, 3)
    assert found.sent_back <= 3
    assert found.usual_sent_back > 10
    assert sum(found.by_step) == found.sent_back


def test_worse_candidates_are_found() -> None:
    failing = detect(LOGNORMAL, Effect("failing", failures=0.02), 40, 4)
    slower = detect(LOGNORMAL, Effect("slower", scale=1.3), 40, 4)
    assert failing.within_60_s == slower.within_60_s == 1
    assert failing.median_s is not None
    assert failing.median_s < 20


def test_the_picture_is_drawn_from_figures(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    common = ["--repetitions", "4", "--worlds", "lognormal", "--json", str(figures)]
    assert main(common) == 0
    assert main([*common, "--detect", "--effects", "failures +5 %", "latency +10 %"]) == 0
    assert set(json.loads(figures.read_text())) == {"false", "detect"}
    out = tmp_path / "picture.png"
    assert canary_picture.main([str(figures), str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    (tmp_path / "none.json").write_text("{}")
    assert canary_picture.main([str(tmp_path / "none.json"), str(out)]) == 2

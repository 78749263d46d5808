"""The summary of a drawn run, worked out by hand from what was drawn."""

import json
from collections.abc import Callable

import msgspec
import pytest

from analysis.findings import Findings
from analysis.summary import summarise

FindDrawn = Callable[..., Findings]


def test_saturation_is_the_drawn_knee(find_drawn: FindDrawn) -> None:
    twins = summarise(find_drawn()).twins
    go, rust = twins["go"]["balance"].saturation_rps, twins["rust"]["balance"].saturation_rps
    assert go is not None
    assert rust is not None
    assert (go.value, go.lo, go.hi, go.at_least, go.blocks, go.interval) == (800, 800, 800, False, 2, "range")
    # blocks of rust at 1,600 and, 10 % better, 1,760
    assert (rust.value, rust.lo, rust.hi) == pytest.approx((1_680, 1_600, 1_760))


def test_ratios_are_by_pair(find_drawn: FindDrawn) -> None:
    ratios = summarise(find_drawn()).ratios["balance"]
    assert ratios.saturation is not None
    assert ratios.cpu_s_per_1k is not None
    assert ratios.p99 is not None
    assert ratios.memory is not None
    # pairs 1,600/800 = 2 and 1,760/800 = 2.2; geometric mean sqrt(4.4)
    assert (ratios.saturation.value, ratios.saturation.lo, ratios.saturation.hi) == pytest.approx((4.4**0.5, 2.0, 2.2))
    # one request costs 0.98/knee: the ratio is the knees' turned round
    assert (ratios.cpu_s_per_1k.lo, ratios.cpu_s_per_1k.hi) == pytest.approx((1 / 2.2, 1 / 2))
    assert ratios.p99.value == pytest.approx(5_003 / 20_015)  # highest values of the buckets of 5 and 20 ms
    assert ratios.memory.value == pytest.approx(60 / 200)
    assert (ratios.saturation.pairs, ratios.saturation.interval) == (2, "range")
    assert ratios.capacity is None


def test_same_load_stands_at_the_highest_rate_both_carry(find_drawn: FindDrawn) -> None:
    twins = summarise(find_drawn()).twins
    go, rust = twins["go"]["balance"].same_load, twins["rust"]["balance"].same_load
    assert go is not None
    assert rust is not None
    assert go.rate_rps == rust.rate_rps == 700.0  # go carries 700 of its 800, not 1,000
    assert go.cpu_percent == pytest.approx(98 * 700 / 800)
    assert go.memory_bytes == 2 * 200 * (1 << 20)
    assert go.idle_memory_bytes == 2 * 200 * (1 << 20)
    assert go.memory_percent == pytest.approx(100 * 400 / 2_048)
    assert (go.p50_ms, go.p99_ms) == (4.001, 20.015)
    assert go.cpu_s_per_1k is not None
    assert go.cpu_s_per_1k.value == pytest.approx(1_000 * 0.98 / 800)
    assert rust.cpu_s_per_1k is not None
    assert (rust.cpu_s_per_1k.lo, rust.cpu_s_per_1k.hi) == pytest.approx((980 / 1_760, 980 / 1_600))


def test_every_point_tells_its_counts_and_costs(find_drawn: FindDrawn) -> None:
    stages = summarise(find_drawn()).twins["go"]["balance"].stages
    assert [s.offered_rps for s in stages] == [200, 400, 600, 700, 1_000, 2_000]
    assert [s.achieved_rps for s in stages] == [200, 400, 600, 700, 800, 800]
    assert [s.past_saturation for s in stages] == [False] * 4 + [True] * 2
    first = stages[0]
    assert (first.samples, first.blocks, first.loop, first.valid, first.why) == (800, 2, "closed", True, ())
    assert first.p99_ms is None  # 800 samples: eight beyond
    assert first.p90_ms == first.p50_ms == 4.001
    assert (first.failed_ratio, first.dropped_ratio, first.backlog_max, first.send_lag_p99_ms) == (0.0, 0.0, None, None)
    assert first.generator_cpu_percent == pytest.approx(50.0)
    assert first.stolen_ratio == 0.0
    assert first.cpu_cores == pytest.approx({"go-1": 0.1225, "go-2": 0.1225, "go-rest": 0.0})
    assert first.memory_bytes["go-1"] == 200 * (1 << 20)


def test_three_pairs_give_t_intervals(find_drawn: FindDrawn) -> None:
    summary = summarise(find_drawn(order=("go", "rust") * 3, factors=(1.0, 1.0, 1.0, 1.1, 1.0, 1.05)))
    ratio = summary.ratios["balance"].saturation
    assert ratio is not None
    assert (ratio.pairs, ratio.interval) == (3, "t95")
    assert ratio.lo is not None
    assert ratio.hi is not None
    assert ratio.lo < 2.0 < ratio.value < 2.2 < ratio.hi
    assert summary.run.notes == ()


def test_failed_answers_are_no_throughput(find_drawn: FindDrawn) -> None:
    stage = summarise(find_drawn(fail_ratio=0.1)).twins["go"]["balance"].stages[0]
    assert (stage.achieved_rps, stage.failed_ratio) == (180.0, pytest.approx(0.1))


def test_an_open_loop_reports_latency(find_drawn: FindDrawn) -> None:
    summary = summarise(find_drawn(loop="open"))
    stage = summary.twins["rust"]["statistics"].stages[1]
    assert (summary.run.loops, stage.loop, stage.p99_ms) == (("open",), "open", 5.003)


def test_the_document_has_the_keys_of_schema_1(find_drawn: FindDrawn) -> None:
    document = json.loads(msgspec.json.encode(summarise(find_drawn())))
    assert list(document) == ["schema", "run", "gate", "verdict", "published", "twins", "ratios", "cost"]
    assert (document["schema"], document["verdict"]["value"], document["cost"]) == (1, "INCONCLUSIVE", None)
    endpoint = document["twins"]["go"]["balance"]
    assert list(endpoint) == [
        "saturation_rps", "capacity_rps", "at_capacity", "opinions", "same_load", "stages",
    ]  # fmt: skip
    assert endpoint["capacity_rps"] is None
    assert {"value", "lo", "hi", "at_least"} <= set(endpoint["saturation_rps"])
    assert set(document["ratios"]["balance"]) == {"saturation", "capacity", "p99", "cpu_s_per_1k", "memory"}
    assert {"value", "lo", "hi", "pairs", "interval"} <= set(document["ratios"]["balance"]["p99"])
    published = {(p["figure"], p["endpoint"]): (p["ratio"], p["scope"]) for p in document["published"]}
    assert published["saturation", "balance"][0] == pytest.approx(1.76, abs=0.01)
    assert published["p99", None] == (pytest.approx(0.24, abs=0.01), "whole cluster")
    assert document["run"]["partial"] is False


def test_one_block_of_one_twin_has_figures_but_no_ratios(find_drawn: FindDrawn) -> None:
    summary = summarise(find_drawn(order=("go",), ends=("interrupted",)))
    assert summary.run.partial
    assert summary.run.partial_reason == "interrupted: the run interrupted"
    assert summary.run.pairs_measured == 0
    assert summary.twins["go"]["balance"].saturation_rps is not None
    assert summary.twins["go"]["balance"].same_load is None
    assert summary.twins["rust"]["balance"].stages == ()
    assert summary.ratios["balance"].saturation is None


def test_a_run_without_an_end_is_partial(find_drawn: FindDrawn) -> None:
    reason = summarise(find_drawn(ends=(), cut_after=3)).run.partial_reason
    assert reason is not None
    assert "never told of its end" in reason


def test_a_missing_gate_is_noted(find_drawn: FindDrawn) -> None:
    summary = summarise(find_drawn(gate=False))
    assert summary.gate is None
    assert any(note.startswith("no gate belongs to this run: it was started by hand") for note in summary.run.notes)

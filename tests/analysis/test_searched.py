"""A run that searched the capacity of M/M/1 targets, from folder to summary: the truth is known.

With 500 and 1,000 a second and a p99 within 40 ms it is µ − ln 100 / 0.04 s: 384.9 and 884.9, and 2.299 times as much.
That intervals cover the truth in 95 of 100 runs is the truth test's; here they do in most of a few.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from picture_texts import check_texts
from searched_run import Searched, write_searched

from analysis.audit import audit_run
from analysis.findings import Findings
from analysis.plots import PICTURES, draw_picture
from analysis.report import write_report
from analysis.summary import summarise
from analysis.trial_points import near_capacity
from records.run_folder import seal

FindSearched = Callable[..., Findings]


SEEDS = range(1, 9)
MOST = 6  # of eight: with a coverage of 95 % five or fewer hold the truth once in 170 times


def test_the_summary_has_both_capacities_with_what_they_stand_on(find_searched: FindSearched) -> None:
    summary = summarise(find_searched())
    for twin, truth in (("go", 384.9), ("rust", 884.9)):
        found = summary.twins[twin]["balance"].capacity_rps
        assert found is not None
        assert found.value == pytest.approx(truth, rel=0.2)
        assert found.lo < found.value < found.hi
        assert (found.at_least, found.interval) == (False, "t95")
        assert found.blocks == summary.run.pairs_measured >= 3


def test_the_truth_lies_in_most_intervals_of_both_capacities_and_of_their_ratio(find_searched: FindSearched) -> None:
    held: Counter[str] = Counter()
    for seed in SEEDS:
        findings = find_searched(seed=seed)
        for twin, truth in (("go", 384.9), ("rust", 884.9)):
            found = findings.capacity[twin, "balance"]
            assert found is not None
            held[twin] += found.interval.lo <= truth <= found.interval.hi
        ratio = findings.ratios["balance"].capacity
        assert ratio is not None
        assert ratio.lo is not None
        assert ratio.hi is not None
        held["ratio"] += ratio.lo <= 884.9 / 384.9 <= ratio.hi
    assert min(held["go"], held["rust"], held["ratio"]) >= MOST, f"of seeds {SEEDS}: {held}"


def test_cpu_and_memory_are_compared_where_every_pair_was_driven(find_searched: FindSearched) -> None:
    summary = summarise(find_searched())
    ratio, same = summary.ratios["balance"], summary.twins["go"]["balance"].same_load
    assert ratio.cpu_s_per_1k is not None
    assert same is not None
    assert (ratio.cpu_s_per_1k.value, ratio.cpu_s_per_1k.pairs) == (pytest.approx(0.5), summary.run.pairs_measured)
    assert same.rate_rps == pytest.approx(0.7 * 500, rel=0.1)  # higher rates were carried in the first pair alone
    assert "widened for the stop" in ratio.cpu_s_per_1k.note


def test_saturation_comes_from_the_blocks_that_were_driven_there(find_searched: FindSearched) -> None:
    found = summarise(find_searched()).twins["rust"]["balance"].saturation_rps
    assert found is not None
    assert (found.at_least, found.blocks) == (False, 1)
    assert found.value == pytest.approx(1_000, rel=0.05)  # 2 s of 1,000 Poisson answers: 2.2 %


def test_the_verdict_passes_by_capacity_and_cpu(find_searched: FindSearched) -> None:
    verdict = summarise(find_searched()).verdict
    assert verdict.value == "PASS"
    assert [(one.endpoint, one.figure, one.value) for one in verdict.asked] == [
        ("balance", "capacity", "PASS"), ("balance", "cpu_s_per_1k", "PASS"),
    ]  # fmt: skip


def test_a_limit_of_the_plan_decides_instead_of_one(find_searched: FindSearched) -> None:
    asked = {"ask": ["capacity"], "limit": {"capacity": 3.0}}
    verdict = find_searched(verdict=asked).verdict
    assert verdict.value == "FAIL"
    assert verdict.reasons[0].endswith("is below 3")


def test_without_a_gate_nothing_is_decided(find_searched: FindSearched) -> None:
    verdict = find_searched(gate=False).verdict
    assert verdict.value == "INCONCLUSIVE"
    assert verdict.reasons == ("the gate was left out: nobody knows whether the twins answer alike",)


def test_what_the_generator_could_not_offer_makes_it_at_least(find_searched: FindSearched) -> None:
    summary = summarise(find_searched(most_rps=600.0))
    found, ratio = summary.twins["rust"]["balance"].capacity_rps, summary.ratios["balance"].capacity
    assert found is not None
    assert ratio is not None
    assert (found.at_least, ratio.bound) == (True, "at_least")
    assert 500 < found.value <= 600
    assert summary.verdict.asked[0].value == "PASS"  # at least 1.3 times as much is above 1
    binding = summary.twins["rust"]["balance"].opinions.binding
    assert binding.resource == "generator"
    assert "send lag p99 9 ms" in binding.why


def test_an_at_least_makes_a_fleet_at_most_and_the_saving_at_least(find_searched: FindSearched) -> None:
    cost = summarise(find_searched(most_rps=600.0)).cost
    assert cost is not None
    fleet = cost.twins["rust"]
    assert fleet is not None
    assert cost.saved is not None
    assert cost.sized_by == {"balance": "capacity"}
    assert (fleet.instances.bound, cost.saved.instances.bound) == ("at_most", "at_least")


def test_trials_near_the_capacity_say_what_the_twin_used_there(find_searched: FindSearched) -> None:
    findings = find_searched()
    at = summarise(findings).twins["go"]["balance"].at_capacity
    assert at is not None
    assert at.cpu_s_per_1k is not None
    assert at.cpu_s_per_1k.value == pytest.approx(2.0)
    assert at.cpu_percent == pytest.approx(100 * 385 / 500, abs=6)
    near = near_capacity(findings.trials["go", "balance"], findings.blocks_of("go", "balance"))
    blocks = {block.pair: block for block in findings.blocks_of("go", "balance")}
    for pair, points in near.items():
        value, bounds = blocks[pair].value_rps or 0, blocks[pair].bounds
        beside = [one.at_rps for one in points if abs(one.at_rps / value - 1) > 0.03]
        assert all(rate in (pytest.approx(bounds.lower_rps), pytest.approx(bounds.upper_rps)) for rate in beside)
    assert near.keys() == {pair for pair, block in blocks.items() if block.counts}


def test_trials_are_no_points_of_a_curve_and_are_drawn_beside_it(find_searched: FindSearched) -> None:
    findings = find_searched()
    tried = {one.point.stage for points in findings.trials.values() for one in points}
    drawn = {b.stage for curve in findings.curves.values() for point in curve.points for b in point.by_block}
    assert not tried & drawn
    for name in ("saturation.png", "latency.png", "cpu.png", "memory.png"):
        axes = draw_picture(name, findings).axes[0]
        assert any(line.get_gid() == "trial" for line in axes.lines), name
    bands = [
        patch for patch in draw_picture("saturation.png", findings).axes[0].patches if patch.get_gid() == "capacity"
    ]
    interval = findings.capacity["go", "balance"]
    assert interval is not None
    assert len(bands) == 2
    assert bands[0].get_extents is not None


@pytest.mark.parametrize("name", PICTURES)
def test_no_text_of_a_search_overlaps_another_or_leaves_the_picture(find_searched: FindSearched, name: str) -> None:
    check_texts(draw_picture(name, find_searched()), name)


def test_the_headline_says_verdict_money_and_the_ratio_of_capacities(find_searched: FindSearched) -> None:
    figure = draw_picture("headline.png", find_searched())
    said = figure.get_suptitle()
    assert "Verdict: PASS" in said
    assert "Cost: Rust saves" in said
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels[0].startswith("A · balance: capacity under the SLO")


def test_the_whole_report_follows_from_the_lines(tmp_path: Path) -> None:
    run = write_searched(tmp_path / "run", Searched())
    write_report(run)
    seal(run)
    assert audit_run(run).findings == ()
    cases = ET.parse(run / "report" / "junit.xml").getroot().findall("testsuite[@name='verdict']/testcase")  # noqa: S314
    assert [case.get("name") for case in cases] == [
        "capacity candidate ÷ baseline is higher than 1", "cpu_s_per_1k candidate ÷ baseline is lower than 1",
    ]  # fmt: skip
    path = run / "report" / "summary.json"
    tree = json.loads(path.read_bytes())
    tree["twins"]["go"]["balance"]["capacity_rps"]["value"] *= 1.1
    tree["verdict"]["value"] = "FAIL"
    path.write_text(json.dumps(tree))
    seal(run)
    assert {one.figure for one in audit_run(run).findings} == {"verdict.value", "twins.go.balance.capacity_rps.value"}

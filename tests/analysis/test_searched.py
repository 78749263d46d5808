"""A run that searched the capacity of M/M/1 targets, from folder to summary: the truth is known.

With 500 and 1,000 a second and a p99 within 40 ms it is µ − ln 100 / 0.04 s: 384.9 and 884.9, and 2.299 times as much.
The seed is fixed; that intervals cover the truth in 95 % of the runs is the truth test's, here they cover in this one.
"""

from __future__ import annotations

import json
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


def test_the_summary_has_both_capacities_and_their_ratio_around_the_truth(find_searched: FindSearched) -> None:
    summary = summarise(find_searched())
    for twin, truth in (("go", 384.9), ("rust", 884.9)):
        found = summary.twins[twin]["balance"].capacity_rps
        assert found is not None
        assert found.lo <= truth <= found.hi
        assert (found.at_least, found.interval) == (False, "t95")
        assert found.blocks == summary.run.pairs_measured >= 3
    ratio = summary.ratios["balance"].capacity
    assert ratio is not None
    assert ratio.lo is not None
    assert ratio.hi is not None
    assert ratio.lo <= 884.9 / 384.9 <= ratio.hi


def test_cpu_and_memory_are_compared_where_every_pair_was_driven(find_searched: FindSearched) -> None:
    summary = summarise(find_searched())
    ratio, same = summary.ratios["balance"], summary.twins["go"]["balance"].same_load
    assert ratio.cpu_s_per_1k is not None
    assert same is not None
    assert (ratio.cpu_s_per_1k.value, ratio.cpu_s_per_1k.pairs) == (pytest.approx(0.5), summary.run.pairs_measured)
    assert same.rate_rps <= 0.8 * 409  # higher rates of the curve were carried in the first pair alone


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
    values = {block.pair: block.value_rps or 0 for block in findings.blocks_of("go", "balance")}
    assert all(abs(one.at_rps / values[pair] - 1) <= 0.03 for pair, points in near.items() for one in points)


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

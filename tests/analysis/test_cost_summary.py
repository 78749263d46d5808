"""The cost of drawn twins, worked out by hand from what was drawn, and how reports tell it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from analysis.cost_summary import cost_of
from analysis.cost_words import cost_line, cost_notes, cost_rows
from analysis.findings import Findings
from analysis.summary import summarise
from analysis.summary_schema import Throughput

FindDrawn = Callable[..., Findings]
COST = {"fleet_rate_rps": {"balance": 5_600.0, "statistics": 4_200.0}, "head_room": 0.3, "minimum_instances": 1}


def test_fleets_of_drawn_twins_by_hand(find_drawn: FindDrawn) -> None:
    findings = find_drawn(cost=COST)
    cost = summarise(findings).cost
    assert cost is not None
    go, rust = cost.twins["go"], cost.twins["rust"]
    assert go is not None
    assert rust is not None
    assert cost.saved is not None
    # go: 8,000 / 800 + 6,000 / 600 = 20 instances of 1 vCPU, the same in both blocks
    assert (go.instances.value, go.instances.lo, go.instances.hi) == (20, 20, 20)
    # rust: 1,680 and 1,575 over blocks of 1,600 to 1,760 and 1,500 to 1,650: 4.76 + 3.81 = 8.57 (8.18 to 9)
    assert rust.cpu_instances == pytest.approx(8_000 / 1_680 + 6_000 / 1_575)
    assert (rust.instances.value, rust.instances.lo, rust.instances.hi) == (9, 9, 9)
    assert (cost.saved.instances.value, cost.saved.instances.lo, cost.saved.instances.hi) == (11, 11, 12)
    assert cost.saved.money_per_year.value == pytest.approx(11 * 0.0856 * 8_760)
    assert (go.instances.interval, cost.sized_by["balance"]) == ("range", "saturation")
    assert (go.memory_instances, go.binding) == (0.0, "cpu")  # drawn memory does not grow with the rate


def test_every_report_tells_the_saving_and_what_it_assumes(find_drawn: FindDrawn) -> None:
    findings = find_drawn(cost=COST)
    cost = summarise(findings).cost
    line = cost_line(findings, cost)
    assert line.startswith("Cost: Rust saves 8,248 (8,248 to 8,998) USD a year and 11 (11 to 12) vCPU: 20 → 9")
    assert "balance at 5,600 /s and statistics at 4,200 /s, by saturation throughput" in line
    assert [row[:2] for row in cost_rows(findings, cost)] == [
        ("Go", "20 (20 to 20)"), ("Rust", "9 (9 to 9)"), ("saved", "11 (11 to 12)"),
    ]  # fmt: skip
    notes = " ".join(cost_notes(cost))
    for text in (
        "0.0856 USD a vCPU-hour (the published case",
        "30 % of capacity",
        "holds no SLO",
        "minimum and maximum",
    ):
        assert text in notes


def test_a_candidate_that_needs_more_is_said_to_cost_more(find_drawn: FindDrawn) -> None:
    knees = {("go", "balance"): 800.0, ("rust", "balance"): 400.0}
    changes = {"knees_rps": knees, "endpoints": ("balance",), "factors": (1.0,) * 4}
    findings = find_drawn(cost={**COST, "fleet_rate_rps": {"balance": 5_600.0}}, **changes)
    line = cost_line(findings, summarise(findings).cost)
    assert line.startswith("Cost: Rust costs 7,499 (7,499 to 7,499) USD a year and 10 (10 to 10) vCPU more: 10 → 20")


def test_without_a_fleet_rate_there_is_no_money(find_drawn: FindDrawn) -> None:
    findings = find_drawn()
    assert summarise(findings).cost is None
    assert "names no cost.fleet_rate_rps" in cost_line(findings, None)
    assert cost_rows(findings, None) == cost_notes(None) == ()


def test_capacity_sizes_where_both_twins_have_one(find_drawn: FindDrawn) -> None:
    findings = find_drawn(cost={**COST, "fleet_rate_rps": {"balance": 7_000.0}})
    twins = summarise(findings).twins
    known = Throughput(500.0, 400.0, 625.0, False, 5, "t95")
    one = {**twins, "go": {**twins["go"], "balance": replace(twins["go"]["balance"], capacity_rps=known)}}
    both = {**one, "rust": {**twins["rust"], "balance": replace(twins["rust"]["balance"], capacity_rps=known)}}
    alone, sized = cost_of(findings, one), cost_of(findings, both)
    assert alone is not None
    assert sized is not None
    assert (alone.sized_by, sized.sized_by) == ({"balance": "saturation"}, {"balance": "capacity"})
    go = sized.twins["go"]
    assert go is not None
    assert (go.instances.value, go.instances.lo, go.instances.hi) == (20, 16, 25)


def test_a_price_of_ones_own_is_not_the_published_one(find_drawn: FindDrawn) -> None:
    cost = summarise(find_drawn(cost={**COST, "price_per_vcpu_hour": 0.05, "currency": "EUR"})).cost
    assert cost is not None
    assert (cost.price_source, cost.currency) == ("the plan", "EUR")


def test_what_is_unknown_is_told_instead_of_money(find_drawn: FindDrawn) -> None:
    findings = find_drawn(order=("go",), ends=("interrupted",), cost=COST)
    cost = summarise(findings).cost
    assert cost is not None
    assert cost.twins["rust"] is None
    assert cost.saved is None
    assert cost_line(findings, cost) == "Cost: unknown; Rust: no saturation is known for balance."


def test_twins_that_were_never_at_their_limit_save_nothing_that_is_known(find_drawn: FindDrawn) -> None:
    cost = summarise(find_drawn(rates_rps=(100.0, 200.0), cost=COST)).cost
    assert cost is not None
    assert cost.saved is None
    assert "neither twin was driven to its limit" in cost.missing[0]

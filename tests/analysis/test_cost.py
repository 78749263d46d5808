"""Fleets by hand: what CPU, memory and the minimum ask for, what it costs, and how far it may be off."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.cost import Demand, DoesNotFit, Estimate, Fleet, Room, fleet_of, saving_of
from analysis.intervals import mean_interval
from records.plan import CostPlan

MIB = float(1 << 20)
FLAT = CostPlan(head_room=0.0, minimum_instances=1)


def capacity(value: float, lo: float | None = None, hi: float | None = None, kind: str = "t95") -> Estimate:
    return Estimate(value, value if lo is None else lo, value if hi is None else hi, kind)


def demand(fleet_rps: float, of: Estimate, *, vcpus: float = 1.0, bytes_per_rps: Estimate | None = None) -> Demand:
    return Demand("balance", fleet_rps, of, vcpus, bytes_per_rps)


def ends(estimate: Estimate) -> tuple[float, float | None, float | None]:
    return estimate.value, estimate.lo, estimate.hi


def test_the_published_saving_comes_out_of_the_published_price() -> None:
    # 400 vCPU × 0.0856 USD × 8,760 h = 299,942 USD, published as about 300,000
    fleet = fleet_of([demand(400_000, capacity(1_000))], FLAT)
    assert fleet.vcpus.value == 400
    assert fleet.money_per_year.value == pytest.approx(299_942.4)


def test_head_room_is_capacity_that_is_never_asked_for() -> None:
    # 7,000 ÷ (1 − 0.3) = 10,000 a second on 1,000 each: 10 instances, not 11 for the last digit of a float
    fleet = fleet_of([demand(7_000, capacity(1_000))], CostPlan(head_room=0.3, minimum_instances=1))
    assert ends(fleet.instances) == (10, 10, 10)
    assert fleet.binding == "cpu"


def test_ends_of_a_capacity_become_ends_of_the_count_rounded_up() -> None:
    # 10,000 ÷ 950 = 10.53, ÷ 1,000 = 10, ÷ 1,050 = 9.52
    fleet = fleet_of([demand(10_000, capacity(1_000, 950, 1_050))], FLAT)
    assert ends(fleet.instances) == (10, 10, 11)
    assert fleet.need.lo == pytest.approx(9.524, abs=1e-3)
    assert fleet.instances.interval == "t95"


def test_shares_of_endpoints_add_up_and_their_half_widths_add_as_squares() -> None:
    # needs 10 (7 to 13) and 20 (16 to 24): 30, and √(9 + 16) = 5 either way
    parts = [
        demand(10_000, capacity(1_000, 10_000 / 13, 10_000 / 7)),
        demand(20_000, capacity(1_000, 20_000 / 24, 20_000 / 16)),
    ]
    assert ends(fleet_of(parts, FLAT).instances) == (30, 25, 35)


def test_ranges_meet_end_to_end() -> None:
    parts = [
        demand(10_000, capacity(1_000, 10_000 / 13, 10_000 / 7, "range")),
        demand(20_000, capacity(1_000, 20_000 / 24, 20_000 / 16)),
    ]
    fleet = fleet_of(parts, FLAT)
    assert ends(fleet.instances) == (30, 23, 37)
    assert fleet.instances.interval == "range"


def grows(mib: float, lo: float | None = None, hi: float | None = None) -> Estimate:
    """Memory that grows by so many MiB a request a second."""
    return Estimate(mib * MIB, (mib if lo is None else lo) * MIB, (mib if hi is None else hi) * MIB, "t95")


def test_where_memory_binds_its_interval_is_the_fleets() -> None:
    # 0.3 to 0.5 MiB on 800 MiB free: 3.75 to 6.25 instances; CPU asks for 1.67 to 2.5
    parts = [demand(10_000, capacity(5_000, 4_000, 6_000), bytes_per_rps=grows(0.4, 0.3, 0.5))]
    fleet = fleet_of(parts, FLAT, Room(1_000 * MIB, 200 * MIB))
    assert (fleet.instances.lo, fleet.instances.value, fleet.instances.hi) == (4, 5, 7)


def test_where_memory_binds_a_capacity_at_least_is_no_bound_on_the_fleet() -> None:
    least = replace(capacity(5_000), bound="at_least")
    parts = [demand(10_000, least, bytes_per_rps=grows(0.4))]
    fleet = fleet_of(parts, FLAT, Room(1_000 * MIB, 200 * MIB))
    assert (fleet.binding, fleet.instances.value, fleet.instances.bound) == ("memory", 5, None)


def test_memory_binds_where_it_asks_for_more_instances() -> None:
    # 200 MiB at rest of 1,000 leave 800; 10,000 a second at 0.4 MiB each are 4,000 MiB: 5 instances, CPU asks for 2
    parts = [demand(10_000, capacity(5_000, 4_000, 6_000), bytes_per_rps=grows(0.4))]
    fleet = fleet_of(parts, FLAT, Room(1_000 * MIB, 200 * MIB))
    assert (fleet.binding, fleet.cpu_instances, fleet.memory_instances) == ("memory", 2.0, pytest.approx(5.0))
    assert ends(fleet.instances) == (5, 5, 5)


def test_memory_that_shrinks_under_load_asks_for_nothing() -> None:
    parts = [demand(10_000, capacity(1_000), bytes_per_rps=grows(-5.0 / MIB))]
    assert fleet_of(parts, FLAT, Room(1_000 * MIB, 200 * MIB)).memory_instances == 0.0


def test_an_instance_without_room_for_the_twin_at_rest_is_no_fleet() -> None:
    with pytest.raises(DoesNotFit, match="at rest it uses 300 MiB, an instance has 250 MiB"):
        fleet_of(
            [demand(1, capacity(1))], FLAT.model_copy(update={"vcpus_per_instance": 0.25}), Room(1_000 * MIB, 300 * MIB)
        )


def test_the_minimum_binds_where_little_is_asked() -> None:
    fleet = fleet_of([demand(10, capacity(1_000, 900, 1_100))], CostPlan(minimum_instances=3))
    assert (fleet.binding, ends(fleet.instances)) == ("minimum", (3, 3, 3))


def test_another_size_of_instance_carries_in_proportion() -> None:
    # 10,000 on 1,000 for 2 vCPU are 20 vCPU: 3 instances of 8
    plan = FLAT.model_copy(update={"vcpus_per_instance": 8.0})
    fleet = fleet_of([demand(10_000, capacity(1_000), vcpus=2.0)], plan)
    assert (fleet.need.value, fleet.instances.value, fleet.vcpus.value) == (2.5, 3, 24)


def test_a_capacity_whose_interval_reaches_zero_bounds_nothing_above() -> None:
    fleet = fleet_of([demand(10_000, capacity(1_000, -100, 2_100))], FLAT)
    assert ends(fleet.instances) == (10, 5, None)
    assert fleet.money_per_year.hi is None


def of_need(value: float, lo: float, hi: float, bound: bool = False) -> Fleet:
    """Return a fleet whose need is as given, of 1 vCPU each."""
    asked = Estimate(1_000 / value, 1_000 / hi, 1_000 / lo, "t95", "at_least" if bound else None)
    return fleet_of([demand(1_000, asked)], FLAT)


def test_a_saving_is_the_difference_of_the_counts_with_ends_rounded_outwards() -> None:
    # needs 20 (17 to 23) and 10.5 (6.5 to 14.5): 9.5 ± 5 gives 4.5 to 14.5, outwards 4 to 15; counts 20 − 11 = 9
    saving = saving_of(of_need(20, 17, 23), of_need(10.5, 6.5, 14.5), FLAT)
    assert saving is not None
    assert ends(saving.instances) == (9, 4, 15)
    assert saving.money_per_year.value == pytest.approx(9 * 0.0856 * 8_760)
    assert saving.money_per_year.lo == pytest.approx(4 * 0.0856 * 8_760)


def test_a_candidate_that_costs_more_saves_less_than_nothing() -> None:
    saving = saving_of(of_need(10, 10, 10), of_need(20, 20, 20), FLAT)
    assert saving is not None
    assert ends(saving.instances) == (-10, -10, -10)


def test_a_twin_below_its_limit_bounds_the_saving_on_one_side() -> None:
    known, at_most = of_need(20, 20, 20), of_need(10, 10, 10, bound=True)
    assert at_most.instances.bound == "at_most"  # it carries at least so much, so it needs at most so many
    least, most = saving_of(known, at_most, FLAT), saving_of(at_most, known, FLAT)
    assert least is not None
    assert most is not None
    assert (least.instances.bound, most.instances.bound) == ("at_least", "at_most")
    assert saving_of(at_most, at_most, FLAT) is None


def test_twins_on_instances_of_different_size_are_compared_by_vcpu() -> None:
    big = fleet_of([demand(10_000, capacity(1_000), vcpus=4.0)], FLAT)  # 10 of 4 vCPU
    small = fleet_of([demand(10_000, capacity(800), vcpus=1.0)], FLAT)  # 12.5, so 13 of 1 vCPU
    saving = saving_of(big, small, FLAT)
    assert saving is not None
    assert saving.vcpus.value == 40 - 13
    assert (saving.vcpus.lo, saving.vcpus.hi) == (40 - 12.5 - 1, 40 - 12.5 + 4)


def test_intervals_hold_what_is_true_at_least_as_often_as_they_say() -> None:
    seed, runs, blocks = 20_261_122, 600, 5
    rng = np.random.default_rng(seed)

    def drawn(capacities: tuple[float, float]) -> tuple[Fleet, float]:
        fleets, demands = (85_000.0, 105_000.0), []
        for fleet_rps, rps in zip(fleets, capacities, strict=True):
            found = mean_interval((rps * (1 + 0.03 * rng.standard_normal(blocks))).tolist())
            assert found is not None
            demands.append(demand(fleet_rps, Estimate(found.value, found.lo, found.hi, found.kind)))
        return fleet_of(demands, FLAT), sum(rate / rps for rate, rps in zip(fleets, capacities, strict=True))

    held = {"need": 0, "saving": 0}
    for _ in range(runs):
        (base, base_need), (cand, cand_need) = drawn((500.0, 400.0)), drawn((900.0, 800.0))
        saving = saving_of(base, cand, FLAT)
        assert saving is not None
        held["need"] += (base.need.lo or 0) <= base_need <= (base.need.hi or math.inf)
        apart = math.ceil(base_need) - math.ceil(cand_need)
        held["saving"] += (saving.instances.lo or 0) <= apart <= (saving.instances.hi or math.inf)
    assert min(held.values()) / runs >= 0.95, f"seed {seed}: {held} of {runs}"


needs = st.floats(0.2, 500).flatmap(lambda v: st.tuples(st.just(v), st.floats(0.1, 1.0), st.floats(1.0, 3.0)))


@given(needs, needs)
def test_order_is_kept_and_the_saving_lies_within_its_ends(
    one: tuple[float, float, float], two: tuple[float, float, float]
) -> None:
    base, cand = (of_need(v, v * low, v * high) for v, low, high in (one, two))
    for fleet in (base, cand):
        assert fleet.instances.lo is not None
        assert fleet.instances.hi is not None
        assert fleet.instances.lo <= fleet.instances.value <= fleet.instances.hi
        assert fleet.instances.value == max(1, math.ceil(round(fleet.cpu_instances, 9)))
    saving = saving_of(base, cand, FLAT)
    assert saving is not None
    assert saving.instances.lo is not None
    assert saving.instances.hi is not None
    assert saving.instances.lo <= saving.instances.value <= saving.instances.hi


@given(st.floats(1, 1e6), st.floats(1, 1e5), st.floats(1.0, 3.0))
def test_more_capacity_never_costs_more(fleet_rps: float, rps: float, better: float) -> None:
    before = fleet_of([demand(fleet_rps, capacity(rps))], FLAT)
    after = fleet_of([demand(fleet_rps, capacity(rps * better))], FLAT)
    assert after.money_per_year.value <= before.money_per_year.value

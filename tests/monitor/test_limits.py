from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor import limits, window
from records.clock import NS
from records.instance import Instance
from records.usage import ContainerUsage, HostUsage, UsageLine

HOST = HostUsage(0.0, 0.0, (0.0,), 0)
GO = Instance("go-1", "target", watch="container", cpus=0.5, memory_limit_bytes=1000)
BARE = Instance("go-1", "target", watch="container")


def line(
    t_s: float, cpu_s: float | None, container: ContainerUsage | None = None, *, sampled_s: float | None = None
) -> UsageLine:
    sampled = None if sampled_s is None else round(sampled_s * NS)
    return UsageLine(
        round(t_s * NS), "", int(t_s), (cpu_s,), (None if cpu_s is None else 250,), (None,), (None,), HOST,
        (sampled,), (container,),
    )  # fmt: skip


def shown(periods: int, throttled: int, throttled_s: float, received: int | None = None) -> ContainerUsage:
    return ContainerUsage(periods, throttled, throttled_s, 0.25, 2000, 3, received, received and 2 * received)


THROTTLED = [
    line(10, 1.0, shown(100, 10, 1.0, 50)),
    line(11, 1.25, shown(110, 15, 1.5, 80)),
    line(12, 1.5, shown(120, 19, 2.1, 150)),
]


def seconds(from_s: float, to_s: float) -> tuple[int, int]:
    return round(from_s * NS), round(to_s * NS)


def test_throttling_is_the_part_of_periods_and_seconds_a_second() -> None:
    assert window.throttled_ratio(THROTTLED, 0, *seconds(10, 12)) == 9 / 20
    assert window.throttled_ratio(THROTTLED, 0, *seconds(11, 12)) == 4 / 10
    assert window.throttled_cores(THROTTLED, 0, *seconds(10, 12)) == pytest.approx(0.55)


def test_without_a_period_nothing_is_known_of_throttling() -> None:
    still = [line(10, 1.0, shown(100, 10, 1.0)), line(11, 1.0, shown(100, 10, 1.0))]
    assert window.throttled_ratio(still, 0, *seconds(10, 11)) is None
    assert window.throttled_cores(still, 0, *seconds(10, 11)) == 0.0
    assert window.throttled_ratio([line(10, 1.0), line(11, 1.0)], 0, *seconds(10, 11)) is None


def test_counts_that_went_back_are_a_restart_and_not_known() -> None:
    again = [line(10, 1.0, shown(100, 10, 1.0)), line(11, 1.0, shown(5, 1, 0.1))]
    assert window.throttled_ratio(again, 0, *seconds(10, 11)) is None


def test_network_bytes_are_a_rate_and_none_in_the_hosts_network() -> None:
    assert window.network_bytes_per_s(THROTTLED, 0, *seconds(10, 12)) == (50.0, 100.0)
    host = [line(10, 1.0, shown(1, 1, 1)), line(11, 1.0, shown(1, 1, 1))]
    assert window.network_bytes_per_s(host, 0, *seconds(10, 11)) is None


def test_shares_are_of_the_limit_in_force_and_of_the_allotment_for_memory() -> None:
    assert limits.cpu_ratio(THROTTLED, 0, GO, *seconds(10, 12)) == 0.25 / 0.25
    assert limits.memory_ratio(THROTTLED, 0, GO, *seconds(10, 12)) == 250 / 1000
    assert limits.memory_ratio(THROTTLED, 0, BARE, *seconds(10, 12)) == 250 / 2000


def test_without_a_limit_there_is_no_share() -> None:
    lines = [line(10, 1.0), line(11, 1.5)]
    assert limits.cpu_ratio(lines, 0, GO, *seconds(10, 11)) == 1.0
    assert limits.cpu_ratio(lines, 0, BARE, *seconds(10, 11)) is None
    assert limits.memory_ratio(lines, 0, BARE, *seconds(10, 11)) is None
    assert limits.share(None, 1.0) is None


SCRAPED = [line(t, float(t // 5 * 5), sampled_s=t // 5 * 5 - 0.5) for t in range(10, 41)]  # one core, each five seconds


def test_samples_with_times_of_their_own_are_taken_at_those_each_once() -> None:
    series = window.series_of(SCRAPED, 0, lambda line: line.cpu_s[0])
    assert [t_ns / NS for t_ns, _ in series] == [9.5, 14.5, 19.5, 24.5, 29.5, 34.5, 39.5]
    assert window.resolution_s(SCRAPED, 0) == 5.0


def test_an_end_of_a_window_is_drawn_in_to_the_nearest_scrape() -> None:
    assert window.cpu_cores(SCRAPED, 0, *seconds(12, 38)) == 1.0
    assert window.cpu_cores(SCRAPED, 0, *seconds(14.5, 24.5)) == 1.0


def test_a_window_that_scrapes_cover_by_less_than_half_is_not_known() -> None:
    assert window.cpu_cores(SCRAPED, 0, *seconds(15, 24)) is None
    assert window.cpu_cores(SCRAPED, 0, *seconds(14, 25.5)) == 1.0
    assert window.cpu_cores(SCRAPED, 0, *seconds(41, 60)) is None


def test_memory_is_the_mean_over_scrapes_inside() -> None:
    assert window.memory_mean_bytes(SCRAPED, 0, *seconds(12, 38)) == 250
    assert window.memory_mean_bytes(SCRAPED, 0, *seconds(15, 19)) is None


def test_a_failed_scrape_is_a_gap_and_the_scrapes_around_it_still_count() -> None:
    failed = [line(10, 1.0, sampled_s=9.8), line(11, None), line(12, 3.0, sampled_s=11.8)]
    assert window.cpu_cores(failed, 0, *seconds(9.8, 11.8)) == 1.0
    assert window.cpu_cores(failed, 0, *seconds(10, 11)) is None


@given(st.lists(st.floats(0.01, 2.0), min_size=2, max_size=20), st.floats(0.0, 0.9))
def test_cores_never_leave_the_range_of_the_rates_between_scrapes(steps: list[float], late_s: float) -> None:
    lines, cpu_s = [line(10, 0.0, sampled_s=10 - late_s)], 0.0
    for number, step in enumerate(steps, start=11):
        cpu_s += step
        lines.append(line(number, cpu_s, sampled_s=number - late_s))
    cores = window.cpu_cores(lines, 0, lines[0].t_ns, lines[-1].t_ns)
    assert cores is None or min(steps) - 1e-6 <= cores <= max(steps) + 1e-6

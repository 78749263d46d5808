from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor import window
from records.clock import NS
from records.usage import HostUsage, UsageLine


def line(t_s: float, cpu_s: float | None, memory: int | None = None, host: tuple[float, ...] = (0.0, 0.0)) -> UsageLine:
    used = HostUsage(sum(host), t_s / 10, host, 0)
    return UsageLine(round(t_s * NS), "", int(t_s), (cpu_s,), (memory,), (None if cpu_s is None else 10,), (3,), used)


def cores(lines: list[UsageLine], from_s: float, to_s: float) -> float | None:
    return window.cpu_cores(lines, 0, round(from_s * NS), round(to_s * NS))


STEADY = [line(10, 1.0), line(11, 1.5), line(12, 2.5), line(13, 2.75)]


def test_cores_are_the_difference_of_cpu_time_over_time() -> None:
    assert cores(STEADY, 10, 12) == 0.75
    assert cores(STEADY, 11, 13) == 0.625


def test_ends_between_samples_are_drawn_on_the_line_between_them() -> None:
    assert cores(STEADY, 10.5, 11.5) == pytest.approx((2.0 - 1.25) / 1.0)
    assert cores(STEADY, 11.25, 11.75) == pytest.approx(1.0)


def test_a_window_before_the_first_or_behind_the_last_sample_is_not_known() -> None:
    assert cores(STEADY, 9.9, 12) is None
    assert cores(STEADY, 10, 13.1) is None
    assert cores([], 10, 12) is None


def test_a_gap_over_an_end_is_not_known_but_one_inside_does_no_harm() -> None:
    gap = [line(10, 1.0), line(11, 1.5), line(14, 4.5), line(15, 5.0)]
    assert cores(gap, 12, 15) is None
    assert cores(gap, 10, 13) is None
    assert cores(gap, 10, 15) == pytest.approx(0.8)
    assert cores(gap, 11, 14) == pytest.approx(1.0)


def test_a_sample_without_a_value_is_a_gap_too() -> None:
    lines = [line(10, 1.0), line(11, None), line(12, 2.0), line(13, 3.0)]
    assert cores(lines, 10.5, 13) is None
    assert cores(lines, 11, 13) is None
    assert cores(lines, 10, 13) == pytest.approx(2 / 3)


def test_a_count_that_goes_back_is_a_restart_and_not_known() -> None:
    lines = [line(10, 5.0), line(11, None), line(12, 1.0), line(13, 7.0)]
    assert cores(lines, 10, 13) is None
    assert cores(lines, 12, 13) == 6.0


def test_an_empty_window_is_an_error() -> None:
    with pytest.raises(ValueError, match="is no window"):
        cores(STEADY, 11, 11)


def test_memory_is_the_mean_of_the_samples_inside() -> None:
    lines = [line(10, 0.0, 900), line(11, 0.0, 100), line(12, 0.0, None), line(13, 0.0, 200), line(14, 0.0, 999)]
    assert window.memory_mean_bytes(lines, 0, 11 * NS, 13 * NS) == 150.0
    assert window.memory_mean_bytes(lines, 0, 12 * NS, 12 * NS) is None


def test_stolen_time_is_of_all_cores_and_a_busy_part_of_the_cores_asked_for() -> None:
    lines = [line(10, 0.0, host=(1.0, 5.0)), line(11, 0.0, host=(2.0, 5.5)), line(12, 0.0, host=(3.0, 6.0))]
    assert window.steal_ratio(lines, 10 * NS, 12 * NS) == pytest.approx(0.2 / 2 / 2)
    assert window.cores_busy_ratio(lines, (0,), 10 * NS, 12 * NS) == pytest.approx(1.0)
    assert window.cores_busy_ratio(lines, (0, 1), 10 * NS, 12 * NS) == pytest.approx(0.75)
    assert window.cores_busy_ratio(lines, (), 10 * NS, 12 * NS) is None
    assert window.cores_busy_ratio(lines, (2,), 10 * NS, 12 * NS) is None


used_s = st.lists(st.integers(0, 1_000), min_size=4, max_size=20)


@given(used_s, st.data())
def test_two_windows_side_by_side_add_up_to_the_one_around_them(used_ms: list[int], data: st.DataObject) -> None:
    total, lines = 1e9, []
    for second, ms in enumerate(used_ms):
        total += ms / 1_000
        lines.append(line(second, total))
    last = (len(lines) - 1) * 1_000
    a, b, c = sorted(data.draw(st.lists(st.integers(0, last), min_size=3, max_size=3, unique=True)))
    left, right, whole = (cores(lines, x / 1_000, y / 1_000) for x, y in ((a, b), (b, c), (a, c)))
    assert left is not None
    assert right is not None
    assert whole is not None
    assert left * (b - a) + right * (c - b) == pytest.approx(whole * (c - a), abs=1e-2)
    assert -1e-3 <= whole <= 1.001

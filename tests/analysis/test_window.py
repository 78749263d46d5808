"""What a window cost where samples cover it, and where they do not."""

import pytest

from analysis.window import covered, usage_in
from records.clock import NS
from records.usage import HostUsage, UsageLine


def line(
    second: float, cpu: float | None, *, memory: int | None = 100, busy: float = 0.0, steal: float = 0.0
) -> UsageLine:
    return UsageLine(
        int(second * NS), "", int(second), (cpu,), (memory,), (None,), (None,), HostUsage(busy, steal, (busy, 0.0), 0)
    )


LINES = [line(10, 1.0), line(11, 1.5, busy=0.5), line(12, 2.5, busy=1.5, steal=0.2), line(13, 2.5, busy=1.5, steal=0.2)]


def test_cores_are_the_growth_of_cpu_time_per_second() -> None:
    used = usage_in(LINES, 1, ((0,),), 10 * NS, 12 * NS)
    assert used.cores == (0.75,)
    assert used.memory_bytes == (100.0,)
    assert used.stolen_ratio == pytest.approx(0.2 / 2 / 2)  # 0.2 s of two cores over two seconds
    assert used.busy_ratios == (pytest.approx(0.75),)


def test_an_end_between_samples_is_read_on_a_straight_line() -> None:
    assert usage_in(LINES, 1, (), int(10.5 * NS), int(11.5 * NS)).cores == (pytest.approx(0.75),)


def test_an_end_without_a_sample_yet_is_drawn_in() -> None:
    assert covered(LINES, 11 * NS, 14 * NS) == (11 * NS, 13 * NS)
    assert usage_in(LINES, 1, (), 11 * NS, 14 * NS).cores == (0.5,)


def test_a_window_less_than_half_covered_has_no_figures() -> None:
    assert covered(LINES, 12 * NS, 15 * NS) is None
    used = usage_in(LINES, 1, ((0,),), 12 * NS, 15 * NS)
    assert (used.cores, used.memory_bytes, used.stolen_ratio, used.busy_ratios) == ((None,), (None,), None, (None,))
    assert covered([], 0, NS) is None
    assert covered(LINES, 11 * NS, 11 * NS) is None


def test_an_instance_that_could_not_be_read_is_a_gap() -> None:
    lines = [line(10, 1.0), line(11, None, memory=None), line(12, None, memory=None)]
    used = usage_in(lines, 1, (), 10 * NS, 12 * NS)
    assert used.cores == (None,)
    assert used.memory_bytes == (100.0,)  # the one sample there is


def test_unpinned_instances_have_no_cores_of_their_own() -> None:
    assert usage_in(LINES, 1, ((),), 10 * NS, 12 * NS).busy_ratios == (None,)

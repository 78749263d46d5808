from __future__ import annotations

import os

import pytest

from monitor import Monitor, SamplingFailed
from monitor.watch import next_boundary_ns, sample_on_boundaries
from records.clock import NS, Clock
from records.instance import Instance
from records.usage import UsageLine


class FakePause:
    """A wait that moves the clock, wakes late by what a test says, and ends after so many waits."""

    def __init__(self, start_ns: int, waits: int, late_ns: int = 0) -> None:
        self.now_ns = start_ns
        self.waits = waits
        self.late_ns = late_ns

    def wait(self, timeout: float) -> bool:
        self.waits -= 1
        if self.waits < 0:
            return True
        self.now_ns += round(timeout * NS) + self.late_ns
        return False

    def set(self) -> None:
        pass


def taken(pause: FakePause, *, costs_ns: list[int] | None = None, interval_ns: int = NS) -> list[int]:
    """Return when samples were taken; `costs_ns` is how long each takes."""
    times: list[int] = []
    costs = iter(costs_ns or [])

    def take() -> None:
        times.append(pause.now_ns)
        pause.now_ns += next(costs, 1_000_000)

    sample_on_boundaries(take, pause, interval_ns=interval_ns, now_ns=lambda: pause.now_ns)
    return times


def test_the_next_boundary_is_the_next_whole_second_never_this_one() -> None:
    assert next_boundary_ns(5 * NS, NS) == 6 * NS
    assert next_boundary_ns(5 * NS + 1, NS) == 6 * NS
    assert next_boundary_ns(6 * NS - 1, NS) == 6 * NS


def test_samples_stand_on_whole_seconds_after_the_first_and_before_the_last() -> None:
    assert taken(FakePause(10 * NS + 300, 3)) == [10 * NS + 300, 11 * NS, 12 * NS, 13 * NS, 13 * NS + 1_000_000]


def test_waking_late_does_not_add_up() -> None:
    times = taken(FakePause(10 * NS, 3, late_ns=70_000))
    assert times[1:4] == [11 * NS + 70_000, 12 * NS + 70_000, 13 * NS + 70_000]


def test_waking_early_waits_on() -> None:
    pause = FakePause(10 * NS, 3)

    class Hasty:
        """Wakes 100 ns early, once."""

        def wait(self, timeout: float) -> bool:
            ended = pause.wait(timeout)
            if pause.waits == 2:
                pause.now_ns -= 100
            return ended

        def set(self) -> None:
            pass

    times: list[int] = []
    sample_on_boundaries(lambda: times.append(pause.now_ns), Hasty(), interval_ns=NS, now_ns=lambda: pause.now_ns)
    assert times[:3] == [10 * NS, 11 * NS, 12 * NS]


def test_an_overrun_leaves_a_gap_and_goes_on_at_the_next_whole_second() -> None:
    times = taken(FakePause(10 * NS, 2, late_ns=0), costs_ns=[1, 2 * NS + NS // 2])
    assert times[:3] == [10 * NS, 11 * NS, 14 * NS]


def test_other_intervals_stand_on_their_multiples() -> None:
    assert taken(FakePause(10 * NS + 1, 2), interval_ns=NS // 4)[1:3] == [10 * NS + NS // 4, 10 * NS + NS // 2]


def test_a_monitor_that_runs_takes_a_first_and_a_last_line() -> None:
    lines: list[UsageLine] = []
    me = Instance("me", "generator", watch="process", pid=os.getpid())
    monitor = Monitor([me], Clock.now(), lines.append)
    monitor.start()
    monitor.stop()
    monitor.stop()
    assert len(lines) >= 2
    assert all(line.cpu_s[0] is not None and (line.memory_bytes[0] or 0) > 1 << 20 for line in lines)
    assert lines[0].t_ns < lines[-1].t_ns


def test_an_error_in_the_thread_is_raised_by_stop_and_check() -> None:
    def full(_: UsageLine) -> None:
        raise OSError("no space left")

    monitor = Monitor([], Clock.now(), full)
    monitor.start()
    with pytest.raises(SamplingFailed, match="no space left"):
        monitor.stop()
    with pytest.raises(SamplingFailed):
        monitor.check()


def test_a_monitor_that_never_started_stops() -> None:
    Monitor([], Clock.now(), lambda _: None).stop()

from __future__ import annotations

import math

from analysis.timeline import CpuTrace
from records.clock import NS
from records.usage import HostUsage, UsageLine

HOST = HostUsage(0.0, 0.0, (0.0,), 0)


def line(second: int, cpu_s: float | None, sampled_s: float | None = None) -> UsageLine:
    sampled = () if sampled_s is None else (round(sampled_s * NS),)
    return UsageLine(second * NS, "", second, (cpu_s,), (1,), (None,), (None,), HOST, sampled)


def cores(*lines: UsageLine) -> list[float]:
    trace = CpuTrace({"go": (0,)})
    for one in lines:
        trace.add(one)
    return list(trace.cores["go"])


def test_cores_are_the_growth_between_lines_and_a_gap_is_not_a_number() -> None:
    used = cores(line(10, 1.0), line(11, 1.5), line(12, None), line(13, 3.0), line(14, 3.25))
    assert used[0] == 0.5
    assert all(math.isnan(one) for one in used[1:3])
    assert used[3] == 0.25


def test_a_sample_of_its_own_time_is_a_growth_over_that_time_and_holds_until_the_next() -> None:
    scraped = [(10, 1.0, 9.5), (11, 1.0, 9.5), (12, 2.0, 11.5), (13, 2.0, 11.5), (14, 2.5, 13.5)]
    used = cores(*(line(*one) for one in scraped))
    assert math.isnan(used[0])
    assert used[1:] == [0.5, 0.5, 0.25]

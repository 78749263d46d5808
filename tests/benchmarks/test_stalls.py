"""Stalls through load testers: the truth by hand, the testers' reports, and two testers over real sockets."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.sending.target import BINARY, target
from benchmarks.stalls import reports
from benchmarks.stalls.__main__ import Told, rows, through
from benchmarks.stalls.series import EDGE_S, Latencies, Stall, at_random, once, truth
from benchmarks.stalls.testers import PROGRAMS, Load, Program, Twinload


def test_one_stall_of_a_second_in_twenty_is_late_by_hand() -> None:
    found = truth(once(20.0, 1.0), 20.0)
    assert found.p50_s == 0
    assert found.p99_s == pytest.approx(0.8, abs=2e-4)
    assert found.max_s == 1.0


def test_stalls_of_one_length_share_the_late_arrivals_among_them() -> None:
    stalls = (Stall(1.0, 0.2), Stall(3.0, 0.2), Stall(5.0, 0.2), Stall(7.0, 0.2))
    assert truth(stalls, 10.0).p99_s == pytest.approx(0.2 - 0.01 * 10 / 4, abs=2e-4)  # 0.1 s of the run, a quarter each


def test_a_run_that_mostly_stands_still_has_a_late_median() -> None:
    assert truth((Stall(0.0, 8.0),), 10.0).p50_s == pytest.approx(3.0, abs=1e-3)  # the 5 s that wait longest are above


@given(st.floats(4, 60), st.floats(0.05, 0.5), st.floats(0.2, 5), st.integers(0, 1000))
def test_drawn_stalls_never_overlap_nor_touch_the_ends(
    run_s: float, length_s: float, every_s: float, seed: int
) -> None:
    stalls = at_random(run_s, length_s, every_s, seed)
    ends = [stall.at_s + stall.length_s for stall in stalls]
    assert stalls[0].at_s >= EDGE_S
    assert ends[-1] <= run_s - EDGE_S
    assert all(after.at_s > end for end, after in zip(ends, stalls[1:], strict=False))
    assert stalls == at_random(run_s, length_s, every_s, seed)


def test_a_stall_that_does_not_fit_or_does_not_count_is_refused() -> None:
    with pytest.raises(ValueError, match="take more than 1 %"):
        once(20.0, 0.2)
    with pytest.raises(ValueError, match="take more than 1 %"):
        once(1.5, 1.0)
    with pytest.raises(ValueError, match="no stall of 3 s"):
        at_random(3.5, 3.0, 1.0, 1)


WRK = """\
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     4.47ms    7.87ms   1.01s    88.83%
  Latency Distribution
     50%  970.00us
     75%    5.46ms
     99%   40.52ms
"""
AB = """\
Percentage of the requests served within a certain time (ms)
  50%      3
  99%     19
 100%   1002 (longest request)
"""
HEY = """\
  Slowest:	1.0004 secs
Latency distribution:
  50% in 0.0109 secs
  99% in 0.0394 secs
"""
H2LOAD = "time for request:       60us       1.00s      9.81ms     20.00ms    91.00%\n"
LOCUST = """\
Type,Name,Request Count,Max Response Time,50%,99%
GET,/u/1,7,999.5,2,980
,Aggregated,7,1000.5,1,990
"""


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (reports.of_wrk, WRK, Latencies(0.00097, 0.04052, 1.01)),
        (reports.of_ab, AB, Latencies(0.003, 0.019, 1.002)),
        (reports.of_hey, HEY, Latencies(0.0109, 0.0394, 1.0004)),
        (reports.of_h2load, H2LOAD, Latencies(None, None, 1.0)),
        (reports.of_locust, LOCUST, Latencies(0.001, 0.99, 1.0005)),
        (
            reports.of_oha,
            json.dumps({"summary": {"slowest": 1.0}, "latencyPercentiles": {"p50": 0.001, "p99": 0.9}}),
            Latencies(0.001, 0.9, 1.0),
        ),
        (
            reports.of_k6,
            json.dumps({"metrics": {"http_req_duration": {"med": 1.0, "p(99)": 900.0, "max": 1000.0}}}),
            Latencies(0.001, 0.9, 1.0),
        ),
    ],
)
def test_a_report_is_read_in_seconds(read: object, text: str, expected: Latencies) -> None:
    found = read(text)  # type: ignore[operator]
    assert [found.p50_s, found.p99_s, found.max_s] == [
        None if value is None else pytest.approx(value) for value in (expected.p50_s, expected.p99_s, expected.max_s)
    ]


@pytest.mark.parametrize("read", [reports.of_wrk, reports.of_ab, reports.of_hey, reports.of_h2load])
def test_what_a_report_does_not_say_is_unknown(read: object) -> None:
    assert read("nothing was answered") == Latencies(None, None, None)  # type: ignore[operator]


def test_the_table_says_by_how_much_a_tester_is_off_and_why_one_is_missing() -> None:
    told = [
        Told("wrk", "closed loop", Latencies(0.0001, 0.002, 1.01), Latencies(0.0, 0.8, 1.0)),
        Told("h2load", "at a rate", Latencies(None, None, 1.0), Latencies(0.0, 0.8, 1.0)),
        Told("k6", "arrivals", None, None, "k6 is not installed"),
    ]
    table = rows(told)
    assert table[2] == "| wrk | closed loop | 0.1 | 2.0 | 1,010.0 | 800.0 | 1,000.0 | 0.003 |"
    assert table[3] == "| h2load | at a rate | – | – | 1,000.0 | 800.0 | 1,000.0 | – |"
    assert table[4] == "| k6 | k6 is not installed | | | | | | |"


def test_what_is_not_installed_is_left_out_with_its_reason() -> None:
    absent = Program("ghost", "no-such-load-tester", "", lambda _t, _l: [], reports.of_wrk)
    assert absent.absent() == "no-such-load-tester is not installed"


def share(told: Told) -> float:
    """Return what was reported of the true 99th percentile."""
    reported, true = told.reported, told.true
    assert reported is not None
    assert true is not None
    return (reported.p99_s or 0.0) / (true.p99_s or 1.0)


@pytest.mark.slow
@pytest.mark.skipif(not BINARY.is_file(), reason=f"{BINARY.name} is not built: `make bench` builds it")
@pytest.mark.skipif(shutil.which("ab") is None, reason="ab is not installed")
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core alone: target and testers need one each")
def test_one_stall_is_seen_whole_from_the_intended_start_and_hidden_by_a_closed_loop() -> None:
    first, second = sorted(os.sched_getaffinity(0))[:2]
    load, wanted = Load(200.0, 10, second), once(10.0, 0.5)  # seconds to spare on either side of the stall
    ab = next(one for one in PROGRAMS if one.name == "ab")
    with ExitStack() as stack:
        one, spare = (stack.enter_context(target(first)) for _ in range(2))
        open_loop, closed = (through(tester, one, wanted, load) for tester in (Twinload(spare), ab))
    for told in (open_loop, closed):
        assert told.reported is not None
        assert told.true is not None
        assert told.reported.max_s is not None
        assert told.true.max_s is not None
        assert told.reported.max_s >= 0.5 * told.true.max_s  # the largest answer does not hide
        assert told.reported.p99_s is not None
        assert told.true.p99_s is not None
    assert share(open_loop) >= 0.9  # a machine's own delays come on top
    assert share(closed) <= 0.5  # of thousands of requests sixteen were late

"""The truth test over real sockets: its plan and its table by hand, and one whole blind search of a known server."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest

from analysis.capacity import Capacity, CapacityRatio
from analysis.intervals import Interval
from benchmarks.sending.target import BINARY
from benchmarks.truth.__main__ import line_of, summed_up
from benchmarks.truth.sockets import KNOWN, Blind, Known, Setup, find, plan_text
from records.plan import Plan


def has_pace() -> bool:
    if not BINARY.exists():
        return False
    return "--pace" in subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", list(KNOWN))
def test_every_known_server_has_a_plan_that_is_valid(name: str, tmp_path: Path) -> None:
    addresses = ["127.0.0.1:19001", "127.0.0.1:19002"]
    plan = Plan.model_validate(tomllib.loads(plan_text(KNOWN[name], addresses, Setup(tmp_path, 7, 60))))
    assert plan.search.mode == "capacity"
    assert plan.search.seed == 7
    assert plan.slo.p99_ms == KNOWN[name].limit_ms
    assert [twin.instances[0].address for twin in plan.twins.values()] == addresses


def test_a_run_is_held_against_the_truth() -> None:
    capacity = Capacity(Interval(990.0, 980.0, 1010.0, 3, "t95"), at_least=False, blocks=())
    ratio = CapacityRatio(Interval(1.7, 1.65, 1.75, 3, "t95"), None, narrow=True)
    line = line_of("D/D/1", 1.6, Blind(capacity, None, ratio, 30, 2, ""), 100.0)
    assert line.capacity_error == pytest.approx(-0.01)
    assert line.capacity_holds is True
    assert line.ratio_error == pytest.approx(1.7 / 1.6 - 1)
    assert line.ratio_holds is False
    assert "off by 1.00 %" in summed_up([line])
    assert "capacity 1 of 1, ratio 0 of 1" in summed_up([line])


def test_a_range_covers_nothing_and_a_drift_has_no_true_capacity() -> None:
    capacity = Capacity(Interval(990.0, 980.0, 1010.0, 2, "range"), at_least=False, blocks=())
    line = line_of("D/D/1", 1.6, Blind(capacity, None, None, 30, 2, ""), 100.0)
    assert (line.capacity_holds, line.capacity_half, line.pairs) == (None, None, 0)
    drifting = line_of("slow drift", 1.6, Blind(capacity, None, None, 30, 2, ""), 100.0)
    assert drifting.capacity_error != drifting.capacity_error  # NaN
    assert "–" in summed_up([drifting])


@pytest.mark.slow
@pytest.mark.skipif(not has_pace(), reason=f"{BINARY} is not built, or has no --pace: `make bench` builds it")
def test_the_capacity_of_a_real_server_is_found_blind(tmp_path: Path) -> None:
    # One pair is always driven, whatever the limit. 200 ms of patience: a busy machine's own stalls are shorter.
    known = Known(200, lambda x: f"rate={1_000 * x}", lambda x: 1_000 * x)
    found = find(known, 1.6, Setup(tmp_path, seed=3, time_limit_s=1.0))
    assert found.baseline is not None
    assert found.candidate is not None
    assert found.baseline.interval.value == pytest.approx(1_000, rel=0.2)
    assert found.candidate.interval.value == pytest.approx(1_600, rel=0.2)

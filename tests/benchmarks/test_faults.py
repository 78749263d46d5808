"""The parts of the faults' trials: what a sick service does, what callers count; and a quick form of the whole."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.canary import figures_of, table_of, told
from benchmarks.faults.board import Board
from benchmarks.faults.callers import Callers
from benchmarks.faults.candidate import FAULTS, Candidate, Fault, missing_for, running_candidate
from benchmarks.faults.service import Sickness, body_of
from benchmarks.faults.trial import BINARY, Outcome, run_trial

PATIENCE_S = 60.0
BY_NAME = {fault.name: fault for fault in FAULTS}


def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition, with a bound that only a broken part reaches."""
    end_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def get(address: str, path: str = "/v1/users/u1/balance", method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)
    connection.request(method, path)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


@pytest.fixture
def candidate(tmp_path: Path) -> Iterator[Candidate]:
    with running_candidate(BY_NAME["status 500"], tmp_path) as one:
        yield one


def test_a_well_service_answers_and_notes_what_came(candidate: Candidate, tmp_path: Path) -> None:
    before_ns = time.monotonic_ns()
    assert get(candidate.address) == (200, body_of("u1"))
    assert get(candidate.address, "/v1/users/u1/recharges?n=7", "POST")[0] == 201
    assert get(candidate.address, "/readyz")[0] == 200
    count, last_ns = candidate.board.seen()
    assert count == 2
    assert before_ns < last_ns < time.monotonic_ns()
    assert (tmp_path / "candidate-writes").read_text(encoding="ascii") == "7\n"


def test_status_500_and_garbage_are_what_callers_get(candidate: Candidate) -> None:
    BY_NAME["status 500"].strike(candidate)
    assert get(candidate.address)[0] == 500
    BY_NAME["garbage"].strike(candidate)
    status, body = get(candidate.address)
    assert status == 200
    with pytest.raises(ValueError, match=r"codec|JSON|Expecting|Invalid"):
        json.loads(body)
    assert get(candidate.address, "/readyz")[0] == 200


def test_resets_are_resets(candidate: Candidate) -> None:
    BY_NAME["resets"].strike(candidate)
    with pytest.raises(ConnectionResetError):
        get(candidate.address)


def test_slow_is_ten_times_as_long(candidate: Candidate) -> None:
    BY_NAME["ten times slower"].strike(candidate)
    begin_s = time.monotonic()
    assert get(candidate.address) == (200, body_of("u1"))
    assert time.monotonic() - begin_s >= 0.02


@pytest.mark.parametrize("name", ["killed", "out of memory"])
def test_a_dead_one_refuses(candidate: Candidate, name: str) -> None:
    before_ns = time.monotonic_ns()
    assert before_ns < BY_NAME[name].strike(candidate) < time.monotonic_ns()
    assert candidate.process.wait(PATIENCE_S) == -9
    with pytest.raises(ConnectionRefusedError):
        get(candidate.address)


def test_a_stopped_one_is_seen_by_the_forwarder_before_it(tmp_path: Path) -> None:
    with running_candidate(BY_NAME["stopped"], tmp_path) as candidate:
        assert get(candidate.address)[0] == 200
        BY_NAME["stopped"].strike(candidate)
        seen, sent = candidate.board.seen()[0], candidate.sent
        assert sent is not None
        assert sent.seen()[0] == seen == 1
        host, _, port = candidate.address.rpartition(":")
        with socket.create_connection((host, int(port))) as asking:
            asking.sendall(b"GET /v1/users/u1/balance HTTP/1.1\r\n\r\n")
            until(lambda: sent.seen()[0] == 2)
        assert candidate.board.seen()[0] == 1


@pytest.mark.skipif(missing_for(BY_NAME["store lost"]) is not None, reason="redis-server is not installed")
def test_one_without_its_store_answers_503(tmp_path: Path) -> None:
    with running_candidate(BY_NAME["store lost"], tmp_path) as candidate:
        assert get(candidate.address) == (200, body_of("u1"))
        BY_NAME["store lost"].strike(candidate)
        until(lambda: get(candidate.address)[0] == 503)
        assert get(candidate.address, "/readyz")[0] == 200


def counted(address: str, ends: Callable[[Callers], bool]) -> Callers:
    """Have callers send until a condition holds."""
    callers = Callers(address, ("u1", "u2"), 200.0, seed=3)
    callers.start()
    until(lambda: ends(callers))
    callers.stop()
    return callers


def test_callers_count_what_is_good_and_each_way_to_fail(candidate: Candidate) -> None:
    good = counted(candidate.address, lambda callers: callers.safe["good"] > 50 and callers.unsafe["good"] > 1)
    assert (good.failed, set(good.safe), set(good.unsafe)) == (0, {"good"}, {"good"})
    for sickness, how in (
        (Sickness.STATUS_500, "status-500"), (Sickness.GARBAGE, "wrong-bytes"), (Sickness.RESETS, "reset"),
    ):  # fmt: skip
        candidate.board.sickness = sickness
        bad = counted(candidate.address, lambda callers: callers.safe.total() > 20)
        assert set(bad.safe) == {how}
        assert bad.failed == bad.safe.total()
    candidate.process.kill()
    candidate.process.wait()
    assert set(counted(candidate.address, lambda callers: callers.safe.total() > 20).safe) == {"refused"}


def test_a_board_is_the_same_for_all_who_open_it(tmp_path: Path) -> None:
    one, other = Board(tmp_path / "board"), Board(tmp_path / "board")
    assert (other.seen(), other.sickness) == ((0, 0), 0)
    one.note()
    one.sickness = 3
    assert (other.seen()[0], other.sickness) == (1, 3)


def outcome(fault: str, share: float, fallback_ms: float | None, failed: int = 0) -> Outcome:
    ways = Counter({"good": 100, **({"status-502": failed} if failed else {})})
    return Outcome(fault, share, fallback_ms, 100 + failed, failed, ways, Counter({"good": 5}), 0, "failures", 40)


def test_the_figures_are_the_sum_of_failures_and_the_largest_time() -> None:
    found = figures_of([outcome("killed", 0.01, 510.0), outcome("killed", 0.05, 90.0, 2), outcome("stopped", 0.01, 30)])
    assert (found["failed_requests_over_all_faults"], found["fallback_ms"]) == (2, 510.0)
    assert found["fallback_ms_median"] == 90.0
    assert figures_of([outcome("killed", 0.01, 510.0), outcome("killed", 0.05, None)])["fallback_ms"] is None


def test_the_table_has_a_row_a_fault_and_a_column_a_share() -> None:
    lines = list(table_of([outcome("killed", 0.05, 90.0, 2), outcome("killed", 0.01, 510.0)]))
    assert lines[0] == "| fault | 1% | 5% | opened by |"
    assert lines[2] == "| killed | 0 failed, 510 ms | 2 failed, 90 ms | failures |"
    assert "2 of 102 reads failed {'status-502': 2}" in told(outcome("killed", 0.05, 90.0, 2))


@pytest.mark.slow
@pytest.mark.skipif(not BINARY.is_file(), reason="the gateway is not built here")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", [BY_NAME["killed"], BY_NAME["garbage"]], ids=lambda fault: fault.name)
def test_no_caller_notices_a_fault_at_half_the_users(fault: Fault, tmp_path: Path) -> None:
    found = run_trial(fault, 0.5, 200.0, tmp_path)
    assert found.failed == 0, found
    assert found.fallback_ms is not None, found
    assert found.twice == 0
    assert found.to_candidate > 0
    assert found.reason in ("failures", "unhealthy")

"""The fault proxy on real sockets: it adds nothing of its own, and what it injects is seen through it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from shadow.answer import Answer, Case, Pair
from shadow.judge import Raced, judge
from shadow.mutation.faults import KINDS
from shadow.mutation.proxy import Fault, FaultProxy, Injection
from shadow.mutation.score import Score, table_of
from shadow.replay import Sides, replay
from shadow.wire import Request, Target, Wire

TIMEOUT_S = 10.0


def target(name: str, address: str) -> Target:
    host, _, port = address.rpartition(":")
    return Target(name, name, host, int(port), address, (), None)


def cases(count: int) -> list[Case]:
    paths = [f"/v1/users/u{n:05d}x/statistics?from=1&to={n}" for n in range(count)]
    return [Case(n, "statistics", "valid", "", "fan", "GET", path, path) for n, path in enumerate(paths)]


def upstream(service: object) -> tuple[str, int]:
    host, _, port = service.address.rpartition(":")  # type: ignore[attr-defined]
    return host, int(port)


@pytest.fixture
def compact(wallet_answers: Callable, reply_type: Callable) -> Callable:
    """Return a wallet whose bodies are compact, so that a document gives the same bytes again."""

    def answer(method: str, path: str):
        reply = wallet_answers(method, path)
        reply.body = reply.body.replace(b'": ', b'":').replace(b", ", b",")
        return reply

    return answer


def asked(old: str, new: str, some: list[Case], timeout_s: float) -> list[Pair]:
    sides = Sides({"statistics": (target("old", old),)}, {"statistics": (target("new", new),)})
    return list(replay(some, sides, timeout_s=timeout_s, environ={}))


def test_every_kind_of_fault_is_seen_and_named_and_the_good_answers_between_are_not(
    serve: Callable, compact: Callable
) -> None:
    old, new = serve(compact), serve(compact)
    some = cases(6 * len(KINDS))
    faults = {}
    for place, case in enumerate(some[::2]):
        other = "/".join([*case.target.split("/")[:3], "u99999x", *case.target.split("/")[4:]])
        kind = KINDS[place % len(KINDS)]
        faults[case.target] = Fault(case.target, kind, place, other if kind == "user" else None)
    score = Score()
    with closing(FaultProxy(upstream(new), faults)) as proxy:
        pairs = asked(old.address, proxy.start(), some, 2.0)
        for pair in pairs:
            verdict = judge(pair.baseline, pair.candidate, headers=["content-type"], target=pair.case.target)
            score.add(pair, verdict, proxy.injected)
    assert score.amiss == []
    assert set(score.injected) == set(KINDS)
    assert (score.total, score.seen.total(), score.named.total()) == (len(faults),) * 3
    assert (score.pairs, score.false_alarms) == (len(some) - len(faults), 0)
    assert list(table_of(score))[-1].split() == ["all", *[str(len(faults))] * 3]


def test_without_faults_nothing_is_seen(serve: Callable, compact: Callable) -> None:
    old, new = serve(compact), serve(compact)
    score = Score()
    with closing(FaultProxy(upstream(new))) as proxy:
        for pair in asked(old.address, proxy.start(), cases(400), TIMEOUT_S):
            score.add(pair, judge(pair.baseline, pair.candidate, headers=["content-type"]), {})
    assert (score.pairs, score.false_alarms) == (400, 0)


def test_a_fault_can_be_put_into_one_answer_alone(serve: Callable, compact: Callable) -> None:
    old, new = serve(compact), serve(compact)
    case = cases(3)[2]
    with closing(FaultProxy(upstream(new), {case.target: Fault(case.target, "digit", 1, times=1)})) as proxy:
        pairs = asked(old.address, proxy.start(), [case] * 20, TIMEOUT_S)
    assert sum(judge(pair.baseline, pair.candidate, headers=()) is not None for pair in pairs) == 1


def test_a_fault_can_last_for_a_while_from_its_first_answer_on() -> None:
    now_s = [100.0]
    proxy = FaultProxy(("127.0.0.1", 1), {"/a": Fault("/a", "digit", 1, for_s=2.0)}, clock=lambda: now_s[0])
    due = []
    for moment_s in (100.0, 101.5, 102.0, 102.1, 200.0):
        now_s[0] = moment_s
        due.append(proxy.due("/a") is not None)
    assert due == [True, True, True, False, False]
    assert proxy.due("/b") is None


def test_what_is_no_get_passes_too(serve: Callable, wallet_answers: Callable) -> None:
    service = serve(wallet_answers)
    with closing(FaultProxy(upstream(service))) as proxy:
        wire = Wire(timeout_s=TIMEOUT_S, environ={})
        there = target("new", proxy.start())
        replies = [
            wire.ask(there, Request(method, "/v1/users/u00001x/balance", body=body))
            for method, body in (("HEAD", None), ("GET", None), ("POST", b'{"a":1}'))
        ]
        wire.close()
    assert [reply.status for reply in replies if isinstance(reply, Answer)] == [200, 200, 405]


def test_a_fault_that_was_not_seen_or_misnamed_is_told() -> None:
    good = Answer(200, (), b'{"n":1}')
    case = cases(1)[0]
    injected = {case.target: Injection(case.target, "digit", "digit", "$.n")}
    score = Score()
    pair = Pair(case, "a", "b", good, good)
    score.add(pair, None, injected)
    score.add(pair, judge(good, Answer(200, (), b'{"m":1}'), headers=()), injected)
    score.add(pair, judge(good, Answer(200, (), b'{"n":2}'), headers=()), {})
    score.add(pair, Raced("7", "8"), injected)
    assert score.raced == 1
    assert [line.split(":")[0] for line in score.amiss] == ["not seen", "misnamed", "false alarm"]
    assert (score.total, score.seen.total(), score.named.total(), score.false_alarms) == (2, 1, 0, 1)


def test_as_a_program_it_reads_faults_and_tells_what_it_injected(
    serve: Callable, compact: Callable, tmp_path: Path
) -> None:
    service, case = serve(compact), cases(3)[2]
    (tmp_path / "faults").write_bytes(msgspec.json.encode(Fault(case.target, "digit", 1)) + b"\n")
    argv = [sys.executable, "-m", "shadow.mutation.proxy", "--upstream", service.address]
    argv += ["--faults", str(tmp_path / "faults"), "--out", str(tmp_path / "out")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[1]
        (pair,) = asked(service.address, address, [case], TIMEOUT_S)
        process.communicate("", timeout=30)
    assert judge(pair.baseline, pair.candidate, headers=()) is not None
    injected = msgspec.json.decode((tmp_path / "out").read_bytes(), type=Injection)
    assert (injected.kind, injected.sign) == ("digit", "digit")

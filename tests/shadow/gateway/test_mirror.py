"""What is copied, how pairs are judged and written, and that no caller ever feels it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from gateway_rig import Callers, Request, Service, Tree, configuration, gateway, instance, reply, side


def pairs_of(status: Tree) -> Tree:
    """Return the counts of the pairs of the only route."""
    counts: Tree = status["routes"]["balance"]["pairs"]
    return {name: counts[name] for name in ("match", "mismatch", "raced", "unresponsive", "noise")}


def none_but(**counts: int) -> Tree:
    """Return counts that are 0 where nothing else is said."""
    return {"match": 0, "mismatch": 0, "raced": 0, "unresponsive": 0, "noise": 0} | counts


def test_equal_answers_match_and_nothing_is_written(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    baseline.behaviour = lambda _request: reply(b'{"coins":1}', date="yesterday")
    candidate.behaviour = lambda _request: reply(b'{"coins":1}', server="other")
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate)) as one:
        for _ in range(3):
            assert one.get()[1] == b'{"coins":1}'
        status = one.flush()
        assert one.metric('twinload_gateway_pairs_total{route="balance",result="match"}') == 3
    assert pairs_of(status) == none_but(match=3)
    assert one.pairs() == []
    lines = [(line["route"], line["class"], line["match"]) for line in one.coverage()]
    assert sum(count for _, _, count in lines) == 3
    assert {line[:2] for line in lines} == {("balance", "2xx")}


def test_the_copy_is_the_request_and_the_baseline_s_answer_goes_out(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    candidate.behaviour = lambda _request: reply(b"other")
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate)) as one:
        assert one.get("/v1/users/u1/balance?a=%2F", X_Mine="1") == (200, b"{}")
        one.flush()
    (theirs,), (copy,) = baseline.asked(), candidate.asked()
    assert (copy.line, copy.headers) == (theirs.line, theirs.headers)


CASES: list[tuple[str, Callable[[Request], bytes]]] = [
    ("status", lambda _request: reply(b'{"coins":12}', "404 Not Found")),
    ("header", lambda _request: reply(b'{"coins":12}', content_type="text/plain")),
    ("body", lambda _request: reply(b'{"coins":13}')),
]


@pytest.mark.parametrize(("kind", "answer"), CASES, ids=[kind for kind, _ in CASES])
def test_a_difference_is_written_with_both_answers(
    tmp_path: Path, baseline: Service, candidate: Service, kind: str, answer: Callable[[Request], bytes]
) -> None:
    baseline.behaviour = lambda _request: reply(b'{"coins":12}')
    candidate.behaviour = answer
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate)) as one:
        assert one.get("/v1/users/u7/balance?x=1", Authorization="Bearer secret") == (200, b'{"coins":12}')
        status = one.flush()
    assert pairs_of(status) == none_but(mismatch=1)
    (pair,) = one.pairs()
    assert (pair["kind"], pair["route"], pair["method"]) == (kind, "balance", "GET")
    assert pair["target"] == "/v1/users/u7/balance?x=1"
    assert ["authorization", "redacted"] in pair["request_headers"]
    assert (pair["baseline"]["status"], pair["baseline"]["body"]) == (200, '{"coins":12}')
    assert (pair["baseline"]["instance"], pair["candidate"]["instance"]) == ("base-1", "cand-1")
    assert (pair["second"], pair["candidate_error"], pair["baseline"]["truncated"]) == (None, None, False)
    assert "secret" not in one.pairs_file.read_text(encoding="utf-8")
    assert [line["mismatch"] for line in one.coverage()] == [1]


def test_a_raced_pair_is_asked_anew_and_then_judged(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    asked = iter(range(100))
    baseline.behaviour = lambda _request: (
        reply(b"8", ledger_as_of="8") if next(asked) else reply(b"7", ledger_as_of="7")
    )
    candidate.behaviour = lambda _request: reply(b"8", ledger_as_of="8")
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate)) as one:
        assert one.get() == (200, b"7")
        status = one.flush()
    assert pairs_of(status) == none_but(match=1)
    assert status["routes"]["balance"]["pairs"]["repeats"] == 1


def test_a_difference_behind_a_race_is_found_by_the_repeat(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    asked = iter(range(100))
    baseline.behaviour = lambda _request: reply(b"8", ledger_as_of="8" if next(asked) else "7")
    candidate.behaviour = lambda _request: reply(b"9", ledger_as_of="8")
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate)) as one:
        one.get()
        assert pairs_of(one.flush()) == none_but(mismatch=1)
    assert [(pair["kind"], pair["baseline"]["body"]) for pair in one.pairs()] == [("body", "8")]


def test_a_pair_that_always_races_is_no_match(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    baseline.behaviour = lambda _request: reply(b"{}", ledger_as_of="7")
    candidate.behaviour = lambda _request: reply(b"{}", ledger_as_of="8")
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate)) as one:
        one.get()
        status = one.flush()
    assert pairs_of(status) == none_but(raced=1)
    assert (len(baseline.asked()), len(candidate.asked())) == (4, 4)
    assert [pair["kind"] for pair in one.pairs()] == ["raced"]


def gone(_request: Request) -> bytes | None:
    """Close the connection."""
    return None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (gone, "reset"), (lambda _request: b"", "timeout"), (lambda _request: b"nonsense\r\n\r\n", "invalid"),
        (lambda _request: b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "timeout"),
    ],
    ids=["reset", "silent", "no HTTP", "half"],
)  # fmt: skip
def test_a_candidate_without_an_answer_is_written_with_its_error(
    tmp_path: Path, baseline: Service, candidate: Service, answer: Callable[[Request], bytes | None], error: str
) -> None:
    candidate.behaviour = answer
    mirror = {"timeout_s": 0.5 if error == "timeout" else 30.0}
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate, mirror=mirror)) as one:
        assert one.get() == (200, b"{}")
        status = one.flush()
        assert status["routes"]["balance"]["mirror"]["unresponsive"] == 1
    assert pairs_of(status) == none_but(unresponsive=1)
    assert [(pair["kind"], pair["candidate"], pair["candidate_error"]) for pair in one.pairs()] == [
        ("unresponsive", None, error)
    ]


def test_a_candidate_that_is_not_there_is_refused(tmp_path: Path, baseline: Service) -> None:
    with Service() as nobody:
        tree = configuration(tmp_path, baseline, nobody)
    with gateway(tmp_path, tree) as one:
        assert one.get()[0] == 200
        one.flush()
    assert [pair["candidate_error"] for pair in one.pairs()] == ["refused"]


def test_writes_and_what_matches_no_route_are_never_copied(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    tree = configuration(tmp_path, baseline, candidate)
    tree["sides"]["candidate"] = side(instance("cand-1", candidate, "balance", "recharge", "*"))
    with gateway(tmp_path, tree) as one:
        assert one.ask("POST", "/v1/users/u1/recharges", b"x")[0] == 200
        assert one.get("/elsewhere")[0] == 200
        one.flush()
    assert candidate.asked() == []


def test_no_copy_is_made_in_mode_off(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate, mode="off")) as one:
        one.get()
        assert pairs_of(one.flush()) == none_but()
    assert candidate.asked() == []


def test_a_body_beyond_the_bound_is_forwarded_and_not_compared(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    baseline.behaviour = lambda _request: reply(b"x" * 5_001)
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate, mirror={"body_bytes": 5_000})) as one:
        assert one.get() == (200, b"x" * 5_001)
        status = one.flush()
        assert one.metric('twinload_gateway_dropped_total{route="balance",reason="body-too-large"}') == 1
    assert pairs_of(status) == none_but()
    assert status["routes"]["balance"]["dropped"]["body-too-large"] == 1
    assert [line["dropped"] for line in one.coverage()] == [1]


def test_a_candidate_that_answers_without_end_differs(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    baseline.behaviour = lambda _request: reply(b"x" * 5_000)
    candidate.behaviour = lambda _request: reply(b"x" * 5_001)
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate, mirror={"body_bytes": 5_000})) as one:
        one.get()
        assert pairs_of(one.flush()) == none_but(mismatch=1)
    assert [(pair["kind"], pair["candidate"]["truncated"]) for pair in one.pairs()] == [("body", True)]


def test_a_share_of_the_requests_is_copied(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate, mirror={"share": 0.25})) as one:
        for _ in range(40):
            one.get()
        status = one.flush()
    matched = pairs_of(status)["match"]
    assert 8 <= matched <= 12
    assert status["routes"]["balance"]["dropped"]["share"] == 40 - matched


def test_pairs_beyond_the_cap_are_counted(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    candidate.behaviour = lambda _request: reply(b"other")
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate, compare={"pairs_per_kind": 2})) as one:
        for _ in range(5):
            one.get()
        status = one.flush()
    assert (len(one.pairs()), pairs_of(status)) == (2, none_but(mismatch=5))
    assert status["routes"]["balance"]["not_stored"] == {"body": 3}


def test_what_two_baselines_differ_in_is_noise_and_still_written(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    candidate.behaviour = lambda _request: reply(b"candidate")
    with Service(lambda _request: reply(b"second")) as second:
        tree = configuration(tmp_path, baseline, candidate)
        tree["sides"]["second"] = side(instance("base-2", second, "balance"))
        with gateway(tmp_path, tree) as one:
            one.get()
            assert pairs_of(one.flush()) == none_but(noise=1)
            second.behaviour = lambda _request: reply(b"{}")
            one.get()
            assert pairs_of(one.flush()) == none_but(noise=1, mismatch=1)
    bodies = [(pair["kind"], pair["second"] and pair["second"]["body"]) for pair in one.pairs()]
    assert bodies == [("body", "second"), ("body", None)]


def slow(go_on: threading.Event) -> Callable[[Request], bytes | None]:
    """Answer when told to."""

    def answer(_request: Request) -> bytes | None:
        go_on.wait(60)
        return reply()

    return answer


@pytest.mark.parametrize("fault", ["hangs", "resets", "half", "late"])
def test_callers_do_not_feel_a_candidate_that(
    tmp_path: Path, baseline: Service, candidate: Service, fault: str
) -> None:
    go_on = threading.Event()
    behaviours: dict[str, Callable[[Request], bytes | None]] = {
        "hangs": lambda _request: b"", "resets": gone, "half": lambda _request: reply(b"x")[:-1], "late": slow(go_on),
    }  # fmt: skip
    candidate.behaviour = behaviours[fault]
    mirror = {"queue": 4, "concurrency": 2, "timeout_s": 3.0}
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate, mirror=mirror)) as one:
        with Callers(one.address, 4) as callers:
            callers.until_answered(400)
        go_on.set()
        status = one.flush()
    assert callers.failures == []
    route = status["routes"]["balance"]
    assert sum(pairs_of(status).values()) + sum(route["dropped"].values()) == callers.answered
    if fault in ("hangs", "half"):
        assert route["dropped"]["queue-full"] > 0
        assert pairs_of(status)["match"] == 0


def test_the_log_is_json_by_the_line(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate)) as one:
        one.switch("off")
        assert one.terminate() == 0
    lines = [json.loads(line) for line in one.log.read_text(encoding="utf-8").splitlines()]
    assert [line["msg"] for line in lines] == ["ready", "event", "draining", "stopped"]

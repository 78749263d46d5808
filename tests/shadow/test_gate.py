"""The gate against two real services that are the same, nearly the same, racing, silent or broken."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from shadow.errors import CaseError, TargetError
from shadow.finding import Finding
from shadow.gate import Edge, gate_key, prove, run_gate
from shadow.record import find, folder_of
from shadow.render import summary_lines

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def twins(serve, plan_of, instances_of):
    """Return (plan, instances, services) of two baseline instances and one candidate."""

    def make(candidate=None, baseline=None, **sections):
        services = [serve(*([baseline] if baseline else [])) for _ in range(2)]
        services.append(serve(*([candidate] if candidate else [])))
        plan = plan_of([s.address for s in services[:2]], [services[2].address], **sections)
        return plan, instances_of(plan), services

    return make


def test_twins_that_answer_alike_pass_with_the_bound(twins, people, tmp_path: Path) -> None:
    plan, instances, services = twins()
    done: list[tuple[int, int, int]] = []
    report = run_gate(plan, people(200), instances, root=tmp_path, out=tmp_path / "d",
                      edge=Edge(environ={}, progress=lambda *p: done.append(p)))  # fmt: skip
    assert report.passed, report.why
    assert [(e.endpoint, e.compared, e.mismatches, e.bound) for e in report.endpoints] == [
        ("balance", 300, 0, 0.01), ("statistics", 300, 0, 0.01),
    ]  # fmt: skip
    assert done[-1] == (600, 600, 0)
    assert {len(s.arrived) for s in services} == {300, 600}, "instances of a twin take turns"
    assert list(tmp_path.iterdir()) == []
    assert summary_lines(report)[1] == "balance: 0 of 300 differ: mismatch rate below 1.00 % (95 %)"
    classes = {(row.kind, row.status_class) for row in report.coverage}
    assert {("valid", "2xx"), ("unknown-id", "4xx"), ("bad-parameter", "4xx"), ("empty-ledger", "2xx")} <= classes


@pytest.mark.slow
def test_one_digit_in_one_answer_of_thousands_fails_the_gate_and_names_the_path(
    twins, people, wallet_answers, tmp_path: Path
) -> None:
    flipped = threading.Lock()

    def nearly(method: str, target: str):
        reply = wallet_answers(method, target)
        if target == "/v1/users/u00777x/balance":
            assert b'"remaining": 7772}' in reply.body
            if flipped.acquire(blocking=False):
                reply.body = reply.body.replace(b'"remaining": 7772}', b'"remaining": 7773}')
        return reply

    plan, instances, _ = twins(nearly, bound=0.001)
    report, record = prove(plan, people(3_000), instances, root=tmp_path, edge=Edge(environ={}, now=lambda: NOW))
    assert not report.passed
    assert report.why == ("balance: 1 of 3,000 differ",)
    assert record.mismatches == {"balance": 1, "statistics": 0}
    (line,) = (folder_of(tmp_path) / f"{record.key}.differences.jsonl").read_bytes().splitlines()
    finding = msgspec.json.decode(line, type=Finding)
    assert [str(change) for change in finding.difference.body.paths] == ["$.lots[2].remaining: 7772 != 7773"]
    assert finding.target == "/v1/users/u00777x/balance"
    assert find(tmp_path, record.key, NOW) is None
    assert "$.lots[2].remaining: 7772 != 7773" in (folder_of(tmp_path) / f"{record.key}.txt").read_text()


def test_a_passed_gate_leaves_a_record_and_a_failed_one_takes_it_away(
    twins, people, wallet_answers, tmp_path: Path
) -> None:
    broken = threading.Event()

    def candidate(method: str, target: str):
        reply = wallet_answers(method, target)
        if broken.is_set():
            reply.status = 500
        return reply

    plan, instances, _ = twins(candidate)
    pool, edge = people(100), Edge(environ={}, now=lambda: NOW)
    report, record = prove(plan, pool, instances, root=tmp_path, edge=edge)
    key = gate_key(plan, pool, instances, root=tmp_path, edge=edge)
    assert report.passed
    assert find(tmp_path, key, NOW) == record
    broken.set()
    report, _ = prove(plan, pool, instances, root=tmp_path, edge=edge)
    assert not report.passed
    assert find(tmp_path, key, NOW) is None


def test_a_gate_that_is_interrupted_leaves_no_record_and_no_thread(twins, people, tmp_path: Path) -> None:
    plan, instances, _ = twins()
    pool = people(100)
    edge = Edge(environ={}, now=lambda: NOW)
    _, record = prove(plan, pool, instances, root=tmp_path, edge=edge)

    def interrupt(done: int, _total: int, _against: int) -> None:
        if done == 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prove(plan, pool, instances, root=tmp_path, edge=Edge(environ={}, now=lambda: NOW, progress=interrupt))
    assert find(tmp_path, record.key, NOW) is None
    assert not [t for t in threading.enumerate() if t.name == "replay"]


def test_a_race_is_asked_again_and_never_a_match_while_it_lasts(twins, people, wallet_answers, tmp_path: Path) -> None:
    asked: dict[str, int] = {}

    def behind(lasting: int):
        def candidate(method: str, target: str):
            reply = wallet_answers(method, target)
            if "/u00042x/balance" in target and "Ledger-As-Of" in reply.headers:
                asked[target] = asked.get(target, 0) + 1
                if asked[target] <= lasting:
                    reply.headers["Ledger-As-Of"] = "76"
            return reply

        return candidate

    plan, instances, _ = twins(behind(2))
    report = run_gate(plan, people(100), instances, root=tmp_path, edge=Edge(environ={}))
    assert report.passed, report.why
    assert report.endpoints[0].raced >= 1
    plan, instances, _ = twins(behind(10**9))
    report = run_gate(plan, people(100), instances, root=tmp_path, edge=Edge(environ={}))
    assert not report.passed
    assert report.endpoints[0].unresolved >= 1
    assert report.endpoints[0].mismatches == 0
    assert "77 and 76" in report.findings[0].note


def test_a_twin_that_hangs_is_given_up_in_bounded_time(twins, people, tmp_path: Path) -> None:
    plan, instances, services = twins(lambda _m, _t: None, swarm={"timeout_s": 0.2})
    report = run_gate(plan, people(100), instances, root=tmp_path, edge=Edge(environ={}))
    assert not report.passed
    assert "had no answer from a twin" in report.why[0]
    assert report.findings[0].difference.kinds == ("unanswered",)
    assert len(services[2].arrived) <= 40


def test_a_twin_that_hangs_on_one_request_alone_is_a_difference(twins, people, wallet_answers, tmp_path: Path) -> None:
    def candidate(method: str, target: str):
        return None if target == "/v1/users/u00042x/balance" else wallet_answers(method, target)

    plan, instances, _ = twins(candidate, swarm={"timeout_s": 1.0})
    report = run_gate(plan, people(200), instances, root=tmp_path, edge=Edge(environ={}))
    assert report.endpoints[0].mismatches == report.endpoints[0].unanswered >= 1
    assert report.endpoints[1].mismatches == 0
    assert report.findings[0].target == "/v1/users/u00042x/balance"


def test_two_twins_that_fail_alike_do_not_pass(twins, people, reply_type, tmp_path: Path) -> None:
    def failing(_method: str, _target: str):
        return reply_type(500, body=b"{}")

    plan, instances, _ = twins(failing, failing)
    report = run_gate(plan, people(100), instances, root=tmp_path, edge=Edge(environ={}))
    assert not report.passed
    assert report.endpoints[0].mismatches == 0
    assert report.endpoints[0].unexpected > 0
    assert "the baseline answered 500, the plan expects 200" in report.findings[0].note


@pytest.mark.parametrize("fault", ["status", "header", "order", "byte", "allow", "cut"])
def test_each_sort_of_fault_is_seen_over_the_wire(fault: str, twins, people, wallet_answers, tmp_path: Path) -> None:
    def candidate(method: str, target: str):
        reply = wallet_answers(method, target)
        if fault == "status" and reply.status == 400:
            reply.status = 422
        elif fault == "header" and reply.status == 404:
            reply.headers["Content-Type"] = "application/json"
        elif fault == "order" and reply.status == 200:
            reply.body = json.dumps(dict(reversed(json.loads(reply.body).items()))).encode()
        elif fault == "byte" and reply.status == 200:
            reply.body += b" "
        elif fault == "allow" and reply.status == 405:
            reply.headers["Allow"] = "GET"
        elif fault == "cut" and reply.status == 200:
            reply.length, reply.body = len(reply.body), reply.body[:-5]
        return reply

    plan, instances, _ = twins(candidate)
    report = run_gate(plan, people(100), instances, root=tmp_path, edge=Edge(environ={}))
    assert not report.passed
    assert sum(e.mismatches for e in report.endpoints) > 0


def test_raw_ids_go_out_and_only_pseudonyms_are_written(
    twins, people, reply_type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = people(60)
    raw = {user: f"customer:{number:04d}" for number, user in enumerate(pool.ids)}
    monkeypatch.setattr("shadow.gate.raw_ids", lambda *_: raw)

    def echo(said: str):
        def answering(_method: str, target: str):
            headers = {"Content-Type": "application/json", "X-Asked": target}
            return reply_type(200, headers, json.dumps({"asked": unquote(target), "n": said}).encode())

        return answering

    plan, instances, services = twins(
        echo("2"), echo("1"), pool={"import_file": "ids.csv", "key_file": "k", "send": "raw"}, shadow={"case": []}
    )
    report, record = prove(plan, pool, instances, root=tmp_path, edge=Edge(environ={}, now=lambda: NOW))
    assert any("customer:0007" in line for line in services[2].arrived)
    assert report.findings
    for path in folder_of(tmp_path).iterdir():
        text = path.read_text()
        assert "ustomer:00" not in text, path
    assert record.passed is False


def test_secrets_are_sent_and_never_written(twins, people, reply_type, tmp_path: Path) -> None:
    def leaky(said: str):
        return lambda _m, _t: reply_type(body=json.dumps({"token": "s3cr3t-token", "n": said}).encode())

    headers = {"headers": {"Authorization": "Bearer ${TOKEN}"}}
    plan, instances, services = twins(leaky("1"), leaky("2"), old=headers, new=headers)
    edge = Edge(environ={"TOKEN": "s3cr3t-token"}, now=lambda: NOW)
    prove(plan, people(60), instances, root=tmp_path, edge=edge)
    assert services[0].headers[0]["authorization"] == "Bearer s3cr3t-token"
    for path in folder_of(tmp_path).iterdir():
        assert "s3cr3t" not in path.read_text(), path


def test_a_twin_without_a_running_instance_is_named(twins, people, tmp_path: Path) -> None:
    plan, instances, _ = twins()
    with pytest.raises(TargetError, match="no running instance of twin new serves balance"):
        run_gate(plan, people(10), instances[:2], root=tmp_path, edge=Edge(environ={}))


def test_a_plan_with_nothing_to_compare_is_refused(twins, people, tmp_path: Path) -> None:
    entry = {"name": "balance", "path": "/b", "method": "POST", "hot": True}
    more = {"name": "statistics", "path": "/s", "method": "POST"}
    plan, instances, _ = twins(workload=[entry, more], shadow={"case": []})
    with pytest.raises(CaseError, match="nothing to compare"):
        run_gate(plan, people(10), instances, root=tmp_path, edge=Edge(environ={}))


def test_a_variable_that_is_not_set_ends_the_gate_with_its_name(twins, people, tmp_path: Path) -> None:
    plan, instances, _ = twins(new={"headers": {"Authorization": "${NOT_SET}"}})
    with pytest.raises(TargetError, match="NOT_SET is not set"):
        run_gate(plan, people(10), instances, root=tmp_path, edge=Edge(environ={}))

"""What a gateway wrote, as files written by hand: judged and counted like replayed pairs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from records.plan import Plan
from shadow.errors import StoreError
from shadow.live import keep
from shadow.mirrored import COVERAGE, PAIRS, Mirrored, live_endpoints, read_mirrored, report_of, words_of
from shadow.report import GateReport
from shadow.scrub import scrubber_of

TIERS = {"ann": "whale"}


def answer(body: str | dict[str, str], status: int = 200, **headers: str) -> dict[str, Any]:
    sent = [["Content-Type", "application/json"], *headers.items()]
    return {"status": status, "headers": sent, "body": body, "truncated": False, "ms": 1.2, "instance": "old-1"}


def pair(candidate: dict[str, Any] | None, kind: str = "body", **more: Any) -> dict[str, Any]:
    return {
        "utc": "2026-01-01T00:00:00Z", "t_ns": 1, "route": "balance", "method": "GET",
        "target": "/v1/users/ann/balance", "request_headers": [["accept", "*/*"]], "kind": kind,
        "baseline": answer('{"user_id":"ann","n":120,"at":1}'), "candidate": candidate, "second": None,
        "candidate_error": None, **more,
    }  # fmt: skip


def counted(route: str = "balance", group: str = "2xx", **counts: int) -> dict[str, Any]:
    zero = {"match": 0, "mismatch": 0, "raced": 0, "unresponsive": 0, "dropped": 0}
    return {"t_ns": 1, "route": route, "class": group, **zero, **counts}


@pytest.fixture
def judged(tmp_path: Path, plan_of: Callable[..., Plan]) -> Callable[..., GateReport]:
    """Return a judge of pairs and coverage; the other endpoint has enough of equal pairs."""

    def judge(pairs: list[dict[str, Any]], coverage: list[dict[str, Any]], **shadow: Any) -> GateReport:
        write(tmp_path, pairs, [*coverage, counted("statistics", match=100)])
        return report_of(
            read_mirrored(tmp_path), plan_of(shadow={"case": [], **shadow}), tiers=TIERS, utc="now", wanted=100
        )

    return judge


def write(folder: Path, pairs: list[dict[str, Any]], coverage: list[dict[str, Any]]) -> None:
    for name, lines in ((PAIRS, pairs), (COVERAGE, coverage)):
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


DIGIT = answer('{"user_id":"ann","n":130,"at":1}')
LATER = answer('{"user_id":"ann","n":120,"at":2}')


def test_equal_pairs_pass_with_their_bound(judged: Callable[..., GateReport]) -> None:
    report = judged([], [counted(match=60), counted(match=40, dropped=3)])
    assert report.passed, report.why
    count = report.endpoints[0]
    assert (count.compared, count.matched, count.bound, count.dropped) == (100, 100, 0.03, 3)


def test_one_digit_is_found_named_by_its_path_and_fails(judged: Callable[..., GateReport]) -> None:
    report = judged([pair(DIGIT)], [counted(match=20_000, mismatch=1)])
    assert not report.passed
    assert report.why == ("balance: 1 of 20,001 differ",)
    (finding,) = report.findings
    assert finding.tier == "whale"
    assert finding.difference is not None
    assert finding.difference.body is not None
    assert [str(change) for change in finding.difference.body.paths] == ["$.n: 120 != 130"]
    assert [(s.kind, s.place, s.pairs) for s in report.signs] == [("digit", "$.n", 1)]


@pytest.mark.parametrize(
    ("error", "why"), [("timeout", "timeout"), ("reset", "closed"), ("refused", "refused"), ("invalid", "protocol")]
)
def test_a_candidate_without_an_answer_is_a_mismatch(judged: Callable[..., GateReport], error: str, why: str) -> None:
    line = pair(None, "unresponsive", candidate_error=error)
    report = judged([line], [counted(match=100, unresponsive=1)])
    assert report.endpoints[0].unanswered == 1
    assert report.findings[0].difference is not None
    assert report.findings[0].difference.unanswered == (None, f"{why}: {error}")


def test_pairs_that_raced_to_the_end_are_neither_and_pass_while_they_are_few(judged: Callable[..., GateReport]) -> None:
    raced = pair(answer("{}", **{"Ledger-As-Of": "8"}), "raced")
    report = judged([raced], [counted(match=1_000, raced=2)])
    assert report.passed, report.why
    assert (report.endpoints[0].compared, report.endpoints[0].unresolved) == (1_000, 2)
    assert not judged([raced], [counted(match=100, raced=2)]).passed


def test_pairs_that_were_not_kept_whole_are_mismatches_whatever_rules_there_are(
    judged: Callable[..., GateReport],
) -> None:
    rule = [{"do": "ignore", "path": "$.at"}]
    report = judged([pair(LATER)], [counted(match=100, mismatch=3)], rule=rule)
    count = report.endpoints[0]
    assert (count.mismatches, count.by_rule, count.compared) == (2, 1, 103)
    assert report.withheld == 2
    assert judged([pair(LATER)], [counted(match=100, mismatch=1)], rule=rule).passed


def test_a_second_baseline_tells_noise_by_path(judged: Callable[..., GateReport]) -> None:
    noisy = pair(LATER, second=answer('{"user_id":"ann","n":120,"at":3}'))
    report = judged([noisy], [counted(match=100, noise=1)])
    assert (report.endpoints[0].noise, report.endpoints[0].mismatches) == (1, 0)
    assert [n.place for n in report.noise] == ["$.at"]
    assert not report.passed
    real = pair(DIGIT, second=answer('{"user_id":"ann","n":120,"at":3}'))
    assert judged([real], [counted(match=100, noise=1)]).endpoints[0].mismatches == 1


def test_equal_failures_of_both_prove_nothing(judged: Callable[..., GateReport]) -> None:
    report = judged([], [counted(match=99), counted(group="5xx", match=50)])
    count = report.endpoints[0]
    assert (count.compared, count.failed_alike) == (99, 50)
    assert report.why == ("balance: 99 pairs were compared, 100 are wanted",)
    assert [(row.status_class, row.pairs) for row in report.coverage if row.endpoint == "balance"] == [
        ("2xx", 99), ("5xx", 50),
    ]  # fmt: skip


def test_bodies_beyond_utf8_are_judged_by_their_bytes(judged: Callable[..., GateReport]) -> None:
    one, two = (answer({"base64": text}) for text in ("/w==", "/g=="))
    report = judged([pair(two, baseline=one)], [counted(match=100, mismatch=1)])
    assert [s.kind for s in report.signs] == ["bytes"]


def test_what_is_never_compared_is_named(plan_of: Callable[..., Plan]) -> None:
    served = {"instances": [{"name": "x", "address": "127.0.0.1:9", "serves": ["balance", "statistics", "send"]}]}
    workload = plan_of().model_dump(mode="json")["workload"]
    more = [*workload, {"name": "send", "method": "POST", "path": "/v1/gifts"}]
    more[1]["weight"] = 0.0
    plan = plan_of(workload=more, old=served)
    assert live_endpoints(plan) == ("balance",)
    report = report_of(Mirrored((), ()), plan, tiers={}, utc="now")
    assert report.not_replayed == (
        "statistics: its weight is 0: no traffic", "send: POST is a write: answered by the baseline, never mirrored",
    )  # fmt: skip


def test_a_line_under_way_is_left_out_and_a_broken_one_is_told(tmp_path: Path) -> None:
    write(tmp_path, [pair(DIGIT)], [counted(match=1)])
    with (tmp_path / PAIRS).open("a") as file:
        file.write('{"utc": "20')
    assert len(read_mirrored(tmp_path).pairs) == 1
    (tmp_path / COVERAGE).write_text("{}\n")
    with pytest.raises(StoreError, match=r"coverage, line 1: .*no line of the gateway's"):
        read_mirrored(tmp_path)
    assert read_mirrored(tmp_path / "nowhere") == Mirrored((), ())


def test_raw_ids_never_reach_the_run_folder(tmp_path: Path) -> None:
    raw = "customer/4711"
    line = pair(
        answer('{"user_id":"customer/4711"}', location="/u/customer%2F4711"), target="/v1/users/customer%2F4711/balance"
    )
    (tmp_path / "run").mkdir()
    write(tmp_path, [line], [])
    kept = keep(tmp_path / "run", read_mirrored(tmp_path), scrubber_of({"PSEUDO": raw}, {}))
    text = (tmp_path / "run" / PAIRS).read_text()
    assert "4711" not in text
    assert kept.pairs[0].target == "/v1/users/PSEUDO/balance"
    assert read_mirrored(tmp_path / "run") == kept


def test_the_words_of_a_target_may_be_ids() -> None:
    assert list(words_of("/quote/a%2Fb?customer=u1&x&items=5")) == ["quote", "a/b", "u1", "5"]

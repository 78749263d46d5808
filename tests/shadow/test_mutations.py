"""A mutation score for the judge: each kind of fault that a rewrite may have must be seen, and called by its name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shadow.answer import Answer, Reply, Unanswered
from shadow.judge import Difference, Raced, judge

BODY = (
    b'{"user_id":"u1","coins":{"available":1200,"frozen":0},"lots":[{"id":7,"remaining":120},{"id":9,"remaining":5}],'
    b'"lifetime":{"first_ms":null,"name":"Zo\xc3\xab"},"open":true}'
)
GOOD = Answer(200, (("content-type", "application/json"), ("ledger-as-of", "77"), ("date", "today")), BODY)


def body(old: bytes, new: bytes) -> Callable[[Answer], Reply]:
    assert BODY.count(old) == 1, old
    return lambda good: Answer(good.status, good.headers, good.body.replace(old, new))


def header(name: str, value: str | None) -> Callable[[Answer], Reply]:
    def change(good: Answer) -> Reply:
        kept = tuple(pair for pair in good.headers if pair[0] != name)
        return Answer(good.status, kept if value is None else (*kept, (name, value)), good.body)

    return change


FAULTS: dict[str, tuple[Callable[[Answer], Reply], str]] = {
    "one digit": (body(b":120}", b":130}"), "$.lots[0].remaining: 120 != 130"),
    "one digit more": (body(b"1200", b"12000"), "$.coins.available: 1200 != 12000"),
    "sign": (body(b'"remaining":5', b'"remaining":-5'), "$.lots[1].remaining: 5 != -5"),
    "missing key": (body(b',"frozen":0', b""), "$.coins.frozen: missing in the candidate, was 0"),
    "added key": (body(b'"open":true', b'"open":true,"x":1'), "$.x: only in the candidate, 1"),
    "renamed key": (body(b"user_id", b"userId"), "$.user_id: missing in the candidate"),
    "order of keys": (body(b'"id":7,"remaining":120', b'"remaining":120,"id":7'), "$.lots[0]: keys in another order"),
    "order of items": (
        body(b'{"id":7,"remaining":120},{"id":9,"remaining":5}', b'{"id":9,"remaining":5},{"id":7,"remaining":120}'),
        "$.lots: items in another order",
    ),
    "item lost": (body(b',{"id":9,"remaining":5}', b""), "$.lots: 2 items != 1 items"),
    "number as string": (body(b'"id":9', b'"id":"9"'), '$.lots[1].id: 9 (number) != "9" (string)'),
    "number as float": (body(b'"id":9', b'"id":9.0'), "$.lots[1].id: 9 != 9.0"),
    "null as zero": (body(b"null", b"0"), "$.lifetime.first_ms: null (null) != 0 (number)"),
    "boolean": (body(b"true", b"false"), "$.open: true != false"),
    "key twice": (body(b'"open":true', b'"open":true,"open":true'), "open, open"),
    "letter": (body("ë".encode(), b"e"), "$.lifetime.name"),
    "escape": (body("ë".encode(), b"\\u00eb"), "written differently"),
    "white space": (body(b'"open":true', b'"open": true'), "written differently"),
    "line end": (lambda good: Answer(200, good.headers, good.body + b"\n"), "goes on after the baseline's end"),
    "cut body": (lambda good: Answer(200, good.headers, good.body[:-9]), "ends early (truncated)"),
    "empty body": (lambda good: Answer(200, good.headers, b""), "ends early (truncated)"),
    "broken JSON": (body(b"[{", b"[{{"), "the candidate's body is no JSON"),
    "broken UTF-8": (body("ë".encode(), b"\xc3"), "is not UTF-8"),
    "HTML page": (lambda good: Answer(200, good.headers, b"<html>"), "the candidate's body is no JSON"),
    "status": (lambda good: Answer(201, good.headers, good.body), "status=(200, 201)"),
    "header value": (header("content-type", "text/plain"), "text/plain"),
    "header parameter": (header("content-type", "application/json; charset=utf-8"), "charset"),
    "header missing": (header("content-type", None), "candidate=None"),
    "state not told": (header("ledger-as-of", None), "ledger-as-of"),
    "other state": (header("ledger-as-of", "78"), "Raced"),
    "late answer": (lambda _: Unanswered("timeout", "late"), "timeout: late"),
    "connection closed": (lambda _: Unanswered("closed", "gone"), "closed: gone"),
}


def told(found: Difference | Raced | None) -> str:
    paths = found.body.paths if isinstance(found, Difference) and found.body else ()
    return "\n".join([repr(found), *map(str, paths)])


@pytest.mark.parametrize("name", FAULTS)
def test_the_fault_is_seen_and_named(name: str) -> None:
    inject, sign = FAULTS[name]
    found = judge(GOOD, inject(GOOD), headers=["content-type"])
    assert found is not None
    assert sign in told(found)


def test_what_does_not_count_is_no_fault() -> None:
    assert judge(GOOD, header("date", "tomorrow")(GOOD), headers=["content-type"]) is None

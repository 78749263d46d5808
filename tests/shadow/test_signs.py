"""Each kind of difference is called by its name, at its place."""

from __future__ import annotations

import pytest

from shadow.answer import Answer, Reply, Unanswered
from shadow.judge import Difference, judge
from shadow.signs import signs_of

JSON = (("content-type", "application/json"), ("allow", "GET"))


def signs(one: Reply, two: Reply, target: str = "/v1/users/ann/balance?x=1") -> list[tuple[str, str]]:
    found = judge(one, two, headers=["content-type", "allow"], target=target)
    assert isinstance(found, Difference)
    return [tuple(sign) for sign in signs_of(found)]


def good(body: str, headers: tuple[tuple[str, str], ...] = JSON, status: int = 200) -> Answer:
    return Answer(status, headers, body.encode())


@pytest.mark.parametrize(
    ("one", "two", "kind", "place"),
    [
        ('{"n":120}', '{"n":130}', "digit", "$.n"),
        ('{"n":120}', '{"n":1200}', "number", "$.n"),
        ('{"n":120}', '{"n":-120}', "sign", "$.n"),
        ('{"n":1}', '{"n":1.0}', "number-form", "$.n"),
        ('{"n":1e2}', '{"n":100}', "number-form", "$.n"),
        ('{"a":"x"}', '{"a":"y"}', "string", "$.a"),
        ('{"a":"Zoë"}', '{"a":"Zo?"}', "unicode", "$.a"),
        ('{"a":"ann"}', '{"a":"bob"}', "user", "$.a"),
        ('{"a":true}', '{"a":false}', "boolean", "$.a"),
        ('{"a":0}', '{"a":null}', "null", "$.a"),
        ('{"a":0}', '{"a":"0"}', "type", "$.a"),
        ('{"a":1,"b":2}', '{"a":1}', "missing", "$.b"),
        ('{"a":1}', '{"a":1,"b":2}', "added", "$.b"),
        ('{"a":1,"b":2}', '{"a":1,"c":2}', "renamed", "$.b"),
        ('{"a":1,"b":2}', '{"b":2,"a":1}', "key-order", "$"),
        ('{"a":1}', '{"a":1,"a":1}', "repeated-key", "$"),
        ('{"l":[1,2]}', '{"l":[2,1]}', "item-order", "$.l"),
        ('{"l":[1,2,3]}', '{"l":[1,3]}', "item-missing", "$.l"),
        ('{"l":[1,3]}', '{"l":[1,2,3]}', "item-added", "$.l"),
        ('{"l":[1,3]}', '{"l":[1,1,3]}', "item-twice", "$.l"),
        ('{"a":1}', '{"a": 1}', "white-space", "byte 5"),
        ('{"a":"ë"}', '{"a":"\\u00eb"}', "escape", "byte 6"),
        ('{"a":1}', '{"a":1}\n', "trailing-bytes", "byte 7"),
        ('{"a":1}', '{"a":', "truncated", "byte 5"),
        ('{"a":1}', "<html>", "not-json", "byte 0"),
        ("abc", "abd", "bytes", "byte 2"),
    ],
)
def test_one_fault_of_a_body_has_one_sign(one: str, two: str, kind: str, place: str) -> None:
    assert signs(good(one), good(two)) == [(kind, place)]


def test_status_and_headers_have_their_signs() -> None:
    one = good("{}")
    assert signs(one, good("{}", status=500)) == [("status", "status")]
    assert signs(one, good("{}", (("content-type", "text/plain"), JSON[1]))) == [("header", "header content-type")]
    assert signs(one, good("{}", JSON[:1])) == [("header-missing", "header allow")]
    assert signs(good("{}", JSON[:1]), one) == [("header-added", "header allow")]
    assert signs(one, good("{}", (*JSON, ("allow", "GET")))) == [("header", "header allow")]


@pytest.mark.parametrize(
    ("cause", "kind"),
    [("timeout", "late"), ("cut-short", "truncated"), ("closed", "unanswered"), ("refused", "unanswered")],
)
def test_no_answer_is_named_by_its_cause(cause: str, kind: str) -> None:
    assert signs(good("{}"), Unanswered(cause, "why")) == [(kind, "candidate")]  # type: ignore[arg-type]


def test_a_users_id_is_one_only_where_the_request_names_it() -> None:
    assert signs(good('{"a":"ann"}'), good('{"a":"bob"}'), "/v1/users/eve?ann") == [("string", "$.a")]

"""Rules: each hides what it says and nothing else, and everything that it hid is counted."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.plan_shadow import ShadowRule
from shadow.answer import Answer, Case, Pair
from shadow.judge import Difference, Excused, Verdict, judge
from shadow.report import GateReport
from shadow.rules import RuleBook
from shadow.scrub import Scrubber
from shadow.tally import Tally

IGNORE = ShadowRule(do="ignore", path="$.lots[*].at")
CLOSE = ShadowRule(do="tolerance", path="$.share", tolerance=0.01)
LOOSE = ShadowRule(do="unordered", path="$.lots")
KEYS = ShadowRule(do="unordered", path="$")
SPELLING = ShadowRule(do="spelling")


def verdict(one: str, two: str, *rules: ShadowRule) -> Verdict:
    pair = [Answer(200, (("content-type", "application/json"),), text.encode()) for text in (one, two)]
    return judge(*pair, headers=["content-type"], rules=RuleBook(rules).of("balance"))


def paths(found: Verdict) -> list[str]:
    assert isinstance(found, Difference)
    assert found.body is not None
    return [str(change) for change in found.body.paths]


@pytest.mark.parametrize(
    ("rule", "one", "two"),
    [
        (IGNORE, '{"lots":[{"id":1,"at":5}]}', '{"lots":[{"id":1,"at":6}]}'),
        (IGNORE, '{"lots":[{"id":1,"at":5}]}', '{"lots":[{"id":1}]}'),
        (IGNORE, '{"lots":[{"id":1,"at":{"a":[1]}}]}', '{"lots":[{"id":1,"at":null}]}'),
        (CLOSE, '{"share":0.33}', '{"share":0.34}'),
        (CLOSE, '{"share":1}', '{"share":1.0}'),
        (LOOSE, '{"lots":[1,2,2,3]}', '{"lots":[2,3,1,2]}'),
        (KEYS, '{"a":1,"b":2}', '{"b":2,"a":1}'),
        (SPELLING, '{"a":"ë"}', '{"a": "\\u00eb"}'),
    ],
)
def test_a_rule_hides_what_it_says_and_is_counted(rule: ShadowRule, one: str, two: str) -> None:
    assert verdict(one, two, rule) == Excused(((1, 1),))
    assert isinstance(verdict(one, two), Difference)


@pytest.mark.parametrize(
    ("rule", "one", "two", "told"),
    [
        (IGNORE, '{"lots":[{"id":1,"at":5}]}', '{"lots":[{"id":2,"at":6}]}', ["$.lots[0].id: 1 != 2"]),
        (CLOSE, '{"share":0.33}', '{"share":0.341}', ["$.share: 0.33 != 0.341"]),
        (CLOSE, '{"share":0.33}', '{"share":"0.33"}', ['$.share: 0.33 (number) != "0.33" (string)']),
        (LOOSE, '{"lots":[1,2,3]}', '{"lots":[3,2,4]}', ["$.lots[0]: 1 != 4"]),
        (LOOSE, '{"lots":[1,2,2]}', '{"lots":[2,1,1]}', ["$.lots[2]: 2 != 1"]),
        (LOOSE, '{"lots":[1,2]}', '{"lots":[2,1,1]}', ["$.lots: 2 items != 3 items"]),
        (KEYS, '{"a":1,"b":{"c":1,"d":2}}', '{"b":{"d":2,"c":1},"a":1}',
         ["$.b: keys in another order: c, d != d, c"]),
    ],
)  # fmt: skip
def test_a_rule_hides_nothing_else(rule: ShadowRule, one: str, two: str, told: list[str]) -> None:
    assert paths(verdict(one, two, rule)) == told


def test_items_in_any_order_are_matched_without_what_is_ignored_in_them() -> None:
    one = '{"lots":[{"id":1,"at":5},{"id":2,"at":6}]}'
    two = '{"lots":[{"id":2,"at":8},{"id":1,"at":9}]}'
    assert verdict(one, two, LOOSE, IGNORE) == Excused(((1, 1), (2, 2)))
    assert paths(verdict(one, two.replace('"id":1', '"id":3'), LOOSE, IGNORE)) == ["$.lots[0].id: 1 != 3"]


@pytest.mark.parametrize("two", ['{"share":0.34}\n', '{"share": 0.34}', ' {"share":0.34}'])
def test_a_rule_for_values_does_not_hide_how_a_body_is_written(two: str) -> None:
    found = verdict('{"share":0.33}', two, CLOSE)
    assert isinstance(found, Difference)
    assert found.body is not None
    assert found.body.spelled == "white-space"
    assert isinstance(verdict('{"share":0.33}', two, CLOSE, SPELLING), Excused)


def test_no_rule_hides_a_status_a_header_or_a_body_that_is_no_json() -> None:
    rules = RuleBook([ShadowRule(do="ignore", path="$.a"), SPELLING]).of("balance")
    good = Answer(200, (("content-type", "application/json"),), b'{"a":1}')
    for bad in (
        Answer(201, good.headers, b'{"a":2}'),
        Answer(200, (("content-type", "text/plain"),), b'{"a":2}'),
        Answer(200, good.headers, b'{"a":2'),
        Answer(200, good.headers, b"<html>"),
    ):
        assert isinstance(judge(good, bad, headers=["content-type"], rules=rules), Difference)


def test_a_rule_holds_for_its_endpoint_alone() -> None:
    book = RuleBook([ShadowRule(do="ignore", path="$.a", endpoint="statistics"), CLOSE])
    assert book.of("balance").number("ignore", ("a",)) is None
    assert book.of("statistics").number("ignore", ("a",)) == 1
    assert book.of("balance").close(("share",), "1", "1.01") == 2


def counted(*bodies: tuple[str, str]) -> GateReport:
    tally = Tally(
        wanted={"balance": len(bodies)}, needs=(), headers=(), scrubber=Scrubber([]), rules=RuleBook([CLOSE, LOOSE])
    )
    for number, (one, two) in enumerate(bodies):
        case = Case(number, "balance", "valid", "", "fan", "GET", "/u/1", "/u/1")
        tally.add(Pair(case, "a", "b", Answer(200, (), one.encode()), Answer(200, (), two.encode())))
    return tally.report(utc="2026-01-01T00:00:00Z", baseline="old", candidate="new")


def test_the_report_counts_each_rule_by_pairs_and_places_also_where_more_differs() -> None:
    report = counted(
        ('{"share":0.33}', '{"share":0.34}'),
        ('{"share":0.33,"n":1}', '{"share":0.34,"n":2}'),
        ('{"n":1}', '{"n":1}'),
    )
    assert not report.passed
    assert [(use.rule, use.pairs, use.places) for use in report.rules] == [
        ("$.share may differ by 0.01", 2, 2),
        ("$.lots in any order", 0, 0),
    ]
    (count,) = report.endpoints
    assert (count.compared, count.matched, count.by_rule, count.mismatches) == (3, 2, 1, 1)
    assert report.record("k").rules == {"$.share may differ by 0.01": 2, "$.lots in any order": 0}


documents = st.recursive(
    st.integers(-99, 99) | st.text(max_size=4) | st.none() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.lists(documents, max_size=8), st.randoms(use_true_random=False))
def test_any_order_of_a_loose_list_is_excused_and_no_other_list_is(items: list[Any], rng: random.Random) -> None:
    shuffled = list(items)
    rng.shuffle(shuffled)
    one, two = (json.dumps({"lots": value}) for value in (items, shuffled))
    assert verdict(one, two, LOOSE) is None or isinstance(verdict(one, two, LOOSE), Excused)
    other = json.dumps({"lots": [*shuffled, "one more"]})
    assert isinstance(verdict(one, other, LOOSE), Difference)

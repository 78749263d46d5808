"""JSON paths by hand-computed documents, and properties over random ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.json_diff import differing_paths
from shadow.json_text import NotJsonError, parse


def changes(one: str, two: str) -> list[str]:
    return [str(change) for change in differing_paths(parse(one.encode()), parse(two.encode()))]


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        (
            '{"lots":[{"id":1},{"id":2},{"id":3},{"remaining":120}]}',
            '{"lots":[{"id":1},{"id":2},{"id":3},{"remaining":130}]}',
            ["$.lots[3].remaining: 120 != 130"],
        ),
        ('{"a":1}', '{"a":"1"}', ['$.a: 1 (number) != "1" (string)']),
        ('{"a":null}', '{"a":false}', ["$.a: null (null) != false (boolean)"]),
        ('{"a":1,"b":[]}', '{"a":1}', ["$.b: missing in the candidate, was []"]),
        ('{"a":1}', '{"a":1,"b":{"c":2}}', ['$.b: only in the candidate, {"c":2}']),
        ('{"a":1,"b":2}', '{"b":2,"a":1}', ["$: keys in another order: a, b != b, a"]),
        ("[1,2,3]", "[1,2]", ["$: 3 items != 2 items"]),
        ("[1,2,3]", "[9,2]", ["$: 3 items != 2 items", "$[0]: 1 != 9"]),
        ("[1,2,3]", "[3,1,2]", ["$: items in another order: [1,2,3] != [3,1,2]"]),
        ("[1.0]", "[1]", ["$[0]: 1.0 != 1"]),
        ("[1e2]", "[100]", ["$[0]: 1e2 != 100"]),
        ("-0", "0", ["$: -0 != 0"]),
        ('{"with space":1}', '{"with space":2}', ['$["with space"]: 1 != 2']),
        ('{"a":1,"a":2}', '{"a":1,"a":3}', ["$.a#1: 2 != 3"]),
        ('{"a":1,"a":1}', '{"a":1}', ["$: a, a != a"]),
        ('{"a":1}', "[1]", ['$: {"a":1} (object) != [1] (array)']),
        ('"é"', '"\\u00e9"', []),
        ('{ "a" : 1 }', '{"a":1}', []),
    ],
)
def test_each_way_of_differing_is_named_with_its_path(one: str, two: str, expected: list[str]) -> None:
    assert changes(one, two) == expected


def test_changes_come_in_the_order_of_the_baseline() -> None:
    assert changes('{"a":1,"b":{"c":2,"d":3},"e":4}', '{"a":9,"b":{"c":8,"d":7},"e":6}') == [
        "$.a: 1 != 9", "$.b.c: 2 != 8", "$.b.d: 3 != 7", "$.e: 4 != 6",
    ]  # fmt: skip


def test_a_long_value_is_cut_around_its_difference() -> None:
    (change,) = differing_paths(parse(json.dumps("x" * 500 + "A" + "y" * 500).encode()),
                                parse(json.dumps("x" * 500 + "B" + "y" * 500).encode()))  # fmt: skip
    assert change.baseline is not None
    assert change.candidate is not None
    assert "xA" in change.baseline
    assert "xB" in change.candidate
    assert len(str(change)) < 200


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "byte 0 of 0"),
        (b'{"a":1', "byte 6 of 6"),
        ('{"é":x}'.encode(), "byte 6 of 8"),
        (b"[NaN]", "NaN is no JSON number"),
        (b'"\xff"', "byte 1 is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_json_is_told_with_its_place(body: bytes, why: str) -> None:
    with pytest.raises(NotJsonError, match=why):
        parse(body)


def test_depth_is_no_limit_for_the_paths() -> None:
    depth = 900
    one, two = ("[" * depth + tail + "]" * depth for tail in ("1", "2"))
    assert changes(one, two) == ["$" + "[0]" * depth + ": 1 != 2"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_a_document_never_differs_from_itself(value: Any) -> None:
    text = json.dumps(value)
    assert changes(text, text) == []


@given(values, values)
def test_two_documents_differ_exactly_when_their_compact_texts_do(one: Any, two: Any) -> None:
    first, second = (json.dumps(v, separators=(",", ":")) for v in (one, two))
    assert bool(changes(first, second)) == (first != second)


@given(values, values)
def test_sides_can_be_exchanged(one: Any, two: Any) -> None:
    """As many paths either way: missing is added on the other side, and a renamed key has the other name there."""
    first, second = json.dumps(one), json.dumps(two)
    forth = list(differing_paths(parse(first.encode()), parse(second.encode())))
    back = list(differing_paths(parse(second.encode()), parse(first.encode())))
    there, here = ([c.path for c in found if c.kind != "renamed"] for found in (forth, back))
    assert sorted(there) == sorted(here)
    assert len(forth) == len(back)

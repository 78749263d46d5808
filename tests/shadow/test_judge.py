"""The judge by hand-made pairs, and the property that no single change of a byte escapes it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.answer import Answer, Unanswered
from shadow.judge import Difference, Raced, compare_bodies, context, first_difference, judge

JSON = (("content-type", "application/json"),)
HEADERS = ("Content-Type", "Allow")


def answer(body: bytes = b"{}", status: int = 200, headers: tuple[tuple[str, str], ...] = JSON) -> Answer:
    return Answer(status, headers, body)


def test_equal_answers_are_no_difference() -> None:
    assert judge(answer(b"abc"), answer(b"abc"), headers=HEADERS) is None


def test_headers_that_do_not_count_may_differ() -> None:
    one = answer(headers=(*JSON, ("date", "Monday"), ("server", "a")))
    two = answer(headers=(("server", "b"), *JSON))
    assert judge(one, two, headers=HEADERS) is None


def test_every_kind_of_difference_is_named_at_once() -> None:
    found = judge(answer(b"1"), answer(b"2", 404, (("content-type", "text/plain"),)), headers=HEADERS)
    assert isinstance(found, Difference)
    assert found.kinds == ("status", "header", "body")
    assert found.status == (200, 404)
    (header,) = found.headers
    assert (header.name, header.baseline, header.candidate) == ("content-type", "application/json", "text/plain")


def test_a_repeated_header_differs_from_a_single_one() -> None:
    found = judge(answer(headers=(*JSON, ("allow", "GET"))), answer(headers=(*JSON, *([("allow", "GET")] * 2))),
                  headers=HEADERS)  # fmt: skip
    assert isinstance(found, Difference)
    assert found.headers[0].candidate == "GET, GET"


def test_unlike_states_race_even_when_bodies_are_equal() -> None:
    one, two = (answer(headers=(*JSON, ("ledger-as-of", n))) for n in ("7", "8"))
    assert judge(one, two, headers=HEADERS) == Raced("7", "8")


def test_a_state_that_only_one_side_names_is_a_difference() -> None:
    found = judge(answer(headers=(*JSON, ("ledger-as-of", "7"))), answer(), headers=())
    assert isinstance(found, Difference)
    assert found.kinds == ("header",)


@pytest.mark.parametrize("both", [True, False])
def test_no_answer_is_never_a_match(both: bool) -> None:
    silent = Unanswered("timeout", "no whole answer")
    found = judge(silent, silent if both else answer(), headers=HEADERS)
    assert isinstance(found, Difference)
    assert found.kinds == ("unanswered",)
    assert found.unanswered == ("timeout: no whole answer", "timeout: no whole answer" if both else None)


def test_a_body_that_ends_early_is_told() -> None:
    found = compare_bodies(b'{"a":[1,2]}', b'{"a":[1')
    assert found is not None
    assert found.form == "bytes"
    assert found.notes[0] == "the candidate's body ends early (truncated): 7 of 11 bytes"
    assert "the candidate's body is no JSON" in found.notes[1]
    assert found.at_byte == 7


def test_equal_values_written_differently_are_told_with_their_byte() -> None:
    found = compare_bodies(b'{"a":1}', b'{"a": 1}')
    assert found is not None
    assert (found.form, found.at_byte, found.paths) == ("json", 5, ())
    assert found.notes == ("the values are equal, but written differently",)


def test_bodies_that_are_no_json_show_offset_and_context() -> None:
    found = compare_bodies(b"a" * 100 + b"\x00X" + b"b" * 100, b"a" * 100 + b"\x00Y" + b"b" * 100)
    assert found is not None
    assert (found.form, found.at_byte, found.notes) == ("bytes", 101, ())
    assert "\\x00X" in found.baseline_context
    assert "\\x00Y" in found.candidate_context


def test_paths_beyond_the_cap_are_counted() -> None:
    one, two = ("[" + ",".join([c] * 200) + "]" for c in ("1", "2"))
    found = compare_bodies(one.encode(), two.encode())
    assert found is not None
    assert (len(found.paths), found.paths_in_all) == (50, 200)


def test_context_says_where_a_body_goes_on() -> None:
    assert context(b"abc", 1) == "abc"
    assert context(b"x" * 100, 50) == "…" + "x" * 64 + "…"


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_the_first_difference_is_where_a_plain_search_finds_it(one: bytes, two: bytes) -> None:
    plain = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
    assert first_difference(one, two) == plain


@given(st.binary(max_size=300), st.integers(100, 599))
def test_identical_answers_never_differ(body: bytes, status: int) -> None:
    assert judge(answer(body, status), answer(bytes(body), status), headers=HEADERS) is None


@given(st.binary(min_size=1, max_size=300), st.data())
def test_one_changed_byte_is_always_seen(body: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda b: b != body[at]))
    found = judge(answer(body), answer(body[:at] + bytes([other]) + body[at + 1 :]), headers=HEADERS)
    assert isinstance(found, Difference)
    assert found.body is not None
    assert found.body.at_byte == at


documents = st.dictionaries(
    st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=6),
    st.integers(-1000, 1000) | st.lists(st.integers(0, 99), max_size=5) | st.text(max_size=8),
    min_size=2, max_size=6,
)  # fmt: skip


@given(documents, st.data())
def test_one_change_of_a_document_is_seen_and_named(document: dict[str, Any], data: st.DataObject) -> None:
    changed, path = _mutated(document, data)
    found = judge(answer(_dump(document)), answer(_dump(changed)), headers=HEADERS)
    assert isinstance(found, Difference)
    assert found.kinds == ("body",)
    assert found.body is not None
    assert any(change.path.startswith(path) for change in found.body.paths)


def _dump(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _mutated(document: dict[str, Any], data: st.DataObject) -> tuple[dict[str, Any], str]:
    key = data.draw(st.sampled_from(sorted(document)))
    how = data.draw(st.sampled_from(["value", "drop", "add", "rename", "order"]))
    if how == "value":
        return {**document, key: [document[key], 1]}, f"$.{key}"
    if how == "drop":
        return {k: v for k, v in document.items() if k != key}, f"$.{key}"
    if how == "add":
        return {**document, "zz_new": None}, "$.zz_new"
    if how == "rename":
        return {f"{k}_" if k == key else k: v for k, v in document.items()}, f"$.{key}"
    return dict(reversed(document.items())), "$"

"""Every kind of fault is one fault, seen by the judge and called by its name at its place."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.answer import Answer, Reply, Unanswered
from shadow.judge import Difference, judge
from shadow.mutation.faults import KINDS, Faulty, inject
from shadow.signs import signs_of

HEADERS = (("content-type", "application/json"), ("ledger-as-of", "77"))
BODY = (
    '{"user_id":"ann","coins":{"available":1200,"frozen":0},"lots":[{"id":7,"left":120},{"id":9,"left":-5}],'
    '"by_day":[1,2,2,null],"name":"Zoë","open":true}'
)
GOOD = Answer(200, HEADERS, BODY.encode())
OTHER = Answer(200, HEADERS, BODY.replace("ann", "bob").replace("1200", "7").encode())


def arrived(faulty: Faulty) -> Reply:
    """Return what a caller makes of it."""
    causes = {"cut": "cut-short", "reset": "closed", "late": "timeout"}
    if faulty.wire != "whole":
        return Unanswered(causes[faulty.wire], "as the wire tells it")  # type: ignore[arg-type]
    return faulty.answer


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**32))
def test_the_fault_is_seen_and_named_at_its_place(kind: str, seed: int) -> None:
    faulty = inject(kind, GOOD, random.Random(seed), other=OTHER)
    assert faulty is not None
    found = judge(GOOD, arrived(faulty), headers=["content-type"], target="/v1/users/ann/balance")
    assert isinstance(found, Difference)
    named = {sign.kind for sign in signs_of(found) if sign.place == faulty.sign.place}
    also = {"user"} if kind == "string" and faulty.sign.place == "$.user_id" else set()
    assert {faulty.sign.kind} | also >= named & ({faulty.sign.kind} | also) != set()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_fault(kind: str) -> None:
    one, two = (inject(kind, GOOD, random.Random(5), other=OTHER) for _ in range(2))
    assert one == two


def test_there_are_more_than_fifteen_kinds() -> None:
    assert len(set(KINDS)) >= 15


@pytest.mark.parametrize("kind", ["item-order", "digit", "unicode", "key-order"])
def test_an_answer_without_a_place_for_a_fault_is_not_given_it(kind: str) -> None:
    assert inject(kind, Answer(200, HEADERS, b"{}"), random.Random(1)) is None
    assert inject(kind, Answer(200, HEADERS, b"<html>"), random.Random(1)) is None


def test_a_body_whose_bytes_its_document_would_not_give_again_is_left_alone() -> None:
    assert inject("digit", Answer(200, HEADERS, b'{"n": 1}'), random.Random(1)) is None


def test_a_kind_that_there_is_not_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="loud is no kind of fault; there are: digit"):
        inject("loud", GOOD, random.Random(1))

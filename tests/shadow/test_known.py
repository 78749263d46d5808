"""Known answers: what a passed gate leaves for the load to compare with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import twinload_engine

from shadow.answer import Answer, Case, Pair, Unanswered
from shadow.errors import StoreError
from shadow.known import KnownAnswers, load_known, save_known


def pair(user: int | None, one: bytes, two: bytes | None, kind: str = "valid") -> Pair:
    case = Case(0, "balance", kind, "", "fan", "GET", "/x", "/x", user=user)
    other = Unanswered("timeout", "") if two is None else Answer(200, (), two)
    return Pair(case, "a-1", "b-1", Answer(200, (), one), other)


def test_only_equal_answers_to_valid_requests_of_known_users_are_kept(tmp_path: Path) -> None:
    known = KnownAnswers(["balance", "statistics"], 6)
    for one in (
        pair(1, b"same", b"same"), pair(2, b"one", b"two"), pair(3, b"same", None), pair(None, b"same", b"same"),
        pair(4, b"", b""), pair(5, b"same", b"same", kind="bad-parameter"),
    ):  # fmt: skip
        known.add(one)
    save_known(tmp_path, "key", known)
    found = load_known(tmp_path, "key", ["balance"], 6)["balance"]
    assert np.flatnonzero(found).tolist() == [1, 4]
    assert int(found[1]) == twinload_engine.body_hash(b"same")


def test_states_that_were_not_the_same_are_no_answer_to_compare_with() -> None:
    known = KnownAnswers(["balance"], 1)
    case = Case(0, "balance", "valid", "", "fan", "GET", "/x", "/x", user=0)
    states = [Answer(200, (("ledger-as-of", number),), b"same") for number in ("1", "2")]
    known.add(Pair(case, "a-1", "b-1", states[0], states[1]))
    assert not known.hashes["balance"].any()


def test_what_is_missing_or_of_another_pool_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="make the gate again"):
        load_known(tmp_path, "key", ["balance"], 6)
    path = save_known(tmp_path, "key", KnownAnswers(["balance"], 6))
    with pytest.raises(StoreError, match="has 6 users, the pool 7"):
        load_known(tmp_path, "key", ["balance"], 7)
    with pytest.raises(StoreError, match="cannot be used"):
        load_known(tmp_path, "key", ["statistics"], 6)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(StoreError, match="cannot be used"):
        load_known(tmp_path, "key", ["balance"], 6)


def test_the_hash_of_a_body_is_the_same_however_it_is_made() -> None:
    # XXH3, 64 bit, seed 0, of the empty input: 2d06800538d394c2 (the reference implementation's own test vector).
    assert twinload_engine.body_hash(b"") == 0x2D06800538D394C2
    assert twinload_engine.body_hash(b"x" * 10_000) != twinload_engine.body_hash(b"x" * 9_999)

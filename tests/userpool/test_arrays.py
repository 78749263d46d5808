"""Array steps and the draws that are made of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from userpool import PoolError
from userpool.arrays import owners, positions, prefix_sums, stable_order
from userpool.coins import draw_receivers
from userpool.gifts import CELLS, draw_amounts, draw_gift_ids, prices, table
from userpool.people import draw_ids
from userpool.quota import share_out
from userpool.shape import IntArray

COUNTS = st.lists(st.integers(0, 5), min_size=1, max_size=30)


def integers(values: list[int]) -> IntArray:
    return np.array(values, dtype=np.int64)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**34), max_size=300))
def test_stable_order_is_a_stable_argsort(keys: list[int]) -> None:
    assert stable_order(integers(keys)).tolist() == np.argsort(integers(keys), kind="stable").tolist()


def test_keys_too_large_to_share_a_word_are_refused() -> None:
    with pytest.raises(PoolError, match="too many to sort"):
        stable_order(np.full(5, 2**61, dtype=np.int64))


@settings(deadline=None)
@given(COUNTS)
def test_owners_and_positions_count_each_owners_items(counts: list[int]) -> None:
    wanted = [(owner, place) for owner, count in enumerate(counts) for place in range(count)]
    found = zip(owners(integers(counts)).tolist(), positions(integers(counts)).tolist(), strict=True)
    assert list(found) == wanted


def test_prefix_sums_start_at_zero() -> None:
    assert prefix_sums(integers([3, 4])).tolist() == [0, 3, 7]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=12), st.integers(0, 99))
def test_everyone_receives_the_quota_and_nobody_from_themselves(pairs: list[tuple[int, int]], seed: int) -> None:
    sent = integers([pair[0] for pair in pairs])
    received = integers([pair[1] for pair in pairs])
    count = min(int(sent.sum()), int(received.sum()))
    givers = owners(sent)[:count]
    taken = np.bincount(owners(received)[:count], minlength=len(pairs))
    receivers = draw_receivers(givers, taken, seed)
    assert (receivers != givers).all()
    found = np.bincount(receivers[receivers >= 0], minlength=len(pairs))
    assert (found <= taken).all()
    lone = (2 * np.maximum.reduce(np.bincount(givers, minlength=len(pairs)) + taken)) > count
    assert lone or (found == taken).all(), "a receiver is missing though others could have given"


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3)), min_size=1, max_size=60), st.integers(0, 99))
def test_as_many_gifts_are_received_as_sent(users: list[tuple[int, int]], seed: int) -> None:
    quota = share_out(integers([size for size, _ in users]), integers([tier for _, tier in users]), seed)
    assert quota.gifts.sum() == quota.received.sum()
    assert (quota.gifts >= 0).all()
    assert (quota.received >= 0).all()
    assert (quota.episodes[quota.spends > 0] >= 1).all()
    assert (quota.spends <= 24 * np.maximum(quota.episodes, 1)).all(), "an episode would not end within two hours"


def test_a_table_holds_values_in_proportion() -> None:
    cells = np.bincount(table((4, 7), (1, 3)), minlength=8)
    assert cells[4] == CELLS // 4
    assert cells[7] == CELLS * 3 // 4


def test_gift_prices_rise_and_amounts_fit_the_column() -> None:
    price = prices()
    assert len(price) == 201
    assert price[1] == 1
    assert (np.diff(price[1::10]) > 0).all()
    rng = np.random.default_rng(1)
    ids = draw_gift_ids(rng, np.arange(20_000) % 2 == 0)
    assert ids.min() >= 1
    assert ids.max() <= 200
    amounts = draw_amounts(rng, ids)
    assert amounts.min() >= 1
    assert amounts.max() < 2**20


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(0, 2**60))
def test_ids_are_distinct_and_of_the_contracts_letters(users: int, seed: int) -> None:
    ids = draw_ids(users, seed).tolist()
    assert len(set(ids)) == users
    assert all(len(text) == 13 and text.decode().isalnum() and text.islower() for text in ids)

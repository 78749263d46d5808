"""The ids of requests: from the order alone, and no two alike."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swarm.request_ids import RequestIds, ids_of

orders = st.tuples(st.text(max_size=8), st.integers(0, 50), st.integers(0, 10**7), st.integers(0, 20))


def test_ids_count_behind_what_names_the_sweep_and_the_process() -> None:
    ids = RequestIds(0xA1)
    assert [ids.take() for _ in range(2)] == ["00000000000000a1" + "0" * 16, "00000000000000a1" + "0" * 15 + "1"]


def test_the_same_order_gives_the_same_ids() -> None:
    assert ids_of("1/mix/probe/0", 3, 1000, 0) == ids_of("1/mix/probe/0", 3, 1000, 0)


@given(st.sets(orders, min_size=2, max_size=40))
def test_another_sweep_process_seed_or_second_has_other_ids(several: set[tuple[str, int, int, int]]) -> None:
    first = {ids_of(*order) for order in several}
    assert len(first) == len(several)
    assert all(0 <= value < 2**64 for value in first)


def test_an_id_fits_an_idempotency_key() -> None:
    text = RequestIds(2**64 - 1).take()
    assert len(text) == 32
    assert set(text) <= set("0123456789abcdef")

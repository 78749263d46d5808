"""Users onto workers and seats."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from userpool import assign, seat
from userpool.people import draw_ids

USERS = [text.decode() for text in draw_ids(2000, 1).tolist()]
WORKERS = st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=6, unique=True)


@settings(deadline=None, max_examples=50)
@given(WORKERS, st.integers(0, 5))
def test_a_lost_worker_moves_its_own_users_alone(workers: list[str], lost: int) -> None:
    lost %= len(workers)
    left = [name for index, name in enumerate(workers) if index != lost]
    before = [workers[index] for index in assign(USERS, workers).tolist()]
    after = [left[index] for index in assign(USERS, left).tolist()]
    assert all(old in (new, workers[lost]) for old, new in zip(before, after, strict=True))


@settings(deadline=None, max_examples=50)
@given(WORKERS, st.randoms(use_true_random=False))
def test_the_order_of_workers_does_not_matter(workers: list[str], random: object) -> None:
    turned = workers[::-1]
    one = [workers[index] for index in assign(USERS, workers).tolist()]
    other = [turned[index] for index in assign(USERS, turned).tolist()]
    assert one == other


def test_workers_get_about_equal_slices() -> None:
    counts = np.bincount(assign(USERS, ["a", "b", "c", "d"]), minlength=4)
    # Binomial(2000, 1/4): standard deviation 19.4; five of them.
    assert (np.abs(counts - 500) < 97).all()


def test_one_worker_gets_everyone_and_none_is_refused() -> None:
    assert (assign(USERS, ["only"]) == 0).all()
    with pytest.raises(ValueError, match="no worker"):
        assign(USERS, [])
    with pytest.raises(ValueError, match="named twice"):
        assign(USERS, ["a", "a"])


def score(user: str, worker: str) -> int:
    """Return the hash of a pair in plain integers: blake2b of both names, xor, splitmix64."""
    user_hash, worker_hash = (
        int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little") for name in (user, worker)
    )
    mixed = ((user_hash ^ worker_hash) + 0x9E3779B97F4A7C15) % 2**64
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) % 2**64
    return mixed ^ (mixed >> 31)


def test_each_user_goes_to_its_highest_score_in_plain_integers() -> None:
    workers = ["w1", "w2", "w3"]
    best = [max(range(3), key=lambda index: score(user, workers[index])) for user in USERS]
    assert assign(USERS, workers).tolist() == best


def test_the_split_of_six_users_is_the_same_on_every_machine() -> None:
    assert assign(["u1", "u2", "u3", "u4", "u5", "u6"], ["w1", "w2"]).tolist() == [1, 0, 0, 0, 1, 0]


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**9), max_size=200), st.integers(1, 40))
def test_every_user_has_one_seat_and_no_seat_is_far_above_the_mean(weights: list[int], seats: int) -> None:
    array = np.array(weights, dtype=np.int64)
    seat_of = seat(array, seats)
    assert seat_of.shape == array.shape
    assert ((seat_of >= 0) & (seat_of < seats)).all()
    loads = np.zeros(seats, dtype=np.int64)
    np.add.at(loads, seat_of, array)
    if len(weights):
        # Greedy: the last user put on the fullest seat found it at most at the mean.
        assert loads.max() <= array.sum() / seats + array.max()
        assert len(set(seat_of.tolist())) == min(seats, len(weights))


def test_seats_of_five_users_by_hand() -> None:
    # 7 -> 0; 6 -> 1; 5 -> 1 (6 < 7); 4 -> 0 (7 < 11); 3 -> 0 (11 = 11, equally many, the lower number).
    assert seat(np.array([3, 7, 5, 6, 4]), 2).tolist() == [0, 0, 1, 1, 0]


def test_no_seat_is_refused() -> None:
    with pytest.raises(ValueError, match="seats = 0"):
        seat(np.array([1]), 0)

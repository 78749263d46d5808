"""Who drives whom: users onto workers (rendezvous hashing) and onto seats (balanced by weight). Pure.

Read by the swarm: every worker computes the same split by itself from the list of workers, so nothing is negotiated.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from userpool.shape import IntArray

HashArray = npt.NDArray[np.uint64]


def assign(user_ids: Sequence[str], workers: Sequence[str]) -> IntArray:
    """Return for each user the index of the worker that drives it; shape (users,), values 0..workers-1.

    Rendezvous hashing: each user goes to the worker with the highest hash of the pair, so a worker that leaves moves
    its own users alone and one that joins takes users from all. Depends on names, not on the order of `workers`.

    Raises: ValueError when there is no worker or a worker is named twice.
    Source: Thaler and Ravishankar 1998, "Using name-based mappings to increase hit rates".
    """
    if not workers:
        raise ValueError("no worker to assign users to: name at least one")
    if len(set(workers)) != len(workers):
        raise ValueError("a worker is named twice: give each its own name")
    users = _hashes(user_ids)
    names = _hashes(workers)
    # Ties have a chance of 2^-64; walking by name keeps even those free of the order of the list.
    best = np.zeros(len(users), dtype=np.uint64)
    owner = np.full(len(users), -1, dtype=np.int64)
    for index in sorted(range(len(workers)), key=workers.__getitem__):
        score = _mixed(users ^ names[index])
        wins = (score > best) | (owner < 0)
        owner[wins] = index
        best[wins] = score[wins]
    return owner


def seat(weights: IntArray, seats: int) -> IntArray:
    """Return for each user its seat, seats balanced by weight; shape (users,), values 0..seats-1.

    Longest processing time first: heaviest user first, each to the seat with the least weight so far (then with the
    fewest users, then the lowest number). The heaviest seat is at most 4/3 of what the best split could reach.

    Raises: ValueError when there is no seat or a weight is negative.
    Source: Graham 1969, "Bounds on multiprocessing timing anomalies".
    """
    if seats < 1:
        raise ValueError(f"seats = {seats}: at least one is needed")
    if len(weights) and int(weights.min()) < 0:
        raise ValueError("a weight is negative: weights are at least 0")
    heaviest_first = np.argsort(-weights, kind="stable")
    heap = [(0, 0, number) for number in range(seats)]
    seat_of = np.empty(len(weights), dtype=np.int64)
    for user, weight in zip(heaviest_first.tolist(), weights[heaviest_first].tolist(), strict=True):
        load, users, number = heap[0]
        seat_of[user] = number
        heapq.heapreplace(heap, (load + weight, users + 1, number))
    return seat_of


def _hashes(names: Sequence[str]) -> HashArray:
    digests = b"".join([blake2b(name.encode(), digest_size=8).digest() for name in names])
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def _mixed(values: HashArray) -> HashArray:
    """Return the values mixed by splitmix64's finaliser, which spreads every input bit over all 64."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))

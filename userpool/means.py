"""How long a ledger a request meets: the two means that say what a request costs. Pure."""

from __future__ import annotations

import numpy as np

from userpool.shape import IntArray
from userpool.slices import seat


def request_weighted_entries(activity: IntArray, entries: IntArray) -> float:
    """Return sum(w x L) / sum(w): the mean ledger of a request when users are drawn by weight; shape (users,) each."""
    return int(np.dot(activity, entries)) / int(activity.sum())


def seated_mean_entries(activity: IntArray, entries: IntArray, seats: int) -> float:
    """Return the mean ledger of a request when every seat asks equally often, its users by weight.

    A seat that holds one very active user alone asks no more often than the others, so this mean is below the
    request-weighted one. Seats without a user are left out.
    """
    seat_of = seat(activity, seats)
    order = np.argsort(seat_of, kind="stable")
    firsts = np.flatnonzero(np.diff(seat_of[order], prepend=-1))
    weight = np.add.reduceat(activity[order], firsts)
    weighted = np.add.reduceat((activity * entries)[order], firsts)
    return float(np.mean(weighted / weight))

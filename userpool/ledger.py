"""The ledgers of all users as flat columns, in the order the service reads them, and their files.

Last step of the construction: every event gets its time's place in one global order (a gift is two entries in a row),
entries are grouped by user, and the columns are written as NumPy files. What a column means is said by the wallet's
contract: grouped by user index, `offsets[u]` to `offsets[u + 1]`, within a user by ascending `seq`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from userpool.arrays import stable_order
from userpool.coins import CoinEvents, Lots, draw_coin_events
from userpool.diamonds import Withdrawals, draw_withdrawals
from userpool.quota import share_out
from userpool.shape import IntArray, PoolShape

NO_PARTY: Final = 0xFFFFFFFF


class Kind(IntEnum):
    """What an entry is; the numbers are the ledger's."""

    RECHARGE = 1
    GIFT_SENT = 2
    GIFT_RECEIVED = 3
    WITHDRAWAL = 4
    HOLD = 5
    CAPTURE = 6
    RELEASE = 7
    BONUS = 8


@dataclass(frozen=True, slots=True)
class Ledger:
    """The entries of all users; a field's name is its file's, its type what is written there.

    Attributes:
        offsets: int64, shape (users + 1,): user u owns entries offsets[u] to offsets[u + 1].
        seq: uint32, unique, 1..entries in the order of time.
        time_ms: int64, Unix ms.
        kind: uint8, a `Kind`.
        amount: uint32, coins or diamonds, >= 1.
        party: uint32, index of the other user of a gift, else NO_PARTY.
        ref: uint32, valid hours of a lot, gift id of a gift, seq of the hold for hold, capture and release, else 0.
    """

    offsets: npt.NDArray[np.int64]
    seq: npt.NDArray[np.uint32]
    time_ms: npt.NDArray[np.int64]
    kind: npt.NDArray[np.uint8]
    amount: npt.NDArray[np.uint32]
    party: npt.NDArray[np.uint32]
    ref: npt.NDArray[np.uint32]

    @property
    def entries(self) -> IntArray:
        """Return the number of entries of each user; shape (users,)."""
        return np.diff(self.offsets)


def draw_ledger(wanted: IntArray, tiers: IntArray, seed: int, shape: PoolShape) -> Ledger:
    """Return ledgers about as long as wanted that obey the service's rules, the last entry at the shape's now."""
    quota = share_out(wanted, tiers, seed)
    events = draw_coin_events(quota, tiers, seed, shape)
    withdrawals = draw_withdrawals(events.gifts, quota.withdrawals, seed, shape)
    return _by_user(_numbered(events, withdrawals, shape), len(wanted))


@dataclass(frozen=True, slots=True)
class _Columns:
    """Entries in the order of seq, which is 1, 2, 3, ..."""

    user: IntArray
    time_ms: npt.NDArray[np.int64]
    kind: npt.NDArray[np.uint8]
    amount: npt.NDArray[np.uint32]
    party: npt.NDArray[np.uint32]
    ref: npt.NDArray[np.uint32]

    def put(self, at: IntArray, kind: Kind | npt.NDArray[np.uint8], user: IntArray, amount: IntArray) -> None:
        """Set entries at the given places."""
        self.kind[at] = kind
        self.user[at] = user
        self.amount[at] = amount


def _numbered(events: CoinEvents, withdrawals: Withdrawals, shape: PoolShape) -> _Columns:
    """Return all entries in the order of time; events of one ms keep the order recharge, bonus, hold, gift, end, ...

    That order within a ms is without consequence: a recharge lies at least a second before what it pays for, and the
    argument of `coins` holds for any order of equal times.
    """
    holds, gifts = events.holds, events.gifts
    ends = np.flatnonzero(holds.ends)
    groups = (
        events.recharges.time_ms,
        events.bonuses.time_ms,
        holds.time_ms,
        holds.settled_ms[ends],
        withdrawals.time_ms,
        gifts.time_ms,
    )
    places, time_ms = _places(groups)
    shift_ms = shape.now_ms - int(time_ms[-1]) if len(time_ms) else 0
    columns = _blank(time_ms + shift_ms)
    recharged, bonus, held, ended, withdrawn, given = places
    _put_lots(columns, recharged, Kind.RECHARGE, events.recharges)
    _put_lots(columns, bonus, Kind.BONUS, events.bonuses)
    columns.put(held, Kind.HOLD, holds.user, holds.coins)
    columns.ref[held] = held + 1
    end_kind = np.where(holds.released[ends], Kind.RELEASE, Kind.CAPTURE).astype(np.uint8)
    columns.put(ended, end_kind, holds.user[ends], holds.coins[ends])
    columns.ref[ended] = held[ends] + 1
    columns.put(withdrawn, Kind.WITHDRAWAL, withdrawals.user, withdrawals.diamonds)
    columns.put(given, Kind.GIFT_SENT, gifts.user, gifts.coins)
    columns.party[given], columns.ref[given] = gifts.receiver, gifts.gift_id
    columns.put(given + 1, Kind.GIFT_RECEIVED, gifts.receiver, gifts.coins)
    columns.party[given + 1], columns.ref[given + 1] = gifts.user, gifts.gift_id
    return columns


def _places(groups: tuple[IntArray, ...]) -> tuple[list[IntArray], IntArray]:
    """Return each event's place among all entries, by group, and the entries' times; the last group takes two each."""
    time_ms = np.concatenate(groups)
    single = len(time_ms) - len(groups[-1])
    order = stable_order(time_ms - int(time_ms.min(initial=0x7FFFFFFFFFFFFFFF)))
    size = 1 + (order >= single).astype(np.int64)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.cumsum(size) - size
    cuts = np.cumsum([len(group) for group in groups])[:-1]
    return np.split(place, cuts.tolist()), np.repeat(time_ms[order], size)


def _blank(time_ms: IntArray) -> _Columns:
    count = len(time_ms)
    return _Columns(
        user=np.empty(count, dtype=np.int64),
        time_ms=time_ms,
        kind=np.empty(count, dtype=np.uint8),
        amount=np.empty(count, dtype=np.uint32),
        party=np.full(count, NO_PARTY, dtype=np.uint32),
        ref=np.zeros(count, dtype=np.uint32),
    )


def _put_lots(columns: _Columns, at: IntArray, kind: Kind, lots: Lots) -> None:
    columns.put(at, kind, lots.user, lots.coins)
    columns.ref[at] = lots.hours


def _by_user(columns: _Columns, users: int) -> Ledger:
    order = stable_order(columns.user)
    counts = np.bincount(columns.user, minlength=users)
    return Ledger(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        seq=(order + 1).astype(np.uint32),
        time_ms=columns.time_ms[order],
        kind=columns.kind[order],
        amount=columns.amount[order],
        party=columns.party[order],
        ref=columns.ref[order],
    )


def npy_files(ledger: Ledger) -> Iterator[tuple[str, bytes, memoryview]]:
    """Yield name, header and data of each column's file: NumPy format 1.0, little-endian whatever the machine."""
    for field in fields(ledger):
        column = getattr(ledger, field.name)
        stored = np.ascontiguousarray(column.astype(column.dtype.newbyteorder("<"), copy=False))
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(stored))
        yield f"{field.name}.npy", header.getvalue(), stored.view(np.uint8).data

"""The ledger's rules as properties: quick enough to hold every user of the generated pool to them.

`violations` looks at one user's entries in one pass with heaps, about a microsecond or two an entry; it is tested
against the slow `wallet.fold`. `columns_violations` looks at what spans users: seq, time and gifts in both wallets.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clusters.contract.ledger import NO_PARTY, Entry, Kind
from clusters.contract.wallet import DAY_MS, FROZEN_MS, HOUR_MS

Column = np.ndarray[Any, np.dtype[Any]]

MAX_LISTED = 20
"""How many broken rows of one sort a list names before it stops."""


class _Till:
    """Lots of one currency by (expires_at, id), as a heap whose spent and expired lots are dropped when met."""

    __slots__ = ("expires_at_ms", "heap", "remaining")

    def __init__(self) -> None:
        self.heap: list[tuple[int, int]] = []
        self.remaining: dict[int, int] = {}
        self.expires_at_ms: dict[int, int] = {}

    def add(self, lot_id: int, amount: int, expires_at_ms: int) -> None:
        self.remaining[lot_id] = amount
        self.expires_at_ms[lot_id] = expires_at_ms
        heapq.heappush(self.heap, (expires_at_ms, lot_id))

    def give_back(self, lot_id: int, amount: int, at_ms: int) -> None:
        if at_ms >= self.expires_at_ms[lot_id]:
            return
        if self.remaining[lot_id] == 0:
            heapq.heappush(self.heap, (self.expires_at_ms[lot_id], lot_id))
        self.remaining[lot_id] += amount

    def take(self, amount: int, at_ms: int) -> tuple[int, list[tuple[int, int]]]:
        """Take up to an amount; return what was missing and the (lot, part) pairs taken."""
        heap, remaining = self.heap, self.remaining
        parts: list[tuple[int, int]] = []
        while amount and heap:
            expires_at_ms, lot_id = heap[0]
            there = remaining[lot_id]
            if expires_at_ms <= at_ms:
                heapq.heappop(heap)
            elif there > amount:
                remaining[lot_id] = there - amount
                parts.append((lot_id, amount))
                amount = 0
            else:
                heapq.heappop(heap)
                remaining[lot_id] = 0
                parts.append((lot_id, there))
                amount -= there
        return amount, parts


class _Check:
    """The state of one pass over a user's entries and what it found wrong."""

    __slots__ = ("coins", "diamonds", "found", "frozen", "holds", "settled")

    def __init__(self) -> None:
        self.coins = _Till()
        self.diamonds = _Till()
        self.frozen: deque[Entry] = deque()
        self.holds: dict[int, tuple[int, list[tuple[int, int]]]] = {}
        self.settled: set[int] = set()
        self.found: list[str] = []

    def entry(self, entry: Entry) -> None:
        kind = entry.kind
        if kind in (Kind.recharge, Kind.bonus):
            self.coins.add(entry.seq, entry.amount, entry.time_ms + entry.ref * HOUR_MS)
        elif kind == Kind.gift_sent:
            self._coins_out(entry)
        elif kind == Kind.gift_received:
            self.frozen.append(entry)
        elif kind == Kind.withdrawal:
            self._withdrawal(entry)
        elif kind == Kind.hold:
            if entry.ref != entry.seq:
                self.found.append(f"seq {entry.seq}: hold id {entry.ref} is not its seq [D3]")
            self.holds[entry.ref] = (entry.amount, self._coins_out(entry))
        elif kind in (Kind.capture, Kind.release):
            self._settle(entry)
        else:
            self.found.append(f"seq {entry.seq}: kind {kind} is none of 1 to 8 [D3]")

    def _coins_out(self, entry: Entry) -> list[tuple[int, int]]:
        missing, parts = self.coins.take(entry.amount, entry.time_ms)
        if missing:
            self.found.append(f"seq {entry.seq}: takes {entry.amount} coins, {missing} more than are usable [F2]")
        return parts

    def _withdrawal(self, entry: Entry) -> None:
        while self.frozen and self.frozen[0].time_ms + FROZEN_MS <= entry.time_ms:
            lot = self.frozen.popleft()
            self.diamonds.add(lot.seq, lot.amount, lot.time_ms + (30 + 30 * (lot.ref & 3)) * DAY_MS)
        missing, _ = self.diamonds.take(entry.amount, entry.time_ms)
        if missing:
            self.found.append(f"seq {entry.seq}: withdraws {entry.amount} diamonds, {missing} too many [F5]")

    def _settle(self, entry: Entry) -> None:
        hold = self.holds.pop(entry.ref, None)
        if hold is None:
            why = "was settled before" if entry.ref in self.settled else "is unknown"
            self.found.append(f"seq {entry.seq}: settles hold {entry.ref}, which {why} [D3]")
            return
        self.settled.add(entry.ref)
        amount, parts = hold
        if amount != entry.amount:
            self.found.append(f"seq {entry.seq}: settles {entry.amount} of hold {entry.ref}, which holds {amount} [D3]")
        if entry.kind == Kind.release:
            for lot_id, part in parts:
                self.coins.give_back(lot_id, part, entry.time_ms)


def violations(entries: Sequence[Entry]) -> list[str]:
    """Return every rule that one user's entries break, in their order; empty when they break none.

    Holds to [D2] (order, amounts), [D3] (kinds, parties, holds), [F2] and [F5] (no prefix below zero).
    """
    check = _Check()
    before: Entry | None = None
    for entry in entries:
        if entry.amount < 1:
            check.found.append(f"seq {entry.seq}: amount {entry.amount} is below 1 [D2]")
        if before is not None and entry.seq <= before.seq:
            check.found.append(f"seq {entry.seq}: comes after seq {before.seq} [D2]")
        if before is not None and entry.time_ms < before.time_ms:
            check.found.append(f"seq {entry.seq}: is earlier than seq {before.seq} [D2]")
        if (entry.party != NO_PARTY) != (entry.kind in (2, 3)):
            check.found.append(f"seq {entry.seq}: party {entry.party} does not suit kind {entry.kind} [D3]")
        check.entry(entry)
        before = entry
    return check.found


def columns_violations(columns: Mapping[str, Column], users: int) -> list[str]:
    """Return the rules between users that a whole ledger breaks: layout, seq, time, gifts in both wallets.

    Args:
        columns: the seven columns by file name, as `ledger.load_columns` returns them.
        users: how many rows `userpool.csv` has.
    """
    offsets, seq, time_ms = columns["offsets"], columns["seq"], columns["time_ms"]
    found: list[str] = []
    rows = len(seq)
    if len(offsets) != users + 1 or offsets[0] != 0 or offsets[-1] != rows or (np.diff(offsets) < 0).any():
        return [f"offsets do not cut {rows} rows into {users} users [D2]"]
    if any(len(columns[name]) != rows for name in ("time_ms", "kind", "amount", "party", "ref")):
        return ["the columns have unequal lengths [D2]"]
    order = np.argsort(seq, kind="stable")
    ordered_seq, ordered_time = seq[order], time_ms[order]
    if rows and ordered_seq[0] < 1:
        found.append("seq 0 is used [D2]")
    repeated = ordered_seq[1:][ordered_seq[1:] == ordered_seq[:-1]]
    found += [f"seq {value} is used twice [D2]" for value in repeated[:MAX_LISTED].tolist()]
    earlier = ordered_seq[1:][np.diff(ordered_time) < 0]
    found += [f"seq {value} is earlier than the one before [D2]" for value in earlier[:MAX_LISTED].tolist()]
    return found + _gift_violations(columns, users)


def _gift_violations(columns: Mapping[str, Column], users: int) -> list[str]:
    """Each gift_sent must stand in the other wallet as gift_received: same time, gift id and amount, users swapped."""
    kind = columns["kind"]
    owner = np.repeat(np.arange(users, dtype=np.int64), np.diff(columns["offsets"]))
    sent, received = kind == Kind.gift_sent, kind == Kind.gift_received
    own_gifts = (sent | received) & (columns["party"].astype(np.int64) == owner)
    found = [f"seq {value}: a gift to oneself [D3]" for value in columns["seq"][own_gifts][:MAX_LISTED].tolist()]
    if sent.sum() != received.sum():
        return [*found, f"{sent.sum()} gifts were sent, {received.sum()} received [D3]"]

    def keys(mask: Column, sender: Column, receiver: Column) -> Column:
        parts = (columns["time_ms"][mask], sender[mask], receiver[mask], columns["ref"][mask], columns["amount"][mask])
        table = np.stack([part.astype(np.int64) for part in parts])
        return table[:, np.lexsort(table)]

    party = columns["party"]
    differs = (keys(sent, owner, party) != keys(received, party, owner)).any(axis=0)
    if differs.any():
        found.append(f"{int(differs.sum())} gifts do not stand in both wallets alike [D3]")
    return found

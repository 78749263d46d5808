"""What the reads answer, computed from the contract's sentences and nothing else.

`balance`, `statistics` and `transactions` return the exact body; every number is a Python integer or fraction, every
list is sorted whole and then cut. Slow by intent: see `wallet`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from fractions import Fraction

from clusters.contract.ledger import Entry, Kind, Ledger
from clusters.contract.wallet import DAY_MS, HOUR_MS, Hold, Lot, fold

BUCKETS_MS = {"hour": HOUR_MS, "day": DAY_MS}
LISTED_LOTS = 20
LISTED_TOPS = 10
WEEK_MS = 7 * DAY_MS
GIFTS = (Kind.gift_sent, Kind.gift_received)
PERCENTS = (50, 90, 99)

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Window:
    """The half-open time range of a statistics request, cut into UTC-aligned buckets [B2] [B3]."""

    from_ms: int
    to_ms: int
    bucket: str

    @property
    def bucket_ms(self) -> int:
        """The length of a bucket."""
        return BUCKETS_MS[self.bucket]

    @property
    def first_bucket_ms(self) -> int:
        """The start of the first bucket, at or before `from_ms`."""
        return math.floor(Fraction(self.from_ms, self.bucket_ms)) * self.bucket_ms

    @property
    def buckets(self) -> int:
        """How many buckets reach from the first one to `to_ms`."""
        return math.ceil(Fraction(self.to_ms - self.first_bucket_ms, self.bucket_ms))


def encode(document: Json) -> bytes:
    """Return a document as the contract writes JSON: no white space, keys in the order given."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def balance(ledger: Ledger, user: int, now_ms: int) -> bytes:
    """Return the body of a balance [A1] for a user index.

    Raises: CorruptLedgerError when the user's entries break a rule [F7].
    """
    entries = ledger.entries[user]
    wallet = fold(entries)
    coins = [lot for lot in wallet.coin_lots if lot.usable(now_ms)]
    diamonds = [lot for lot in wallet.diamond_lots if lot.usable(now_ms)]
    holds = sorted(wallet.open_holds, key=lambda hold: hold.hold_id)
    still_frozen = [lot for lot in wallet.diamond_lots if now_ms < lot.available_at_ms]
    return encode(
        {
            "user_id": ledger.user_ids[user],
            "coins": _amounts(coins, sum(hold.amount for hold in holds), now_ms),
            "diamonds": _amounts(diamonds, sum(lot.remaining for lot in still_frozen), now_ms),
            "lots_open": len(coins),
            "lots": [_coin_lot(lot) for lot in _first_expiring(coins)],
            "diamond_lots_open": len(diamonds),
            "diamond_lots": [_diamond_lot(lot) for lot in _first_expiring(diamonds)],
            "holds_open": len(holds),
            "holds": [_hold(hold) for hold in holds[:LISTED_LOTS]],
            "lifetime": {
                **_lifetime(entries),
                "coins_expired": _expired(wallet.coin_lots, now_ms) + wallet.coins_expired_on_release,
                "diamonds_expired": _expired(wallet.diamond_lots, now_ms),
            },
        }
    )


def _amounts(usable: list[Lot], frozen: int, now_ms: int) -> Json:
    expiring = [lot.remaining for lot in usable if lot.expires_at_ms <= now_ms + WEEK_MS]
    return {"available": sum(lot.remaining for lot in usable), "frozen": frozen, "expiring": sum(expiring)}


def _first_expiring(lots: list[Lot]) -> list[Lot]:
    return sorted(lots, key=lambda lot: (lot.expires_at_ms, lot.lot_id))[:LISTED_LOTS]


def _coin_lot(lot: Lot) -> Json:
    return {
        "id": lot.lot_id,
        "kind": Kind(lot.kind).name,
        "amount": lot.amount,
        "remaining": lot.remaining,
        "expires_at_ms": lot.expires_at_ms,
    }


def _diamond_lot(lot: Lot) -> Json:
    return {"id": lot.lot_id, "amount": lot.amount, "remaining": lot.remaining, "expires_at_ms": lot.expires_at_ms}


def _hold(hold: Hold) -> Json:
    return {"id": hold.hold_id, "amount": hold.amount, "since_ms": hold.since_ms}


def _expired(lots: list[Lot], now_ms: int) -> int:
    return sum(lot.remaining for lot in lots if lot.expires_at_ms <= now_ms)


def _lifetime(entries: tuple[Entry, ...]) -> Json:
    def total(kind: Kind) -> int:
        return sum(entry.amount for entry in entries if entry.kind == kind)

    return {
        "entries": len(entries),
        "first_ms": entries[0].time_ms if entries else None,
        "last_ms": entries[-1].time_ms if entries else None,
        "recharged": total(Kind.recharge),
        "bonus": total(Kind.bonus),
        "gifted": total(Kind.gift_sent),
        "captured": total(Kind.capture),
        "released": total(Kind.release),
        "received": total(Kind.gift_received),
        "withdrawn": total(Kind.withdrawal),
    }


def statistics(ledger: Ledger, user: int, window: Window) -> bytes:
    """Return the body of the statistics [B4] of a user index over a window of at most 400 buckets."""
    inside = [entry for entry in ledger.entries[user] if window.from_ms <= entry.time_ms < window.to_ms]
    gifts = [entry for entry in inside if entry.kind in GIFTS]
    return encode(
        {
            "user_id": ledger.user_ids[user],
            "from_ms": window.from_ms,
            "to_ms": window.to_ms,
            "bucket": window.bucket,
            "bucket_ms": window.bucket_ms,
            "first_bucket_ms": window.first_bucket_ms,
            "buckets": window.buckets,
            "kinds": {
                kind.name: _per_bucket([entry for entry in inside if entry.kind == kind], window)
                for kind in Kind
                if any(entry.kind == kind for entry in inside)
            },
            "top_gifts": _top_gifts(gifts),
            "top_counterparts": _top_counterparts(gifts, ledger.user_ids),
            "gift_values": _gift_values(gifts, window),
        }
    )


def _per_bucket(entries: list[Entry], window: Window) -> Json:
    buckets = [_amounts_in_bucket(entries, window, number) for number in range(window.buckets)]
    return {"count": [len(amounts) for amounts in buckets], "sum": [sum(amounts) for amounts in buckets]}


def _top_gifts(gifts: list[Entry]) -> list[Json]:
    totals: list[tuple[int, int, int]] = []
    for gift_id in {entry.ref for entry in gifts}:
        amounts = [entry.amount for entry in gifts if entry.ref == gift_id]
        totals.append((gift_id, len(amounts), sum(amounts)))
    totals.sort(key=lambda total: (-total[2], total[0]))
    return [{"gift_id": gift_id, "count": count, "sum": amount} for gift_id, count, amount in totals[:LISTED_TOPS]]


def _top_counterparts(gifts: list[Entry], user_ids: tuple[str, ...]) -> list[Json]:
    totals: list[tuple[str, int, int, int]] = []
    for party in {entry.party for entry in gifts}:
        sent = [entry.amount for entry in gifts if entry.party == party and entry.kind == Kind.gift_sent]
        received = [entry.amount for entry in gifts if entry.party == party and entry.kind == Kind.gift_received]
        totals.append((user_ids[party], len(sent) + len(received), sum(sent), sum(received)))
    totals.sort(key=lambda total: (-(total[2] + total[3]), total[0].encode("ascii")))
    return [
        {"user_id": user_id, "count": count, "sent": sent, "received": received}
        for user_id, count, sent, received in totals[:LISTED_TOPS]
    ]


def _gift_values(gifts: list[Entry], window: Window) -> Json:
    whole = [entry.amount for entry in gifts]
    return {
        "count": len(whole),
        **{f"p{percent}": _nearest_rank(whole, percent) for percent in PERCENTS},
        "by_bucket": {
            f"p{percent}": [
                _nearest_rank(_amounts_in_bucket(gifts, window, number), percent) for number in range(window.buckets)
            ]
            for percent in PERCENTS
        },
    }


def _amounts_in_bucket(entries: list[Entry], window: Window, number: int) -> list[int]:
    start_ms = window.first_bucket_ms + number * window.bucket_ms
    return [entry.amount for entry in entries if start_ms <= entry.time_ms < start_ms + window.bucket_ms]


def _nearest_rank(amounts: list[int], percent: int) -> int | None:
    """Return the ceil(percent / 100 * n)-th smallest amount, None when there are none [B7]."""
    if not amounts:
        return None
    return sorted(amounts)[math.ceil(Fraction(percent, 100) * len(amounts)) - 1]


def transactions(ledger: Ledger, user: int, *, cursor: int | None = None, limit: int = 20) -> bytes:
    """Return one page of a user's entries, newest first [T2]; `cursor` None starts at the newest."""
    older = [entry for entry in ledger.entries[user] if cursor is None or entry.seq < cursor]
    older.sort(key=lambda entry: -entry.seq)
    page = older[:limit]
    return encode(
        {
            "user_id": ledger.user_ids[user],
            "entries": [_transaction(entry, ledger.user_ids) for entry in page],
            "next_cursor": page[-1].seq if len(older) > limit else None,
        }
    )


def _transaction(entry: Entry, user_ids: tuple[str, ...]) -> Json:
    return {
        "seq": entry.seq,
        "kind": Kind(entry.kind).name,
        "amount": entry.amount,
        "time_ms": entry.time_ms,
        "party": user_ids[entry.party] if entry.kind in GIFTS else None,
        "ref": entry.ref,
    }


def fibonacci(n: int) -> int:
    """Return the n-th Fibonacci number, fib(0) = 0 and fib(1) = 1 [N1]."""
    before, current = 0, 1
    for _ in range(n):
        before, current = current, before + current
    return before

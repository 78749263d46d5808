"""One user's wallet, folded event by event: the slow and plain reading of [F1] to [F7].

Every step looks at all lots of the wallet, sorts the usable ones and takes from them in turn. That is quadratic and
meant to be: the twins fold cleverly, the oracle folds as the sentences read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from clusters.contract.ledger import Entry, Kind

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
FROZEN_MS = 7 * DAY_MS
"""How long received diamonds stay frozen [F4]."""


class CorruptLedgerError(ValueError):
    """A ledger breaks its rules, so no balance can be told from it [F7]."""


@dataclass(slots=True)
class Lot:
    """Coins or diamonds that came in together; `remaining` is what is neither spent, held nor withdrawn."""

    lot_id: int
    kind: int
    amount: int
    remaining: int
    available_at_ms: int
    expires_at_ms: int

    def usable(self, at_ms: int) -> bool:
        """Say whether something can be taken from this lot at a time [F1] [F4]."""
        return self.remaining > 0 and self.available_at_ms <= at_ms < self.expires_at_ms


@dataclass(frozen=True, slots=True)
class Portion:
    """Coins that a hold took from one lot."""

    lot: Lot
    coins: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Frozen coins, with the portions in the order taken [F2]."""

    hold_id: int
    amount: int
    since_ms: int
    portions: tuple[Portion, ...]


@dataclass(slots=True)
class Wallet:
    """The state of a wallet after some entries."""

    coin_lots: list[Lot] = field(default_factory=list)
    diamond_lots: list[Lot] = field(default_factory=list)
    open_holds: list[Hold] = field(default_factory=list)
    coins_expired_on_release: int = 0


def take(lots: list[Lot], amount: int, at_ms: int) -> tuple[Portion, ...]:
    """Take an amount from the lots usable at a time, first-expiring first [F2] [F5]; return what came from where.

    Raises: CorruptLedgerError when the usable lots hold less; nothing is taken then.
    """
    usable = sorted((lot for lot in lots if lot.usable(at_ms)), key=lambda lot: (lot.expires_at_ms, lot.lot_id))
    there = sum(lot.remaining for lot in usable)
    if there < amount:
        raise CorruptLedgerError(f"takes {amount} of {there} usable")
    portions: list[Portion] = []
    for lot in usable:
        part = min(lot.remaining, amount)
        if part > 0:
            lot.remaining -= part
            amount -= part
            portions.append(Portion(lot, part))
    return tuple(portions)


def apply(wallet: Wallet, entry: Entry) -> None:
    """Change the wallet as one entry says.

    Raises: CorruptLedgerError when the entry breaks a rule [F7].
    """
    if entry.kind in (Kind.recharge, Kind.bonus):
        expires_at_ms = entry.time_ms + entry.ref * HOUR_MS
        wallet.coin_lots.append(Lot(entry.seq, entry.kind, entry.amount, entry.amount, entry.time_ms, expires_at_ms))
    elif entry.kind == Kind.gift_received:
        days = 30 + 30 * (entry.ref % 4)
        available_at_ms, expires_at_ms = entry.time_ms + FROZEN_MS, entry.time_ms + days * DAY_MS
        wallet.diamond_lots.append(
            Lot(entry.seq, entry.kind, entry.amount, entry.amount, available_at_ms, expires_at_ms)
        )
    elif entry.kind == Kind.gift_sent:
        take(wallet.coin_lots, entry.amount, entry.time_ms)
    elif entry.kind == Kind.withdrawal:
        take(wallet.diamond_lots, entry.amount, entry.time_ms)
    elif entry.kind == Kind.hold:
        portions = take(wallet.coin_lots, entry.amount, entry.time_ms)
        wallet.open_holds.append(Hold(entry.seq, entry.amount, entry.time_ms, portions))
    elif entry.kind in (Kind.capture, Kind.release):
        _settle(wallet, entry)
    else:
        raise CorruptLedgerError(f"kind {entry.kind} is none of 1 to 8")


def _settle(wallet: Wallet, entry: Entry) -> None:
    found = [hold for hold in wallet.open_holds if hold.hold_id == entry.ref]
    if not found:
        raise CorruptLedgerError(f"settles hold {entry.ref}, which is not open")
    hold = found[0]
    if hold.amount != entry.amount:
        raise CorruptLedgerError(f"settles {entry.amount} of hold {hold.hold_id}, which holds {hold.amount}")
    wallet.open_holds.remove(hold)
    if entry.kind == Kind.capture:
        return
    for portion in hold.portions:
        if entry.time_ms >= portion.lot.expires_at_ms:
            wallet.coins_expired_on_release += portion.coins
        else:
            portion.lot.remaining += portion.coins


def fold(entries: Iterable[Entry]) -> Wallet:
    """Return the wallet after all entries, in their order.

    Raises: CorruptLedgerError when an entry breaks a rule [F7].
    """
    wallet = Wallet()
    for entry in entries:
        apply(wallet, entry)
    return wallet

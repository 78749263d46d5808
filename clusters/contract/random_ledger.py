"""Small random ledgers that obey the rules, from a seed: food for comparing the twins with the oracle.

Amounts, times and lifetimes are drawn from few values, so that ties, expiries at exactly some entry's time and lots
spent to the last coin are common. What is there is asked of the slow `wallet`, so every draw is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from clusters.contract.ledger import NO_PARTY, Entry, Kind, Ledger
from clusters.contract.wallet import DAY_MS, HOUR_MS, Wallet, apply

START_MS = 1_700_000_000_000 // DAY_MS * DAY_MS
STEPS_MS = (0, 0, 1, HOUR_MS - 1, HOUR_MS, HOUR_MS, 5 * HOUR_MS, DAY_MS, 3 * DAY_MS)
VALID_HOURS = (1, 2, 24, 24, 72, 168, 169, 720, 8760)
AMOUNTS = (1, 1, 2, 5, 10, 10, 50, 100, 4_294_967_295)


@dataclass(slots=True)
class _Draft:
    """A ledger in the making: rows and wallet of each user, the next seq and the time."""

    users: int
    rows: list[list[Entry]] = field(default_factory=list)
    wallets: list[Wallet] = field(default_factory=list)
    seq: int = 1
    time_ms: int = START_MS

    def __post_init__(self) -> None:
        self.rows = [[] for _ in range(self.users)]
        self.wallets = [Wallet() for _ in range(self.users)]

    def add(self, user: int, kind: Kind, amount: int, ref: int, party: int = NO_PARTY) -> None:
        entry = Entry(self.seq, self.time_ms, int(kind), amount, party, ref)
        apply(self.wallets[user], entry)
        self.rows[user].append(entry)
        self.seq += 1

    def usable(self, user: int, *, diamonds: bool) -> int:
        wallet = self.wallets[user]
        lots = wallet.diamond_lots if diamonds else wallet.coin_lots
        return sum(lot.remaining for lot in lots if lot.usable(self.time_ms))


def random_ledger(rng: Random, *, users: int = 8, steps: int = 400) -> Ledger:
    """Return a ledger of `users` users after `steps` drawn events; user 0 has no entry."""
    draft = _Draft(users)
    for _ in range(steps):
        draft.time_ms += rng.choice(STEPS_MS)
        draft.seq += rng.choice((0, 0, 1, 1000))
        _event(draft, rng)
    ids = tuple(f"{rng.choice('aAzZ09_-')}{number}" for number in range(users))
    return Ledger(ids, tuple(tuple(rows) for rows in draft.rows))


def _event(draft: _Draft, rng: Random) -> None:
    user = rng.randrange(1, draft.users)
    coins, diamonds = draft.usable(user, diamonds=False), draft.usable(user, diamonds=True)
    choice = rng.randrange(8)
    if choice == 0 and diamonds:
        draft.add(user, Kind.withdrawal, _part(rng, diamonds), 0)
    elif choice in (1, 2, 3) and coins:
        _gift(draft, rng, user, _part(rng, coins))
    elif choice == 4 and coins:
        draft.add(user, Kind.hold, _part(rng, coins), draft.seq)
    elif choice in (5, 6) and draft.wallets[user].open_holds:
        hold = rng.choice(draft.wallets[user].open_holds)
        draft.add(user, rng.choice((Kind.capture, Kind.release)), hold.amount, hold.hold_id)
    else:
        draft.add(user, rng.choice((Kind.recharge, Kind.bonus)), rng.choice(AMOUNTS), rng.choice(VALID_HOURS))


def _gift(draft: _Draft, rng: Random, sender: int, amount: int) -> None:
    receiver = rng.choice([user for user in range(1, draft.users) if user != sender])
    gift_id = rng.randrange(1, 16)
    draft.add(sender, Kind.gift_sent, amount, gift_id, receiver)
    draft.add(receiver, Kind.gift_received, amount, gift_id, sender)


def _part(rng: Random, there: int) -> int:
    return min(rng.choice((there, 1, 7, rng.randint(1, there))), there, 4_294_967_295)

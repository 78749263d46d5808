"""Several instances over one store: written to, compared byte by byte and with the oracle, their money counted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from clusters.contract.answers import Request, answer
from clusters.contract.instance import Instance
from clusters.contract.ledger import NO_PARTY, Entry, Kind, Ledger
from clusters.contract.wallet import DAY_MS
from clusters.contract.wire import Message, WireError, ask

WITHIN_S = 60.0
START_MS = 4_900_000_000_000 // DAY_MS * DAY_MS
"""Long after today, so that a write's time is the ledger's now [W7] and every answer can be told in advance."""


def small_ledger(users: int = 6) -> Ledger:
    """Return users who hold 100 coins and 50 diamonds each, of which the diamonds can be withdrawn."""
    rows: list[tuple[Entry, ...]] = []
    for user in range(users):
        seq, party = 3 * user + 1, (user + 1) % users
        received = Entry(seq, START_MS, Kind.gift_received, 50, party, 3)
        sent = Entry(seq + 1, START_MS + 8 * DAY_MS, Kind.recharge, 150, NO_PARTY, 2000)
        rows.append((received, sent, Entry(seq + 2, START_MS + 8 * DAY_MS, Kind.gift_sent, 50, party, 3)))
    return Ledger(tuple(f"u{user}" for user in range(users)), tuple(rows))


@dataclass(frozen=True, slots=True)
class Write:
    """A write that can be sent to any instance, again and again."""

    path: str
    key: str
    members: dict[str, object]

    def send(self, instance: Instance, *, timeout_s: float = 20.0) -> Message:
        """Send it once."""
        headers = (("Content-Type", "application/json"), ("Idempotency-Key", self.key))
        request = Request("POST", self.path, headers)
        return ask(instance.address, request, json.dumps(self.members).encode(), timeout_s=timeout_s)

    def send_until_told(self, instances: Callable[[], Sequence[Instance]]) -> Message:
        """Send it to one instance after the other until one says what became of it."""
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline:
            for instance in instances():
                try:
                    message = self.send(instance)
                except (OSError, WireError):
                    continue
                if message.status != 503:
                    return message
            time.sleep(0.01)
        raise AssertionError(f"after {WITHIN_S} s nobody says what became of {self}")

    def entries(self, ledger: Ledger, seq: int, time_ms: int) -> list[tuple[int, Entry]]:
        """Return the entries, by user, of this write when it was taken with a seq."""

        def number(user: object) -> int:
            return ledger.user_ids.index(str(user))

        def amount(name: str) -> int:
            return int(str(self.members[name]))

        if self.path == "/v1/gifts":
            sender, receiver = number(self.members["from"]), number(self.members["to"])
            coins, gift = amount("coins"), amount("gift_id")
            return [
                (sender, Entry(seq, time_ms, Kind.gift_sent, coins, receiver, gift)),
                (receiver, Entry(seq + 1, time_ms, Kind.gift_received, coins, sender, gift)),
            ]
        user = number(self.path.split("/")[3])
        if self.path.endswith("recharges"):
            return [(user, Entry(seq, time_ms, Kind.recharge, amount("coins"), NO_PARTY, amount("valid_hours")))]
        return [(user, Entry(seq, time_ms, Kind.withdrawal, amount("diamonds"), NO_PARTY, 0))]


def recharge(user: str, key: str, coins: int = 10) -> Write:
    """Return coins for a wallet."""
    return Write(f"/v1/users/{user}/recharges", key, {"coins": coins, "valid_hours": 100})


def gift(sender: str, receiver: str, key: str, coins: int = 10) -> Write:
    """Return a gift from one wallet to another."""
    return Write("/v1/gifts", key, {"from": sender, "to": receiver, "gift_id": 5, "coins": coins})


def random_write(rng: Random, ledger: Ledger, key: str) -> Write:
    """Return a drawn write, often of more than is there."""
    user, other = rng.sample(ledger.user_ids, 2)
    kind = rng.randrange(5)
    if kind < 2:
        return Write(
            f"/v1/users/{user}/recharges",
            key,
            {"coins": rng.choice((1, 5, 30)), "valid_hours": rng.choice((1, 9, 8760))},
        )
    if kind == 2:
        return Write(f"/v1/users/{user}/withdrawals", key, {"diamonds": rng.choice((1, 7, 60))})
    return Write(
        "/v1/gifts", key, {"from": user, "to": other, "gift_id": rng.randint(1, 8), "coins": rng.choice((1, 9, 40))}
    )


def get(instance: Instance, target: str) -> Message:
    """Read one resource."""
    return ask(instance.address, Request("GET", target), timeout_s=20.0)


def as_of(instance: Instance) -> int:
    """Return the sequence that the instance has seen; the first user is always there."""
    return int(get(instance, "/v1/users/u0/balance").header("Ledger-As-Of") or -1)


def coins(instance: Instance, user: str) -> int:
    """Return the coins that a user can spend."""
    return int(json.loads(get(instance, f"/v1/users/{user}/balance").body)["coins"]["available"])


def metric(instance: Instance, name: str) -> int:
    """Return a whole-numbered metric without labels."""
    lines = get(instance, "/metrics").body.decode().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait for a condition, with a bound that only a broken twin reaches."""
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, f"after {WITHIN_S} s not yet: {what}"
        time.sleep(0.01)


def until_seen(instances: Sequence[Instance], seq: int) -> None:
    """Wait until every instance has seen a sequence, or more."""
    for instance in instances:
        until(f"{instance.twin} has seen {seq}", partial(_has_seen, instance, seq))


def _has_seen(instance: Instance, seq: int) -> bool:
    return as_of(instance) >= seq


def after_writes(ledger: Ledger, taken: Iterable[tuple[Write, Message]]) -> Ledger:
    """Return the ledger with what was answered 201, each seq once."""
    rows = [list(entries) for entries in ledger.entries]
    seqs: dict[int, Write] = {}
    for write, message in taken:
        if message.status != 201:
            assert message.status == 409, (write, message)
            continue
        seq = int(json.loads(message.body)["seq"])
        assert seqs.setdefault(seq, write) == write, f"{seq} stands for two writes"
    for seq, write in sorted(seqs.items()):
        for user, entry in write.entries(ledger, seq, ledger.now_ms):
            rows[user].append(entry)
    return Ledger(ledger.user_ids, tuple(tuple(entries) for entries in rows))


def check_all(instances: Sequence[Instance], ledger: Ledger) -> None:
    """Assert that every instance comes to answer as the oracle does from this ledger, and that money is conserved."""
    end_ms = ledger.now_ms + 1
    days, hours = f"from={end_ms - 20 * DAY_MS}&to={end_ms}", f"from={end_ms - DAY_MS}&to={end_ms}&bucket=hour"
    for instance in instances:
        until_seen([instance], ledger.as_of)
        for user in ledger.user_ids:
            targets = ["balance", f"statistics?{days}", f"statistics?{hours}"]
            targets += ["transactions?limit=100"] if instance.serve == "all" else []
            for target in targets:
                request = Request("GET", f"/v1/users/{user}/{target}")
                found = get(instance, request.target).counted()
                assert found == answer(request, ledger, serve=instance.serve), (instance.twin, instance.serve, target)
    check_conserved(instances[0], ledger)


def check_conserved(instance: Instance, ledger: Ledger) -> None:
    """Assert that over all wallets nothing came from nowhere or went: by wallet, by currency, between wallets."""
    gifted = received = 0
    for user in ledger.user_ids:
        document = json.loads(get(instance, f"/v1/users/{user}/balance").body)
        life, purse, diamonds = document["lifetime"], document["coins"], document["diamonds"]
        spent = life["gifted"] + life["captured"] + life["coins_expired"]
        assert life["recharged"] + life["bonus"] == spent + purse["available"] + purse["frozen"], document
        paid = life["withdrawn"] + life["diamonds_expired"]
        assert life["received"] == paid + diamonds["available"] + diamonds["frozen"], document
        gifted, received = gifted + life["gifted"], received + life["received"]
    assert gifted == received

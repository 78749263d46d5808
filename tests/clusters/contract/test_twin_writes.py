"""Writes of the Go twin [W0] to [W8]: exact answers, exact wallets after them, money conserved, never below zero.

The ledger is the golden one moved into the year 2125, so that a write's time is the ledger's now [W7] and every
answer can be told in advance; the oracle folds what the writes should have appended.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest

from clusters.contract.answers import Answer, Headers, Request, answer, problem
from clusters.contract.golden.ledger import golden_ledger
from clusters.contract.instance import Instance
from clusters.contract.ledger import NO_PARTY, Entry, Kind, Ledger
from clusters.contract.wallet import DAY_MS, HOUR_MS
from clusters.contract.wire import Address, Connection, Message, ask

pytestmark = pytest.mark.slow

JSON = ("Content-Type", "application/json")
FIRST_SEQ = 4_000_000_001


def moved(ledger: Ledger, days: int) -> Ledger:
    """Move every entry by whole days."""
    rows = (tuple(replace(e, time_ms=e.time_ms + days * DAY_MS) for e in entries) for entries in ledger.entries)
    return Ledger(ledger.user_ids, tuple(rows))


@dataclass(slots=True)
class Bank:
    """A running twin beside the ledger that it should hold."""

    address: Address
    ledger: Ledger

    def post(self, path: str, key: str, members: object, *headers: tuple[str, str]) -> Message:
        body = json.dumps(members).encode()
        return ask(self.address, Request("POST", path, (JSON, ("Idempotency-Key", key), *headers)), body)

    def append(self, user_id: str, kind: Kind, amount: int, *, ref: int = 0, party: str | None = None) -> None:
        """Append to the expected ledger, at its now."""
        user = self.index(user_id)
        other = NO_PARTY if party is None else self.index(party)
        entry = Entry(self.ledger.as_of + 1, self.ledger.now_ms, kind, amount, other, ref)
        rows = list(self.ledger.entries)
        rows[user] = (*rows[user], entry)
        self.ledger = Ledger(self.ledger.user_ids, tuple(rows))

    def gift(self, sender: str, receiver: str, coins: int, gift_id: int) -> None:
        self.append(sender, Kind.gift_sent, coins, ref=gift_id, party=receiver)
        self.append(receiver, Kind.gift_received, coins, ref=gift_id, party=sender)

    def index(self, user_id: str) -> int:
        found = self.ledger.index_of(user_id)
        assert found is not None
        return found

    def agree(self, *user_ids: str) -> None:
        """Assert that the twin's reads of these users are those of the expected ledger."""
        for user_id in user_ids:
            for target in ("balance", "transactions", f"statistics?from=4900000000000&to={self.ledger.now_ms + 1}"):
                request = Request("GET", f"/v1/users/{user_id}/{target}")
                assert ask(self.address, request).counted() == answer(request, self.ledger, serve="all"), target

    def coins(self, user_id: str) -> int:
        message = ask(self.address, Request("GET", f"/v1/users/{user_id}/balance"))
        available: int = json.loads(message.body)["coins"]["available"]
        return available


@pytest.fixture(params=["memory", "redis"])
def bank(request: pytest.FixtureRequest, start: Callable[..., Instance]) -> Bank:
    """The same twin with writes in its memory, and in a store."""
    ledger = moved(golden_ledger(), 36_525)
    url = request.getfixturevalue("store").url if request.param == "redis" else None
    return Bank(start("go", ledger, "all", store=url).address, ledger)


def success(document: str, as_of: int, *more: tuple[str, str]) -> Answer:
    headers: Headers = (("Content-Type", "application/json"), ("Ledger-As-Of", str(as_of)), *more)
    return Answer(201, headers, document.encode())


def test_a_recharge_adds_a_lot(bank: Bank) -> None:
    found = bank.post("/v1/users/empty/recharges", "r-1", {"coins": 70, "valid_hours": 24})
    ends = bank.ledger.now_ms + 24 * HOUR_MS
    document = f'{{"seq":{FIRST_SEQ},"user_id":"empty","coins":70,"expires_at_ms":{ends}}}'
    assert found.counted() == success(document, FIRST_SEQ)
    bank.append("empty", Kind.recharge, 70, ref=24)
    bank.agree("empty", "ties")


def test_a_gift_stands_in_both_wallets(bank: Bank) -> None:
    found = bank.post("/v1/gifts", "g-1", {"from": "ties", "to": "empty", "gift_id": 7, "coins": 48})
    document = f'{{"seq":{FIRST_SEQ},"from":"ties","to":"empty","gift_id":7,"coins":48}}'
    assert found.counted() == success(document, FIRST_SEQ + 1)
    bank.gift("ties", "empty", 48, 7)
    bank.agree("ties", "empty")


def test_a_withdrawal_takes_diamonds(bank: Bank) -> None:
    found = bank.post("/v1/users/withdrawals/withdrawals", "w-1", {"diamonds": 1650})
    document = f'{{"seq":{FIRST_SEQ},"user_id":"withdrawals","diamonds":1650}}'
    assert found.counted() == success(document, FIRST_SEQ)
    bank.append("withdrawals", Kind.withdrawal, 1650)
    bank.agree("withdrawals")


def test_too_little_is_a_conflict_and_writes_nothing(bank: Bank) -> None:
    refused = problem("insufficient-funds")
    gift = {"from": "ties", "to": "empty", "gift_id": 7, "coins": 49}
    assert bank.post("/v1/gifts", "k-1", gift).counted() == refused
    assert bank.post("/v1/users/diamonds-edge/withdrawals", "k-2", {"diamonds": 95}).counted() == refused
    assert bank.post("/v1/gifts", "k-3", {**gift, "from": "empty", "to": "ties", "coins": 1}).counted() == refused
    bank.agree("ties", "empty", "diamonds-edge")


def test_a_corrupt_wallet_cannot_pay(bank: Bank) -> None:
    gift = {"from": "corrupt-coins", "to": "empty", "gift_id": 7, "coins": 1}
    assert bank.post("/v1/gifts", "k-1", gift).counted() == problem("ledger-corrupt")
    bank.agree("corrupt-coins", "empty")


def test_many_writes_leave_the_wallets_that_the_oracle_folds(bank: Bank) -> None:
    for number in range(12):
        bank.post("/v1/users/empty/recharges", f"r-{number}", {"coins": 10 + number, "valid_hours": 1 + number % 3})
        bank.append("empty", Kind.recharge, 10 + number, ref=1 + number % 3)
        gift = {"from": "empty", "to": "eve", "gift_id": 1 + number, "coins": 9}
        assert bank.post("/v1/gifts", f"g-{number}", gift).status == 201
        bank.gift("empty", "eve", 9, 1 + number)
    bank.agree("empty", "eve")


def test_the_same_write_again_is_the_first_answer_and_moves_nothing(bank: Bank) -> None:
    gift = {"from": "ties", "to": "eve", "gift_id": 7, "coins": 40}
    first = bank.post("/v1/gifts", "same", gift).counted()
    bank.gift("ties", "eve", 40, 7)
    again = bank.post("/v1/gifts", "same", gift).counted()
    assert again == replace(first, headers=(*first.headers, ("Idempotency-Replayed", "true")))
    bank.agree("ties", "eve")


def test_a_conflict_is_remembered_even_when_money_came_since(bank: Bank) -> None:
    gift = {"from": "ties", "to": "eve", "gift_id": 7, "coins": 100}
    assert bank.post("/v1/gifts", "poor", gift).status == 409
    assert bank.post("/v1/users/ties/recharges", "rich", {"coins": 1000, "valid_hours": 5}).status == 201
    again = bank.post("/v1/gifts", "poor", gift)
    assert again.counted() == replace(
        problem("insufficient-funds"),
        headers=(("Content-Type", "application/problem+json"), ("Idempotency-Replayed", "true")),
    )
    assert bank.post("/v1/gifts", "poor-no-more", gift).status == 201


def test_a_key_used_with_another_request_is_refused(bank: Bank) -> None:
    reused = problem("idempotency-key-reused")
    assert bank.post("/v1/users/ties/recharges", "k", {"coins": 5, "valid_hours": 5}).status == 201
    bank.append("ties", Kind.recharge, 5, ref=5)
    assert bank.post("/v1/users/ties/recharges", "k", {"coins": 6, "valid_hours": 5}).counted() == reused
    assert bank.post("/v1/users/eve/recharges", "k", {"coins": 5, "valid_hours": 5}).counted() == reused
    assert bank.post("/v1/users/ties/recharges", "k", {"valid_hours": 5, "coins": 5}).counted() == reused
    assert bank.post("/v1/users/nobody/recharges", "k", {"coins": 5, "valid_hours": 5}).status == 404
    assert bank.post("/v1/users/ties/recharges", "k", {"coins": 0, "valid_hours": 5}).status == 400
    bank.agree("ties", "eve")


def test_a_refused_request_leaves_its_key_free(bank: Bank) -> None:
    assert bank.post("/v1/users/ties/recharges", "k", {"coins": 0, "valid_hours": 5}).status == 400
    assert bank.post("/v1/users/nobody/recharges", "k", {"coins": 1, "valid_hours": 5}).status == 404
    assert bank.post("/v1/users/ties/recharges", "k", {"coins": 1, "valid_hours": 5}).status == 201


def test_parallel_duplicates_of_one_key_move_money_once(bank: Bank) -> None:
    gift = {"from": "many-gifts", "to": "eve", "gift_id": 9, "coins": 300}
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: bank.post("/v1/gifts", "one", gift), range(64)))
    assert {message.status for message in found} == {201}
    assert len({message.body for message in found}) == 1
    assert sum(message.header("Idempotency-Replayed") is None for message in found) == 1
    bank.gift("many-gifts", "eve", 300, 9)
    bank.agree("many-gifts", "eve")


def test_parallel_gifts_never_take_more_than_is_there(bank: Bank) -> None:
    def give(number: int) -> Message:
        receiver = ("eve", "carl", "dora", "bob")[number % 4]
        return bank.post("/v1/gifts", f"g-{number}", {"from": "ties", "to": receiver, "gift_id": 9, "coins": 5})

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(give, range(40)))
    given = [json.loads(message.body) for message in found if message.status == 201]
    assert (len(given), bank.coins("ties")) == (9, 3)  # 48 coins hold nine gifts of 5
    assert {message.status for message in found} == {201, 409}
    for document in sorted(given, key=lambda document: document["seq"]):
        assert document["seq"] == bank.ledger.as_of + 1
        bank.gift("ties", document["to"], 5, 9)
    bank.agree("ties", "eve", "carl", "dora", "bob")


def test_without_a_ledger_of_the_future_a_write_has_the_wall_clocks_time(start: Callable[..., Instance]) -> None:
    bank = Bank(start("go", golden_ledger(), "all").address, golden_ledger())
    before_ms = time.time_ns() // 1_000_000
    found = bank.post("/v1/users/empty/recharges", "r", {"coins": 1, "valid_hours": 1})
    after_ms = time.time_ns() // 1_000_000
    assert before_ms <= json.loads(found.body)["expires_at_ms"] - HOUR_MS <= after_ms
    assert bank.coins("last") == 0  # now has moved on, the last bonus of the golden ledger is over


GIFT = {"from": "ties", "to": "eve", "gift_id": 7, "coins": 1}
BODY_FAULTS = {
    # name: path, body, parameter, detail
    "no body": ("recharges", b"", "body", "The body must be a JSON object."),
    "no JSON": ("recharges", b'{"coins":1', "body", "The body must be a JSON object."),
    "two documents": ("recharges", b'{"coins":1,"valid_hours":1}{}', "body", "The body must be a JSON object."),
    "a list": ("recharges", b"[]", "body", "The body must be a JSON object."),
    "null": ("recharges", b"null", "body", "The body must be a JSON object."),
    "not UTF-8": ("recharges", b'{"coins":"\xff"}', "body", "The body must be a JSON object."),
    "an unknown member": (
        "recharges",
        b'{"coins":1,"valid_hours":1,"x":1}',
        "body",
        "The body has an unknown member.",
    ),
    "another case": ("recharges", b'{"Coins":1,"valid_hours":1}', "body", "The body has an unknown member."),
    "coins missing": ("recharges", b'{"valid_hours":1}', "coins", "coins is required."),
    "hours missing": ("recharges", b'{"coins":1}', "valid_hours", "valid_hours is required."),
    "coins twice": ("recharges", b'{"coins":1,"coins":1}', "coins", "coins is given more than once."),
    "coins as text": (
        "recharges",
        b'{"coins":"1","valid_hours":1}',
        "coins",
        "coins must be an integer from 1 to 1000000.",
    ),
    "coins null": (
        "recharges",
        b'{"coins":null,"valid_hours":1}',
        "coins",
        "coins must be an integer from 1 to 1000000.",
    ),
    "coins a fraction": (
        "recharges",
        b'{"coins":1.0,"valid_hours":1}',
        "coins",
        "coins must be an integer from 1 to 1000000.",
    ),
    "coins with exponent": (
        "recharges",
        b'{"coins":1e2,"valid_hours":1}',
        "coins",
        "coins must be an integer from 1 to 1000000.",
    ),
    "coins zero": (
        "recharges",
        b'{"coins":0,"valid_hours":0}',
        "coins",
        "coins must be an integer from 1 to 1000000.",
    ),
    "coins too many": (
        "recharges",
        b'{"coins":1000001,"valid_hours":1}',
        "coins",
        "coins must be an integer from 1 to 1000000.",
    ),
    "coins huge": (
        "recharges",
        b'{"coins":' + b"9" * 400 + b',"valid_hours":1}',
        "coins",
        "coins must be an integer from 1 to 1000000.",
    ),
    "hours too many": (
        "recharges",
        b'{"coins":1,"valid_hours":8761}',
        "valid_hours",
        "valid_hours must be an integer from 1 to 8760.",
    ),
    "diamonds below zero": (
        "withdrawals",
        b'{"diamonds":-1}',
        "diamonds",
        "diamonds must be an integer from 1 to 1000000000.",
    ),
    "from a number": ("gifts", {**GIFT, "from": 1}, "from", "from must be a user id."),
    "from empty": ("gifts", {**GIFT, "from": ""}, "from", "from must be a user id."),
    "to too long": ("gifts", {**GIFT, "to": "x" * 65}, "to", "to must be a user id."),
    "to with a slash": ("gifts", {**GIFT, "to": "a/b"}, "to", "to must be a user id."),
    "to oneself": ("gifts", {**GIFT, "to": "ties"}, "to", "to must differ from from."),
    "gift zero": ("gifts", {**GIFT, "gift_id": 0}, "gift_id", "gift_id must be an integer from 1 to 200."),
    "gift 201": ("gifts", {**GIFT, "gift_id": 201}, "gift_id", "gift_id must be an integer from 1 to 200."),
    "to missing": ("gifts", b'{"from":"ties","coins":0,"gift_id":0}', "to", "to is required."),
}


def test_a_faulty_body_names_its_member(bank: Bank) -> None:
    wrong: dict[str, Answer] = {}
    with Connection(bank.address) as connection:
        for number, (name, (resource, body, parameter, detail)) in enumerate(BODY_FAULTS.items()):
            path = "/v1/gifts" if resource == "gifts" else f"/v1/users/nobody/{resource}"
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            request = Request("POST", path, (JSON, ("Idempotency-Key", f"k-{number}")))
            expected = problem("bad-parameter", parameter=parameter, detail=detail)
            if (found := connection.ask(request, raw).counted()) != expected:
                wrong[name] = found
    assert wrong == {}
    bank.agree("ties")


def test_an_unknown_user_of_a_gift_is_not_found(bank: Bank) -> None:
    for number, who in enumerate(("from", "to")):
        assert bank.post("/v1/gifts", f"k-{number}", {**GIFT, who: "nobody"}).counted() == problem("unknown-user")
    assert bank.post("/v1/users/nobody/withdrawals", "k", {"diamonds": 1}).counted() == problem("unknown-user")


def test_the_media_type_must_be_json_and_may_have_parameters(bank: Bank) -> None:
    path, body = "/v1/users/eve/recharges", b'{"coins":1,"valid_hours":1}'
    wrong: tuple[Headers, ...] = ((), (("Content-Type", "text/plain"),), (("Content-Type", "application/jsonx"),))
    for headers in wrong:
        found = ask(bank.address, Request("POST", path, headers), b"not read")
        assert found.counted() == problem("unsupported-media-type"), headers
    for number, value in enumerate(("application/json; charset=utf-8", "Application/JSON", "application/json")):
        request = Request("POST", path, (("Content-Type", value), ("Idempotency-Key", f"k-{number}")))
        assert ask(bank.address, request, body).status == 201, value


def test_the_key_must_be_there_once_and_well_formed(bank: Bank) -> None:
    def ask_with(*keys: str) -> Answer:
        headers = (JSON, *(("Idempotency-Key", key) for key in keys))
        return ask(bank.address, Request("POST", "/v1/users/eve/recharges", headers), b"not read").counted()

    def fault(detail: str) -> Answer:
        return problem("bad-parameter", parameter="Idempotency-Key", detail=f"Idempotency-Key {detail}")

    malformed = "must be 1 to 64 letters, digits, - or _."
    expected = {(): "is required.", ("a", "a"): "is given more than once."}
    expected |= {(key,): malformed for key in ("", "a b", "x" * 65, "a.b", "ä")}
    assert {keys: ask_with(*keys) for keys in expected} == {keys: fault(text) for keys, text in expected.items()}


def test_a_body_may_have_65536_bytes_and_not_one_more(bank: Bank) -> None:
    headers = (JSON, ("Idempotency-Key", "big"))
    body = b'{"coins":1,"valid_hours":1}'.ljust(65_536)
    assert ask(bank.address, Request("POST", "/v1/users/eve/recharges", headers), body).status == 201
    chunked = Request("POST", "/v1/users/eve/recharges", (*headers, ("Transfer-Encoding", "chunked")))
    with Connection(bank.address) as connection:
        connection.send(
            f"POST {chunked.target} HTTP/1.1\r\nHost: a\r\n".encode()
            + "".join(f"{name}: {value}\r\n" for name, value in chunked.headers).encode()
            + b"\r\n10001\r\n"
            + body
            + b" \r\n0\r\n\r\n"
        )
        assert connection.receive().counted() == problem("body-too-large")

"""Each twin answers every golden vector, and random ledgers, as the oracle says: to the byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import pytest

from clusters.contract.answers import Answer, Request, answer
from clusters.contract.golden.ledger import golden_ledger
from clusters.contract.golden.vectors import Vector, read_vectors
from clusters.contract.instance import Instance
from clusters.contract.ledger import Entry, Ledger
from clusters.contract.random_ledger import random_ledger
from clusters.contract.wallet import DAY_MS, HOUR_MS
from clusters.contract.wire import Address, Connection, ask

pytestmark = pytest.mark.slow

SEEDS = (1, 20250615, 987654321)


def told(expected: Answer, found: Answer) -> str:
    """Say where two answers part, short enough to read."""
    at = next((i for i, (a, b) in enumerate(zip(expected.body, found.body, strict=False)) if a != b), None)
    at = min(len(expected.body), len(found.body)) if at is None else at
    window = slice(max(0, at - 60), at + 60)
    return (
        f"expected {expected.status} {expected.headers} .. {expected.body[window]!r}\n"
        f"found    {found.status} {found.headers} .. {found.body[window]!r} (byte {at})"
    )


@pytest.mark.parametrize("vector", [v for v in read_vectors() if v.holds_on("hot")], ids=lambda vector: vector.name)
def test_a_golden_vector_is_answered_to_the_byte(address: Address, vector: Vector) -> None:
    message = ask(address, vector.request)
    found = message.counted()
    assert found == vector.answer, told(vector.answer, found)


def test_the_length_of_a_head_answer_is_that_of_the_get_answer(address: Address) -> None:
    for target in ("/v1/users/holds/balance", "/fib?n=5", "/nothing", "/v1/users/ties/statistics", "/healthz"):
        head, get = ask(address, Request("HEAD", target)), ask(address, Request("GET", target))
        assert head.status == get.status
        assert head.header("Content-Length") == get.header("Content-Length") == str(len(get.body))


def test_no_answer_is_chunked_and_one_connection_carries_all(address: Address) -> None:
    vectors = [v for v in read_vectors() if v.holds_on("hot") and v.answer.status != 413]
    with Connection(address) as connection:
        for vector in vectors[:120]:
            message = connection.ask(vector.request)
            assert message.counted() == vector.answer, vector.name
            assert message.header("Transfer-Encoding") is None


def test_the_connection_is_closed_after_a_body_too_large(address: Address) -> None:
    with Connection(address, timeout_s=5.0) as connection:
        message = connection.ask(Request("GET", "/healthz", (("Content-Length", "65537"),)))
        assert message.status == 413
        assert connection.closed_by_peer()


def test_an_instance_that_serves_all_answers_reads_and_hidden_methods(start: Callable[..., Instance]) -> None:
    instance = start("go", golden_ledger(), "all")
    for vector in read_vectors():
        if vector.holds_on("all"):
            found = ask(instance.address, vector.request).counted()
            assert found == vector.answer, f"{vector.name}: {told(vector.answer, found)}"


def random_requests(rng: Random, ledger: Ledger, count: int) -> Iterator[Request]:
    """Ask for every balance, then for statistics over windows that touch entries and bucket edges."""
    for user_id in ledger.user_ids:
        yield Request("GET", f"/v1/users/{user_id}/balance")
    times = [entry.time_ms for rows in ledger.entries for entry in rows]
    for _ in range(count):
        bucket, bucket_ms = rng.choice((("hour", HOUR_MS), ("day", DAY_MS)))
        from_ms = rng.choice(times) + rng.choice((0, 0, 1, -1, -bucket_ms, -3 * DAY_MS))
        from_ms = from_ms // bucket_ms * bucket_ms if rng.random() < 0.3 else from_ms
        length_ms = rng.choice((1, HOUR_MS, DAY_MS, 10 * bucket_ms, 399 * bucket_ms, rng.randint(1, 401 * bucket_ms)))
        user_id = rng.choice(ledger.user_ids)
        query = f"from={from_ms}&to={from_ms + length_ms}&bucket={bucket}"
        yield Request("GET", f"/v1/users/{user_id}/statistics?{query}")


@pytest.mark.parametrize("seed", SEEDS)
def test_random_ledgers_are_answered_as_the_oracle_does(start: Callable[..., Instance], seed: int) -> None:
    print(f"seed {seed}")
    rng = Random(seed)
    ledger = random_ledger(rng, users=9, steps=1200)
    requests = list(random_requests(rng, ledger, 150))
    expected = [answer(request, ledger) for request in requests]
    for twin in ("go", "rust"):
        with Connection(start(twin, ledger).address) as connection:
            for request, right in zip(requests, expected, strict=True):
                found = connection.ask(request).counted()
                assert found == right, f"seed {seed}, {twin}, {request.target}: {told(right, found)}"


NAMES = ("from", "to", "bucket", "n", "x", "From", "")
VALUES = (
    "0",
    "1",
    "7",
    "25",
    "46",
    "1749340800000",
    "1749988800000",
    "hour",
    "day",
    "",
    "00",
    "-1",
    "x",
    "1.5",
    "=",
    "%30",
)
PIECES = ("{}={}", "{}={}", "{}={}", "{}", "{}=={}", "={}")
TARGETS = ("/v1/users/ties/statistics", "/v1/users/nobody/statistics", "/fib", "/v1/users/ties/balance")


def test_random_query_texts_are_answered_as_the_oracle_does(address: Address) -> None:
    seed = 77
    print(f"seed {seed}")
    rng, ledger = Random(seed), golden_ledger()
    with Connection(address) as connection:
        for _ in range(600):
            pieces = (
                rng.choice(PIECES).format(rng.choice(NAMES), rng.choice(VALUES)) for _ in range(rng.randint(0, 4))
            )
            request = Request("GET", rng.choice(TARGETS) + rng.choice(("?", "?", "?", "??")) + "&".join(pieces))
            right = answer(request, ledger)
            found = connection.ask(request).counted()
            assert found == right, f"{request.target}: {told(right, found)}"


def test_an_empty_ledger_answers_with_as_of_zero(start: Callable[..., Instance]) -> None:
    ledger = Ledger(("only",), ((),))
    requests = [Request("GET", "/v1/users/only/balance"), Request("GET", "/v1/users/only/statistics?from=0&to=1")]
    for twin in ("go", "rust"):
        address = start(twin, ledger).address
        for request in requests:
            assert ask(address, request).counted() == answer(request, ledger)


def test_great_sums_do_not_overflow(start: Callable[..., Instance]) -> None:
    top = 0xFFFFFFFF
    rows = tuple(Entry(seq, 1_000_000, 1, top, top, 8760) for seq in range(1, 3001))
    ledger = Ledger(("rich",), (rows,))
    requests = [Request("GET", "/v1/users/rich/balance"), Request("GET", "/v1/users/rich/statistics?from=0&to=2000000")]
    for twin in ("go", "rust"):
        address = start(twin, ledger).address
        for request in requests:
            assert ask(address, request).counted() == answer(request, ledger)

"""Writes that are shared through a store [S1] to [S4]: seen by all, in one order, each once, whoever dies meanwhile.

Real programs and a real redis-server; where that is not installed these tests are skipped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random
from typing import get_args

import pytest
from shared_wallets import (
    Write,
    after_writes,
    as_of,
    check_all,
    coins,
    gift,
    random_write,
    recharge,
    small_ledger,
    until,
)
from store_proxy import Step, store_proxy

from clusters.contract.answers import problem
from clusters.contract.instance import Instance
from clusters.contract.store import Store
from clusters.contract.wire import Message, WireError

pytestmark = pytest.mark.slow
Start = Callable[..., Instance]
REPLAYED = "Idempotency-Replayed"


def four(start: Start, store: Store) -> list[Instance]:
    """Two that take writes, and a hot one of each language."""
    ledger, url = small_ledger(), store.url
    writers = [start("go", ledger, "all", store=url) for _ in range(2)]
    return [*writers, start("go", ledger, "hot", store=url), start("rust", ledger, "hot", store=url)]


@pytest.mark.parametrize("seed", [1, 20250615, 987654321])
def test_after_random_writes_at_two_instances_all_answer_as_the_oracle_does(
    start: Start, store: Store, seed: int
) -> None:
    rng, ledger, instances = Random(seed), small_ledger(), four(start, store)
    writes = [random_write(rng, ledger, f"k-{number}") for number in range(150)]
    again = rng.sample(writes, 40)
    at = [rng.randrange(2) for _ in writes + again]

    def send(write: Write, writer: int) -> tuple[Write, Message]:
        return write, write.send_until_told(lambda: instances[writer : writer + 1])

    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(send, writes + again, at))
    expected = after_writes(ledger, taken)
    assert expected.as_of == store_seq(instances)
    check_all(instances, expected)
    first = {write.key: message for write, message in taken if message.header(REPLAYED) is None}
    assert len(first) == len(writes) == store.events()
    for write, message in taken:
        assert (message.status, message.body) == (first[write.key].status, first[write.key].body), write


def store_seq(instances: list[Instance]) -> int:
    """Return the sequence of the writers, once both have the same."""
    until("both writers at one sequence", lambda: as_of(instances[0]) == as_of(instances[1]))
    return as_of(instances[0])


def test_gifts_at_two_instances_never_take_more_than_is_there(start: Start, store: Store) -> None:
    ledger, instances = small_ledger(), four(start, store)
    gifts = [gift("u0", f"u{1 + number % 5}", f"g-{number}", 7) for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        told = threads.map(lambda n: gifts[n].send_until_told(lambda: [instances[n % 2]]), range(40))
        taken = list(zip(gifts, told, strict=True))
    assert sum(message.status == 201 for _, message in taken) == 14  # 100 coins hold fourteen gifts of 7
    check_all(instances, after_writes(ledger, taken))
    assert coins(instances[3], "u0") == 2


def test_one_key_at_two_instances_at_once_moves_money_once(start: Start, store: Store) -> None:
    ledger, instances = small_ledger(), four(start, store)
    one = gift("u0", "u1", "same", 30)
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda n: one.send_until_told(lambda: [instances[n % 2]]), range(32)))
    assert {message.status for message in told} == {201}
    assert len({message.body for message in told}) == 1
    assert sum(message.header(REPLAYED) is None for message in told) == 1
    assert store.events() == 1
    check_all(instances, after_writes(ledger, [(one, told[0])]))


def test_a_key_used_at_one_instance_is_known_at_the_other_and_after_a_restart(start: Start, store: Store) -> None:
    ledger, writers = small_ledger(), four(start, store)[:2]
    first = recharge("u0", "k", 5).send(writers[0])
    poor = gift("u1", "u2", "poor", 999)
    assert poor.send(writers[0]).counted() == problem("insufficient-funds")
    assert recharge("u1", "rich", 1000).send(writers[1]).status == 201
    for one in (writers[1], start("go", ledger, "all", store=store.url)):
        again = recharge("u0", "k", 5).send(one)
        assert (again.status, again.body, again.header(REPLAYED)) == (201, first.body, "true")
        assert again.header("Ledger-As-Of") == first.header("Ledger-As-Of")
        assert recharge("u0", "k", 6).send(one).counted() == problem("idempotency-key-reused")
        refused = poor.send(one)
        assert (refused.status, refused.body) == (409, problem("insufficient-funds").body)
        assert refused.header(REPLAYED) == "true"
    assert store.events() == 3


@pytest.mark.parametrize("step", get_args(Step))
def test_an_instance_killed_at_a_step_of_a_write_moves_money_once_or_not_yet(
    start: Start, store: Store, step: Step
) -> None:
    ledger = small_ledger()
    other = start("go", ledger, "all", store=store.url)
    rust = start("rust", ledger, "hot", store=store.url)
    one = gift("u0", "u1", "once", 30)
    with store_proxy(store.address) as proxy:
        killed = start("go", ledger, "all", store=proxy.url)
        assert recharge("u2", "before").send(killed).status == 201
        proxy.arm(step, killed.process.kill)
        with suppress(OSError, WireError):
            one.send(killed)
        assert proxy.reached.wait(20)
        killed.process.wait(20)
    assert store.events() == (1 if step == "before the append" else 2)
    told = one.send_until_told(lambda: [other])
    assert (told.status, told.header(REPLAYED)) == (201, None if step == "before the append" else "true")
    reborn = start("go", ledger, "all", store=store.url)
    assert one.send(reborn).body == told.body
    taken = [(recharge("u2", "before"), recharge("u2", "before").send(other)), (one, told)]
    check_all([other, reborn, rust], after_writes(ledger, taken))


@pytest.mark.parametrize("seed", [3, 77])
def test_instances_killed_again_and_again_under_writes_lose_and_double_nothing(
    start: Start, store: Store, seed: int
) -> None:
    rng, ledger = Random(seed), small_ledger()
    alive = [start("go", ledger, "all", store=store.url) for _ in range(2)]
    rust = start("rust", ledger, "hot", store=store.url)
    writes = [random_write(rng, ledger, f"k-{number}") for number in range(200)]
    done = threading.Semaphore(0)

    def send(write: Write) -> tuple[Write, Message]:
        told = write.send_until_told(lambda: alive[::-1])
        done.release()
        return write, told

    with ThreadPoolExecutor(4) as threads:
        taking = threads.map(send, writes)
        for turn in range(4):
            for _ in range(rng.randint(5, 40)):
                assert done.acquire(timeout=60)
            alive[turn % 2].process.kill()
            alive[turn % 2] = start("go", ledger, "all", store=store.url)
        taken = list(taking)
    assert store.events() == len(writes)
    check_all([*alive, rust], after_writes(ledger, taken))

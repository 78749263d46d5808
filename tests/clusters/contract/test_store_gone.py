"""What becomes of instances whose store goes away, comes back, or comes back without what it had [S2] to [S4]."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from shared_wallets import (
    after_writes,
    as_of,
    check_all,
    coins,
    get,
    gift,
    metric,
    recharge,
    small_ledger,
    until,
    until_seen,
)

from clusters.contract.answers import Request, problem
from clusters.contract.instance import Instance, Twin, command, refused
from clusters.contract.ledger import Ledger, write_data_dir
from clusters.contract.store import MISSING, Store, is_installed, running_store
from clusters.contract.wire import ask

pytestmark = pytest.mark.slow
Start = Callable[..., Instance]


@pytest.fixture
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that comes back with what it had."""
    if not is_installed():
        pytest.skip(MISSING)
    with running_store(tmp_path_factory.mktemp("store"), kept=True) as own:
        yield own


def three(start: Start, store: Store) -> list[Instance]:
    """One that takes writes, and a hot one of each language."""
    ledger, url = small_ledger(), store.url
    return [start("go", ledger, "all", store=url), *(start(twin, ledger, store=url) for twin in ("go", "rust"))]


def until_all(instances: list[Instance], name: str, value: int) -> None:
    """Wait until a metric of every instance has a value."""
    until(f"{name} is {value} everywhere", lambda: all(metric(one, name) == value for one in instances))


def test_reads_go_on_while_the_store_is_gone_and_all_catch_up_when_it_is_back(start: Start, kept: Store) -> None:
    ledger, instances = small_ledger(), three(start, kept)
    first = recharge("u0", "k-1")
    taken = [(first, first.send(instances[0]))]
    until_seen(instances, ledger.as_of + 1)
    kept.kill()
    until_all(instances, "wallet_store_followed", 0)
    for number in range(3):
        assert recharge("u0", f"gone-{number}").send(instances[0]).counted() == problem("store-unavailable")
    assert first.send(instances[0]).status == 201  # the first answer again needs no store
    assert {as_of(one) for one in instances} == {ledger.as_of + 1}
    assert {get(one, "/readyz").status for one in instances} == {200}
    kept.start()
    until_all(instances, "wallet_store_followed", 1)
    again = recharge("u0", "gone-1")
    taken.append((again, again.send(instances[0])))
    assert taken[-1][1].header("Idempotency-Replayed") is None
    check_all(instances, after_writes(ledger, taken))


def test_a_store_that_hangs_is_told_in_time_and_no_write_is_taken_twice(start: Start, store: Store) -> None:
    ledger, instances = small_ledger(), three(start, store)
    one = gift("u0", "u1", "hang", 30)
    store.pause()
    assert one.send(instances[0]).counted() == problem("store-unavailable")
    assert {as_of(instance) for instance in instances} == {ledger.as_of}
    store.go_on()
    told = one.send_until_told(lambda: instances[:1])
    assert (told.status, store.events()) == (201, 1)
    check_all(instances, after_writes(ledger, [(one, told)]))


def told_lost(instances: list[Instance], seq: int) -> None:
    """Assert that all say so, in the same bytes, and that reads go on with what was seen."""
    until_all(instances, "wallet_store_lost", 1)
    for one in instances:
        assert get(one, "/readyz").counted() == problem("store-lost")
        assert get(one, "/healthz").status == 200
        assert (as_of(one), metric(one, "wallet_ledger_as_of"), metric(one, "wallet_store_followed")) == (seq, seq, 0)
        assert coins(one, "u0") == 110
    for key in ("k-1", "k-2"):
        assert recharge("u0", key).send(instances[0]).counted() == problem("store-lost")


def written_once(start: Start, store: Store) -> tuple[list[Instance], int]:
    instances, seq = three(start, store), small_ledger().as_of + 1
    assert recharge("u0", "k-1").send(instances[0]).status == 201
    until_seen(instances, seq)
    return instances, seq


def test_a_store_that_comes_back_empty_is_lost_and_nobody_goes_over_to_it(start: Start, store: Store) -> None:
    instances, seq = written_once(start, store)
    store.kill()
    store.start()
    told_lost(instances, seq)
    fresh = start("go", small_ledger(), "all", store=store.url)
    assert coins(fresh, "u0") == 100
    assert recharge("u0", "other").send(fresh).status == 201  # the same seq as the lost write's, in another ledger
    assert as_of(fresh) == seq
    told_lost(instances, seq)


def test_a_store_that_is_emptied_under_open_connections_is_lost_too(start: Start, store: Store) -> None:
    instances, seq = written_once(start, store)
    assert store.command("FLUSHALL") == b"+OK"
    told_lost(instances, seq)


def test_a_store_that_forgot_the_last_write_alone_is_lost(start: Start, store: Store) -> None:
    instances, seq = written_once(start, store)
    assert store.command("XDEL", "wallet:ledger", f"{seq}-1") == b":1"
    told_lost(instances, seq)


def test_an_instance_waits_for_its_store_and_is_ready_with_all_that_it_holds(start: Start, kept: Store) -> None:
    writer = start("go", small_ledger(), "all", store=kept.url)
    writes = [recharge("u0", f"k-{number}") for number in range(2500)]  # more than one read brings
    taken = [(write, write.send(writer)) for write in writes]
    kept.kill()
    waiting = [start(twin, small_ledger(), store=kept.url, await_ready=False) for twin in ("go", "rust")]
    for one in waiting:
        assert get(one, "/healthz").status == 200
        assert get(one, "/readyz").counted() == problem("not-ready")
        assert get(one, "/v1/users/u0/balance").counted() == problem("not-ready")
        assert json.loads(get(one, "/version").body)["store"] == "redis"
    kept.start()
    until("all are ready", lambda: all(get(one, "/readyz").status == 200 for one in waiting))
    for one in waiting:
        assert as_of(one) == small_ledger().as_of + len(writes)
    check_all([writer, *waiting], after_writes(small_ledger(), taken))


@pytest.mark.parametrize("twin", ["go", "rust"])
def test_a_store_of_another_ledger_is_refused(start: Start, store: Store, tmp_path: Path, twin: Twin) -> None:
    start("go", small_ledger(), "all", store=store.url)
    data = write_data_dir(small_ledger(users=4), tmp_path / "other")
    code, _, stderr = refused(command(twin, data, store=store.url))
    assert code == 2
    for words in ("6 users, 18 entries and seq 18", "4, 12 and 12", "load the same data, or give an empty store"):
        assert words in stderr
    assert store.command("DEL", "wallet:ledger") == b":1"
    assert store.command("SET", "wallet:ledger", "something else") == b"+OK"
    code, _, stderr = refused(command(twin, data, store=store.url))
    assert (code, "WRONGTYPE" in stderr, "give one of its own to --store" in stderr) == (2, True, True)


@pytest.mark.parametrize("twin", ["go", "rust"])
def test_an_address_that_is_none_is_refused_without_being_repeated(tmp_path: Path, twin: Twin) -> None:
    data = write_data_dir(Ledger(("ann",), ((),)), tmp_path / "data")
    for store in ("here", "http://u:secret@127.0.0.1:1", "redis://u:secret@127.0.0.1:port"):
        code, _, stderr = refused(command(twin, data, store=store))
        assert (code, "secret" in stderr) == (2, False), stderr
        assert "--store: it is no address such as redis://127.0.0.1:6379; give such a one, or none" in stderr


def test_a_write_counts_its_refusal_by_the_store(start: Start, store: Store) -> None:
    instance = three(start, store)[0]
    store.kill()
    until_all([instance], "wallet_store_followed", 0)
    recharge("u0", "k").send(instance)
    text = ask(instance.address, Request("GET", "/metrics")).body.decode()
    assert 'wallet_requests_total{endpoint="recharges",code="503"} 1' in text

"""How the twin programs start, tell about themselves, refuse bad data and stop [O2] to [O5] [P1] [P2]."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clusters.contract.answers import Request, problem
from clusters.contract.golden.ledger import golden_ledger
from clusters.contract.instance import Instance, Twin, binary, command, refused, running
from clusters.contract.ledger import COLUMN_DTYPES, NO_PARTY, Ledger, write_data_dir
from clusters.contract.wire import Address, Connection, ask, encode_request

pytestmark = pytest.mark.slow

each_twin = pytest.mark.parametrize("twin", ["go", "rust"])


def test_the_version_tells_twin_and_data(address: Address) -> None:
    message = ask(address, Request("GET", "/version"))
    document = json.loads(message.body)
    assert list(document) == ["service", "twin", "build", "runtime", "store", "users", "entries", "serves"]
    assert document["service"] == "wallet"
    assert document["store"] in ("none", "redis")
    assert document["twin"] in ("go", "rust")
    assert (document["users"], document["entries"]) == (38, 270)
    assert {"balance", "statistics"} <= set(document["serves"])


def test_the_metrics_count_requests_by_endpoint_and_code(address: Address) -> None:
    def count() -> float:
        text = ask(address, Request("GET", "/metrics")).body.decode()
        found = re.search(r'^wallet_requests_total\{endpoint="balance",code="200"\} (\S+)$', text, re.MULTILINE)
        return 0.0 if found is None else float(found[1])

    before = count()
    for _ in range(3):
        ask(address, Request("GET", "/v1/users/ties/balance"))
    assert count() == before + 3


def test_the_metrics_hold_processor_time_and_memory(address: Address) -> None:
    message = ask(address, Request("GET", "/metrics"))
    assert (message.header("Content-Type") or "").startswith("text/plain")
    text = message.body.decode()
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes"):
        found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
        assert found is not None, name
        assert float(found[1]) > 0


def test_the_go_twin_gives_a_processor_profile(start: Callable[..., Instance]) -> None:
    instance = start("go", golden_ledger())
    message = ask(instance.address, Request("GET", "/debug/pprof/profile?seconds=1"))
    assert message.status == 200
    assert message.body[:2] == b"\x1f\x8b"


@each_twin
def test_a_stopped_instance_finishes_what_it_began_and_exits_with_zero(
    start: Callable[..., Instance], twin: Twin
) -> None:
    instance = start(twin, golden_ledger())
    with Connection(instance.address) as idle, Connection(instance.address) as busy:
        assert idle.ask(Request("GET", "/healthz")).status == 200
        busy.send(encode_request(Request("GET", "/fib?n=36")))
        with Connection(instance.address) as other:
            assert other.ask(Request("GET", "/healthz")).status == 200
        instance.process.send_signal(signal.SIGTERM)
        assert busy.receive().body == b'{"n":36,"fib":14930352}'
        assert idle.closed_by_peer()
    assert instance.process.wait(12) == 0


@each_twin
def test_no_request_is_logged_by_default(start: Callable[..., Instance], twin: Twin) -> None:
    instance = start(twin, golden_ledger())
    for _ in range(20):
        ask(instance.address, Request("GET", "/v1/users/not-to-be-logged/balance"))
    lines = instance.stderr_file.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 10
    assert all(isinstance(json.loads(line), dict) for line in lines)
    assert not any("not-to-be-logged" in line for line in lines)


def write_large_ledger(data: Path, rows: int) -> Path:
    """A million recharges of one user, so that loading takes a while."""
    write_data_dir(Ledger(("one",), ((),)), data)
    numbers = np.arange(1, rows + 1)
    columns = {"offsets": np.array([0, rows]), "seq": numbers, "time_ms": numbers, "kind": np.ones(rows)}
    columns |= {"amount": np.ones(rows), "party": np.full(rows, NO_PARTY), "ref": np.ones(rows)}
    for name, values in columns.items():
        np.save(data / "ledger" / f"{name}.npy", values.astype(COLUMN_DTYPES[name]))
    return data


@each_twin
def test_until_the_ledger_is_loaded_everything_below_v1_is_not_ready(twin: Twin, tmp_path: Path) -> None:
    data = write_large_ledger(tmp_path / "data", 1_000_000)
    not_ready, missing = problem("not-ready"), problem("not-found")
    with running(twin, data, tmp_path, await_ready=False) as instance:
        for _ in range(10_000):
            nowhere = ask(instance.address, Request("GET", "/v1/nothing")).counted()
            ready = ask(instance.address, Request("GET", "/readyz")).counted()
            assert nowhere in (not_ready, missing)
            if ready.status == 200:
                break
            assert ready == not_ready
        assert ask(instance.address, Request("GET", "/v1/nothing")).counted() == missing
        assert ask(instance.address, Request("GET", "/v1/users/one/balance")).status == 200


BAD_FLAGS = {
    "an unknown flag": ["--nonsense", "1"],
    "a bad serve": ["--serve", "some"],
    "a bad address": ["--listen", "127.0.0.1:port"],
}


@each_twin
@pytest.mark.parametrize("name", BAD_FLAGS)
def test_bad_flags_are_refused_in_one_line(twin: Twin, name: str, golden_data: Path) -> None:
    code, stdout, stderr = refused([*command(twin, golden_data), *BAD_FLAGS[name]])
    assert code == 2, stderr
    assert stdout == ""
    assert len(stderr.strip().splitlines()) == 1, stderr


@each_twin
def test_no_data_flag_is_refused_in_one_line(twin: Twin) -> None:
    code, _, stderr = refused([str(binary(twin)), "--listen", "127.0.0.1:0"])
    assert (code, len(stderr.strip().splitlines())) == (2, 1), stderr


def spoil(data: Path, how: str) -> None:
    """Break a sound data directory in one way."""
    kind, party, offsets, amount = (data / "ledger" / f"{name}.npy" for name in ("kind", "party", "offsets", "amount"))
    if how == "no directory":
        shutil.rmtree(data)
    elif how == "a missing column":
        amount.unlink()
    elif how == "a column cut short":
        amount.write_bytes(amount.read_bytes()[:-2])
    elif how == "unequal lengths":
        np.save(amount, np.load(amount)[:-1])
    elif how == "another type":
        np.save(amount, np.load(amount).astype("<i8"))
    elif how == "no numpy file":
        amount.write_bytes(b"not numpy at all" * 10)
    elif how == "a kind of nine":
        np.save(kind, np.where(np.arange(len(np.load(kind))) == 5, 9, np.load(kind)).astype("|u1"))
    elif how == "a party that is no user":
        np.save(party, np.where(np.load(party) == 12, 999, np.load(party)).astype("<u4"))
    elif how == "offsets that end early":
        np.save(offsets, np.concatenate([np.load(offsets)[:-1], [200]]).astype("<i8"))
    elif how == "offsets that go back":
        values = np.load(offsets)
        values[4] = values[3] - 1
        np.save(offsets, values)
    elif how == "a user too many":
        with (data / "userpool.csv").open("a", encoding="ascii") as file:
            file.write("one-more,name\n")
    else:
        (data / "userpool.csv").unlink()


BAD_DATA = (
    "no directory",
    "a missing column",
    "a column cut short",
    "unequal lengths",
    "another type",
    "no numpy file",
    "a kind of nine",
    "a party that is no user",
    "offsets that end early",
    "offsets that go back",
    "a user too many",
    "no userpool",
)


@each_twin
@pytest.mark.parametrize("how", BAD_DATA)
def test_bad_data_are_refused_in_one_line(twin: Twin, how: str, tmp_path: Path) -> None:
    data = write_data_dir(golden_ledger(), tmp_path / "data")
    spoil(data, how)
    code, _, stderr = refused(command(twin, data))
    assert code == 2, stderr
    lines = [line for line in stderr.strip().splitlines() if not line.startswith("{")]
    assert len(lines) == 1, stderr

"""The reference pair behind the real gateway: one digit of one answer in twenty thousand is found, by its path.

While the data stands still, and while three of a hundred requests write.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from live_pair import ROOT, TWINLOAD, wait_until

from clusters.contract.store import MISSING as MISSING_STORE
from clusters.contract.store import is_installed, running_store
from clusters.ports import free_ports
from shadow.mutation.proxy import Fault
from userpool import make_pool

BIN = ROOT / ".twinload" / "bin"
NEEDED = ("gateway", "wallet-go", "wallet-rust")
MISSING = [name for name in NEEDED if not os.access(BIN / name, os.X_OK)]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not built here: {', '.join(MISSING)}"),
    pytest.mark.timeout(600),
]
USERS = 500


def wallet(program: str, port: int, pool: Path, serve: str, store: str) -> subprocess.Popen[bytes]:
    argv = [str(BIN / program), "--listen", f"127.0.0.1:{port}", "--data", str(pool), "--serve", serve]
    argv += ["--store", store]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"GOMAXPROCS": "1"})


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def wallets(folder: Path, faults: list[Fault], store: str = "none") -> Iterator[list[int]]:
    """Start Go, Rust and a fault proxy before Rust; yield the ports of Go, of the proxy and of the rest."""
    pool = folder / ".twinload" / "pool"
    go, hidden, proxy, rest = free_ports(4)
    (folder / "faults").write_bytes(b"".join(msgspec.json.encode(fault) + b"\n" for fault in faults))
    running = [
        wallet("wallet-go", go, pool, "all", store),
        wallet("wallet-rust", hidden, pool, "hot", store),
        wallet("wallet-go", rest, pool, "all", store),
    ]
    argv = [sys.executable, "-m", "shadow.mutation.proxy", "--upstream", f"127.0.0.1:{hidden}"]
    argv += ["--listen", f"127.0.0.1:{proxy}", "--faults", str(folder / "faults")]
    try:
        wait_until(lambda: all(is_ready(port) for port in (go, hidden, rest)), timeout_s=120, what="the wallets")
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"ready")
            yield [go, proxy, rest]
            process.communicate(timeout=30)
    finally:
        for each in running:
            each.terminate()
            each.wait(30)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is sent, and for how many pairs of the least asked endpoint: twenty thousand answers in all."""

    plan: Path
    pairs: int
    rate_rps: float
    writes: tuple[str, ...] = ()


READS = Traffic(ROOT / "twinload.toml", 2_000, 1_000.0)
"""A tenth of them asks the least asked endpoint."""
READS_AND_WRITES = Traffic(
    ROOT / "examples" / "live-writes" / "twinload.toml", 4_100, 400.0, ("recharge", "gift", "withdrawal")
)
"""A fifth does."""


def overrides(ports: list[int], traffic: Traffic) -> list[str]:
    """Return the options that put a plan's twins at these ports."""
    go, proxy, rest = ports
    listen, admin = free_ports(2)
    cold = json.dumps(["transactions", *traffic.writes])
    every = json.dumps(["balance", "statistics", "transactions", *traffic.writes])
    sets = [
        'twins.go.start="external"', 'twins.rust.start="external"',
        f'twins.go.instances=[{{name="go-1", address="127.0.0.1:{go}", serves={every}}}]',
        f'twins.rust.instances=[{{name="rust-1", address="127.0.0.1:{proxy}", serves=["balance", "statistics"]}}, '
        f'{{name="rust-rest", address="127.0.0.1:{rest}", serves={cold}}}]',
        f"pool.users={USERS}", 'pool.folder=".twinload/pool"', "swarm.cpu_set=[]", 'store.kind="none"',
        f'shadow.gateway.command=["{BIN / "gateway"}", "--config", "{{config}}"]', "shadow.gateway.cpu_set=[]",
        f'shadow.gateway.listen="127.0.0.1:{listen}"', f'shadow.gateway.admin="127.0.0.1:{admin}"',
        f"shadow.gateway.rate_rps={traffic.rate_rps}", "shadow.gateway.run_s=240",
    ]  # fmt: skip
    return [word for text in sets for word in ("--set", text)]


def shadow_run(
    folder: Path, faults: list[Fault], traffic: Traffic, store: str = "none"
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any], str]:
    """Return how a run ended, its result and its page."""
    with wallets(folder, faults, store) as ports:
        done = subprocess.run(
            [*TWINLOAD, "shadow", "run", "--pairs", str(traffic.pairs), "--plan", str(folder / "twinload.toml"),
             "--runs", str(folder / "runs"), *overrides(ports, traffic)],
            cwd=folder, capture_output=True, text=True, timeout=500, check=False,
        )  # fmt: skip
    (run,) = (folder / "runs").glob("*-shadow")
    page = (run / "report" / "index.html").read_text(encoding="utf-8")
    return done, json.loads((run / "shadow.json").read_text(encoding="utf-8")), page


def activity_of(folder: Path, traffic: Traffic) -> dict[str, float]:
    """Make the plan and its pool in a folder; return the users' shares of the requests, the largest first."""
    text = traffic.plan.read_text(encoding="utf-8")
    seed = tomllib.loads(text)["pool"]["seed"]
    pool = folder / ".twinload" / "pool"
    make_pool(USERS, seed, pool, ledgers=True, progress=lambda _: None)
    rows = (pool / "userpool.csv").read_text(encoding="utf-8").splitlines()[1:]
    weights = {row.split(",")[0]: int(row.split(",")[4]) for row in rows}
    users = sorted(weights, key=lambda user: -weights[user])
    (folder / "twinload.toml").write_text(text.replace("utqjxn652mp4l", users[-1]), encoding="utf-8")
    return {user: weights[user] / sum(weights.values()) for user in users}


def test_one_digit_in_one_answer_of_twenty_thousand_is_found_with_its_path(tmp_path: Path) -> None:
    busiest = next(iter(activity_of(tmp_path, READS)))
    done, found, page = shadow_run(tmp_path, [Fault(f"/v1/users/{busiest}/balance", "digit", 11, times=1)], READS)
    assert done.returncode == 1, done.stderr + done.stdout
    assert sum(count["compared"] for count in found["endpoints"]) > 19_000
    assert [count["mismatches"] for count in found["endpoints"]] == [1, 0, 0]
    (sign,) = found["signs"]
    assert (sign["endpoint"], sign["kind"], sign["pairs"]) == ("balance", "digit", 1)
    assert sign["place"].startswith("$.")
    assert f"digit at {sign['place']}" in done.stdout
    assert busiest in page
    assert page.count("<mark>") == 2
    assert found["traffic"]["failed"] == {}


@pytest.mark.skipif(not is_installed(), reason=MISSING_STORE)
def test_it_is_found_while_others_write(tmp_path: Path) -> None:
    """A pair that raced is asked again, so the fault lasts longer than that; the user is one who asks seldom.

    One in a thousand of some 10,000 balances are of this user, the first of which comes within the run for sure.
    """
    shares = activity_of(tmp_path, READS_AND_WRITES)
    user = next(user for user, share in shares.items() if share < 0.001)
    fault = Fault(f"/v1/users/{user}/balance", "digit", 11, for_s=2.0)
    with running_store(tmp_path) as store:
        done, found, page = shadow_run(tmp_path, [fault], READS_AND_WRITES, store.url)
    assert done.returncode == 1, done.stderr + done.stdout
    assert sum(count["compared"] for count in found["endpoints"]) > 19_000
    balance, statistics, transactions = (count["mismatches"] for count in found["endpoints"])
    assert 1 <= balance <= 5
    assert (statistics, transactions) == (0, 0)
    assert {(sign["endpoint"], sign["kind"]) for sign in found["signs"]} == {("balance", "digit")}
    assert user in page
    assert set(found["traffic"]["failed"]) <= {"status-409"}
    assert found["traffic"]["classes"]["4xx"] > 0, "withdrawals are refused, so some were sent"

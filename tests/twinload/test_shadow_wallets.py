"""The reference pair behind the real gateway: one digit of one answer in twenty thousand is found, by its path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from live_pair import ROOT, TWINLOAD, free_ports, wait_until

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
PAIRS = 2_000
"""Of the least asked endpoint, which is a tenth of the traffic: twenty thousand answers in all."""


def wallet(program: str, port: int, pool: Path, serve: str) -> subprocess.Popen[bytes]:
    argv = [str(BIN / program), "--listen", f"127.0.0.1:{port}", "--data", str(pool), "--serve", serve]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"GOMAXPROCS": "1"})


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def wallets(folder: Path, faults: list[Fault]) -> Iterator[list[int]]:
    """Start Go, Rust and a fault proxy before Rust; yield the ports of Go, of the proxy and of the rest."""
    pool = folder / ".twinload" / "pool"
    go, hidden, proxy, rest = free_ports(4)
    (folder / "faults").write_bytes(b"".join(msgspec.json.encode(fault) + b"\n" for fault in faults))
    running = [
        wallet("wallet-go", go, pool, "all"),
        wallet("wallet-rust", hidden, pool, "hot"),
        wallet("wallet-go", rest, pool, "all"),
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


def overrides(ports: list[int]) -> list[str]:
    """Return the options that put the shipped plan's twins at these ports."""
    go, proxy, rest = ports
    listen, admin = free_ports(2)
    every = '["balance", "statistics", "transactions"]'
    sets = [
        'twins.go.start="external"', 'twins.rust.start="external"',
        f'twins.go.instances=[{{name="go-1", address="127.0.0.1:{go}", serves={every}}}]',
        f'twins.rust.instances=[{{name="rust-1", address="127.0.0.1:{proxy}", serves=["balance", "statistics"]}}, '
        f'{{name="rust-rest", address="127.0.0.1:{rest}", serves=["transactions"]}}]',
        f"pool.users={USERS}", "swarm.cpu_set=[]",
        f'shadow.gateway.command=["{BIN / "gateway"}", "--config", "{{config}}"]', "shadow.gateway.cpu_set=[]",
        f'shadow.gateway.listen="127.0.0.1:{listen}"', f'shadow.gateway.admin="127.0.0.1:{admin}"',
        "shadow.gateway.rate_rps=1000.0", "shadow.gateway.run_s=240",
    ]  # fmt: skip
    return [word for text in sets for word in ("--set", text)]


def shadow_run(folder: Path, faults: list[Fault]) -> tuple[subprocess.CompletedProcess[str], dict[str, Any], str]:
    """Return how a run ended, its result and its page."""
    (folder / "twinload.toml").write_text((ROOT / "twinload.toml").read_text(encoding="utf-8"), encoding="utf-8")
    with wallets(folder, faults) as ports:
        done = subprocess.run(
            [*TWINLOAD, "shadow", "run", "--pairs", str(PAIRS), "--plan", str(folder / "twinload.toml"), "--runs",
             str(folder / "runs"), *overrides(ports)],
            cwd=folder, capture_output=True, text=True, timeout=500, check=False,
        )  # fmt: skip
    (run,) = (folder / "runs").glob("*-shadow")
    page = (run / "report" / "index.html").read_text(encoding="utf-8")
    return done, json.loads((run / "shadow.json").read_text(encoding="utf-8")), page


def test_one_digit_in_one_answer_of_twenty_thousand_is_found_with_its_path(tmp_path: Path) -> None:
    plan = tomllib.loads((ROOT / "twinload.toml").read_text(encoding="utf-8"))
    make_pool(USERS, plan["pool"]["seed"], tmp_path / ".twinload" / "pool", ledgers=True, progress=lambda _: None)
    rows = (tmp_path / ".twinload" / "pool" / "userpool.csv").read_text(encoding="utf-8").splitlines()[1:]
    busiest = max(rows, key=lambda row: int(row.split(",")[4])).split(",")[0]
    fault = Fault(f"/v1/users/{busiest}/balance", "digit", 11, times=1)
    done, found, page = shadow_run(tmp_path, [fault])
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

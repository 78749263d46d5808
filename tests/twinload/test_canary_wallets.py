"""The reference pair behind the real gateway: all steps to 100 %, and a fault at 25 % that no caller notices."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from live_pair import ROOT, Pair, wait_until
from wallet_pair import wallet_pair

from clusters.ports import free_ports

BIN = ROOT / ".twinload" / "bin"
MISSING = [name for name in ("gateway", "wallet-go", "wallet-rust") if not os.access(BIN / name, os.X_OK)]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not built here: {', '.join(MISSING)}"),
    pytest.mark.timeout(600),
]
TIMEOUT_S = 400.0
CANARY = {
    "steps": [0.05, 0.25, 0.5, 1.0], "soak_s": 2.0, "min_requests": 20, "max_step_s": 300.0, "alpha": 0.000001,
    "failure_margin": 0.2, "latency_margin": 10.0, "quantiles": [0.5], "rate_rps": 200.0,
    "budget_min_ms": 500.0, "budget_max_ms": 1000.0, "breaker_slow_floor_ms": 500.0,
}  # fmt: skip
"""Margins that a machine with other work to do keeps; a fault is beyond all of them."""


@pytest.fixture
def wallets(tmp_path: Path) -> Iterator[Pair]:
    pair = wallet_pair(tmp_path / "pair")
    yield pair
    left = pair.processes()
    for one in left:
        one.kill()
    assert not left, f"left running: {left}"


def prepared(pair: Pair, **canary: Any) -> None:
    """Put the real gateway and a roll-out into the plan."""
    listen, admin = (f"127.0.0.1:{port}" for port in free_ports(2))
    gateway = {
        "command": [str(BIN / "gateway"), "--config", "{config}"], "listen": listen, "admin": admin,
        "health_timeout_s": 5.0,
    }  # fmt: skip
    text = pair.plan.read_text(encoding="utf-8").rstrip()
    for name, section in (("shadow.gateway", gateway), ("canary", {**CANARY, **canary})):
        text += f"\n\n[{name}]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in section.items())
    pair.plan.write_text(text + "\n", encoding="utf-8")


def lines(pair: Pair, name: str) -> list[dict[str, Any]]:
    found = list(pair.runs.glob(f"*-canary/{name}"))
    text = found[0].read_bytes() if found else b""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith(b"\n")]


def result(pair: Pair) -> dict[str, Any]:
    (path,) = pair.runs.glob("*-canary/canary.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_the_rewrite_gets_all_users_and_none_of_them_a_fault(wallets: Pair) -> None:
    prepared(wallets)
    done = wallets.call("canary", "run", timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr + done.stdout
    found = result(wallets)
    assert (found["outcome"], found["reached_share"]) == ("done", 1.0)
    assert found["callers"]["failed"] == {}
    last = lines(wallets, "canary.jsonl")[-1]
    assert last["candidate"]["requests"] > 100
    assert last["routes"]["balance"]["compared"]["match"] > 100
    assert last["routes"]["balance"]["compared"]["mismatch"] == 0


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_fault_at_a_quarter_of_the_users_goes_back_unnoticed(wallets: Pair, fault: signal.Signals) -> None:
    prepared(wallets, min_requests=1_000_000, max_step_s=3_000.0)
    process = wallets.start("canary", "run")
    try:
        rust = at_a_quarter(wallets, process)
        rust.send_signal(fault)
        told, _ = process.communicate(timeout=TIMEOUT_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate(timeout=60)
    assert process.returncode == 1, told
    found = result(wallets)
    assert (found["outcome"], found["share"], found["reached_share"]) == ("back", 0.0, 0.25), told
    assert found["callers"]["failed"] == {}, told
    last = lines(wallets, "canary.jsonl")[-1]
    assert last["candidate"]["fell_back"] > 0
    assert last["candidate"]["caller_failed"] == 0
    page = next(wallets.runs.glob("*-canary/report/index.html")).read_text(encoding="utf-8")
    assert "the breaker opened" in page


def at_a_quarter(pair: Pair, process: subprocess.Popen[str]) -> psutil.Process:
    """Step by hand to 25 %, wait until the candidate is asked there, and return the candidate."""

    def asked(share: float) -> bool:
        polls = [one["candidate"]["requests"] for one in lines(pair, "canary.jsonl") if one["share"] == share]
        return process.poll() is not None or (bool(polls) and polls[-1] > polls[0])

    wait_until(lambda: asked(0.05), what="5 %", timeout_s=TIMEOUT_S)
    stepped = pair.call("canary", "step")
    assert stepped.returncode == 0, stepped.stderr
    wait_until(lambda: asked(0.25), what="25 %", timeout_s=TIMEOUT_S)
    (found,) = (one for one in pair.processes() if "wallet-rust" in " ".join(one.cmdline()))
    return found

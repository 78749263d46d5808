"""`twinload shadow`, whole: a small real pair, real traffic by the pool, a stand-in gateway, and the real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from live_pair import ROOT, Pair, wait_until

from clusters.ports import free_ports
from shadow.mutation.proxy import Fault

pytestmark = pytest.mark.slow
STAND_IN = [sys.executable, str(ROOT / "tests" / "support" / "stand_in_gateway.py"), "--config", "{config}"]
REAL = ROOT / ".twinload" / "bin" / "gateway"
GATEWAYS = [
    pytest.param(STAND_IN, id="stand-in"),
    pytest.param(
        [str(REAL), "--config", "{config}"], id="real",
        marks=pytest.mark.skipif(not os.access(REAL, os.X_OK), reason="the gateway is not built here"),
    ),
]  # fmt: skip


def prepared(pair: Pair, command: list[str], **gateway: Any) -> None:
    """Give the pair's plan a gateway on free ports."""
    listen, admin = free_ports(2)
    keys = {"listen": f"127.0.0.1:{listen}", "admin": f"127.0.0.1:{admin}", "rate_rps": 80.0, "run_s": 60, **gateway}
    lines = [f"{key} = {json.dumps(value)}" for key, value in {"command": command, **keys}.items()]
    text = pair.plan.read_text(encoding="utf-8")
    pair.plan.write_text(text.rstrip() + "\n\n[shadow.gateway]\n" + "\n".join(lines) + "\n", encoding="utf-8")


def the_run(pair: Pair) -> Path:
    (folder,) = pair.runs.glob("*-shadow")
    return folder


def result(pair: Pair) -> dict[str, Any]:
    return json.loads((the_run(pair) / "shadow.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", GATEWAYS)
def test_equal_twins_pass_with_their_bound_and_no_caller_notices(pair: Pair, command: list[str]) -> None:
    prepared(pair, command)
    done = pair.call("shadow", "run", "--pairs", "150")
    assert done.returncode == 0, done.stderr
    assert "0 of " in done.stdout
    assert "mismatch rate below" in done.stdout
    found = result(pair)
    (count,) = found["endpoints"]
    assert count["compared"] >= 150
    assert count["bound"] == pytest.approx(3 / count["compared"])
    traffic = found["traffic"]
    assert traffic["done"] == traffic["sent"] >= count["compared"]
    assert traffic["failed"] == {}
    page = (the_run(pair) / "report" / "index.html").read_text(encoding="utf-8")
    assert "The gate passed." in page
    assert not list((pair.folder / ".twinload" / "shadow").glob("token"))
    again = pair.call("shadow", "report", str(the_run(pair)))
    assert again.returncode == 0, again.stderr
    assert result(pair) == found


@contextmanager
def fault_proxy(upstream: str, listen: str, faults: list[Fault], folder: Path) -> Iterator[None]:
    """Put the fault proxy where the plan says that the candidate stands."""
    (folder / "faults").write_bytes(b"".join(msgspec.json.encode(fault) + b"\n" for fault in faults))
    argv = [sys.executable, "-m", "shadow.mutation.proxy", "--upstream", upstream, "--listen", listen]
    with subprocess.Popen(
        [*argv, "--faults", str(folder / "faults")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"ready")
        yield
        process.communicate(timeout=30)


@contextmanager
def external_candidate(pair: Pair, folder: Path, kind: str) -> Iterator[str]:
    """Start both services by hand, with a proxy before the rewrite that faults one user's answers; yield that user."""
    plan = pair.plan.read_text(encoding="utf-8")
    (hidden,) = free_ports(1)
    services = []
    for script, port in (("quotes_threads.py", pair.ports[0]), ("quotes_asyncio.py", hidden)):
        services.append(subprocess.Popen([sys.executable, script, "--port", str(port)], cwd=pair.folder))
    pair.plan.write_text(plan.replace('start = "process"', 'start = "external"'), encoding="utf-8")
    made = pair.call("pool")
    assert made.returncode == 0, made.stderr
    lines = (pair.folder / ".twinload" / "pool" / "userpool.csv").read_text(encoding="utf-8").splitlines()[1:]
    busiest = max(lines, key=lambda line: int(line.split(",")[4])).split(",")[0]
    fault = Fault(f"/quote?customer={busiest}&items=5", kind, 1)
    try:
        with fault_proxy(f"127.0.0.1:{hidden}", f"127.0.0.1:{pair.ports[1]}", [fault], folder):
            yield busiest
    finally:
        for service in services:
            service.terminate()
            service.wait(30)


@pytest.mark.parametrize("command", GATEWAYS)
def test_one_digit_is_found_and_shown_with_its_path(pair: Pair, command: list[str], tmp_path: Path) -> None:
    prepared(pair, command)
    with external_candidate(pair, tmp_path, "digit") as user:
        done = pair.call("shadow", "run", "--pairs", "200")
    assert done.returncode == 1, done.stderr + done.stdout
    found = result(pair)
    assert not found["passed"]
    assert {sign["kind"] for sign in found["signs"]} == {"digit"}
    (place,) = {sign["place"] for sign in found["signs"]}
    assert place.startswith("$.")
    assert place in done.stdout
    page = (the_run(pair) / "report" / "index.html").read_text(encoding="utf-8")
    assert f"digit at {place.replace('[*]', '[')}"[:12] in page
    assert user in page
    assert "<mark>" in page
    assert found["traffic"]["failed"] == {}


def test_ctrl_c_keeps_and_judges_what_was_compared(pair: Pair) -> None:
    prepared(pair, STAND_IN)
    process = pair.start("shadow", "run", "--seconds", "60")
    coverage = pair.folder / ".twinload" / "shadow" / "pairs.jsonl.coverage"
    wait_until(lambda: coverage.exists() and coverage.read_bytes().count(b"\n") > 20, what="traffic", timeout_s=120)
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=90)
    assert process.returncode == 130, told
    found = result(pair)
    assert not found["passed"]
    assert found["why"][0].startswith("interrupted")
    assert found["endpoints"][0]["matched"] > 20
    assert "partial" in (the_run(pair) / "report" / "index.html").read_text(encoding="utf-8")


def test_status_shows_the_figures_of_the_gateway_that_runs(pair: Pair) -> None:
    prepared(pair, STAND_IN)
    none = pair.call("shadow", "status")
    assert none.returncode == 2
    assert "`twinload shadow run` starts one" in none.stderr
    process = pair.start("shadow", "run", "--seconds", "60")
    coverage = pair.folder / ".twinload" / "shadow" / "pairs.jsonl.coverage"
    wait_until(lambda: coverage.exists() and coverage.stat().st_size > 0, what="traffic", timeout_s=120)
    shown, plain = pair.call("shadow", "status"), pair.call("shadow", "status", "--json")
    token = pair.folder / ".twinload" / "shadow" / "token"
    assert token.stat().st_mode & 0o777 == 0o600
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=90)
    assert shown.returncode == 0, shown.stderr
    assert "mode" in shown.stdout
    assert "shadow" in shown.stdout
    assert json.loads(plain.stdout)["routes"]["quote"]["pairs"]["match"] > 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"command": ["./nowhere", "{config}"]}, "./nowhere does not exist; `make setup` builds the gateway"),
        ({"mode": "off"}, 'mode = "off" mirrors nothing'),
        (
            {"command": [sys.executable, "-c", "raise SystemExit('a fault of the config: {config}')"]},
            "a fault of the config",
        ),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_sent(pair: Pair, change: dict[str, Any], told: str) -> None:
    prepared(pair, **{"command": STAND_IN, **change})
    done = pair.call("shadow", "run")
    assert done.returncode == 2
    assert told in done.stderr
    assert not list(pair.runs.glob("*-shadow"))


def test_a_taken_port_is_told(pair: Pair) -> None:
    import socket

    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        prepared(pair, STAND_IN, listen=address)
        done = pair.call("shadow", "run")
    assert done.returncode == 2
    assert f"{address} cannot be listened at" in done.stderr


def test_a_changed_run_is_not_redrawn(pair: Pair) -> None:
    prepared(pair, STAND_IN)
    assert pair.call("shadow", "run", "--pairs", "20").returncode == 0
    with (the_run(pair) / "live.json").open("a") as file:
        file.write(" ")
    done = pair.call("shadow", "report", str(the_run(pair)))
    assert done.returncode == 2
    assert "live.json" in done.stderr

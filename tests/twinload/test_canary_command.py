"""`twinload canary`, whole: a small real pair, real traffic by the pool, a stand-in gateway."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import pytest
from live_pair import ROOT, Pair, wait_until

from clusters.ports import free_ports
from twinload.gateway import Admin

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
STAND_IN = [sys.executable, str(ROOT / "tests" / "support" / "stand_in_gateway.py"), "--config", "{config}"]
QUICK = {
    "steps": [0.1, 0.5, 1.0], "soak_s": 2.0, "min_requests": 5, "max_step_s": 120.0, "alpha": 0.000001,
    "failure_margin": 0.5, "latency_margin": 10.0, "quantiles": [0.5], "rate_rps": 80.0, "user_header": "x-user-id",
}  # fmt: skip
ENDLESS = {**QUICK, "soak_s": 600.0, "max_step_s": 600.0}
TIMEOUT_S = 300.0


def prepared(pair: Pair, canary: dict[str, Any] | None = None, **gateway: Any) -> str:
    """Give the pair's plan a gateway on free ports and a roll-out; return where the gateway listens."""
    listen, admin = (f"127.0.0.1:{port}" for port in free_ports(2))
    keys = {"command": STAND_IN, "listen": listen, "admin": admin, **gateway}
    text = pair.plan.read_text(encoding="utf-8").rstrip()
    text = text.replace("hot = true\n", 'hot = true\nheaders = { x-user-id = "{user_id}" }\n', 1)
    for name, section in (("shadow.gateway", keys), ("canary", QUICK if canary is None else canary)):
        text += f"\n\n[{name}]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in section.items())
    pair.plan.write_text(text + "\n", encoding="utf-8")
    return listen


def the_run(pair: Pair) -> Path:
    (folder,) = pair.runs.glob("*-canary")
    return folder


def lines(pair: Pair, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (the_run(pair) / name).read_text(encoding="utf-8").splitlines()]


def result(pair: Pair) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((the_run(pair) / "canary.json").read_text(encoding="utf-8"))
    return found


def decisions(pair: Pair) -> list[tuple[str, str, float]]:
    return [(one["by"], one["kind"], one["share"]) for one in lines(pair, "events.jsonl") if one["by"] != "gateway"]


def polled(pair: Pair) -> bool:
    """Whether users are with the candidate, by the run's own lines."""
    return any(
        b'"share":0.1,' in path.read_bytes() for path in pair.runs.glob("*-canary/canary.jsonl") if path.exists()
    )


@contextmanager
def under_way(pair: Pair) -> Iterator[subprocess.Popen[str]]:
    """Start a roll-out and wait until users are with the candidate."""
    process = pair.start("canary", "run")
    try:
        wait_until(lambda: polled(pair) or process.poll() is not None, what="a first share", timeout_s=TIMEOUT_S)
        if process.poll() is not None:
            pytest.fail(f"ended by itself: {process.communicate()[0]}")
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate(timeout=60)


def test_an_equal_candidate_walks_all_steps(pair: Pair) -> None:
    prepared(pair)
    done = pair.call("canary", "run", timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "done: " in done.stdout
    assert "reached 100 % of the users" in done.stdout
    assert decisions(pair) == [
        ("controller", "step", 0.1), ("judge", "step", 0.5), ("judge", "step", 1.0), ("judge", "done", 1.0),
    ]  # fmt: skip
    found = result(pair)
    assert (found["outcome"], found["share"], found["reached_share"]) == ("done", 1.0, 1.0)
    assert found["callers"]["failed"] == {}
    assert found["callers"]["done"] > 100
    polls = lines(pair, "canary.jsonl")
    assert [one["share"] for one in polls] == sorted(one["share"] for one in polls)
    assert polls[-1]["candidate"]["requests"] == polls[-1]["routes"]["quote"]["candidate"]["requests"] > 0
    assert (the_run(pair) / "report" / "index.html").is_file()
    assert json.loads((the_run(pair) / "seal.json").read_text(encoding="utf-8")).keys() >= {
        "canary.json", "canary.jsonl", "events.jsonl", "manifest.json", "pairs.jsonl", "report/index.html",
    }  # fmt: skip
    assert not (pair.folder / ".twinload" / "shadow" / "token").exists()
    again = pair.call("canary", "report", str(the_run(pair)))
    assert again.returncode == 0, again.stderr
    with (the_run(pair) / "events.jsonl").open("a") as file:
        file.write("\n")
    changed = pair.call("canary", "report", str(the_run(pair)))
    assert changed.returncode == 2
    assert "events.jsonl" in changed.stderr


def test_a_candidate_that_dies_goes_back_and_no_caller_notices(pair: Pair) -> None:
    prepared(pair, ENDLESS)
    with under_way(pair) as process:
        (candidate,) = (one for one in pair.processes() if "quotes_asyncio.py" in " ".join(one.cmdline()))
        candidate.kill()
        told, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1, told
    found = result(pair)
    assert (found["outcome"], found["share"], found["reached_share"]) == ("back", 0.0, 0.1)
    assert found["callers"]["failed"] == {}
    assert lines(pair, "canary.jsonl")[-1]["candidate"]["fell_back"] > 0
    last = lines(pair, "events.jsonl")[-1]
    assert last["kind"] in ("back", "operator", "share")
    assert any(by in ("breaker", "judge") and kind == "back" for by, kind, _ in decisions(pair))


def test_operators_hold_resume_step_and_take_back(pair: Pair) -> None:
    prepared(pair, ENDLESS)
    nobody = pair.call("canary", "step")
    assert nobody.returncode == 2
    assert "nobody would obey" in nobody.stderr
    with under_way(pair) as process:
        assert pair.call("canary", "hold", "--why", "looking into it").returncode == 0
        wait_until(lambda: ("operator", "hold", 0.1) in decisions(pair), what="the hold", timeout_s=TIMEOUT_S)
        shown = pair.call("canary", "status")
        assert shown.returncode == 0, shown.stderr
        assert "mode canary · 10 % of the users" in shown.stdout
        assert "held by the operator" in shown.stdout
        plain = json.loads(pair.call("canary", "status", "--json").stdout)
        assert plain["canary"]["share"] == 0.1
        assert plain["controller"]["step"] == 1
        assert pair.call("canary", "resume").returncode == 0
        assert pair.call("canary", "step", "--why", "seen enough").returncode == 0
        wait_until(lambda: ("operator", "step", 0.5) in decisions(pair), what="the step", timeout_s=TIMEOUT_S)
        second = pair.call("canary", "run")
        assert second.returncode == 2
        back = pair.call("canary", "back", "--why", "a complaint")
        assert back.returncode == 0, back.stderr
        told, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1, told
    assert result(pair)["reasons"] == ["a complaint"]
    assert decisions(pair)[-1] == ("operator", "back", 0.0)


def test_ctrl_c_keeps_and_tells_what_happened(pair: Pair) -> None:
    prepared(pair, ENDLESS)
    with under_way(pair) as process:
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, told
    found = result(pair)
    assert found["outcome"] == "stopped"
    assert "gateway and traffic ended with this run" in found["left"]
    assert found["callers"]["failed"] == {}
    assert (the_run(pair) / "report" / "index.html").is_file()


def test_nothing_is_lost_when_it_is_killed(pair: Pair) -> None:
    prepared(pair, ENDLESS)
    with under_way(pair) as process:
        process.kill()
        process.communicate(timeout=TIMEOUT_S)
    assert lines(pair, "canary.jsonl")[-1]["share"] == 0.1
    assert decisions(pair) == [("controller", "step", 0.1)]
    wait_until(lambda: not pair.processes(), what="the end of what it had started", timeout_s=TIMEOUT_S)
    drawn = pair.call("canary", "report", str(the_run(pair)))
    assert drawn.returncode == 1, drawn.stderr
    assert (the_run(pair) / "report" / "index.html").is_file()


def test_a_gateway_that_dies_is_started_again_at_its_share(pair: Pair) -> None:
    prepared(pair, ENDLESS)
    with under_way(pair) as process:
        gateway(pair).kill()
        wait_until(lambda: sum(kind == "gateway" for _, kind, _ in decisions(pair)) >= 2, timeout_s=TIMEOUT_S)
        known = len(lines(pair, "canary.jsonl"))
        wait_until(lambda: len(lines(pair, "canary.jsonl")) > known, what="a poll after it", timeout_s=TIMEOUT_S)
        assert lines(pair, "canary.jsonl")[-1]["share"] == 0.1
        assert pair.call("canary", "back").returncode == 0
        told, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1, told
    assert result(pair)["restarts"] == 1
    said = [reason for one in lines(pair, "events.jsonl") for reason in one["reasons"]]
    assert any("was killed by SIGKILL: started again from its state (1 of 2)" in reason for reason in said)


def gateway(pair: Pair) -> psutil.Process:
    (found,) = (one for one in pair.processes() if "stand_in_gateway.py" in " ".join(one.cmdline()))
    return found


class Live:
    """Callers of a live service: they ask one after the other, each for itself, until the block ends."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._call)
        self.answered = 0
        self.failed: list[str] = []

    def __enter__(self) -> Live:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _call(self) -> None:
        host, _, port = self._address.rpartition(":")
        connection = HTTPConnection(host, int(port), timeout=60)
        while not self._stop.is_set():
            user = f"u{self.answered % 200}"
            try:
                connection.request("GET", f"/quote?customer={user}&items=5", headers={"x-user-id": user})
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failed.append(str(answer.status))
            except OSError as error:
                self.failed.append(repr(error))
                connection.close()
            self.answered += 1
        connection.close()


@contextmanager
def live_service(pair: Pair, canary: dict[str, Any]) -> Iterator[str]:
    """Start both services and the gateway by hand, as an operator does; yield where callers go."""
    listen = prepared(pair, canary)
    started = [
        subprocess.Popen([sys.executable, script, "--port", str(port)], cwd=pair.folder)
        for script, port in zip(("quotes_threads.py", "quotes_asyncio.py"), pair.ports, strict=True)
    ]
    text = pair.plan.read_text(encoding="utf-8")
    pair.plan.write_text(text.replace('start = "process"', 'start = "external"'), encoding="utf-8")
    absent = pair.call("canary", "run", "--no-traffic")
    assert absent.returncode == 2
    assert "`twinload canary config` writes its files" in absent.stderr
    written = pair.call("canary", "config")
    assert written.returncode == 0, written.stderr
    folder = pair.folder / ".twinload" / "canary"
    assert (folder / "token").stat().st_mode & 0o777 == 0o600
    argv = [word.replace("{config}", str(folder / "gateway.json")) for word in STAND_IN]
    assert argv[-1] in written.stdout
    log = (pair.folder / "gateway.log").open("w")
    started.append(subprocess.Popen(argv, cwd=pair.folder, stdout=log, stderr=log))
    try:
        wait_until(lambda: "ready " in (pair.folder / "gateway.log").read_text(), what="the gateway")
        yield listen
    finally:
        log.close()
        for one in started:
            one.terminate()
            one.wait(60)


def test_a_live_services_gateway_is_only_told_and_outlives_the_roll_out(pair: Pair) -> None:
    with live_service(pair, {**QUICK, "steps": [0.2, 0.6]}) as listen, Live(listen) as callers:
        done = pair.call("canary", "run", "--no-traffic", timeout=TIMEOUT_S)
        assert done.returncode == 0, done.stderr + done.stdout
        assert "the gateway goes on with 60 % of the users with asyncio" in done.stdout
        assert "canary.json" in {path.name for path in the_run(pair).iterdir()}
        assert result(pair)["callers"] is None
        asked = callers.answered
        wait_until(lambda: callers.answered > asked + 20, what="answers after the roll-out")
        assert pair.call("canary", "back").returncode == 0
        refused = pair.call("canary", "run", "--no-traffic")
        assert refused.returncode == 2
        assert "begin again by --anew" in refused.stderr
        section = tomllib.loads(pair.plan.read_text(encoding="utf-8"))["shadow"]["gateway"]
        token = (pair.folder / ".twinload" / "canary" / "token").read_text(encoding="ascii").strip()
        Admin(section["admin"], token).mode("full")
        needless = pair.call("canary", "run", "--no-traffic", "--anew")
        assert needless.returncode == 2
        assert "no step is left" in needless.stderr
    assert callers.failed == []


def test_a_live_gateway_stays_at_its_share_when_the_controller_is_interrupted(pair: Pair) -> None:
    with live_service(pair, {**ENDLESS, "traffic": False}) as listen, Live(listen) as callers:
        with under_way(pair) as process:
            process.send_signal(signal.SIGINT)
            told, _ = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 130, told
        assert "the gateway goes on with 10 % of the users with asyncio, its breaker guards" in told
        assert json.loads(pair.call("canary", "status", "--json").stdout)["canary"]["share"] == 0.1
    assert callers.failed == []


@pytest.mark.parametrize(
    ("canary", "told"),
    [
        ({**QUICK, "user_header": None}, "nobody would ever be with the candidate"),
        ({**QUICK, "steps": [0.5, 0.1]}, "canary.steps"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_started(pair: Pair, canary: dict[str, Any], told: str) -> None:
    prepared(pair, {key: value for key, value in canary.items() if value is not None})
    done = pair.call("canary", "run")
    assert done.returncode == 2
    assert told in done.stderr
    assert not list(pair.runs.glob("*-canary"))


def test_rules_of_the_gate_and_back_on_any_difference_do_not_go_together(pair: Pair) -> None:
    prepared(pair)
    with pair.plan.open("a", encoding="utf-8") as file:
        file.write('\n[[shadow.rule]]\ndo = "spelling"\n')
    done = pair.call("canary", "run")
    assert done.returncode == 2
    assert 'set canary.mismatch = "tell"' in done.stderr

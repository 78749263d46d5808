"""Modes switched while requests are under way, the operators' token, the start and the end of the program."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest
from gateway_rig import TOKEN, Callers, Request, Service, configuration, exchange, gateway, refused, reply, until


def test_modes_are_switched_under_load_without_a_lost_request(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    with (
        gateway(tmp_path, configuration(tmp_path, baseline, candidate)) as one,
        Callers(one.address, 6) as callers,
    ):
        for mode in ("off", "full", "shadow", "full", "off", "shadow") * 3:
            assert one.switch(mode)["mode"] == mode
            callers.until_answered(20)
    assert callers.failures == []
    assert callers.answered >= 360


def test_full_sends_the_candidate_what_it_serves_and_the_baseline_the_rest(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    candidate.behaviour = lambda _request: reply(b"candidate")
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate, mode="full")) as one:
        assert one.get() == (200, b"candidate")
        assert one.ask("POST", "/v1/users/u1/recharges", b"x") == (200, b"{}")
        assert one.metric('twinload_gateway_requests_total{side="candidate",route="balance",class="2xx"}') == 1
        assert one.metric('twinload_gateway_mode{mode="full"}') == 1
    assert [request.line.split()[0] for request in baseline.asked()] == ["POST"]


def test_nonsense_is_refused_and_the_mode_stays(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate)) as one:
        assert one.operate("POST", "/mode", {"mode": "on"})[0] == 400
        assert one.operate("POST", "/mode", {"mode": "x" * 10_000})[0] == 400
        assert one.status()["mode"] == "shadow"


def test_without_a_candidate_there_is_nothing_to_shadow(tmp_path: Path, baseline: Service) -> None:
    with gateway(tmp_path, configuration(tmp_path, baseline)) as one:
        assert [one.operate("POST", "/mode", {"mode": mode})[0] for mode in ("shadow", "full", "off")] == [
            409,
            409,
            200,
        ]


def test_only_who_bears_the_token_sees_and_switches(tmp_path: Path, baseline: Service) -> None:
    with gateway(tmp_path, configuration(tmp_path, baseline)) as one:
        for token in (None, "", "wrong", TOKEN + "x", TOKEN[:-1]):
            for method, path in (("GET", "/status"), ("POST", "/mode"), ("POST", "/flush")):
                assert one.operate(method, path, token=token)[0] == 401
        assert exchange(one.admin, "GET", "/status")[0].getheader("www-authenticate") == "Bearer"
        assert [one.operate("GET", path, token=None)[0] for path in ("/healthz", "/metrics")] == [200, 200]
        assert [one.operate("GET", path)[0] for path in ("/mode", "/nowhere")] == [405, 404]
    assert TOKEN not in one.log.read_text(encoding="utf-8")


def test_the_mode_outlives_a_restart(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    tree = configuration(tmp_path, baseline, candidate, state_file=str(tmp_path / "state.json"))
    with gateway(tmp_path, tree) as one:
        one.switch("full")
        one.terminate()
    with gateway(tmp_path, tree) as one:
        assert one.status()["mode"] == "full"


def test_a_token_that_others_may_read_is_refused(tmp_path: Path, baseline: Service) -> None:
    tree = configuration(tmp_path, baseline)
    Path(tree["token_file"]).chmod(0o644)
    ended = refused(tmp_path, tree)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "others may read it" in ended.stderr


def test_every_fault_of_a_configuration_is_told_at_once(tmp_path: Path, baseline: Service) -> None:
    tree = configuration(tmp_path, baseline, mode="canary", limits={"idle_s": 0, "more": 1})
    del tree["listen"]
    ended = refused(tmp_path, tree)
    assert ended.returncode == 2
    for part in (
        "listen: is missing",
        "mode: canary needs the section",
        "limits.idle_s: 0 is no number",
        "limits.more",
    ):
        assert part in ended.stderr


def test_a_taken_port_is_told(tmp_path: Path, baseline: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        ended = refused(tmp_path, configuration(tmp_path, baseline, listen=address))
    assert (ended.returncode, address in ended.stderr) == (2, True)


def test_a_drain_ends_what_is_under_way_and_takes_no_more(tmp_path: Path, baseline: Service) -> None:
    come, go = threading.Event(), threading.Event()

    def late(_request: Request) -> bytes | None:
        come.set()
        go.wait(60)
        return reply(b"late")

    baseline.behaviour = late
    answers: list[tuple[int, bytes]] = []
    with gateway(tmp_path, configuration(tmp_path, baseline)) as one:
        caller = threading.Thread(target=lambda: answers.append(one.get()), daemon=True)
        caller.start()
        assert come.wait(60)
        one.process.terminate()
        until(lambda: not _takes_connections(one.address), "no more connections are taken")
        assert one.process.poll() is None
        go.set()
        caller.join(60)
        assert one.process.wait(60) == 0
    assert answers == [(200, b"late")]


@pytest.mark.parametrize("mode", ["off", "shadow"])
def test_under_load_a_drain_loses_no_request(tmp_path: Path, baseline: Service, candidate: Service, mode: str) -> None:
    with (
        gateway(tmp_path, configuration(tmp_path, baseline, candidate, mode=mode)) as one,
        Callers(one.address, 6) as callers,
    ):
        callers.until_answered(60)
        one.process.terminate()
        assert one.process.wait(60) == 0
        until(lambda: callers.failures, "the first refusal")
    # Afterwards nobody listens: that is refused, and nothing else may ever be seen.
    assert {failure.split("(")[0] for failure in callers.failures} == {"ConnectionRefusedError"}


def test_the_flush_waits_for_what_is_pending(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    go = threading.Event()

    def late(_request: Request) -> bytes | None:
        go.wait(60)
        return reply()

    candidate.behaviour = late
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate)) as one:
        one.get()
        until(candidate.asked, "the copy")
        assert one.status()["mirror"]["pending"] == 1
        flushed: list[bytes] = []
        waiting = threading.Thread(target=lambda: flushed.append(one.operate("POST", "/flush")[1]), daemon=True)
        waiting.start()
        assert one.operate("GET", "/healthz")[0] == 200
        assert flushed == []
        go.set()
        waiting.join(60)
    assert json.loads(flushed[0])["routes"]["balance"]["pairs"]["match"] == 1


def _takes_connections(address: str) -> bool:
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=60).close()
    except ConnectionRefusedError:
        return False
    return True

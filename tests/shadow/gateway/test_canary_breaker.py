"""A candidate that fails, is slow or is gone is left alone, whole or an instance of it, until it answers well again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from gateway_rig import Gateway, Request, Service, Tree, gateway, instance, reply, side, until
from gray_release import BASELINE, CANDIDATE, NEVER, failed, released

pytestmark = pytest.mark.usefixtures("_named")


def test_a_candidate_that_is_gone_is_answered_for_and_opens_the_breaker(
    tmp_path: Path, baseline: Service, gone: Service
) -> None:
    tree = released(tmp_path, baseline, gone)
    tree["health"]["interval_s"] = 3_600.0
    with gateway(tmp_path, tree) as one:
        assert [one.get() for _ in range(9)] == [(200, BASELINE)] * 9
        breaker = one.status()["canary"]["breaker"]
        assert (breaker["state"], breaker["reason"], breaker["opens"]) == ("open", "failures", 1)
        assert failed(one) == {"refused": 5}
        event = next(event for event in one.events()["events"] if event["kind"] == "breaker")
        assert (event["from"], event["to"], event["figures"]["candidate"]["failed"]) == ("closed", "open", 5)


def test_the_breaker_closes_when_copies_were_answered_well(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    broken = threading.Event()
    broken.set()
    candidate.behaviour = lambda _request: None if broken.is_set() else reply(BASELINE)
    tree = released(tmp_path, baseline, candidate, breaker={"open_s": 0.3, "probes": 5})
    with gateway(tmp_path, tree) as one:

        def state() -> str:
            assert one.get() == (200, BASELINE)
            name: str = one.status()["canary"]["breaker"]["state"]
            return name

        until(lambda: state() == "open", "open")
        until(lambda: one.get() and one.status()["canary"]["breaker"]["opens"] == 2, "a copy that failed")
        assert one.status()["canary"]["breaker"]["reason"] in ("probe", None)
        broken.clear()
        until(lambda: state() == "closed", "closed")
        before = len(candidate.asked())
        assert one.get() == (200, BASELINE)
        assert len(candidate.asked()) == before + 1, "at the share that it had"
        states = [event["to"] for event in one.events()["events"] if event["kind"] == "breaker"]
    assert states[:4] == ["open", "half-open", "open", "half-open"]
    assert states[-1] == "closed"


def test_a_candidate_without_a_healthy_instance_is_left_alone(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    candidate.health = lambda: reply(status="503 Service Unavailable")
    with gateway(tmp_path, released(tmp_path, baseline, candidate)) as one:
        until(lambda: one.status()["canary"]["breaker"]["reason"] == "unhealthy", "the breaker opens")
        before = len(candidate.asked())
        assert [one.get() for _ in range(5)] == [(200, BASELINE)] * 5
        assert len(candidate.asked()) == before


def test_a_slow_candidate_opens_the_breaker(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    hold = threading.Event()

    def slow(_request: Request) -> bytes:
        hold.wait(0.15)
        return reply(CANDIDATE)

    candidate.behaviour = slow
    breaker = {"slow_factor": 2.0, "slow_floor_ms": 5.0, "slow_samples": 2}
    tree = released(tmp_path, baseline, candidate, share=0.0, whitelist=["fast"], breaker=breaker)
    with gateway(tmp_path, tree) as one:

        def both() -> bool:
            assert one.get("/v1/users/other/balance") == (200, BASELINE)
            assert one.get("/v1/users/fast/balance")[0] == 200
            return bool(one.status()["canary"]["breaker"]["reason"] == "slow")

        until(both, "it is too slow")
        event = next(event for event in one.events()["events"] if event["kind"] == "breaker")
        assert event["figures"]["route"] == "balance"
        assert event["figures"]["candidate_median_us"] > event["figures"]["baseline_median_us"]


def test_an_instance_that_fails_again_and_again_is_left_out_until_its_checks_pass(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    broken, sick = threading.Event(), threading.Event()
    broken.set()
    with Service() as other:
        other.behaviour = lambda _request: None if broken.is_set() else reply(CANDIDATE)
        other.health = lambda: reply(status="503 Service Unavailable") if sick.is_set() else reply()
        tree = released(tmp_path, baseline, candidate, breaker=NEVER)
        tree["sides"]["candidate"] = side(instance("good", candidate, "balance"), instance("bad", other, "balance"))
        tree["health"]["interval_s"] = 1.0
        sick.set()
        tree["health"]["fails"] = 1_000  # only its requests can tell
        with gateway(tmp_path, tree) as one:
            until(lambda: one.get()[0] == 200 and _ejected(one), "it is left out")
            before = len(other.asked())
            assert [one.get() for _ in range(10)] == [(200, CANDIDATE)] * 10
            assert len(other.asked()) == before
            broken.clear()
            sick.clear()
            until(lambda: one.get()[0] == 200 and len(other.asked()) > before, "it is back")


def _ejected(one: Gateway) -> list[Tree]:
    return [event for event in one.events()["events"] if event["kind"] == "ejected"]

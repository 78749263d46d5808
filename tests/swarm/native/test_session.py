"""What the session does beyond FastHttpUser's, and what the engine below it could get wrong."""

from __future__ import annotations

from locust.exception import StopUser

import socket
import ssl
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.pywsgi import WSGIServer

from swarm.native.response import NativeResponse


def test_the_event_has_fasthttpusers_keywords_and_the_engines_time(server: str, make: Callable[..., Any]) -> None:
    watched = make(server)
    answer = watched.client.get("/slow?s=0.05", name="slow", context={"k": 1})
    (event,) = watched.events
    assert 50 <= event.pop("response_time") < 5_000
    assert event.pop("start_time") > 0
    assert event == {
        "request_type": "GET", "name": "slow", "context": {"k": 1}, "response": answer, "exception": None,
        "url": f"{server}/slow?s=0.05", "response_length": len(answer.content),
    }  # fmt: skip
    assert isinstance(answer, NativeResponse)
    assert watched.environment.stats.get("slow", "GET").num_requests == 1


def test_a_greenlet_that_is_killed_leaves_its_answer_to_nobody(server: str, make: Callable[..., Any]) -> None:
    watched = make(server)
    waiting = gevent.spawn(watched.client.get, "/slow?s=0.1&who=first")
    gevent.sleep(0.03)
    waiting.kill()
    answers = [watched.client.get(f"/a?who={n}").json()["query"] for n in range(3)]
    gevent.sleep(0.15)
    answers.append(watched.client.get("/a?who=last").json()["query"])
    assert answers == ["who=0", "who=1", "who=2", "who=last"]
    assert len(watched.events) == 4


def test_greenlets_of_one_user_get_their_own_answers(server: str, make: Callable[..., Any]) -> None:
    client = make(server).client
    asked = [gevent.spawn(client.get, f"/slow?s={0.01 * (n % 5)}&n={n}") for n in range(40)]
    gevent.joinall(asked)
    assert [job.value.json()["query"].split("&n=")[1] for job in asked] == [str(n) for n in range(40)]


def test_a_time_out_of_its_own_makes_a_failed_request(server: str, make: Callable[..., Any]) -> None:
    watched = make(server)
    answer = watched.client.get("/slow?s=0.5", timeout=0.05)
    assert (answer.status_code, answer.content) == (0, None)
    assert isinstance(watched.events[0]["exception"].original, TimeoutError)
    assert 40 <= watched.events[0]["response_time"] < 450


def test_a_refused_connection_is_reported_as_itself(make: Callable[..., Any]) -> None:
    watched = make("http://127.0.0.1:1")
    watched.client.get("/a")
    assert isinstance(watched.events[0]["exception"], ConnectionRefusedError)


def test_a_name_without_an_address_is_a_failed_request(make: Callable[..., Any]) -> None:
    watched = make("http://no-such-name.invalid")
    watched.client.get("/a")
    assert isinstance(watched.events[0]["exception"], socket.gaierror)


def test_a_base_that_is_no_url_is_refused_with_what_to_do(make: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="begins with http://"):
        make("localhost:80").client.get("/a")


def test_the_second_address_of_a_name_is_tried(server: str, make: Callable[..., Any], monkeypatch: Any) -> None:
    found = [(0, 0, 0, "", ("127.0.0.2", 0)), (0, 0, 0, "", ("127.0.0.1", 0))]
    monkeypatch.setattr("gevent.socket.getaddrinfo", lambda *_: found)
    watched = make(server.replace("127.0.0.1", "two.invalid"))
    assert [watched.client.get("/a").status_code for _ in range(2)] == [200, 200]
    assert [event["exception"] for event in watched.events] == [None, None]


def test_a_body_that_is_not_what_its_coding_says_is_a_failed_request(server: str, make: Callable[..., Any]) -> None:
    watched = make(server)
    watched.client.get("/encoded?as=broken")
    assert watched.events[0]["exception"] is not None
    with watched.client.get("/encoded?as=broken", catch_response=True) as answer:
        answer.success()
    assert watched.events[1]["exception"] is None


def test_an_answer_may_be_judged_and_its_meta_be_changed(server: str, make: Callable[..., Any]) -> None:
    watched = make(server)
    with watched.client.get("/a", catch_response=True) as answer:
        answer.request_meta["name"] = "another"
        answer.failure("not good enough")
    assert (watched.events[0]["name"], str(watched.events[0]["exception"])) == ("another", "not good enough")
    with watched.user.rest("GET", "/a") as answer:
        assert answer.js["path"] == "/a"
    with watched.user.rest_("GET", "/a") as answer:
        assert answer.js["query"].startswith("_=")
    assert [event["exception"] for event in watched.events[1:]] == [None, None]
    assert watched.events[2]["name"] == "/a?_=..."


def test_requests_may_be_renamed_and_iterated_by_lines(server: str, make: Callable[..., Any]) -> None:
    watched = make(server)
    with watched.client.rename_request("group"):
        watched.client.get("/a")
    assert list(watched.client.iter_lines("/encoded?as=gzip"))
    assert [event["name"] for event in watched.events] == ["group", "/encoded?as=gzip"]


def test_the_users_context_goes_with_every_event(server: str, make: Callable[..., Any]) -> None:
    watched = make(server, context=lambda _: {"own": 1, "k": 1})
    watched.client.get("/a", context={"k": 2})
    assert watched.events[0]["context"] == {"own": 1, "k": 2}


def test_a_listener_may_stop_the_user_and_its_faults_hinder_none(server: str, make: Callable[..., Any]) -> None:
    watched = make(server)
    watched.environment.events.request.add_listener(lambda **_: 1 / 0)
    watched.client.get("/a")
    assert len(watched.events) == 1

    def stop(**_: Any) -> None:
        raise StopUser

    watched.environment.events.request.add_listener(stop)
    with pytest.raises(StopUser):
        watched.client.get("/a")
    watched.environment.events.request.remove_listener(stop)
    assert watched.client.get("/b").json()["path"] == "/b"


def test_a_body_can_be_read_as_a_stream(server: str, make: Callable[..., Any]) -> None:
    answer = make(server).client.get("/encoded?as=br")
    assert (answer.read(3), answer.stream.version) == ("Grü".encode()[:3], "HTTP/1.1")
    assert b"".join(answer) + b"" == answer.content[3:]
    assert answer.elapsed.total_seconds() > 0


def test_certificates_are_checked_when_asked_for(make: Callable[..., Any], tls_server: str) -> None:
    watched = make(tls_server)
    assert watched.client.get("/a").status_code == 200
    checked = make(tls_server, insecure=False)
    checked.client.get("/a")
    assert isinstance(checked.events[0]["exception"], ssl.SSLError)


def test_an_ipv6_host_is_named_in_brackets(make: Callable[..., Any]) -> None:
    def host(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        start("200 OK", [])
        return [environ["HTTP_HOST"].encode()]

    try:
        running = WSGIServer(("::1", 0), host, log=None)
        running.start()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    base = f"http://[::1]:{running.server_port}"
    assert make(base).client.get("/").text == base.removeprefix("http://")
    running.stop(timeout=0)

"""One call, two clients: FastHttpUser's and the engine's give the same answer, send the same, and report the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import gevent
import pytest

Call = Callable[[Any], Any]


def blocks() -> Any:
    yield b"one"
    yield b"two"


CALLS: dict[str, Call] = {
    "get": lambda c: c.get("/a"),
    "get with a query": lambda c: c.get("/a?x=1&y=2"),
    "get of an empty path": lambda c: c.get(""),
    "get with characters to quote": lambda c: c.get("/ä b/%41?q=ü x#part"),
    "get with an empty query and parameters of the path": lambda c: c.get("/a;p=1;q?"),
    "get with params": lambda c: c.get("/a", params={"x": "ä &", "y": [1, 2], "z": None}),
    "get with params after a query": lambda c: c.get("/a?q=1", params=[("x", "1")]),
    "get with headers": lambda c: c.get("/a", headers={"X-One": "1", "accept-encoding": "identity"}),
    "get with a header twice": lambda c: c.get("/a", headers={"X-Two": ["a", "b"]}),
    "get with auth": lambda c: c.get("/a", auth=("me", "ünd")),
    "get named": lambda c: c.get("/a?x=9", name="the name", context={"k": 1}),
    "small letters": lambda c: c.request("get", "/a"),
    "head": lambda c: c.head("/a"),
    "options": lambda c: c.options("/a"),
    "delete with a body": lambda c: c.delete("/a", json={"x": 1}),
    "post of nothing": lambda c: c.post("/a"),
    "post json": lambda c: c.post("/a", json={"ä": [1, None]}),
    "post json with its own type": lambda c: c.post("/a", json=[], headers={"content-type": "application/x"}),
    "post a form": lambda c: c.post("/a", {"x": "ä &", "y": 1}),
    "post text": lambda c: c.post("/a", "Grüße"),
    "post text with a type": lambda c: c.post("/a", "{}", headers={"Content-Type": "application/json"}),
    "post bytes": lambda c: c.post("/a", b"\x00\xff"),
    "put": lambda c: c.put("/a", b"x"),
    "patch json": lambda c: c.patch("/a", json=1),
    "post a file object": lambda c: c.post("/a", BytesIO(b"of a file")),
    "post an iterator": lambda c: c.post("/a", blocks()),
    "post files": lambda c: c.post("/a", {"k": "v"}, files={"f": ("n.txt", b"in it", "text/plain", {}, "border")}),
    "an absolute URL": lambda c: c.get(c.base_url + "/b"),
    "redirect": lambda c: c.get("/redirect?to=/a"),
    "redirect of a post": lambda c: c.post("/redirect?to=/a", {"x": 1}),
    "redirect that keeps the method": lambda c: c.post("/redirect?to=/a&code=307", {"x": 1}),
    "redirect to a relative path": lambda c: c.get("/redirect?to=b/../c?d"),
    "redirect not followed": lambda c: c.get("/redirect?to=/a", allow_redirects=False),
    "redirect into a failure": lambda c: c.get("/redirect?to=/status?code=500"),
    "redirect in a ring": lambda c: c.get("/redirect?to=/redirect%3Fto%3D/redirect%253Fto%253D/a"),
    "redirect to another scheme": lambda c: c.get("/redirect?to=ftp://there/a"),
    "no content": lambda c: c.get("/status?code=204"),
    "not modified": lambda c: c.get("/status?code=304"),
    "not found": lambda c: c.get("/status?code=404"),
    "server error": lambda c: c.post("/status?code=503", json={}),
    "gzip": lambda c: c.get("/encoded?as=gzip"),
    "deflate": lambda c: c.get("/encoded?as=deflate"),
    "br": lambda c: c.get("/encoded?as=br"),
    "streamed": lambda c: c.get("/a", stream=True),
    "a base that has changed": lambda c: (setattr(c, "base_url", c.base_url + "/below"), c.get("/a"))[1],
}


def told(watched: Any, answer: Any) -> dict[str, Any]:
    """Return what of an answer and its event can be compared: all but times, and who says to be asking."""
    (event,) = watched.events
    base = watched.user.host
    text = answer.text
    if text and text.startswith("{"):
        seen = json.loads(text)
        seen["headers"] = {n: v for n, v in seen["headers"].items() if n not in ("HTTP_USER_AGENT", "HTTP_HOST")}
        text = json.dumps(seen)
    return {
        "status": answer.status_code,
        "ok": answer.ok,
        "text": text,
        "url": answer.url.replace(base, ""),
        "request": (answer.request.method, answer.request.body if isinstance(answer.request.body, str | bytes) else 0),
        "asked": sorted(n for n, _ in answer.request.headers.iterlower()) if answer.status_code else None,
        "history": [hop.status_code for hop in answer.history] if answer.status_code else [],
        "headers": sorted(n for n, _ in answer.headers.iterlower()) if answer.headers else None,
        "event": {n: v for n, v in event.items() if n in ("request_type", "name", "context")},
        "where": event["url"].replace(base, ""),
        "length": None if text and text.startswith("{") else event["response_length"],
        "exception": type(event["exception"]).__name__ + str(event["exception"]).replace(base, ""),
        "keywords": sorted(event),
    }


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_is_as_fasthttpuser_makes_it(server: str, make: Callable[..., Any], call: Call) -> None:
    seen = []
    for native in (False, True):
        watched = make(server, native=native, default_headers={"X-Always": "yes"}, max_redirects=1)
        seen.append(told(watched, call(watched.client)))
    assert seen[1] == seen[0]


REFUSED: dict[str, Call] = {
    "a line break in a header": lambda c: c.get("/a", headers={"X": "1\r\nY: 2"}),
    "a path that begins with two slashes": lambda c: c.get("//a"),
    "text beyond latin-1 in a header": lambda c: c.get("/a", headers={"X": "€"}),
    "data with files": lambda c: c.post("/a", "text", files={"f": b"x"}),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_a_call_that_fasthttpuser_refuses_is_refused(server: str, make: Callable[..., Any], call: Call) -> None:
    for native in (False, True):
        watched = make(server, native=native)
        with pytest.raises(ValueError):  # noqa: PT011 - each client has words of its own
            call(watched.client)
        assert watched.events == []


def test_cookies_are_kept_and_sent_alike(server: str, make: Callable[..., Any]) -> None:
    seen = []
    for native in (False, True):
        client = make(server, native=native).client
        said = []
        client.get("/set?cookies=a=1|b=2; Path=/deep|c=3; Max-Age=0")
        for path in ("/x", "/deep/x", "/x", "/deep/x"):
            said.append(client.get(path).json()["headers"].get("HTTP_COOKIE"))
        client.get("/set?cookies=a=4")
        said.append(client.get("/x").json()["headers"].get("HTTP_COOKIE"))
        said.append(client.get("/x", headers={"Cookie": "own=1"}).json()["headers"].get("HTTP_COOKIE"))
        client.cookiejar.clear()
        said.append(client.get("/x").json()["headers"].get("HTTP_COOKIE"))
        seen.append(said)
    assert seen[1] == seen[0]
    assert seen[1] == ["a=1", "b=2; a=1", "a=1", "b=2; a=1", "a=4", "own=1", None]


def test_a_timeout_around_a_call_makes_it_a_failed_request(server: str, make: Callable[..., Any]) -> None:
    for native in (False, True):
        watched = make(server, native=native)
        with gevent.Timeout(0.05):
            answer = watched.client.get("/slow?s=0.5")
        assert answer.status_code == 0
        assert [type(event["exception"]).__name__ for event in watched.events] == ["RetriesExceeded"]

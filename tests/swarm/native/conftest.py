"""An echoing server in this process, and the two clients that are compared."""

from __future__ import annotations

from locust.contrib.fasthttp import FastHttpUser
from locust.env import Environment
from locust.event import Events

import gzip
import json
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import brotli
import gevent
import gevent.ssl
import pytest
from gevent.pywsgi import WSGIServer

from swarm.native.user import NativeHttpUser

TEXT = "Grüße, 1,234 coins\n" * 20


@dataclass
class Watched:
    """A user of either kind, and the events that its requests fired."""

    user: Any
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def client(self) -> Any:
        return self.user.client

    @property
    def environment(self) -> Environment:
        return self.user.environment


def echo(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """Answer what the path says: an echo of the request, or one of the special answers."""
    body = environ["wsgi.input"].read()
    query = {name: values[-1] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    path = environ["PATH_INFO"]
    if path == "/redirect":
        start(query.get("code", "302") + " Found", [("Location", query["to"])])
        return [b"this way"]
    if path == "/status":
        start(query["code"] + " So it is", [("Content-Type", "text/plain")])
        return [] if query["code"] in ("204", "304") else [b"a body"]
    if path == "/set":
        start("200 OK", [("Set-Cookie", value) for value in query["cookies"].split("|")])
        return [b"set"]
    if path == "/slow":
        gevent.sleep(float(query["s"]))
    if path == "/encoded":
        return encoded("br" if environ["REQUEST_METHOD"] == "HEAD" else query["as"], start)[
            : environ["REQUEST_METHOD"] != "HEAD"
        ]
    headers = {name: value for name, value in environ.items() if name.startswith("HTTP_")}
    headers["type"], headers["length"] = environ.get("CONTENT_TYPE", ""), environ.get("CONTENT_LENGTH", "")
    told = {"method": environ["REQUEST_METHOD"], "path": path, "query": environ["QUERY_STRING"], "headers": headers}
    told["body"] = body.decode("latin-1")
    start("200 OK", [("Content-Type", "application/json"), ("X-Twice", "a"), ("X-Twice", "b")])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [json.dumps(told, sort_keys=True).encode()]


def encoded(coding: str, start: Callable[..., Any]) -> list[bytes]:
    """Answer TEXT in a content coding; `broken` is not the gzip that it says."""
    plain = TEXT.encode()
    body = {
        "gzip": gzip.compress(plain),
        "deflate": zlib.compress(plain),
        "br": brotli.compress(plain),
        "broken": b"no gzip at all",
    }[coding]
    start(
        "200 OK",
        [("Content-Type", "text/plain; charset=utf-8"), ("Content-Encoding", coding.replace("broken", "gzip"))],
    )
    return [body]


@pytest.fixture
def server() -> Iterator[str]:
    """The base URL of an echoing server."""
    running = WSGIServer(("127.0.0.1", 0), echo, log=None)
    running.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.stop(timeout=0)


@pytest.fixture
def make() -> Iterator[Callable[..., Watched]]:
    """Make a user: `make(base, native=False, **class_attributes)`."""
    made: list[Watched] = []

    def make_user(host: str, *, native: bool = True, **attributes: Any) -> Watched:
        environment = Environment(events=Events(), catch_exceptions=False)
        environment.create_local_runner()
        base = NativeHttpUser if native else FastHttpUser
        watched = Watched(type("User", (base,), {"host": host, **attributes})(environment))
        environment.events.request.add_listener(lambda **said: watched.events.append(said))
        made.append(watched)
        return watched

    yield make_user
    for watched in made:
        (watched.client.close if isinstance(watched.user, NativeHttpUser) else watched.client.client.close)()


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[str]:
    """The base URL of the same server over TLS, with a certificate that nobody trusts."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=nobody"]
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    running = WSGIServer(("127.0.0.1", 0), echo, log=None, error_log=None, ssl_context=context)
    running.start()
    yield f"https://127.0.0.1:{running.server_port}"
    running.stop(timeout=0)

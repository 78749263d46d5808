"""The raw client: bytes out as written, answers in strictly; and what it says when a program is missing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clusters.contract.answers import Request, answer, path_and_query
from clusters.contract.golden.ledger import golden_ledger
from clusters.contract.instance import StartError, binary
from clusters.contract.wire import Address, Connection, WireError, encode_request

Serve = Callable[[bytes], Address]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answers the first bytes of one client with fixed bytes and closes."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def run(reply: bytes) -> None:
        client, _ = listener.accept()
        with client:
            client.recv(65_536)
            client.sendall(reply)

    def start(reply: bytes) -> Address:
        threads.append(threading.Thread(target=run, args=(reply,)))
        threads[-1].start()
        host, port = listener.getsockname()
        return host, port

    yield start
    for thread in threads:
        thread.join(5.0)
    listener.close()


def test_a_request_goes_out_as_written() -> None:
    request = Request("gEt", "//a/%2F?x=%zz", (("X-A", "1"),))
    assert encode_request(request) == b"gEt //a/%2F?x=%zz HTTP/1.1\r\nHost: wallet.test\r\nX-A: 1\r\n\r\n"


def test_a_declared_body_within_the_limit_is_filled_and_a_larger_one_is_not_sent() -> None:
    assert encode_request(Request("GET", "/", (("Content-Length", "3"),))).endswith(b"\r\n\r\n   ")
    assert encode_request(Request("GET", "/", (("Content-Length", "65537"),))).endswith(b"\r\n\r\n")


def test_an_answer_is_read_to_its_length_and_the_next_one_after_it(serve: Serve) -> None:
    one = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nX: y\r\nledger-as-of: 7\r\ncontent-length: 2\r\n\r\nok"
    with Connection(serve(one + one.replace(b"ok", b"no")), timeout_s=5.0) as connection:
        first = connection.ask(Request("GET", "/"))
        assert first.counted().headers == (("Content-Type", "a/b"), ("Ledger-As-Of", "7"))
        assert (first.body, connection.receive().body) == (b"ok", b"no")
        assert connection.closed_by_peer()


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nok", "without Content-Length"),
        (b"hello\r\n\r\n", "no status line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", "closed after 2 bytes"),
        (b"", "closed after 0 bytes"),
        (b"HTTP/1.1 200 OK\r\n" + b"a" * 70_000, "a header block of more than"),
    ],
)
def test_what_is_no_whole_answer_is_an_error(serve: Serve, reply: bytes, message: str) -> None:
    with Connection(serve(reply), timeout_s=5.0) as connection, pytest.raises(WireError, match=message):
        connection.ask(Request("GET", "/"))


def test_a_missing_program_names_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TWINLOAD_BIN", str(tmp_path))
    with pytest.raises(StartError, match="wallet-go is missing: run `make setup`"):
        binary("go")


@pytest.mark.parametrize("target", ["/version", "/metrics", "/debug/pprof/profile"])
def test_answers_that_depend_on_more_than_the_ledger_are_not_told(target: str) -> None:
    with pytest.raises(ValueError, match="depends on more than the ledger"):
        answer(Request("GET", target), golden_ledger())


def test_a_target_is_split_at_its_first_question_mark_and_an_absolute_one_loses_its_host() -> None:
    assert path_and_query("/a?b?c") == ("/a", "b?c")
    assert path_and_query("http://host:1/a?b=http://x/") == ("/a", "b=http://x/")
    assert path_and_query("/a?b=http://x/") == ("/a", "b=http://x/")
    assert path_and_query("*") == ("*", "")

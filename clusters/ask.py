"""Asking an instance something: one GET with the twin's headers, authority and Host; no proxy, no retry."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import urllib3
from urllib3.exceptions import HTTPError

from clusters.command import fill_variables, split_address
from records.plan import TwinPlan

_MOST_BYTES: Final = 8 << 20  # of a body; a metrics page of a large service stays below


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, or why there was none (`status` None). `body` is cut at 8 MiB."""

    status: int | None
    body: bytes = b""
    why: str = ""

    def __str__(self) -> str:
        return self.why if self.status is None else f"answered {self.status}"


class Asker:
    """Asks one instance; a context manager, because it may keep a connection."""

    def __init__(self, twin: TwinPlan, address: str, folder: Path, *, environ: Mapping[str, str] = os.environ) -> None:
        host, port = split_address(address)
        self._headers = {name: fill_variables(value, environ)[0] for name, value in twin.headers.items()}
        if twin.host is not None:
            self._headers["Host"] = twin.host
        self._pool: urllib3.HTTPConnectionPool
        if twin.scheme == "https":
            ca_file = str(folder / twin.ca_file) if twin.ca_file else None
            name = split_address(twin.host)[0] if twin.host and ":" in twin.host else twin.host
            self._pool = urllib3.HTTPSConnectionPool(
                host, port, ca_certs=ca_file, cert_reqs="CERT_REQUIRED", server_hostname=name, assert_hostname=name
            )
        else:
            self._pool = urllib3.HTTPConnectionPool(host, port)

    def ask(self, path: str, *, timeout_s: float = 1.0) -> Answer:
        """GET a path; what goes wrong is an Answer without status. Redirects are not followed."""
        try:
            response = self._pool.urlopen(
                "GET", path, headers=self._headers, retries=False, redirect=False,
                timeout=urllib3.Timeout(total=timeout_s), preload_content=False,
            )  # fmt: skip
            try:
                return Answer(response.status, response.read(_MOST_BYTES))
            finally:
                response.close()  # also when the body was longer than what was read
        except (HTTPError, OSError) as error:
            return Answer(None, why=f"no answer ({_reason(error)})")

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _reason(error: BaseException) -> str:
    """Return the innermost cause's own words: urllib3 wraps what the socket said."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text or type(error).__name__

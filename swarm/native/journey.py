"""A request of more than one exchange, or without an answer: redirects, cookies on the way, retries, other addresses.

The rules are those of the client below FastHttpUser (geventhttpclient): what an error is, which is tried again, what a
redirect makes of the request; its own request object is what is sent on. `max_redirects = 0` follows none and makes a
redirect a failure, as Locust's tests of FastHttpUser want it.
"""

from __future__ import annotations

from locust.contrib.fasthttp import FAILURE_EXCEPTIONS, ErrorResponse, FastRequest, FastResponse

from dataclasses import dataclass
from typing import TYPE_CHECKING

import gevent
from geventhttpclient.useragent import CompatResponse, RetriesExceeded
from twinload_engine import Reply, monotonic_ns

from swarm.native.asked import Asked, request_of
from swarm.native.failures import REDIRECTS, failure_of, judge
from swarm.native.heads import lines_of
from swarm.native.response import NativeResponse
from swarm.native.targets import Origin, target_of

if TYPE_CHECKING:
    from swarm.native.lines import Line
    from swarm.native.session import NativeSession

WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Patience:
    """How far a journey may go: redirects (None: none is followed), retries, and a time-out of its own in seconds."""

    max_redirects: int | None
    max_retries: int
    timeout_s: float | None


class Journey:
    """One request on its way, until its last answer."""

    def __init__(self, session: NativeSession, asked: Asked, patience: Patience) -> None:
        self._session, self._asked, self._patience = session, asked, patience
        self._request: FastRequest = request_of(asked)
        self._history: list[CompatResponse] = []
        self._begin_ns = monotonic_ns()
        self._end_ns: int | None = None

    @property
    def span_ms(self) -> float:
        """From the first exchange to the end of the last."""
        return ((self._end_ns or monotonic_ns()) - self._begin_ns) / 1e6

    def run(self, reply: Reply | None = None, error: BaseException | None = None) -> FastResponse:
        """Return the last answer, or what stands for a missing one; its `error` says why it failed.

        Args:
            reply: how the first exchange ended, when it was made already.
            error: what broke off the first exchange.
        """
        if reply is not None:
            self._begin_ns = reply.submitted_ns
        try:
            return self._attempts(reply, error)
        except FAILURE_EXCEPTIONS as failure:
            return ErrorResponse(request_of(self._asked), failure)

    def _attempts(self, reply: Reply | None, error: BaseException | None) -> FastResponse:
        agent = self._session.client
        url, last = self._request.url, error
        for attempt in range(self._patience.max_retries + 1):
            if attempt and agent.retry_delay:
                gevent.sleep(agent.retry_delay)
            try:
                if attempt == 0 and error is not None:
                    raise error
                return self._hops(reply if attempt == 0 else None)
            except gevent.GreenletExit:
                raise
            except BaseException as failure:
                failure.request = self._request  # type: ignore[attr-defined]
                last = agent._handle_error(failure, url=self._request.url)
                if not agent._may_retry(self._request):
                    break
        raise RetriesExceeded(url, self._patience.max_retries, original=last)

    def _hops(self, reply: Reply | None) -> FastResponse:
        session, request, limit = self._session, self._request, self._patience.max_redirects
        while True:
            answer = self._answer(reply)
            reply = None
            session.keep_cookies(answer)
            answer.error = judge(answer.status_code, request.url, answer)
            if answer.error is not None:
                return answer
            location = answer.headers.get("location")
            if limit is None or answer.status_code not in REDIRECTS or not location or not isinstance(location, str):
                answer.history = self._history
                return answer
            self._history.append(answer)
            if len(self._history) > limit:
                raise RetriesExceeded(self._asked[2], f"Redirection limit reached ({limit})")
            request.redirect(answer.status_code, location)

    def _answer(self, reply: Reply | None) -> NativeResponse:
        request = self._request
        origin = Origin.of(request.url_split)
        line = self._session.line(origin)
        if reply is None:
            self._session.cookiejar.add_cookie_header(request)
            reply = self._exchange(line)
        for _ in range(len(line) - 1):
            if reply.error != "connect":
                break
            line.turn_away()
            reply = self._exchange(line)
        self._end_ns = reply.done_ns
        if reply.error is not None:
            if reply.error == "connect":
                self._session.forget(origin)
            raise failure_of(reply)
        answer = NativeResponse(reply, self._asked)
        answer.request = request
        return answer

    def _exchange(self, line: Line) -> Reply:
        request = self._request
        return self._session.exchange(
            line,
            request.method,
            target_of(request.url_split),
            lines_of(request.headers),
            body_of(request),
            self._patience.timeout_s,
        )


def body_of(request: FastRequest) -> bytes | None:
    """Return a request's body as bytes; b"" for a method that is sent with a length, None for others without."""
    payload = request.payload
    if not payload:
        return b"" if request.method in WITH_BODY else None
    return payload.encode() if isinstance(payload, str) else bytes(payload)

"""The session: FastHttpSession's `request`, written for speed.

The common request is a straight line: a head that is ready, one call into the engine, one switch to the hub, one event.
What is rarer goes on in a `Journey`, and what the engine does not speak (streams, proxies, an SSL context of the user's
own, chunked requests, Expect) in FastHttpSession itself, which this one still is.
"""

from __future__ import annotations

from locust.contrib.fasthttp import FAILURE_EXCEPTIONS, FastHttpSession, FastResponse
from locust.user import User

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from time import time
from typing import Any, cast

from gevent import Timeout, getcurrent
from geventhttpclient.header import Headers
from twinload_engine import Reply, is_plain_path

from swarm.native.asked import Asked, Dress, shape_of, with_query
from swarm.native.cookies import Jar
from swarm.native.events import fire_request
from swarm.native.failures import REDIRECTS, judge
from swarm.native.heads import Payload, basic_authorization, heads_of
from swarm.native.journey import Journey, Patience
from swarm.native.lines import Limits, Line, Lines
from swarm.native.response import NativeResponse, caught
from swarm.native.settings import limits_of
from swarm.native.targets import Origin, Targets
from swarm.native.wire import Turn, Wire

USER_AGENT = "twinload-native"
VERBS = {verb: verb for verb in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")}
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_OWN_OPTIONS = frozenset(
    {"name", "data", "catch_response", "stream", "headers", "auth", "json", "allow_redirects", "context", "params"}
)
_TRAVEL_OPTIONS = frozenset({"files", "max_redirects", "max_retries"})


class NativeSession(FastHttpSession):
    """A user's HTTP client: FastHttpSession's interface over the engine."""

    def __init__(self, base_url: str | None, request_event: Any, user: User | None, **options: Any) -> None:
        super().__init__(base_url, request_event, user, **options)
        self._jar = Jar()
        self.cookiejar = self.client.cookiejar = self._jar
        self.yielded = False
        """Whether the other greenlets had their turn since this was last set to False."""
        self._pool = options.get("client_pool")
        self._limits = limits_of(self.client.clientpool.client_args)
        defaults = Headers({"User-Agent": USER_AGENT})
        defaults.update(options.get("headers") or {})
        self._heads = heads_of(tuple(defaults.items()))
        self._plain = Dress(self._heads.head(None, self.auth_header, Payload.NONE), None, None)
        self._context = user.context if user is not None and type(user).context is not User.context else None
        self._turn = Turn()
        self._base = ""
        self._targets: Targets
        self._prefix: str | None = None
        """What makes a plain path below `_base` a target; None also until there is a line to it."""
        self._line: Line
        self._switch: Callable[[], Reply]
        self._lines: Lines | None = None

    def close(self) -> None:
        """Close the session's own connections; those of a shared pool stay."""
        if self._lines is not None and self._pool is None:
            self._lines.close()
        self._lines, self._base, self._prefix = None, "", None

    def request(  # noqa: PLR0913, PLR0917 - FastHttpSession's signature
        self,
        method: str,
        url: str,
        name: str | None = None,
        data: Any = None,
        catch_response: bool = False,
        stream: bool = False,
        headers: Mapping[str, Any] | None = None,
        auth: tuple[str | bytes, str | bytes] | None = None,
        json: Any = None,
        allow_redirects: bool = True,
        context: Mapping[str, Any] | None = None,
        params: Any = None,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> Any:
        """Send a request, report it and return its answer, as FastHttpSession.request does.

        Args:
            timeout: for how many seconds the server may be silent, in place of the user's `network_timeout`.

        The time reported is the engine's: from the call to the last byte, also while Python was busy elsewhere.
        """
        # What costs 100 ns here costs a hundredth of the speed: one straight line, and long for that reason.
        start_time = time()
        dress: Dress | None = self._plain
        if headers or auth or data or json is not None:
            dress = self._dress(headers, auth, data, json)
        prefix = self._prefix
        if prefix is not None and self._base is self.base_url and is_plain_path(url):
            target: str | None = prefix + url
        else:
            target = self._find(url)
        if target is None or dress is None or stream or kwargs:
            options = {"name": name, "data": data, "catch_response": catch_response, "stream": stream}
            options |= {"headers": headers, "auth": auth, "json": json, "allow_redirects": allow_redirects}
            options |= {"context": context or {}, "params": params, **kwargs}
            return self._rarely(method, url, dress, timeout, options)
        if params is not None:
            target = with_query(target, params)
        verb = VERBS.get(method) or method.upper()
        built_url = self._base + url
        head, payload, body = dress
        if body is None and verb in WITH_BODY:
            body = b""
        lines = head.lines
        if self._jar.used and not head.has_cookie:
            lines += self._cookies(built_url, start_time)
        asked = (self, verb, built_url, head.headers, payload, params)
        turn = self._turn
        if turn.greenlet is not None:  # this user has several greenlets, and another of them is waiting
            turn = Turn()
        turn.greenlet = getcurrent()
        self.yielded = True
        try:
            self._line.channel.submit(verb, target, lines, body, turn, timeout)
            reply = self._switch()
        except BaseException as error:
            turn.greenlet = None
            self._turn = Turn()  # the old one's answer may come yet, for nobody
            if not isinstance(error, FAILURE_EXCEPTIONS):
                raise
            response, response_time = self._travel(asked, self._patience(allow_redirects, timeout), error=error)
            length = None
        else:
            turn.greenlet = None
            plain = reply.plain()
            if plain is not None:
                response = NativeResponse(reply, asked)
                response_time, length = plain
            else:
                response, response_time = self._settle(reply, asked, allow_redirects, timeout)
                length = None
        name = name or self.request_name or url
        if length is None or catch_response:
            return self._report(method, name, context, response, start_time, built_url, response_time, catch_response)
        own = self._context() if self._context is not None else {}
        context = {**own, **context} if context else own
        event = self.request_event
        fire_request(event, method, name, context, response, None, start_time, built_url, length, response_time)
        return response

    def get(self, url: str, *, name: str | None = None, **kwargs: Any) -> Any:
        """Send a GET request."""
        # A call with ** costs a dictionary and a C frame, which greenlets copy at every switch.
        return self.request("GET", url, name, **kwargs) if kwargs else self.request("GET", url, name)

    def post(self, url: str, data: Any = None, json: Any = None, *, name: str | None = None, **kwargs: Any) -> Any:
        """Send a POST request."""
        if kwargs:
            return self.request("POST", url, name, data, json=json, **kwargs)
        return self.request("POST", url, name, data, json=json)

    def exchange(
        self, line: Line, verb: str, target: str, lines: bytes, body: bytes | None, timeout_s: float | None
    ) -> Reply:
        """Send one request and wait for its end; other greenlets run meanwhile."""
        turn = Turn()
        turn.greenlet = getcurrent()
        self.yielded = True
        try:
            line.channel.submit(verb, target, lines, body, turn, timeout_s)
            return self._switch()
        finally:
            turn.greenlet = None

    def keep_cookies(self, answer: NativeResponse) -> None:
        """Put the cookies that an answer sets into the jar."""
        self._jar.extract_cookies(cast(Any, answer), answer.request)

    def line(self, origin: Origin) -> Line:
        """Return the way to an origin.

        Raises: OSError when its name has no address.
        """
        if self._lines is None:
            wire = Wire.here()
            self._switch = wire.switch
            if self._pool is None:
                self._lines = Lines(wire, cast(Limits, self._limits))
            else:
                self._lines = wire.pools.setdefault(self._pool, Lines(wire, cast(Limits, self._limits)))
        return self._lines.to(origin)

    def forget(self, origin: Origin) -> None:
        """Look an origin's name up again for the next request, as none of its addresses took a connection."""
        if self._lines is not None:
            self._lines.forget(origin)
        self._base, self._prefix = "", None

    def _report(  # noqa: PLR0913, PLR0917 - the parts of an event
        self,
        method: str,
        name: str,
        context: Mapping[str, Any] | None,
        response: FastResponse,
        start_time: float,
        url: str,
        response_time: float,
        catch_response: bool,
    ) -> Any:
        exception = getattr(response, "error", None)
        try:
            length = len(response.content or b"")
        except FAILURE_EXCEPTIONS as error:
            length, exception = 0, error
        own = self._context() if self._context is not None else {}
        merged = {**own, **context} if context else own
        event = self.request_event
        if catch_response:
            meta = {"request_type": method, "name": name, "context": merged, "response": response}
            meta |= {"exception": exception, "start_time": start_time, "url": url}
            meta |= {"response_length": length, "response_time": response_time}
            return caught(response, event, meta)
        fire_request(event, method, name, merged, response, exception, start_time, url, length, response_time)
        return response

    def _find(self, url: str) -> str | None:
        """Return the target of a path below the base URL; None for a URL of its own, and when nothing can be sent."""
        if (not self._base or self._base is not self.base_url) and not self._settle_on_base():
            return None
        return self._targets.find(url) if url.startswith("/") else None

    def _settle_on_base(self) -> bool:
        """Take the way to the base URL; False when there is none, or no address, which a request meets later."""
        if self._limits is None or not self.base_url:
            return False
        targets = Wire.here().targets(self.base_url)
        try:
            self._line = self.line(targets.origin)
        except OSError:
            return False
        self._targets, self._base, self._prefix = targets, self.base_url, targets.prefix
        return True

    def _dress(
        self,
        headers: Mapping[str, Any] | None,
        auth: tuple[str | bytes, str | bytes] | None,
        data: Any,
        json: Any,
    ) -> Dress | None:
        """Return head and body of a request; None when it is one that only FastHttpSession can send."""
        shape = shape_of(data, json)
        if shape is None:
            return None
        head = self._heads.head(headers, basic_authorization(auth) if auth else self.auth_header, shape.kind)
        return None if head.is_foreign else Dress(head, shape.payload, shape.body)

    def _cookies(self, url: str, now_s: float) -> bytes:
        line = self._jar.known_line(url, now_s)
        return self._jar.line(self.client._make_request(url), now_s) if line is None else line

    def _settle(
        self, reply: Reply, asked: Asked, allow_redirects: bool, timeout_s: float | None
    ) -> tuple[FastResponse, float]:
        """Return an answer that is a failure, brings cookies or leads elsewhere, and the ms it took."""
        if reply.error is not None or (allow_redirects and reply.status in REDIRECTS):
            return self._travel(asked, self._patience(allow_redirects, timeout_s), reply=reply)
        response = NativeResponse(reply, asked)
        if reply.header("set-cookie") is not None:
            self.keep_cookies(response)
        response.error = judge(reply.status, asked[2], response)
        return response, (reply.done_ns - reply.submitted_ns) / 1e6

    def _patience(self, allow_redirects: bool, timeout_s: float | None, **options: Any) -> Patience:
        agent = self.client
        redirects, retries = options.get("max_redirects"), options.get("max_retries")
        return Patience(
            (agent.max_redirects if redirects is None else int(redirects)) if allow_redirects else None,
            agent.max_retries if retries is None else int(retries),
            timeout_s,
        )

    def _travel(
        self, asked: Asked, patience: Patience, *, reply: Reply | None = None, error: BaseException | None = None
    ) -> tuple[FastResponse, float]:
        journey = Journey(self, asked, patience)
        response = journey.run(reply, error)
        return response, journey.span_ms

    def _rarely(
        self, method: str, url: str, dress: Dress | None, timeout_s: float | None, options: dict[str, Any]
    ) -> Any:
        """Send a request that is not straight: to an absolute URL, with files, or one for FastHttpSession itself."""
        travel = {name: options[name] for name in _TRAVEL_OPTIONS & options.keys()}
        foreign = self._limits is None or options["stream"] or dress is None
        if foreign or options.keys() - _OWN_OPTIONS - travel.keys():
            self.yielded = True
            with Timeout(timeout_s, TimeoutError("timed out")) if timeout_s else nullcontext():
                return super().request(method, url, **options)
        start_time = time()
        built_url = self._build_url(url)
        head, payload, _ = cast(Dress, dress)
        verb = method.upper()
        asked = (self, verb, built_url, head.headers, payload, options["params"], travel.pop("files", None))
        response, response_time = self._travel(asked, self._patience(options["allow_redirects"], timeout_s, **travel))
        name = options["name"] or self.request_name or url
        return self._report(
            method, name, options["context"], response, start_time, built_url, response_time, options["catch_response"]
        )

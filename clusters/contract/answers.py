"""What any request for reading is answered: routes, checks in their order, problem documents [E1] to [E6].

    Request -> 413 -> path -> method -> query -> user -> oracle -> Answer

The answers of writes and of `/version`, `/metrics` and the profile depend on more than the ledger; asking for them
raises ValueError, all other requests have exactly one right answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from clusters.contract import oracle
from clusters.contract.ledger import Ledger
from clusters.contract.query import BadParameterError, read_fib, read_page, read_window, split_query
from clusters.contract.wallet import CorruptLedgerError

Serve = Literal["hot", "all"]
Headers = tuple[tuple[str, str], ...]

BODY_LIMIT_BYTES = 65_536
COUNTED_HEADERS = ("Content-Type", "Ledger-As-Of", "Allow", "Idempotency-Replayed")
"""The headers that count in a comparison [E1]; Content-Length is held by the length of the body itself."""

USER_READS = {"balance": "hot", "statistics": "hot", "transactions": "all"}
USER_WRITES = ("recharges", "withdrawals")
OPERATIONS = ("/fib", "/healthz", "/readyz", "/version", "/metrics", "/debug/pprof/profile")

PROBLEMS = {
    "unknown-user": (404, "Unknown user", "No user has this id."),
    "not-found": (404, "Not found", "No such resource."),
    "method-not-allowed": (405, "Method not allowed", "This resource does not answer that method."),
    "bad-parameter": (400, "Bad parameter", ""),
    "body-too-large": (413, "Body too large", "The body may have at most 65536 bytes."),
    "unsupported-media-type": (415, "Unsupported media type", "The body must be application/json."),
    "insufficient-funds": (409, "Insufficient funds", "The wallet does not hold that much."),
    "idempotency-key-reused": (422, "Idempotency key reused", "This key was used with another request."),
    "not-ready": (503, "Not ready", "The ledger is not loaded yet."),
    "ledger-corrupt": (500, "Ledger corrupt", "The ledger of this user breaks its rules."),
    "store-unavailable": (
        503,
        "Store unavailable",
        "The store does not take the write now; send it again with the same key.",
    ),
    "store-lost": (503, "Store lost", "The store has lost writes that this instance has seen."),
}
"""Every problem by slug with its status, title and detail [E3]."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it goes over the wire; `target` is the raw request target."""

    method: str
    target: str
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the headers that count, and the exact body (empty for HEAD)."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """A resource: what it is called, whose user it is about, the method it answers."""

    name: str
    user_id: str | None
    method: Literal["GET", "POST"]


def problem(slug: str, *, parameter: str | None = None, detail: str | None = None, allow: str | None = None) -> Answer:
    """Return the problem document of a slug [E2], with the parameter and detail of a bad-parameter."""
    status, title, usual_detail = PROBLEMS[slug]
    document: oracle.Json = {
        "type": f"/problems/{slug}",
        "title": title,
        "status": status,
        "detail": usual_detail if detail is None else detail,
    }
    if parameter is not None:
        document["parameter"] = parameter
    headers: Headers = (("Content-Type", "application/problem+json"),)
    if allow is not None:
        headers = (*headers, ("Allow", allow))
    return Answer(status, headers, oracle.encode(document))


def path_and_query(target: str) -> tuple[str, str]:
    """Split a raw target at its first `?`; an absolute-form target counts as its path and query [E4]."""
    scheme, found, rest = target.partition("://")
    if found and scheme in ("http", "https"):
        target = "/" + rest.partition("/")[2]
    path, _, query = target.partition("?")
    return path, query


def find_route(path: str, serve: Serve) -> Route | None:
    """Return the resource at a raw path, None when an instance serving that much has none [E4] [E6]."""
    if path in OPERATIONS:
        return Route(path, None, "GET")
    if path == "/v1/gifts" and serve == "all":
        return Route("gifts", None, "POST")
    segments = path.split("/")
    if len(segments) != 5 or segments[:3] != ["", "v1", "users"] or segments[3] == "":
        return None
    user_id, name = segments[3], segments[4]
    if name in USER_READS and (serve == "all" or USER_READS[name] == "hot"):
        return Route(name, user_id, "GET")
    if name in USER_WRITES and serve == "all":
        return Route(name, user_id, "POST")
    return None


def answer(request: Request, ledger: Ledger, *, serve: Serve = "hot") -> Answer:
    """Return the one right answer to a request for reading.

    Raises: ValueError for a write, `/version`, `/metrics` and the profile when they pass path and method.
    """
    full = _answer(request, ledger, serve)
    return Answer(full.status, full.headers, b"") if request.method == "HEAD" else full


def _answer(request: Request, ledger: Ledger, serve: Serve) -> Answer:
    if _declared_length(request.headers) > BODY_LIMIT_BYTES:
        return problem("body-too-large")
    path, query = path_and_query(request.target)
    route = find_route(path, serve)
    if route is None:
        return problem("not-found")
    if route.method == "POST":
        if request.method == "POST":
            raise ValueError(f"{request.target}: the answer of a write depends on more than the ledger")
        return problem("method-not-allowed", allow="POST")
    if request.method not in ("GET", "HEAD"):
        return problem("method-not-allowed", allow="GET, HEAD")
    try:
        return _read(route, query, ledger)
    except BadParameterError as fault:
        return problem("bad-parameter", parameter=fault.parameter, detail=fault.detail)
    except CorruptLedgerError:
        return problem("ledger-corrupt")


def _declared_length(headers: Headers) -> int:
    return max((int(value) for name, value in headers if name.lower() == "content-length"), default=0)


def _read(route: Route, query: str, ledger: Ledger) -> Answer:
    pieces = split_query(query)
    if route.name == "balance":
        return _about_user(route, ledger, lambda user: oracle.balance(ledger, user, ledger.now_ms))
    if route.name == "statistics":
        window = read_window(pieces)
        return _about_user(route, ledger, lambda user: oracle.statistics(ledger, user, window))
    if route.name == "transactions":
        page = read_page(pieces)
        return _about_user(
            route, ledger, lambda user: oracle.transactions(ledger, user, cursor=page.cursor, limit=page.limit)
        )
    if route.name == "/fib":
        n = read_fib(pieces)
        return _success(oracle.encode({"n": n, "fib": oracle.fibonacci(n)}))
    if route.name == "/healthz":
        return _success(b'{"status":"ok"}')
    if route.name == "/readyz":
        return _success(b'{"status":"ready"}')
    raise ValueError(f"{route.name}: the answer depends on more than the ledger")


def _about_user(route: Route, ledger: Ledger, body: Callable[[int], bytes]) -> Answer:
    user = None if route.user_id is None else ledger.index_of(route.user_id)
    if user is None:
        return problem("unknown-user")
    return _success(body(user), as_of=ledger.as_of)


def _success(body: bytes, *, as_of: int | None = None) -> Answer:
    headers: Headers = (("Content-Type", "application/json"),)
    if as_of is not None:
        headers = (*headers, ("Ledger-As-Of", str(as_of)))
    return Answer(200, headers, body)

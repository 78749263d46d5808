"""The questions of the golden vectors, each with the sentences of the contract that its answer shows.

Targets go over the wire as written here. `serve` says on which instances the answer holds: `any`, or only one that
serves `hot` or `all` endpoints [E6].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from clusters.contract.answers import Request
from clusters.contract.golden.ledger import golden_ledger
from clusters.contract.wallet import DAY_MS, HOUR_MS

NOW_MS = 1_749_988_800_000
"""2025-06-15T12:00:00Z, the now of the golden ledger."""
MIDNIGHT_MS = 1_749_513_600_000
"""2025-06-10T00:00:00Z, the day boundary that user `boundaries` straddles."""

CORRUPT = ("withdrawal", "coins", "unknown-hold", "twice", "amount", "expired", "frozen")
LONG_ID = "x" * 64


@dataclass(frozen=True, slots=True)
class Case:
    """One question: its name, the sentence ids it shows, the request, where its answer holds."""

    name: str
    sentences: tuple[str, ...]
    request: Request
    serve: Literal["any", "hot", "all"] = "any"


def all_cases() -> Iterator[Case]:
    """Yield every case, in the order of `vectors.jsonl`."""
    yield from _balances()
    yield from _statistics()
    yield from _statistics_windows()
    yield from _statistics_faults()
    yield from _transactions()
    yield from _fib()
    yield from _operations()
    yield from _paths()
    yield from _methods()
    yield from _lengths()


def _get(name: str, sentences: str, target: str, serve: Literal["any", "hot", "all"] = "any") -> Case:
    return Case(name, tuple(sentences.split()), Request("GET", target), serve)


def _send(name: str, sentences: str, method: str, target: str, *headers: tuple[str, str]) -> Case:
    return Case(name, tuple(sentences.split()), Request(method, target, tuple(headers)))


BALANCE_SENTENCES = {
    "empty": "A1 A5",
    "one-recharge": "F1 A2 A4",
    "expired": "F6 A5",
    "edge-now": "F1 F6 A2",
    "spend-edge": "F1 F2 F6",
    "ties": "F2 A4",
    "holds": "F2 F3 F6 A2 A4",
    "release-late": "F3 F6",
    "diamonds-edge": "F4 F6 A3 A4",
    "classes": "F4 F6",
    "withdrawals": "F4 F5 A3",
    "many-lots": "A2 A4",
    "many-gifts": "A5",
    "boundaries": "F3 F5 A5",
    "both-ways": "F2 A5 A3",
    "giver": "F2 A5",
    "last": "D4 F1",
}


def _balances() -> Iterator[Case]:
    for user_id in golden_ledger().user_ids:
        target = f"/v1/users/{user_id}/balance"
        if user_id.startswith("corrupt-"):
            yield _get(f"balance of {user_id}", "F7 E2 E3", target)
        else:
            yield _get(f"balance of {user_id}", f"A1 E1 {BALANCE_SENTENCES.get(user_id, 'F4 A5')}", target)
    for query in ("?", "?from=x", "?now=0&now=1", "?%zz", "?a=b?c"):
        yield _get(f"balance with query {query}", "A6 E4", f"/v1/users/one-recharge/balance{query}")
    yield _send("balance asked by HEAD", "E5 A1", "HEAD", "/v1/users/holds/balance")
    yield _send("corrupt balance asked by HEAD", "E5 F7", "HEAD", "/v1/users/corrupt-coins/balance")


def _stats(user_id: str, query: str) -> str:
    return f"/v1/users/{user_id}/statistics{query}"


def _between(from_ms: int, to_ms: int, bucket: str | None = None) -> str:
    return f"?from={from_ms}&to={to_ms}" + ("" if bucket is None else f"&bucket={bucket}")


def _statistics() -> Iterator[Case]:
    month = _between(NOW_MS - 30 * DAY_MS, NOW_MS + 1)
    for user_id in golden_ledger().user_ids:
        yield _get(f"month of {user_id}", "B4 B5 B6 B7 E1", _stats(user_id, month))
    days = _between(MIDNIGHT_MS - HOUR_MS, MIDNIGHT_MS + 2 * DAY_MS)
    for user_id in ("boundaries", "many-gifts", "both-ways", "empty"):
        yield _get(f"default bucket of {user_id}", "B2 B4 B5", _stats(user_id, days))
        yield _get(f"hours of {user_id}", "B3 B5", _stats(user_id, f"{days}&bucket=hour"))
    yield _get("statistics of a corrupt ledger", "F7 B4", _stats("corrupt-twice", f"{month}&bucket=day"))
    before_now = _between(NOW_MS - DAY_MS, NOW_MS)
    yield _get("statistics to now leave the last entry out", "B2", _stats("last", before_now))
    yield _get("statistics past now hold the last entry", "B2 D4", _stats("last", _between(NOW_MS, NOW_MS + 1)))
    yield _get("ties in sums by gift id", "B6", _stats("many-gifts", month))
    yield _get("ties in counterparts by id", "B6", _stats("both-ways", month))
    yield _get("quantiles of one value", "B7", _stats("expired", _between(NOW_MS - 40 * DAY_MS, NOW_MS)))
    last_hours = _between(NOW_MS - 2 * HOUR_MS, NOW_MS + 1, "hour")
    yield _get("ten gifts in an hour by hour", "B7", _stats("gift-hours", last_hours))
    last_days = _between(NOW_MS - DAY_MS, NOW_MS + 1, "day")
    yield _get("ten gifts in an hour by day", "B7", _stats("gift-hours", last_days))
    gift_at_midnight = _between(NOW_MS - 36 * HOUR_MS, NOW_MS, "day")
    yield _get("quantiles of a bucket with one gift and one without", "B7", _stats("ties", gift_at_midnight))
    yield _send("statistics asked by HEAD", "E5 B4", "HEAD", _stats("boundaries", days))


def _statistics_windows() -> Iterator[Case]:
    windows = {
        "one millisecond": (MIDNIGHT_MS, MIDNIGHT_MS + 1),
        "the last millisecond of a day": (MIDNIGHT_MS - 1, MIDNIGHT_MS),
        "two milliseconds in two days": (MIDNIGHT_MS - 1, MIDNIGHT_MS + 1),
        "a whole day": (MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS),
        "a day and one millisecond": (MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS + 1),
        "half of two days": (MIDNIGHT_MS - 12 * HOUR_MS, MIDNIGHT_MS + 12 * HOUR_MS),
        "the beginning of time": (0, 1),
        "the end of time": (99_999_999_999_998, 99_999_999_999_999),
    }
    for name, (from_ms, to_ms) in windows.items():
        for bucket in ("day", "hour"):
            yield _get(f"{name} by {bucket}", "B2 B3 B5", _stats("boundaries", _between(from_ms, to_ms, bucket)))
    for bucket, bucket_ms in (("hour", HOUR_MS), ("day", DAY_MS)):
        start = MIDNIGHT_MS - 300 * bucket_ms
        full = _between(start, start + 400 * bucket_ms, bucket)
        over = _between(start, start + 400 * bucket_ms + 1, bucket)
        shifted = _between(start + 1, start + 400 * bucket_ms + 1, bucket)
        yield _get(f"400 buckets by {bucket}", "B3", _stats("boundaries", full))
        yield _get(f"401 buckets by {bucket}", "B3 E3", _stats("boundaries", over))
        yield _get(f"401 buckets by {bucket} though 400 long", "B3", _stats("boundaries", shifted))
    for extra in ("&x=1", "&x", "&&", "&=", "&From=0", "&fro%6D=1", "&bucket=hour&buckets=day"):
        yield _get(f"unknown names in {extra}", "B1", _stats("both-ways", f"?from=0&to=1{extra}"))
    yield _get("pieces in another order", "B1", _stats("both-ways", "?bucket=hour&to=1&from=0"))


def _statistics_faults() -> Iterator[Case]:
    bad_numbers = ("", "-1", "+1", "01", "00", "1.0", "1e3", "0x1", "%31", "1%20", "123456789012345", "a", "1=2", "_1")
    for value in bad_numbers:
        yield _get(f"from is {value!r}", "B2 E2 E3", _stats("ties", f"?from={value}&to=5"))
        yield _get(f"to is {value!r}", "B2 E2 E3", _stats("ties", f"?from=0&to={value}"))
    for value in ("", "Day", "week", "hour%20", "hours", "day=", "1"):
        yield _get(f"bucket is {value!r}", "B2 E3", _stats("ties", f"?from=0&to=5&bucket={value}"))
    order = {
        "no query": "",
        "an empty query": "?",
        "from alone": "?from=0",
        "to alone": "?to=0",
        "from without a sign": "?from&to=5",
        "bucket without a sign": "?from=0&to=5&bucket",
        "to equal to from": "?from=5&to=5",
        "to before from": "?from=6&to=5",
        "from twice": "?from=0&from=0&to=5",
        "to twice": "?from=0&to=5&to=5",
        "bucket twice": "?from=0&to=5&bucket=day&bucket=day",
        "all twice": "?bucket=day&bucket=day&to=1&to=1&from=0&from=0",
        "to and bucket twice": "?bucket=day&to=1&to=1&bucket=day",
        "repeated before missing": "?bucket=day&bucket=day",
        "from before to": "?from=x&to=y&bucket=z",
        "to before bucket": "?from=0&to=y&bucket=z",
        "bucket before the order of from and to": "?from=5&to=4&bucket=z",
        "the order before the count": "?from=99999999999999&to=0&bucket=hour",
        "too many buckets": "?from=0&to=99999999999999",
        "a second question mark": "?from=0&to=1?x",
    }
    for name, query in order.items():
        yield _get(f"faults: {name}", "B1 B2 E2 E3", _stats("ties", query))
    yield _get("the query before the user", "B1 E4", _stats("nobody", "?from=x&to=1"))
    yield _get("an unknown user with a good query", "E3 E4", _stats("nobody", "?from=0&to=1"))
    yield _send("a bad query asked by HEAD", "E5 B2", "HEAD", _stats("ties", "?from=0"))


def _transactions() -> Iterator[Case]:
    queries = {
        "first page": "",
        "one entry": "?limit=1",
        "all entries": "?limit=100",
        "older than the cursor": "?cursor=199&limit=3",
        "before all": "?cursor=0",
        "cursor at an entry": "?cursor=300&limit=2",
        "cursor at the highest seq": "?cursor=4294967295&limit=2",
        "cursor of ten nines": "?cursor=9999999999&limit=2",
        "cursor of eleven digits": "?cursor=10000000000",
        "cursor empty": "?cursor=",
        "cursor with a leading zero": "?cursor=01",
        "limit zero": "?limit=0",
        "limit 101": "?limit=101",
        "limit with a leading zero": "?limit=020",
        "limit is text": "?limit=ten",
        "cursor twice": "?cursor=1&cursor=1&limit=1&limit=1",
        "limit twice": "?limit=1&limit=1",
        "cursor before limit": "?limit=x&cursor=x",
    }
    for name, query in queries.items():
        yield _get(f"transactions: {name}", "T1 T2", f"/v1/users/many-lots/transactions{query}", "all")
    for user_id in ("empty", "both-ways", "last", "corrupt-coins"):
        yield _get(f"transactions of {user_id}", "T2 E1", f"/v1/users/{user_id}/transactions", "all")
    for limit in (3, 4, 5):
        target = f"/v1/users/both-ways/transactions?limit={limit}"
        yield _get(f"{limit} of 4 transactions", "T1 T2", target, "all")
    yield _get("transactions of nobody", "E4", "/v1/users/nobody/transactions", "all")
    yield _get("transactions on a hot instance", "E6", "/v1/users/empty/transactions", "hot")


def _fib() -> Iterator[Case]:
    for n in (0, 1, 2, 3, 10, 20, 25):
        yield _get(f"fib of {n}", "N1 E1", f"/fib?n={n}")
    for value in ("", "46", "-1", "00", "07", "1.5", "a", "100", "+2", "99999999999999999999"):
        yield _get(f"fib of {value!r}", "N1 E3", f"/fib?n={value}")
    for name, query in {"nothing": "", "another name": "?m=3", "n twice": "?n=1&n=2", "a bare n": "?n"}.items():
        yield _get(f"fib of {name}", "N1 E3", f"/fib{query}")
    yield _get("fib beside unknown names", "N1", "/fib?x=1&n=6&")
    yield _send("fib asked by HEAD", "N1 E5", "HEAD", "/fib?n=5")


def _operations() -> Iterator[Case]:
    for path in ("/healthz", "/readyz"):
        yield _get(f"{path} answers", "O1 E1 E6", path)
        yield _get(f"{path} ignores a query", "O1", f"{path}?verbose")
        yield _send(f"{path} asked by HEAD", "O1 E5", "HEAD", path)
        yield _send(f"{path} asked by POST", "E5", "POST", path, ("Content-Length", "0"))


def _paths() -> Iterator[Case]:
    missing = (
        "/", "/v1", "/v1/", "/v1/users", "/v1/users/", "/v1/users/ties", "/v1/users/ties/", "/v1/users//balance",
        "//v1/users/ties/balance", "/v1//users/ties/balance", "/v1/users/ties/balance/", "/v1/users/ties//balance",
        "/v1/users/ties/Balance", "/V1/users/ties/balance", "/v1/users/ties/balance%2F", "/v1/users/ties/balanc%65",
        "/v1/users/ties/./balance", "/v1/users/../users/ties/balance", "/v2/users/ties/balance", "/v1/users/ties/x",
        "/healthz/", "/./healthz", "//healthz", "/health", "/fib/", "/fib/5", "/FIB?n=1", "/v1/users/a/b/balance",
        "/v1/users/ties/balance;x=1", "/index.html", "/%2e%2e/", "/v1/users/ties%2Fbalance",
    )  # fmt: skip
    for target in missing:
        yield _get(f"no resource at {target}", "E2 E3 E4", target)
    unknown = ("nobody", "Ties", "tie", "ties%20", "t%69es", "..", ".", "%2F", "a%2Fb", "ties;x", "x" * 63, "x" * 65,
               "*", "~", "a:b", "0", "-1", "user_id", "ties,", "%00", "%C3%A9")  # fmt: skip
    for user_id in unknown:
        yield _get(f"no user {user_id}", "D1 E3 E4", f"/v1/users/{user_id}/balance")
    yield _get("absolute form", "E4", "http://wallet.test/v1/users/ties/balance")
    yield _get("absolute form with a query", "E4", "http://wallet.test:80/fib?n=7")
    yield _send("the asterisk form", "E4", "OPTIONS", "*")
    for target in ("/v1/users/ties/recharges", "/v1/gifts", "/v1/users/ties/withdrawals"):
        yield _get(f"{target} on a hot instance", "E6", target, "hot")
        yield _get(f"{target} asked by GET", "E5 E6", target, "all")
    head = Request("HEAD", "/v1/gifts")
    yield Case("a write asked by HEAD", ("E5", "E6"), head, "all")
    yield Case("a write on a hot instance", ("E6",), Request("POST", "/v1/gifts", (("Content-Length", "0"),)), "hot")
    yield _send("nothing asked by HEAD", "E5 E4", "HEAD", "/nothing")


def _methods() -> Iterator[Case]:
    targets = ("/v1/users/ties/balance", "/v1/users/ties/statistics?from=0&to=1", "/fib?n=1")
    for target in targets:
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "Get", "BREW"):
            yield _send(f"{method} on {target}", "E3 E5", method, target, ("Content-Length", "0"))
    yield _send("the path before the method", "E4", "DELETE", "/v1/users/ties/nothing")
    yield _send("the method before the query", "E4 E5", "DELETE", "/v1/users/ties/statistics?from=x")
    yield _send("the method before the user", "E4 E5", "DELETE", "/v1/users/nobody/balance")


def _lengths() -> Iterator[Case]:
    over = ("Content-Length", "65537")
    yield _send("a declared length over the limit", "E3 E4", "GET", "/v1/users/ties/balance", over)
    yield _send("length before path", "E4", "GET", "/nothing", over)
    yield _send("length before method", "E4", "POST", "/v1/users/ties/balance", over)
    yield _send("length before user", "E4", "GET", "/v1/users/nobody/balance", over)
    yield _send("length asked by HEAD", "E4 E5", "HEAD", "/fib?n=1", over)
    yield _send("a huge declared length", "E4", "PUT", "/", ("Content-Length", "9223372036854775807"))
    yield _send("a body on a read", "E4", "GET", "/fib?n=9", ("Content-Length", "5"))
    yield _send("the largest body on a read", "E4", "GET", "/v1/users/ties/balance", ("Content-Length", "65536"))

"""The raw query text, read piece by piece as [B1] and [B2] say; every fault names its parameter [E3]."""

from __future__ import annotations

from dataclasses import dataclass

from clusters.contract.oracle import Window

Pieces = tuple[tuple[str, str], ...]

MAX_BUCKETS = 400
MAX_FIB = 45
DIGITS = frozenset("0123456789")


class BadParameterError(ValueError):
    """A query names a value that cannot be used: which parameter, and what is wrong with it."""

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(detail)
        self.parameter = parameter
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Page:
    """Which entries a transactions request wants [T1]."""

    cursor: int | None
    limit: int


def split_query(query: str) -> Pieces:
    """Split the text at `&` and each piece at its first `=`; nothing is decoded [B1]."""
    pieces = []
    for piece in query.split("&"):
        name, _, value = piece.partition("=")
        pieces.append((name, value))
    return tuple(pieces)


def read_window(pieces: Pieces) -> Window:
    """Return the window of a statistics request, or raise BadParameterError in the order of [B1]."""
    _refuse_repeated(pieces, ("from", "to", "bucket"))
    malformed = "{} must be Unix milliseconds: 1 to 14 digits without leading zeros."
    from_ms = _number(pieces, "from", max_digits=14, malformed=malformed.format("from"))
    to_ms = _number(pieces, "to", max_digits=14, malformed=malformed.format("to"))
    bucket = _value(pieces, "bucket")
    if bucket not in (None, "hour", "day"):
        raise BadParameterError("bucket", "bucket must be hour or day.")
    if to_ms <= from_ms:
        raise BadParameterError("to", "to must be later than from.")
    window = Window(from_ms, to_ms, "day" if bucket is None else bucket)
    if window.buckets > MAX_BUCKETS:
        raise BadParameterError("to", "to is too far from from: at most 400 buckets.")
    return window


def read_page(pieces: Pieces) -> Page:
    """Return the page of a transactions request, or raise BadParameterError in the order of [T1]."""
    _refuse_repeated(pieces, ("cursor", "limit"))
    cursor, limit = None, 20
    if _value(pieces, "cursor") is not None:
        cursor = _number(
            pieces, "cursor", max_digits=10, malformed="cursor must be 1 to 10 digits without leading zeros."
        )
    if _value(pieces, "limit") is not None:
        wrong = "limit must be an integer from 1 to 100."
        limit = _number(pieces, "limit", max_digits=3, malformed=wrong)
        if not 1 <= limit <= 100:
            raise BadParameterError("limit", wrong)
    return Page(cursor, limit)


def read_fib(pieces: Pieces) -> int:
    """Return n of a `/fib` request, or raise BadParameterError [N1]."""
    _refuse_repeated(pieces, ("n",))
    wrong = "n must be an integer from 0 to 45."
    n = _number(pieces, "n", max_digits=2, malformed=wrong)
    if n > MAX_FIB:
        raise BadParameterError("n", wrong)
    return n


def _refuse_repeated(pieces: Pieces, names: tuple[str, ...]) -> None:
    for wanted in names:
        if sum(name == wanted for name, _ in pieces) > 1:
            raise BadParameterError(wanted, f"{wanted} is given more than once.")


def _value(pieces: Pieces, wanted: str) -> str | None:
    return next((value for name, value in pieces if name == wanted), None)


def _number(pieces: Pieces, wanted: str, *, max_digits: int, malformed: str) -> int:
    value = _value(pieces, wanted)
    if value is None:
        raise BadParameterError(wanted, f"{wanted} is required.")
    well_formed = 1 <= len(value) <= max_digits and set(value) <= DIGITS and (value == "0" or value[0] != "0")
    if not well_formed:
        raise BadParameterError(wanted, malformed)
    return int(value)

"""What is judged: two replies to one request. Any source of pairs (replay, mirrored traffic) ends in a `Pair`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from records.plan import Expect

AS_OF: Final = "ledger-as-of"
"""The header that says which state of the data an answer saw; answers of unlike states cannot be compared."""

Cause = Literal["refused", "timeout", "closed", "cut-short", "too-large", "protocol", "tls", "unreachable"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Header names are in lower case, in the order received; the body is as on the wire, unchunked."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return a header's value by its lower-case name, repeated ones joined by ", "; None when absent."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No whole answer came: why, and what is known of it."""

    cause: Cause
    detail: str


Reply = Answer | Unanswered


@dataclass(frozen=True, slots=True)
class Case:
    """One request, what it stands for, and the tier of the pool user that it was made from.

    `target` goes on the wire as it stands; `shown` is written in its place, and differs from it only when raw ids are
    sent: `aliases` then lists (what was sent, what may be written). `headers` are templates already filled with the
    user's columns, secrets still named as `${ENV}`. `expect` is what the baseline must answer, None where anything
    may come.
    """

    number: int
    endpoint: str
    kind: str
    variant: str
    tier: str
    method: str
    target: str
    shown: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    expect: Expect | None = None
    aliases: tuple[tuple[str, str], ...] = ()
    user: int | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two replies to one case, by instance; `asked` counts how often both were asked (above 1: it raced).

    `second` is what the baseline answered when it was asked once more because the two differ; None when it was not.
    """

    case: Case
    baseline_instance: str
    candidate_instance: str
    baseline: Reply
    candidate: Reply
    asked: int = 1
    second: Reply | None = None


def raced(baseline: Reply, candidate: Reply) -> bool:
    """Say whether both answers name the state that they saw, and the states differ."""
    if isinstance(baseline, Unanswered) or isinstance(candidate, Unanswered):
        return False
    one, two = baseline.header(AS_OF), candidate.header(AS_OF)
    return one is not None and two is not None and one != two

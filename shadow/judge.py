"""The judge: are two replies the same? Pure; the only place that decides it, whatever the pair's source.

| replies | verdict |
|---|---|
| one or both unanswered | Difference of kind "unanswered": no answer is not an answer, even twice |
| both name a state (`Ledger-As-Of`), unlike ones | Raced: to be asked again, never a match |
| status, a header that counts, or a byte of the body differs | Difference with all its kinds |
| nothing of that | None |
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from shadow.answer import AS_OF, Answer, Reply, Unanswered, raced
from shadow.json_diff import NotJsonError, PathChange, differing_paths, parse

DifferenceKind = Literal["unanswered", "status", "header", "body"]
PATHS: Final = 50
"""Most paths kept of one difference; the rest is counted."""
CONTEXT_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class HeaderChange:
    """A header that counts, by its lower-case name; None where a side does not send it."""

    name: str
    baseline: str | None
    candidate: str | None


@dataclass(frozen=True, slots=True)
class BodyChange:
    """How two bodies differ. `form` is "json" when both are JSON documents, else "bytes".

    `at_byte` is the first offset at which they differ, with the bytes around it as text. `notes` say what paths cannot:
    a body that ends early, that is no JSON, equal values written differently. `paths_in_all` counts beyond the cap.
    """

    form: Literal["json", "bytes"]
    at_byte: int
    baseline_bytes: int
    candidate_bytes: int
    baseline_context: str
    candidate_context: str
    notes: tuple[str, ...] = ()
    paths: tuple[PathChange, ...] = ()
    paths_in_all: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything by which two replies differ; a part that agrees is None or empty."""

    kinds: tuple[DifferenceKind, ...]
    status: tuple[int, int] | None = None
    headers: tuple[HeaderChange, ...] = ()
    body: BodyChange | None = None
    unanswered: tuple[str | None, str | None] | None = None


@dataclass(frozen=True, slots=True)
class Raced:
    """The answers saw unlike states of the data: which ones."""

    baseline_as_of: str
    candidate_as_of: str


Verdict = Difference | Raced | None


def judge(baseline: Reply, candidate: Reply, *, headers: Iterable[str]) -> Verdict:
    """Return how two replies to one request differ, that they raced, or None when they are the same.

    Args:
        baseline, candidate: the two replies.
        headers: names of the headers that count, in any case; `Ledger-As-Of` always does.
    """
    if isinstance(baseline, Unanswered) or isinstance(candidate, Unanswered):
        return Difference(("unanswered",), unanswered=(_why_not(baseline), _why_not(candidate)))
    if raced(baseline, candidate):
        return Raced(baseline.header(AS_OF) or "", candidate.header(AS_OF) or "")
    status = (baseline.status, candidate.status) if baseline.status != candidate.status else None
    changed = _changed_headers(baseline, candidate, headers)
    body = compare_bodies(baseline.body, candidate.body)
    found: list[DifferenceKind] = []
    if status is not None:
        found.append("status")
    if changed:
        found.append("header")
    if body is not None:
        found.append("body")
    return Difference(tuple(found), status, changed, body) if found else None


def compare_bodies(baseline: bytes, candidate: bytes) -> BodyChange | None:
    """Return how two bodies differ, or None when they are equal to the byte."""
    if baseline == candidate:
        return None
    at_byte = first_difference(baseline, candidate)
    notes = list(_ends_early(baseline, candidate))
    documents = []
    for side, body in (("baseline", baseline), ("candidate", candidate)):
        try:
            documents.append(parse(body))
        except NotJsonError as error:
            notes.append(f"the {side}'s body is no JSON: {error}")
    whole = len(documents) == 2
    changes = list(differing_paths(*documents)) if whole else []
    if whole and not changes:
        notes.append("the values are equal, but written differently")
    if not documents:
        notes = [note for note in notes if "is no JSON" not in note or _looks_like_json(baseline)]
    return BodyChange(
        "json" if whole else "bytes", at_byte, len(baseline), len(candidate),
        context(baseline, at_byte), context(candidate, at_byte),
        tuple(notes), tuple(islice(changes, PATHS)), len(changes),
    )  # fmt: skip


def first_difference(one: bytes, two: bytes) -> int:
    """Return the first offset at which two unequal byte strings differ (the shorter's length when it is a prefix)."""
    low, high = 0, min(len(one), len(two))
    while low < high:  # invariant: equal before `low`, and the answer is at most `high`
        middle = (low + high + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def context(body: bytes, at_byte: int) -> str:
    """Return the bytes around an offset as printable text, other bytes as \\xNN, "…" where it goes on."""
    start, end = max(0, at_byte - CONTEXT_BYTES), at_byte + CONTEXT_BYTES
    text = body[start:end].decode("ascii", "backslashreplace")
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return f"{'…' if start else ''}{shown}{'…' if end < len(body) else ''}"


def _ends_early(baseline: bytes, candidate: bytes) -> Iterable[str]:
    if baseline.startswith(candidate):
        yield f"the candidate's body ends early (truncated): {len(candidate)} of {len(baseline)} bytes"
    elif candidate.startswith(baseline):
        yield f"the candidate's body goes on after the baseline's end: {len(candidate)} bytes, not {len(baseline)}"


def _looks_like_json(body: bytes) -> bool:
    return body.lstrip()[:1] in (b"{", b"[")


def _changed_headers(baseline: Answer, candidate: Answer, names: Iterable[str]) -> tuple[HeaderChange, ...]:
    counted = dict.fromkeys([*(name.lower() for name in names), AS_OF])
    both = ((name, baseline.header(name), candidate.header(name)) for name in counted)
    return tuple(HeaderChange(name, one, two) for name, one, two in both if one != two)


def _why_not(reply: Reply) -> str | None:
    return f"{reply.cause}: {reply.detail}" if isinstance(reply, Unanswered) else None

"""The judge: are two replies the same? Pure; the only place that decides it, whatever the pair's source.

| replies | verdict |
|---|---|
| one or both unanswered | Difference of kind "unanswered": no answer is not an answer, even twice |
| both name a state (`Ledger-As-Of`), unlike ones | Raced: to be asked again, never a match |
| status, a header that counts, or a byte of the body differs | Difference with all its kinds |
| the bodies differ, but in nothing that no rule of the plan hides | Excused: which rules, and how often |
| nothing of that | None |
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from shadow.answer import AS_OF, Answer, Reply, Unanswered, raced
from shadow.json_diff import PathChange, differing_paths
from shadow.json_text import NotJsonError, parse, spelling_of
from shadow.rules import NO_RULES, Rules

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
    `hidden` says how many paths each rule hid, by the rule's number; they are not among the paths. `no_json` names the
    sides whose body is none; `spelled` says what differs where all values are equal.
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
    hidden: tuple[tuple[int, int], ...] = ()
    no_json: tuple[str, ...] = ()
    spelled: Literal["white-space", "escape"] | None = None

    @property
    def is_hidden(self) -> bool:
        """Whether rules hid all of it."""
        return bool(self.hidden) and not self.paths and not self.notes


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


@dataclass(frozen=True, slots=True)
class Excused:
    """The bodies differ in nothing but what rules hide: how many paths, by the rule's number."""

    rules: tuple[tuple[int, int], ...]


Verdict = Difference | Raced | Excused | None


def judge(
    baseline: Reply, candidate: Reply, *, headers: Iterable[str], rules: Rules = NO_RULES, target: str = ""
) -> Verdict:
    """Return how two replies to one request differ, that they raced, or None when they are the same.

    Args:
        baseline, candidate: the two replies.
        headers: names of the headers that count, in any case; `Ledger-As-Of` always does.
        rules: what may differ in a body.
        target: the request's, by which another user's answer is told from any other text.
    """
    if isinstance(baseline, Unanswered) or isinstance(candidate, Unanswered):
        return Difference(("unanswered",), unanswered=(_why_not(baseline), _why_not(candidate)))
    if raced(baseline, candidate):
        return Raced(baseline.header(AS_OF) or "", candidate.header(AS_OF) or "")
    status = (baseline.status, candidate.status) if baseline.status != candidate.status else None
    changed = _changed_headers(baseline, candidate, headers)
    body = compare_bodies(baseline.body, candidate.body, rules, target)
    if body is not None and body.is_hidden and status is None and not changed:
        return Excused(body.hidden)
    found: list[DifferenceKind] = []
    if status is not None:
        found.append("status")
    if changed:
        found.append("header")
    if body is not None:
        found.append("body")
    return Difference(tuple(found), status, changed, body) if found else None


def compare_bodies(baseline: bytes, candidate: bytes, rules: Rules = NO_RULES, target: str = "") -> BodyChange | None:
    """Return how two bodies differ, or None when they are equal to the byte."""
    if baseline == candidate:
        return None
    at_byte = first_difference(baseline, candidate)
    notes = list(_ends_early(baseline, candidate))
    documents, no_json = [], []
    for side, body in (("baseline", baseline), ("candidate", candidate)):
        try:
            documents.append(parse(body))
        except NotJsonError as error:
            no_json.append(side)
            notes.append(f"the {side}'s body is no JSON: {error}")
    is_json = len(documents) == 2
    found = differing_paths(documents[0], documents[1], rules) if is_json else ()
    changes = [_named(change, target) for change in found]
    shown = [change for change in changes if change.rule is None]
    hidden = Counter(change.rule for change in changes if change.rule is not None)
    spelled = _spelling(baseline, candidate, only=not changes) if is_json and not shown else None
    if spelled is not None and rules.spelling is not None:
        hidden[rules.spelling] += 1
        notes, spelled = [], None
    elif spelled is not None:
        notes.append("the values are equal, but written differently")
    if not documents:
        notes = [note for note in notes if "is no JSON" not in note or _looks_like_json(baseline)]
    return BodyChange(
        "json" if is_json else "bytes", at_byte, len(baseline), len(candidate),
        context(baseline, at_byte), context(candidate, at_byte),
        tuple(notes), tuple(shown[:PATHS]), len(shown), tuple(sorted(hidden.items())),
        tuple(no_json), spelled,
    )  # fmt: skip


def _spelling(baseline: bytes, candidate: bytes, *, only: bool) -> Literal["white-space", "escape"] | None:
    """Return how two bodies are written differently; `only`: they have no other way to differ."""
    (spaces, escapes), (other_spaces, other_escapes) = spelling_of(baseline), spelling_of(candidate)
    if spaces != other_spaces:
        return "white-space"
    return "escape" if only or escapes != other_escapes else None


def _named(change: PathChange, target: str) -> PathChange:
    """Tell a user's id that the request does not name from any other text."""
    if change.kind != "string" or change.baseline is None or len(change.baseline) <= 2:
        return change
    try:
        text: Any = json.loads(change.baseline)
    except json.JSONDecodeError:  # cut around its first difference
        return change
    return replace(change, kind="user") if text in target.partition("?")[0].split("/") else change


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

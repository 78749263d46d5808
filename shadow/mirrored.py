"""Mirrored traffic: what a gateway wrote becomes pairs and counts, and they the same gate's report as of replay.

The gateway compares bytes and writes whole pairs of those that are not equal, up to a number of each route and kind;
beside them, second by second, how many it compared. Here the pairs are judged (paths, rules, noise) and counted:

| the gateway counted | and wrote the pair | counts here as |
|---|---|---|
| match | | matched; of a baseline that answered 5xx: in the coverage alone, for two equal failures prove nothing |
| mismatch, noise, unresponsive | yes | what the judge says: mismatch, noise, by rule |
| mismatch, noise, unresponsive | no, there were too many | a mismatch, for no rule could be asked |
| raced | either | unresolved: neither equal nor unlike |
| dropped | | dropped: never compared |
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar
from urllib.parse import unquote

import msgspec

from records.plan import Plan
from shadow.answer import Answer, Case, Cause, Pair, Reply, Unanswered
from shadow.cases import REPLAYED, pairs_wanted, replayed_endpoints
from shadow.errors import StoreError
from shadow.report import GateReport
from shadow.rules import RuleBook
from shadow.scrub import Scrubber
from shadow.tally import Counted, Tally, status_class

LIVE: Final = "live"
PAIRS: Final = "pairs.jsonl"
COVERAGE: Final = "pairs.jsonl.coverage"
_CAUSES: Final[dict[str, Cause]] = {
    "timeout": "timeout", "reset": "closed", "refused": "refused", "invalid": "protocol"
}  # fmt: skip
T = TypeVar("T")


class Base64(msgspec.Struct, frozen=True):
    """Bytes that are no UTF-8."""

    base64: str


class MirroredAnswer(msgspec.Struct, frozen=True):
    """One answer as the gateway wrote it."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str | Base64
    ms: float
    instance: str
    truncated: bool = False


class MirroredPair(msgspec.Struct, frozen=True):
    """One line of `pairs.jsonl`."""

    utc: str
    t_ns: int
    route: str
    method: str
    target: str
    kind: Literal["status", "header", "body", "unresponsive", "raced", "noise"]
    baseline: MirroredAnswer
    candidate: MirroredAnswer | None
    second: MirroredAnswer | None = None
    candidate_error: str | None = None
    request_headers: tuple[tuple[str, str], ...] = ()


class CoverageLine(msgspec.Struct, frozen=True):
    """One line of `pairs.jsonl.coverage`: what was compared of one route and status class in about a second."""

    t_ns: int
    route: str
    status_class: str = msgspec.field(name="class")
    match: int = 0
    mismatch: int = 0
    raced: int = 0
    unresponsive: int = 0
    dropped: int = 0
    noise: int = 0


@dataclass(frozen=True, slots=True)
class Mirrored:
    """All that a gateway wrote."""

    pairs: tuple[MirroredPair, ...]
    coverage: tuple[CoverageLine, ...]

    def compared(self) -> Counter[str]:
        """Return how many pairs were compared so far, by route; those that raced are not."""
        found: Counter[str] = Counter()
        for line in self.coverage:
            found[line.route] += line.match + line.mismatch + line.unresponsive + line.noise
        return found


def read_mirrored(folder: Path) -> Mirrored:
    """Read a folder's pairs and coverage; files that are not there hold nothing, a last line cut short is left out.

    Raises: StoreError when a line is none of the gateway's.
    """
    return Mirrored(tuple(_lines(folder / PAIRS, MirroredPair)), tuple(_lines(folder / COVERAGE, CoverageLine)))


def live_endpoints(plan: Plan) -> tuple[str, ...]:
    """Return the workload entries that the pool's mixed traffic asks for and whose answers are compared."""
    return tuple(name for name in replayed_endpoints(plan) if plan.entry(name).weight > 0)


def report_of(
    mirrored: Mirrored, plan: Plan, *, tiers: Mapping[str, str], utc: str, wanted: int | None = None, stopped: str = ""
) -> GateReport:
    """Judge what a gateway wrote.

    Args:
        mirrored: with pseudonyms only.
        plan: its `[shadow]` and workload count.
        tiers: by user id, of the users that pairs name.
        utc: when the traffic ended.
        wanted: pairs to compare of each endpoint; None: by the plan's bound.
        stopped: why the traffic ended early, empty when it did not.
    """
    endpoints, shadow = live_endpoints(plan), plan.shadow
    tally = Tally(
        wanted=dict.fromkeys(endpoints, pairs_wanted(shadow.bound) if wanted is None else wanted),
        needs=(),
        headers=shadow.headers,
        scrubber=Scrubber([]),
        rules=RuleBook(shadow.rule),
        raced_ratio=shadow.gateway.raced_ratio,
    )
    stored: Counter[tuple[str, str, bool]] = Counter()
    for number, line in enumerate(mirrored.pairs):
        if line.route not in endpoints or line.kind == "noise":
            continue
        pair = pair_of(line, number, tiers)
        tally.add_raced(pair) if line.kind == "raced" else tally.add(pair)
        stored[line.route, status_class(pair.baseline), line.kind == "raced"] += 1
    for counted in _counted(mirrored.coverage, stored, set(endpoints)):
        tally.add_counted(counted)
    return tally.report(
        utc=utc, baseline=plan.baseline, candidate=plan.candidate, stopped=stopped, not_replayed=_never_compared(plan)
    )


def pair_of(line: MirroredPair, number: int, tiers: Mapping[str, str]) -> Pair:
    """Return a line as a pair for the judge."""
    tier = next((tiers[word] for word in words_of(line.target) if word in tiers), "any")
    case = Case(number, line.route, LIVE, "", tier, line.method, line.target, line.target)
    candidate: Reply = (
        _answer(line.candidate)
        if line.candidate is not None
        else Unanswered(_CAUSES.get(line.candidate_error or "", "unreachable"), line.candidate_error or "no answer")
    )
    second = None if line.second is None else _answer(line.second)
    instance = line.candidate.instance if line.candidate is not None else "candidate"
    return Pair(case, line.baseline.instance, instance, _answer(line.baseline), candidate, second=second)


def words_of(target: str) -> Iterator[str]:
    """Yield the pieces of a target that may be a user's id."""
    path, _, query = target.partition("?")
    for piece in (*path.split("/"), *(part.partition("=")[2] for part in query.split("&"))):
        if piece:
            yield unquote(piece)


def scrubbed(line: MirroredPair, scrubber: Scrubber) -> MirroredPair:
    """Return a line in which nothing names a real user."""
    headers = tuple((name, scrubber.text(value)) for name, value in line.request_headers)
    both = (_scrubbed_answer(answer, scrubber) for answer in (line.baseline, line.candidate, line.second))
    baseline, candidate, second = both
    return msgspec.structs.replace(
        line, target=scrubber.text(line.target), request_headers=headers,
        baseline=baseline, candidate=candidate, second=second,
    )  # fmt: skip


def _scrubbed_answer(answer: MirroredAnswer | None, scrubber: Scrubber) -> MirroredAnswer | None:
    if answer is None:
        return None
    reply = scrubber.reply(_answer(answer))
    assert isinstance(reply, Answer)  # noqa: S101  an answer stays one
    try:
        body: str | Base64 = reply.body.decode("utf-8")
    except UnicodeDecodeError:
        body = Base64(base64.b64encode(reply.body).decode("ascii"))
    return msgspec.structs.replace(answer, headers=reply.headers, body=body)


def _answer(answer: MirroredAnswer) -> Answer:
    body = base64.b64decode(answer.body.base64) if isinstance(answer.body, Base64) else answer.body.encode()
    return Answer(answer.status, tuple((name.lower(), value) for name, value in answer.headers), body)


def _counted(
    coverage: Iterable[CoverageLine], stored: Mapping[tuple[str, str, bool], int], endpoints: set[str]
) -> Iterator[Counted]:
    """Yield what was counted and is not stored whole, by endpoint and status class."""
    sums: dict[tuple[str, str], list[int]] = {}
    for line in coverage:
        if line.route in endpoints:
            row = sums.setdefault((line.route, line.status_class), [0, 0, 0, 0])
            unlike = line.mismatch + line.unresponsive + line.noise
            for place, count in enumerate((line.match, unlike, line.raced, line.dropped)):
                row[place] += count
    for (route, group), (match, unlike, raced, dropped) in sorted(sums.items()):
        yield Counted(
            route, LIVE, "any", group,
            matched=0 if group == "5xx" else match,
            mismatches=max(unlike - stored.get((route, group, False), 0), 0),
            unresolved=max(raced - stored.get((route, group, True), 0), 0),
            dropped=dropped,
            failed_alike=match if group == "5xx" else 0,
        )  # fmt: skip


def _never_compared(plan: Plan) -> tuple[str, ...]:
    compared = live_endpoints(plan)
    return tuple(
        f"{entry.name}: {_why_not(entry.method, entry.weight)}" for entry in plan.workload if entry.name not in compared
    )


def _why_not(method: str, weight: float) -> str:
    if method not in REPLAYED:
        return f"{method} is a write: answered by the baseline, never mirrored"
    return "its weight is 0: no traffic" if not weight else "not served by both twins"


def _lines(path: Path, kind: type[T]) -> Iterator[T]:
    decoder = msgspec.json.Decoder(kind)
    try:
        data = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    for number, line in enumerate(data.splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            return  # being written, or cut by what ended the gateway
        try:
            yield decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StoreError(f"{path}, line {number}: {error}; it is no line of the gateway's") from error

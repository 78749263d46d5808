"""The gate: no load before the answers are the same. Plan, pool and running instances in, a report out.

`run_gate` asks and judges. `prove` does it for a key: takes an older record away first, keeps the new one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from records.instance import Instance
from records.manifest import GateRecord
from records.plan import Plan
from shadow import record as store
from shadow.answer import Case, Pair
from shadow.cases import REPLAYED, Users, make_cases, pairs_wanted, replayed_endpoints
from shadow.errors import CaseError
from shadow.fingerprint import is_external, key_from, programs_of, versions_of
from shadow.judge import Difference
from shadow.known import KnownAnswers, save_known
from shadow.replay import Sides, replay, sides_of
from shadow.report import GateReport
from shadow.rules import RuleBook
from shadow.scrub import scrubber_of
from shadow.tally import Tally, needs_of
from shadow.wire import secrets_of, targets_of
from userpool import raw_ids

UNANSWERED: Final = 20
"""After so many pairs without an answer the rest is not asked: each may have cost a whole time-out."""


def _now() -> datetime:
    return datetime.now(UTC)


def _silent(_: str) -> None:
    """Say nothing."""


def _unseen(_done: int, _total: int, _against: int) -> None:
    """Show nothing."""


def _unheard(_: Pair) -> None:
    """Keep nothing."""


@dataclass(frozen=True, slots=True)
class Edge:
    """What the gate takes from outside and tells there: `${ENV}` values, the clock (aware), talk and progress.

    `progress` is called with pairs done, pairs in all, and the count of what is against the gate so far; `hear` with
    every pair.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    now: Callable[[], datetime] = _now
    say: Callable[[str], None] = _silent
    progress: Callable[[int, int, int], None] = _unseen
    hear: Callable[[Pair], None] = _unheard


def run_gate(
    plan: Plan,
    pool: Users,
    instances: Sequence[Instance],
    *,
    root: Path,
    out: Path | None = None,
    edge: Edge | None = None,
) -> GateReport:
    """Ask both twins every case, compare every answer, and return what was found.

    Args:
        plan: what to ask; with `[pool] send = "raw"` the import file is read again, and only pseudonyms are written.
        pool: the users.
        instances: the running ones of both twins; others are not asked.
        root: the plan's folder.
        out: where findings go, as `<out>.differences.jsonl` and `<out>.txt`; None writes none.
        edge: environment, clock and talk.
    Raises: CaseError, TargetError, StoreError; PoolError when the raw ids cannot be read.
    """
    edge = edge or Edge()
    endpoints = replayed_endpoints(plan)
    if not endpoints:
        raise CaseError("nothing to compare: no workload entry is GET or HEAD and served by both twins")
    not_replayed = _not_replayed(plan, endpoints)
    for line in not_replayed:
        edge.say(f"not compared: {line}")
    raw_ids = known_raw_ids(plan, pool, root)
    sides = sides_of(plan, instances, targets_of(plan, instances, root), endpoints)
    cases = make_cases(plan, pool, endpoints, raw_ids=raw_ids)
    edge.say(f"asking {plan.baseline} and {plan.candidate} {len(cases):,} times each: {', '.join(endpoints)}")
    tally = Tally(
        wanted=dict.fromkeys(endpoints, pairs_wanted(plan.shadow.bound)),
        needs=needs_of(cases),
        headers=plan.shadow.headers,
        scrubber=scrubber_of(raw_ids, secrets_of(plan, edge.environ)),
        rules=RuleBook(plan.shadow.rule),
    )
    stopped = _ask_all(plan, cases, sides, tally, edge)
    report = tally.report(
        utc=_utc(edge.now()),
        baseline=plan.baseline,
        candidate=plan.candidate,
        stopped=stopped,
        not_replayed=not_replayed,
    )
    if out is not None:
        store.write_findings(out.parent, out.name, report)
    return report


def gate_key(plan: Plan, pool: Users, instances: Sequence[Instance], *, root: Path, edge: Edge | None = None) -> str:
    """Return the key of what a gate would compare now; external twins are asked for their version.

    Raises: TargetError when a program is missing, or an external instance does not tell its version.
    """
    environ = (edge or Edge()).environ
    versions = versions_of(plan, instances, root, environ) if is_external(plan) else {}
    return key_from(plan, pool.digest, programs_of(plan, root, environ), versions)


def prove(
    plan: Plan, pool: Users, instances: Sequence[Instance], *, root: Path, edge: Edge | None = None
) -> tuple[GateReport, GateRecord]:
    """Make the gate and keep its record, passed or not, with what differed beside it under `.twinload/gate/`.

    Raises: as `run_gate`; then, and on an interrupt, no record of this key is left.
    """
    edge = edge or Edge()
    key = gate_key(plan, pool, instances, root=root, edge=edge)
    store.forget(root, key)
    known = KnownAnswers(replayed_endpoints(plan), len(pool.ids))
    report = run_gate(
        plan, pool, instances, root=root, out=store.folder_of(root) / key, edge=replace(edge, hear=known.add)
    )
    record = report.record(key)
    if report.passed:
        save_known(root, key, known)
    store.save(root, record, now=edge.now(), max_age_h=plan.shadow.max_age_h if is_external(plan) else None)
    return report, record


def _ask_all(plan: Plan, cases: Sequence[Case], sides: Sides, tally: Tally, edge: Edge) -> str:
    """Ask and count every case; return why it stopped before the last, empty when it did not."""

    def differs(pair: Pair) -> bool:
        return isinstance(tally.judge(pair), Difference)

    doubted = differs if plan.shadow.second == "baseline" else None
    asking = replay(cases, sides, timeout_s=plan.swarm.timeout_s, environ=edge.environ, differs=doubted)
    with closing(asking) as pairs:
        for done, pair in enumerate(pairs, start=1):
            tally.add(pair)
            edge.hear(pair)
            edge.progress(done, len(cases), tally.against)
            if tally.unanswered >= UNANSWERED and done < len(cases):
                return f"stopped after {done:,} of {len(cases):,} pairs: {UNANSWERED} had no answer from a twin"
    return ""


def known_raw_ids(plan: Plan, pool: Users, root: Path) -> dict[str, str] | None:
    """Return the ids to send by those that may be written; None when what may be written is sent.

    Raises: CaseError when the import file is not what the pool was made of; PoolError when it cannot be read.
    """
    if plan.pool.send != "raw" or plan.pool.import_file is None or plan.pool.key_file is None:
        return None
    found = raw_ids(root / plan.pool.import_file, root / plan.pool.key_file)
    if any(user not in found for user in pool.ids):
        raise CaseError(f"{plan.pool.import_file} is not what the pool was made of: make it again with `twinload pool`")
    return found


def _not_replayed(plan: Plan, endpoints: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        f"{entry.name}: " + ("not served by both twins" if entry.method in REPLAYED else f"{entry.method} is a write")
        for entry in plan.workload
        if entry.name not in endpoints
    )


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

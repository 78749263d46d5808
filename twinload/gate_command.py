"""`twinload gate`, and the gate that `run` makes itself when no record fits."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich import progress as bars

from clusters import check_current, recorded, start_clusters
from records.instance import Instance
from records.manifest import GateRecord
from records.plan import Plan
from shadow import Edge, GateReport, find_record, gate_key, prove, render
from twinload.context import Context
from twinload.pool_step import ensure_pool
from twinload.preflight import raise_descriptors
from twinload.talk import Talk
from userpool import Pool


def gate(context: Context, _options: argparse.Namespace) -> int:
    """Compare every answer; 0 when none differs, 1 when one does. Uses the clusters that are up, else starts them."""
    plan = context.fitting_plan()
    raise_descriptors()
    pool = ensure_pool(plan, context.root, context.talk.say)
    up = recorded(context.root, plan)
    if {one.twin for one in up} >= set(plan.twins):
        check_current(plan, context.root, up)
        return _compare(context, plan, pool, up)
    with start_clusters(plan, context.root, say=context.talk.say) as clusters:
        return _compare(context, plan, pool, clusters.instances)


def _compare(context: Context, plan: Plan, pool: Pool, instances: Sequence[Instance]) -> int:
    report, record = _prove(context, plan, pool, instances)
    if context.as_json:
        context.talk.out.print_json(json.dumps({**render.as_dict(report), "key": record.key}))
    else:
        context.talk.out.print(render.tables(report))
    return 0 if report.passed else 1


def ensure_gate(context: Context, plan: Plan, pool: Pool, instances: Sequence[Instance]) -> GateRecord:
    """Return the record of a gate that fits these twins, workload and pool; made now when there is none."""
    key = gate_key(plan, pool, instances, root=context.root)
    found = find_record(context.root, key, now=datetime.now(UTC))
    if found is not None:
        context.talk.say(f"gate: passed at {found.utc} for the same twins, workload and pool")
        return found
    report, record = _prove(context, plan, pool, instances)
    context.talk.say(render.as_text(report))
    return record


def _prove(context: Context, plan: Plan, pool: Pool, instances: Sequence[Instance]) -> tuple[GateReport, GateRecord]:
    with GateProgress(context.talk) as progress:
        edge = Edge(say=context.talk.say, progress=progress.show)
        return prove(plan, pool, instances, root=context.root, edge=edge)


class GateProgress:
    """A bar of the pairs compared, for a terminal."""

    def __init__(self, talk: Talk) -> None:
        self._bar = bars.Progress(
            bars.TextColumn("gate"), bars.BarColumn(), bars.MofNCompleteColumn(), bars.TextColumn("{task.description}"),
            console=talk.err, transient=True, disable=talk.loudness < 0 or not talk.err.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=None)

    def show(self, done: int, total: int, against: int) -> None:
        """Show pairs done, pairs in all, and what is against the gate so far."""
        self._bar.update(self._task, completed=done, total=total, description=f"{against} differ" if against else "")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._bar.stop()

"""`twinload shadow run | status | report`: mixed live traffic through the gateway, every answer compared."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from analysis.report.shadow_page import shadow_page
from records.channel import Counted, SweepDone, Told
from records.channel import Sweep as SweepOrder
from records.clock import Clock
from records.plan import Plan
from records.run_folder import REPORT, seal
from shadow import render
from shadow.cases import pairs_wanted
from shadow.gate import known_raw_ids
from shadow.live import RAW, Live, ShadowRun, keep, read_run, tiers_in, write_live
from shadow.mirrored import live_endpoints, read_mirrored
from shadow.record import write_whole
from shadow.report import GateReport
from shadow.scrub import scrubber_of
from shadow.wire import secrets_of
from twinload.context import Context
from twinload.errors import BadEnvironment, Ended, Interrupted, OwnFault
from twinload.gate_command import GateProgress
from twinload.gateway import Gateway, running_admin
from twinload.gateway_run import begin_folder, check_unchanged, standing_twins
from twinload.gateway_traffic import WARMUP_S, Traffic, sets_through, stage_of
from twinload.generator import Generator
from twinload.pool_step import ensure_pool
from twinload.preflight import raise_descriptors
from twinload.signals import orderly_end
from userpool import Pool

RESULT: Final = "shadow.json"
_POLL_S: Final = 0.3
_LATE_S: Final = 30.0


@dataclass(slots=True)
class _Job:
    """One run: what was asked, and what is known of it so far. `seconds` None: until enough was compared."""

    context: Context
    plan: Plan
    pool: Pool
    wanted: int
    seconds: int | None
    traffic: Traffic = field(default_factory=Traffic)
    stopped: str = ""
    status: dict[str, Any] | None = None
    ended: Ended | None = None

    @property
    def length_s(self) -> int:
        """How long it may take at most."""
        return self.plan.shadow.gateway.run_s if self.seconds is None else self.seconds


def run(context: Context, options: argparse.Namespace) -> int:
    """Send the plan's mix through the gateway, judge what it mirrored; 0 when the gate passed, 1 when not."""
    plan = context.fitting_plan()
    _check(plan, options)
    raise_descriptors()
    pool = ensure_pool(plan, context.root, context.talk.say)
    wanted = pairs_wanted(plan.shadow.bound) if options.pairs is None else options.pairs
    job = _Job(context, plan, pool, wanted, options.seconds)
    with standing_twins(context, plan) as instances, Gateway(plan, instances, context.root) as gateway:
        if plan.swarm.cpu_set:
            os.sched_setaffinity(0, plan.swarm.cpu_set)  # what compares must not run on the twins' cores
        gateway.wait_ready()
        folder, _ = begin_folder(context, plan, "shadow", instances, pool)
        _measure(job, gateway)
        _keep(job, gateway, folder)
    passed = _finish(context, folder)
    if job.ended is not None:
        job.ended.add_note(f"what was compared until then is in {folder}, its report is marked partial")
        raise job.ended
    return 0 if passed else 1


def status(context: Context, _options: argparse.Namespace) -> int:
    """Show what the gateway that runs here counted."""
    admin = running_admin(context.plan(), context.root)
    try:
        found = admin.status()
    finally:
        admin.close()
    if context.as_json:
        context.talk.out.print_json(json.dumps(found))
    else:
        for line in _flat(found):
            context.talk.out.print(line, markup=False)
    return 0


def report(context: Context, options: argparse.Namespace) -> int:
    """Judge a shadow run's pairs anew and draw its page again; 0 when the gate passed, 1 when not."""
    folder = Path(options.run).resolve()
    check_unchanged(folder, RAW)
    return 0 if _finish(context, folder) else 1


def _check(plan: Plan, options: argparse.Namespace) -> None:
    if plan.shadow.gateway.mode != "shadow":
        raise BadEnvironment(f'shadow.gateway.mode = "{plan.shadow.gateway.mode}" mirrors nothing: set it to "shadow"')
    if not live_endpoints(plan):
        raise BadEnvironment(
            "nothing to compare: no workload entry with weight is GET or HEAD and served by both twins"
        )
    for name in ("seconds", "pairs"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise BadEnvironment(f"--{name} {value}: give 1 or more")


def _measure(job: _Job, gateway: Gateway) -> None:
    """Send the traffic; what ended it early is noted, never raised, so that what there is gets judged."""
    context = job.context
    sets = (*context.sets, *sets_through(job.plan, job.length_s, job.plan.shadow.gateway.rate_rps))
    try:
        with (
            orderly_end(lambda: context.talk.say("stopping: what was compared is judged now")) as end_wanted,
            GateProgress(context.talk) as progress,
        ):
            address = job.plan.shadow.gateway.listen
            context.talk.say(f"gateway at {address}: {job.plan.baseline} answers, {job.plan.candidate} is mirrored")
            with Generator(job.plan, context.plan_path, context.root, sets=sets) as generator:
                generator.wait_ready(end_wanted)
                _drive(job, gateway, generator, end_wanted, progress)
            job.status = gateway.admin.flush()
    except Ended as end:
        job.ended, job.stopped = end, str(end).splitlines()[0]
    except KeyboardInterrupt:
        job.ended, job.stopped = Interrupted("interrupted twice"), "interrupted twice"


def _drive(
    job: _Job, gateway: Gateway, generator: Generator, end_wanted: Callable[[], bool], progress: GateProgress
) -> None:
    """Take what the generator counts until its sweep is over; end it when enough was compared or it must end."""
    rate_rps = job.plan.shadow.gateway.rate_rps
    generator.sweep(SweepOrder((stage_of(job.plan, job.length_s, rate_rps, "shadow"),)))
    deadline = time.monotonic() + job.length_s + WARMUP_S + job.plan.swarm.timeout_s + _LATE_S
    stopping = False
    while time.monotonic() < deadline:
        for message in generator.messages(timeout_s=_POLL_S):
            if isinstance(message, SweepDone):
                return
            if isinstance(message, Counted):
                job.traffic.add(message.second)
            elif isinstance(message, Told):
                job.context.talk.detail(message.event.text)
        if not stopping and (_has_enough(job, gateway, progress) or end_wanted() or gateway.ended is not None):
            generator.stop_sweep()
            stopping = True
            if end_wanted():
                job.ended = Interrupted("interrupted by the person at the terminal")
            elif gateway.ended is not None:
                job.ended = OwnFault(f"the gateway {gateway.ended} under load; its log: {gateway.log}")
            job.stopped = "" if job.ended is None else str(job.ended)
    raise OwnFault(f"the traffic did not end; the generator's last lines:\n{generator.last_lines()}")


def _has_enough(job: _Job, gateway: Gateway, progress: GateProgress) -> bool:
    mirrored = read_mirrored(gateway.folder)
    compared = mirrored.compared()
    least = min(compared[name] for name in live_endpoints(job.plan))
    progress.show(min(least, job.wanted), job.wanted, sum(line.mismatch for line in mirrored.coverage))
    return job.seconds is None and least >= job.wanted


def _keep(job: _Job, gateway: Gateway, folder: Path) -> None:
    plan, pool, root = job.plan, job.pool, job.context.root
    scrubber = scrubber_of(known_raw_ids(plan, pool, root), secrets_of(plan, os.environ))
    mirrored = keep(folder, read_mirrored(gateway.folder), scrubber)
    clock = Clock.now()
    tiers = tiers_in(mirrored, pool.ids, pool.tiers)
    write_live(
        folder, Live(clock.utc(clock.mono_ns), job.wanted, job.stopped, tiers, job.traffic.as_dict(), job.status)
    )


def _finish(context: Context, folder: Path) -> bool:
    """Judge, write result and page, seal the folder, tell the outcome; return whether the gate passed."""
    run = read_run(folder)
    found = run.report
    plain = {**render.as_dict(found), "run": run.manifest.run_id, "traffic": run.live.traffic}
    _write(folder, run, found, plain)
    if context.as_json:
        context.talk.out.print_json(json.dumps(plain))
    else:
        context.talk.out.print(render.tables(found))
        context.talk.say(f"report: {folder / REPORT / 'index.html'}")
    return found.passed


def _write(folder: Path, run: ShadowRun, found: GateReport, plain: dict[str, Any]) -> None:
    write_whole(folder / RESULT, json.dumps(plain, indent=1, ensure_ascii=False).encode() + b"\n")
    write_whole(folder / REPORT / "index.html", shadow_page(run, found).encode())
    seal(folder)


def _flat(value: Any, path: str = "") -> Iterator[str]:
    """Yield a tree of plain values as lines, `a.b = value`."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            name = item.get("name", place) if isinstance(item, dict) else place
            yield from _flat(item, f"{path}.{name}" if path else str(name))
    else:
        yield f"{path} = {value}"

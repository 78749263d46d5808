"""`twinload run`: the whole job, step by step, each step reading what the one before it made."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clusters import Clusters, fetch_counters, start_clusters
from monitor import Monitor
from records.clock import Clock
from records.errors import RunFolderError
from records.instance import Instance
from records.manifest import SCHEMA, GateRecord, Manifest
from records.plan import Plan
from records.plan_file import plan_digest, plan_tree
from records.run_folder import RunWriter, point_latest
from shadow.fingerprint import programs_of
from twinload import provenance
from twinload.campaign import Campaign
from twinload.context import Context
from twinload.errors import BadEnvironment, Ended, GateFailed, Interrupted
from twinload.gate_command import ensure_gate
from twinload.generator import Generator
from twinload.pool_step import ensure_pool, pool_facts
from twinload.preflight import HostLimits, raise_descriptors
from twinload.progress import Progress
from twinload.report_command import finish_report
from userpool import Pool

_QUICK = ("search.pairs=1", "search.time_limit_s=60.0", "stages.fractions=[0.2, 0.5, 0.8, 1.2]", "stages.probe_s=2")
GENERATOR, HOST = "generator", "host"


@dataclass(frozen=True, slots=True)
class _Job:
    context: Context
    plan: Plan
    limits: HostLimits
    sets: tuple[str, ...]
    no_gate: bool


def run(context: Context, options: argparse.Namespace) -> int:
    """Do the whole job; 0 when it was done, whatever the figures say."""
    quick = _QUICK if options.quick else ()
    plan, limits = context.fitting_plan(*quick)
    _check_runs(context.runs)
    raise_descriptors()
    pool = ensure_pool(plan, context.root, context.talk.say)
    job = _Job(context, plan, limits, (*quick, *context.sets), options.no_gate)
    with start_clusters(plan, context.root, say=context.talk.say) as clusters:
        if plan.swarm.cpu_set:
            os.sched_setaffinity(0, plan.swarm.cpu_set)  # gate and watch must not run on the twins' cores
        gate = _gate(job, pool, clusters)
        _load(job, pool, clusters, gate)
    return 0


def _gate(job: _Job, pool: Pool, clusters: Clusters) -> GateRecord:
    if job.no_gate:
        job.context.talk.say("no gate: the answers were not compared, and every report says so")
        return GateRecord(key="", utc=datetime.now(UTC).isoformat(timespec="seconds"), passed=False, skipped=True)
    record = ensure_gate(job.context, job.plan, pool, clusters.instances)
    if not record.passed:
        raise GateFailed("the twins' answers differ: no load was sent (`--no-gate` loads all the same, and says so)")
    return record


def _load(job: _Job, pool: Pool, clusters: Clusters, gate: GateRecord) -> None:
    """Send the load and write the run folder; then the report, of what there is."""
    context, plan, clock = job.context, job.plan, Clock.now()
    instances = _watched(clusters.instances, plan)
    folder = _run_folder(context.runs, plan.label)
    ended: RunFolderError | Ended | KeyboardInterrupt | None = None
    with RunWriter(folder, _manifest(job, folder.name, pool, gate, instances, clock)) as writer:
        point_latest(context.runs, folder)
        context.talk.say(f"run folder: {folder}")
        try:
            _drive(job, clusters, instances, writer, clock)
        except (KeyboardInterrupt, RunFolderError, Ended) as error:
            ended = error
    _report_what_there_is(context, folder, ended)


def _report_what_there_is(
    context: Context, folder: Path, ended: RunFolderError | Ended | KeyboardInterrupt | None
) -> None:
    """Write the report also after a load that ended early, then end as the load did."""
    try:
        finish_report(context, folder)
    except (RunFolderError, OSError) as error:
        if ended is None:
            raise BadEnvironment(
                f"the report cannot be written: {error}; `twinload report {folder}` tries again"
            ) from error
    match ended:
        case RunFolderError():
            raise BadEnvironment(f"{ended}; what was measured until then is in {folder}") from ended
        case KeyboardInterrupt():
            raise Interrupted(f"interrupted; what was measured is in {folder}, its report is marked partial") from ended
        case Ended():
            raise ended


def _drive(job: _Job, clusters: Clusters, instances: tuple[Instance, ...], writer: RunWriter, clock: Clock) -> None:
    plan, talk = job.plan, job.context.talk
    with Generator(plan, job.context.plan_path, job.context.root, sets=job.sets) as generator:
        ready = generator.wait_ready()
        with Progress(plan, talk, total_s=plan.search.time_limit_s) as progress:
            campaign = Campaign(plan, instances, clusters, generator, writer, clock, progress)
            monitor = Monitor(instances, clock, campaign.samples.put)
            monitor.set_pids(GENERATOR, ready.pids)
            monitor.start()
            try:
                time.sleep(2)  # two samples of the twins at rest: what their memory is compared with
                campaign.run(monitor, lambda: _counters(job, clusters.instances))
            except KeyboardInterrupt:
                talk.say("stopping: the stage under way ends, the report of what there is follows")
                campaign.interrupt(monitor, "interrupted by the person at the terminal")
                raise
            finally:
                monitor.stop()


def _counters(job: _Job, instances: Sequence[Instance]) -> dict[str, float]:
    counted = fetch_counters(job.plan, instances, job.context.root)
    return {name: value for name, value in counted.items() if value is not None}


def _watched(targets: Sequence[Instance], plan: Plan) -> tuple[Instance, ...]:
    cores = tuple(plan.swarm.cpu_set)
    generator = Instance(GENERATOR, "generator", cpu_set=cores, cpus=float(len(cores)) or None, watch="process")
    return (*targets, generator, Instance(HOST, "host", watch="host"))


def _manifest(
    job: _Job, run_id: str, pool: Pool, gate: GateRecord, instances: tuple[Instance, ...], clock: Clock
) -> Manifest:
    plan, root = job.plan, job.context.root
    commit, dirty = provenance.commit(Path(__file__).parent)
    binaries = {name: program.digest for name, program in programs_of(plan, root).items()}
    return Manifest(
        schema=SCHEMA, run_id=run_id, label=plan.label, utc=clock.utc(clock.mono_ns), mono_ns=clock.mono_ns,
        wall_ns=clock.wall_ns, argv=tuple(sys.argv[1:]), commit=commit, dirty=dirty, versions=provenance.versions(),
        binaries=binaries, host=provenance.host_facts(job.limits), plan=plan_tree(plan),
        plan_digest=plan_digest(plan), pool=pool_facts(pool), gate=gate, instances=instances,
        seats=plan.swarm.seats * plan.swarm.processes, sender=plan.swarm.sender,
    )  # fmt: skip


def _run_folder(runs: Path, label: str) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = runs / f"{stamp}-{label}"
    return folder if not folder.exists() else runs / f"{stamp}-{label}-{secrets.token_hex(2)}"


def _check_runs(runs: Path) -> None:
    """Refuse a folder that cannot be written before anything is started."""
    probe = runs / f".probe-{os.getpid()}"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        raise BadEnvironment(
            f"{runs}: cannot be written ({error.strerror}); give another folder by --runs DIR"
        ) from None

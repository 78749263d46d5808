"""`twinload run`: the whole job, step by step, each step reading what the one before it made."""

from __future__ import annotations

import argparse
import json
import os
import queue
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from analysis.compare import Outcome
from analysis.report.compare import overall
from clusters import Clusters, fetch_counters, start_clusters
from clusters.ask import Asker
from monitor import Monitor, MonitorError, Sources, open_sources
from records import provenance
from records.clock import Clock
from records.errors import RunFolderError
from records.event import Event
from records.instance import Instance
from records.manifest import SCHEMA, GateRecord, Manifest
from records.plan import Plan
from records.plan_file import masked_argv, plan_digest, plan_tree
from records.run_folder import REPORT, RunWriter, point_latest, run_id, seal
from shadow.fingerprint import programs_of
from twinload.campaign import Campaign
from twinload.compare_command import hold_against, refuse_unlike, tell, write_comparison
from twinload.context import Context
from twinload.errors import BadEnvironment, CheckFailed, Ended, GateFailed, Interrupted, OwnFault, SafetyStopped
from twinload.gate_command import ensure_gate
from twinload.generator import Generator
from twinload.hooks import Hooks
from twinload.pool_step import ensure_pool, pool_facts
from twinload.preflight import raise_descriptors
from twinload.presets import QUICK, thorough
from twinload.progress import Progress
from twinload.report_command import finish_report
from twinload.resume import CutShort, read_cut_short, refuse_unlike_parts, reopen
from twinload.signals import orderly_end
from userpool import Pool

COMPARED = "compare"  # folder in a run's folder
GENERATOR, HOST = "generator", "host"


Told = queue.SimpleQueue[Event]


@dataclass(frozen=True, slots=True)
class Watch:
    """What watches the instances, on one clock, and the events that it tells from threads of its own."""

    clock: Clock
    sources: Sources
    told: Told


@dataclass(frozen=True, slots=True)
class _Job:
    context: Context
    plan: Plan
    sets: tuple[str, ...]
    no_gate: bool
    cut_short: CutShort | None = None


def run(context: Context, options: argparse.Namespace) -> int:
    """Do the whole job; 0 when it was done, whatever the figures say, unless `--check` asks."""
    cut_short = None if options.resume is None else read_cut_short(Path(options.resume).resolve())
    preset = QUICK if options.quick else thorough(context.fitting_plan()) if options.thorough else ()
    plan = context.fitting_plan(*preset)
    _check_runs(context.runs)
    raise_descriptors()
    pool = ensure_pool(plan, context.root, context.talk.say)
    job = _Job(context, plan, (*preset, *context.sets), options.no_gate or _went_without(cut_short), cut_short)
    if cut_short is not None:
        refuse_unlike_parts(cut_short, _manifest(job, "now", pool, None, (), Clock.now()), options.anyway)
    earlier = None if options.baseline is None else Path(options.baseline).resolve()
    if earlier is not None:
        refuse_unlike(earlier, _manifest(job, "this run", pool, None, (), Clock.now()), options.anyway)
    with start_clusters(plan, context.root, say=context.talk.say) as clusters:
        if plan.swarm.cpu_set:
            os.sched_setaffinity(0, plan.swarm.cpu_set)  # gate and watch must not run on the twins' cores
        gate = _gate(job, pool, clusters)
        try:
            folder = _load(job, pool, clusters, gate)
        except SafetyStopped as stopped:
            if not options.check:
                raise
            raise CheckFailed("\n".join([str(stopped), *stopped.__notes__])) from stopped
    held = None if earlier is None else _hold(context, earlier, folder)
    return 1 if options.check and not _holds(folder, held) else 0


def _went_without(cut_short: CutShort | None) -> bool:
    """Say whether a run to be resumed was begun without a gate: its manifest says so for all of it."""
    gate = None if cut_short is None else cut_short.manifest.gate
    return gate is not None and gate.skipped


def _hold(context: Context, earlier: Path, folder: Path) -> Outcome:
    """Hold the run against an earlier one and keep the comparison beside its report, under the same seal."""
    comparisons = hold_against(earlier, [folder])
    write_comparison(folder / COMPARED, comparisons)
    seal(folder)
    if not context.as_json:  # stdout has the summary's document then, and holds one alone
        tell(context, comparisons)
    found = overall(comparisons)
    context.talk.say(f"against {earlier.name}: {found.upper()}; {folder / COMPARED}")
    return found


def _holds(folder: Path, held: Outcome | None) -> bool:
    """Say whether all that was asked holds: the comparison, and the run's verdict; what nobody decided does not."""
    verdict = json.loads((folder / REPORT / "summary.json").read_bytes())["verdict"]["value"]
    return held in (None, "pass") and bool(verdict == "PASS")


def _gate(job: _Job, pool: Pool, clusters: Clusters) -> GateRecord:
    if job.no_gate:
        job.context.talk.say("no gate: the answers were not compared, and every report says so")
        return GateRecord(key="", utc=datetime.now(UTC).isoformat(timespec="seconds"), passed=False, skipped=True)
    record = ensure_gate(job.context, job.plan, pool, clusters.instances)
    if not record.passed:
        raise GateFailed("the twins' answers differ: no load was sent (`--no-gate` loads all the same, and says so)")
    return record


def _load(job: _Job, pool: Pool, clusters: Clusters, gate: GateRecord) -> Path:
    """Send the load and write the run folder; then the report, of what there is. Return the folder."""
    clock, told = Clock.now(), Told()
    watched = _watched(clusters.instances, job.plan)
    try:
        sources = open_sources(job.plan, watched, job.context.root, clock, told.put)
    except MonitorError as error:
        raise BadEnvironment(str(error)) from error
    with sources:
        for way in dict.fromkeys(sources.ways.values()):
            names = ", ".join(name for name, one in sources.ways.items() if one == way)
            job.context.talk.say(f"CPU and memory of {names}: {way}")
        return _load_watched(job, pool, clusters, gate, Watch(clock, sources, told))


def _load_watched(job: _Job, pool: Pool, clusters: Clusters, gate: GateRecord, watch: Watch) -> Path:
    context, clock = job.context, watch.clock
    with _open(job, pool, gate, watch) as writer:
        folder = writer.path
        if folder.resolve().parent == context.runs.resolve():
            point_latest(context.runs, folder)
        context.talk.say(f"run folder: {folder}")
        ended = _ending(context, lambda: _drive(job, clusters, watch, writer))
        if ended is not None:
            now = time.monotonic_ns()
            with suppress(RunFolderError):  # a full disk takes no more; the report says what is missing
                writer.write(Event(now, clock.utc(now), ended.event, str(ended)))
    try:
        finish_report(context, folder)
    except (RunFolderError, OSError) as error:
        if ended is None:
            again = f"`twinload report {folder}` tries again"
            raise BadEnvironment(f"the report cannot be written: {error}; {again}") from error
    if ended is not None:
        ended.add_note(f"what was measured until then is in {folder}, its report is marked partial")
        raise ended
    return folder


def _open(job: _Job, pool: Pool, gate: GateRecord, watch: Watch) -> RunWriter:
    """Make the run's folder, or open the one of the run that goes on."""
    clock, instances = watch.clock, watch.sources.instances
    if job.cut_short is not None:
        run = job.cut_short
        said = f"{run.folder.name} goes on: {run.past.stages} finished stages stand"
        job.context.talk.say("\n  ".join([said, *(f"aborted {one}" for one in run.aborted)]))
        return reopen(run, _manifest(job, run.folder.name, pool, gate, instances, clock), clock)
    folder = _run_folder(job.context.runs, job.plan.label, clock)
    return RunWriter(folder, _manifest(job, folder.name, pool, gate, instances, clock))


def _ending(context: Context, drive: Callable[[], None]) -> Ended | None:
    """Drive the load and return what ended it early, None when nothing did."""
    try:
        drive()
    except Ended as end:
        return end
    except KeyboardInterrupt:
        return Interrupted("interrupted twice: the stage under way was not waited for")
    except RunFolderError as error:
        return BadEnvironment(str(error))
    except Exception as error:  # whatever it is, what was measured is reported before it is told
        context.talk.err.print_exception(show_locals=False)
        return OwnFault(f"a fault of twinload itself: {type(error).__name__}: {error}")
    return None


def _drive(job: _Job, clusters: Clusters, watch: Watch, writer: RunWriter) -> None:
    plan, context, clock, instances = job.plan, job.context, watch.clock, watch.sources.instances
    # An end that is wanted is noted from before the generator is started: nothing can come between it and its `with`.
    with (
        Progress(plan, context.talk) as progress,
        orderly_end(progress.stopping) as end_wanted,
        Generator(plan, context.plan_path, context.root, sets=job.sets) as generator,
    ):
        ready = generator.wait_ready(end_wanted)
        campaign = Campaign(plan, instances, clusters, generator, writer, clock, progress, end_wanted)
        campaign.hooks = Hooks(plan, context.root, writer.path, campaign.heed_end)
        if job.cut_short is not None:
            campaign.past = job.cut_short.past
        campaign.told, campaign.is_ready = watch.told, lambda instance: _is_ready(job, instance)
        monitor = Monitor(instances, clock, campaign.samples.put, sources=watch.sources.by_name)
        monitor.set_pids(GENERATOR, ready.pids)
        monitor.start()
        try:
            campaign.run(monitor, lambda twin: _counters(job, clusters.instances, twin))
        finally:
            with suppress(MonitorError):  # `run` has asked for it while it mattered
                monitor.stop()


def _counters(job: _Job, instances: Sequence[Instance], twin: str | None) -> dict[str, float]:
    asked = [one for one in instances if twin in (None, one.twin)]
    counted = fetch_counters(job.plan, asked, job.context.root)
    return {name: value for name, value in counted.items() if value is not None}


def _is_ready(job: _Job, instance: Instance) -> bool:
    """Ask an instance that runs again whether it can take load."""
    if instance.twin is None or instance.address is None:
        return False
    twin = job.plan.twins[instance.twin]
    with Asker(twin, instance.address, job.context.root) as asker:
        return asker.ask(twin.ready).status == 200


def _watched(targets: Sequence[Instance], plan: Plan) -> tuple[Instance, ...]:
    cores = tuple(plan.swarm.cpu_set)
    generator = Instance(GENERATOR, "generator", cpu_set=cores, cpus=float(len(cores)) or None, watch="process")
    return (*targets, generator, Instance(HOST, "host", watch="host"))


def _manifest(
    job: _Job, run_id: str, pool: Pool, gate: GateRecord | None, instances: tuple[Instance, ...], clock: Clock
) -> Manifest:
    plan, root = job.plan, job.context.root
    commit, dirty = provenance.commit()
    binaries = {name: program.digest for name, program in programs_of(plan, root).items()}
    return Manifest(
        schema=SCHEMA, run_id=run_id, label=plan.label, utc=clock.utc(clock.mono_ns), mono_ns=clock.mono_ns,
        wall_ns=clock.wall_ns, argv=masked_argv(sys.argv[1:]), commit=commit, dirty=dirty,
        versions=provenance.versions(), binaries=binaries, host=provenance.host_facts(), plan=plan_tree(plan),
        plan_digest=plan_digest(plan), pool=pool_facts(pool), gate=gate, instances=instances,
        seats=plan.seats * plan.swarm.processes, sender=plan.swarm.sender,
    )  # fmt: skip


def _run_folder(runs: Path, label: str, clock: Clock) -> Path:
    folder = runs / run_id(label, clock)
    return folder if not folder.exists() else folder.with_name(f"{folder.name}-{secrets.token_hex(2)}")


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

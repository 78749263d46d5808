"""A gray release from its beginning to its folder: with traffic through a gateway of its own, or of a live service.

Both walk the same steps. With traffic everything is started here and ends with the run; before a live service only
the orders are ours: when this process ends the gateway stays at its share, and its breaker guards on.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.command import launches
from records.channel import Sweep as SweepOrder
from records.clock import NS, Clock
from records.manifest import Manifest
from records.plan import Plan
from shadow.gate import known_raw_ids
from shadow.gray.judge import Judge, Rules
from shadow.gray.rollout import Rollout, RolloutRules
from shadow.live import keep
from shadow.mirrored import read_mirrored
from shadow.scrub import scrubber_of
from shadow.wire import secrets_of
from twinload.canary_drive import Drive
from twinload.canary_folder import CanaryWriter, Result
from twinload.canary_show import CanaryProgress, percent
from twinload.context import Context
from twinload.errors import INTERRUPTED, BadEnvironment, Ended, Interrupted
from twinload.gateway import Admin, Gateway
from twinload.gateway_run import begin_folder, standing_twins
from twinload.gateway_traffic import Sender, Traffic, sets_through, stage_of
from twinload.generator import Generator
from twinload.pool_step import ensure_pool
from twinload.preflight import raise_descriptors
from twinload.signals import orderly_end
from userpool import Pool

CANARY_FOLDER: Final = ".twinload/canary"
AFTER_S: Final = 3.0
"""How long the traffic goes on after the end, so that what became of it is seen."""
_SWEEP_S: Final = 3_600
_FLOWS_S: Final = 60.0
_NAP_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Finished:
    """A run whose lines and result are written: its folder, its result, and what ended the command early."""

    folder: Path
    result: Result
    ended: Ended | None


def rollout_of(plan: Plan) -> Rollout:
    """Return the roll-out that a plan asks for, with its judge."""
    canary = plan.canary
    rules = RolloutRules(
        tuple(canary.steps), canary.soak_s, canary.max_step_s, canary.on_open, whitelisted=bool(canary.whitelist)
    )
    judge = Judge(
        Rules(
            soak_s=canary.soak_s, min_requests=canary.min_requests, max_step_s=canary.max_step_s, alpha=canary.alpha,
            failure_margin=canary.failure_margin, latency_margin=canary.latency_margin,
            quantiles=tuple(canary.quantiles), mismatch=canary.mismatch, block_s=canary.block_s,
        )
    )  # fmt: skip
    return Rollout(rules, judge)


def drive_with_traffic(context: Context, plan: Plan) -> Finished:
    """Start twins (or take those that are up), gateway and traffic, and walk the steps."""
    raise_descriptors()
    pool = ensure_pool(plan, context.root, context.talk.say)
    with (
        only_controller(context.root),
        standing_twins(context, plan) as instances,
        Gateway(plan, instances, context.root, mode="canary") as gateway,
    ):
        if plan.swarm.cpu_set:
            os.sched_setaffinity(0, plan.swarm.cpu_set)  # what decides must not run on the twins' cores
        gateway.wait_ready()
        folder, manifest = begin_folder(context, plan, "canary", instances, pool)
        with CanaryWriter(folder, manifest) as writer, CanaryProgress(context.talk, sides_of(plan)) as shown:
            traffic = Traffic()
            drive = Drive(rollout_of(plan), gateway.admin, writer, shown, gateway, traffic.as_dict)
            _until_end(context, drive, lambda end_wanted: _send(context, plan, drive, traffic, end_wanted))
            finished = _finished(plan, drive, manifest)
            _keep_pairs(context, plan, pool, gateway, folder)
            return finished


def drive_live(context: Context, plan: Plan, admin: Admin) -> Finished:
    """Walk the steps of the gateway that stands before a live service."""
    instances = [launch.instance for launch in launches(plan, context.root, tuple(plan.twins), os.environ)]
    with only_controller(context.root):
        folder, manifest = begin_folder(context, plan, "canary", instances, None)
        with CanaryWriter(folder, manifest) as writer, CanaryProgress(context.talk, sides_of(plan)) as shown:
            drive = Drive(rollout_of(plan), admin, writer, shown)
            _until_end(context, drive, lambda end_wanted: _watch(plan, drive, end_wanted))
            return _finished(plan, drive, manifest)


def sides_of(plan: Plan) -> tuple[str, str]:
    """Return the names that people know baseline and candidate by."""
    names = [twin.label or name for name, twin in plan.twins.items()]
    return names[0], names[1]


@contextmanager
def only_controller(root: Path) -> Iterator[None]:
    """Let one `canary run` at a time decide here.

    Raises: BadEnvironment when another does.
    """
    folder = root / CANARY_FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadEnvironment("a `twinload canary run` of this folder is under way; end it first") from None
        yield


def has_controller(root: Path) -> bool:
    """Whether a `canary run` decides here now."""
    try:
        with only_controller(root):
            return False
    except BadEnvironment:
        return True


def _until_end(context: Context, drive: Drive, work: Callable[[Callable[[], bool]], None]) -> None:
    """Do the work; what ended it early is noted, never raised, so that what there is gets written."""
    try:
        with orderly_end(lambda: context.talk.say("stopping: no step is taken any more")) as end_wanted:
            work(end_wanted)
    except Ended as end:
        drive.ended = drive.ended or end
    except KeyboardInterrupt:
        drive.ended = Interrupted("interrupted twice")
    if drive.rollout.outcome is None:
        drive.stop(str(drive.ended).splitlines()[0] if drive.ended else "ended")


def _send(context: Context, plan: Plan, drive: Drive, traffic: Traffic, end_wanted: Callable[[], bool]) -> None:
    rate_rps = plan.canary.rate_rps
    sets = (*context.sets, *sets_through(plan, _SWEEP_S, rate_rps))
    order = SweepOrder((stage_of(plan, _SWEEP_S, rate_rps, "canary"),))
    with Generator(plan, context.plan_path, context.root, sets=sets) as generator:
        generator.wait_ready(end_wanted)
        sender = Sender(generator, traffic, order, context.talk.detail)
        sender.until(lambda: traffic.done > 0 or end_wanted(), _FLOWS_S, "no answer came through the gateway")
        drive.begin()
        _walk(plan, drive, end_wanted, sender.listen, AFTER_S)
        sender.stop()
        drive.poll()


def _watch(plan: Plan, drive: Drive, end_wanted: Callable[[], bool]) -> None:
    def listen(until_s: float) -> None:
        while (left_s := until_s - time.monotonic()) > 0 and not end_wanted():
            time.sleep(min(left_s, _NAP_S))

    drive.begin()
    _walk(plan, drive, end_wanted, listen, 0.0)
    drive.poll()


def _walk(
    plan: Plan, drive: Drive, end_wanted: Callable[[], bool], listen: Callable[[float], None], after_s: float
) -> None:
    """Poll until the roll-out ended, and `after_s` more."""
    next_s = time.monotonic()
    over_s: float | None = None
    while over_s is None or time.monotonic() < over_s:
        next_s = max(next_s + plan.canary.poll_s, time.monotonic())
        listen(next_s)
        if end_wanted() and drive.ended is None:
            drive.ended = Interrupted(INTERRUPTED)
            drive.stop(INTERRUPTED)
        if drive.ended is not None:
            return
        drive.poll()
        if over_s is None and drive.rollout.outcome is not None:
            over_s = time.monotonic() + after_s


def _keep_pairs(context: Context, plan: Plan, pool: Pool, gateway: Gateway, folder: Path) -> None:
    with suppress(BadEnvironment):  # one that does not answer any more has written its pairs all the same
        gateway.admin.flush()
    scrubber = scrubber_of(known_raw_ids(plan, pool, context.root), secrets_of(plan, os.environ))
    keep(folder, read_mirrored(gateway.folder), scrubber)


def _finished(plan: Plan, drive: Drive, manifest: Manifest) -> Finished:
    rollout, clock = drive.rollout, Clock.now()
    result = Result(
        outcome=rollout.outcome or "stopped", share=rollout.share, reached_share=drive.reached_share,
        reasons=drive.last_reasons, left=_left(plan, drive), began_utc=manifest.utc,
        ended_utc=clock.utc(clock.mono_ns), length_s=round((clock.mono_ns - manifest.mono_ns) / NS, 3),
        restarts=drive.restarts, callers=drive.callers(), gateway=drive.status,
    )  # fmt: skip
    drive.writer.result(result)
    return Finished(drive.writer.folder, result, drive.ended)


def _left(plan: Plan, drive: Drive) -> str:
    """Say in which state the gateway is left."""
    baseline, candidate = sides_of(plan)
    share = drive.rollout.share
    where = {0.0: f"all users with {baseline}", 1.0: f"all users with {candidate}"}.get(
        share, f"{percent(share)} of the users with {candidate}"
    )
    if drive.gateway is not None:
        return f"gateway and traffic ended with this run; at its end {where}"
    unsent = drive.unsent
    if unsent:
        return f"NOT KNOWN: the last order ({where}) did not reach the gateway: {unsent}; see `twinload canary status`"
    if drive.rollout.outcome == "back":
        return f"{where}, until a new roll-out is begun by --anew"
    return f"the gateway goes on with {where}, its breaker guards; `twinload canary back` takes all back"

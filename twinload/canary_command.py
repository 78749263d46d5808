"""`twinload canary run | status | step | hold | resume | back | report | config`: users move to the candidate, or back.

`run` sends the plan's mix through a gateway that it starts, or, without traffic of its own, drives the one that stands
before a live service: that one is no child of this process, so that callers never depend on it.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from analysis.report.canary_page import write_canary_report
from clusters.command import launches
from records.plan import Plan
from records.run_folder import seal
from shadow.gateway_config import told_users
from twinload.canary_drive import section_of
from twinload.canary_folder import POLLS, RAW, Result, last_poll, read_result
from twinload.canary_run import (
    CANARY_FOLDER,
    Finished,
    drive_live,
    drive_with_traffic,
    has_controller,
    sides_of,
)
from twinload.canary_show import percent, poll_lines, status_lines
from twinload.context import Context
from twinload.errors import BadEnvironment
from twinload.gateway import CONFIG, FOLDER, Admin, Order, running_admin, write_files
from twinload.gateway_run import check_unchanged

DONE: Final = "done"


def run(context: Context, options: argparse.Namespace) -> int:
    """Walk the plan's steps; 0 when the last one passed, 1 when it went back or was held."""
    with_traffic = not options.no_traffic
    sets = () if with_traffic else ("canary.traffic=false",)
    plan = context.fitting_plan(*sets)
    _check(plan)
    if plan.canary.traffic:
        if options.anew:
            raise BadEnvironment("--anew is of the gateway before a live service: give it with --no-traffic")
        return _finish(context, drive_with_traffic(context, plan))
    admin = _admin(context, plan)
    try:
        now = admin.status()
        found = section_of(now)
        if now.get("mode") == "full":
            raise BadEnvironment("the gateway is in mode full: all users are with the candidate, no step is left")
        if found.latched and not options.anew:
            raise BadEnvironment(
                "everything was taken back at this gateway, and stays so: find out why, then begin again by --anew"
            )
        return _finish(context, drive_live(context, plan, admin))
    finally:
        admin.close()


def status(context: Context, options: argparse.Namespace) -> int:
    """Show the gateway's figures and what its controller waits for; with --watch again and again until Ctrl-C."""
    plan = context.plan()
    admin = _admin(context, plan)
    try:
        _show(context, plan, admin)
        while options.watch:
            time.sleep(max(plan.canary.poll_s, 1.0))
            _show(context, plan, admin)
    finally:
        admin.close()
    return 0


def order(context: Context, options: argparse.Namespace) -> int:
    """Say an operator's order to the gateway: `back` is done at once, the rest by the controller at its next poll."""
    plan = context.plan()
    do: Order = options.order
    if do != "back" and not has_controller(context.root):
        raise BadEnvironment(f"no `twinload canary run` is under way here, so nobody would obey: {do} was not told")
    admin = _admin(context, plan)
    try:
        after = admin.operator(do, options.why or f"`twinload canary {do}`")
    finally:
        admin.close()
    if context.as_json:
        context.talk.out.print_json(json.dumps(after))
    elif do == "back":
        context.talk.out.print(f"back: all users are with {sides_of(plan)[0]}, until a roll-out is begun anew")
    else:
        context.talk.out.print(f"{do}: told; the roll-out obeys at its next poll, within {plan.canary.poll_s:g} s")
    return 0


def report(context: Context, options: argparse.Namespace) -> int:
    """Draw a gray release's page again, of a run that was killed too; 0 when its last step passed, 1 when not."""
    folder = Path(options.run).resolve()
    check_unchanged(folder, RAW)
    found = read_result(folder)
    page = write_canary_report(folder)
    seal(folder)
    context.talk.say(f"report: {page}")
    return 0 if found is not None and found.outcome == DONE else 1


def config(context: Context, options: argparse.Namespace) -> int:
    """Write the files of a gateway for a live service; a token that is there stays, so that the gateway goes on."""
    plan = context.plan()
    _check(plan)
    folder = (context.root / CANARY_FOLDER if options.out is None else Path(options.out)).resolve()
    instances = [launch.instance for launch in launches(plan, context.root, tuple(plan.twins), os.environ)]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_files(folder, plan, instances, "canary")
    words = [word.replace("{config}", str(folder / CONFIG)) for word in plan.shadow.gateway.command]
    context.talk.out.print(f"{folder / CONFIG} is written. Start the gateway, so that it outlives this shell, by:")
    context.talk.out.print(f"  {shlex.join(words)}", markup=False)
    return 0


def _check(plan: Plan) -> None:
    """Refuse what no step could pass, before anything is started."""
    faults = []
    if told_users(plan) == (None, None):
        faults.append(
            f"canary.user_placeholder = {plan.canary.user_placeholder}: no path of the workload has it as a segment, "
            "and there is no canary.user_header: nobody would ever be with the candidate; name one of both"
        )
    if plan.shadow.rule and plan.canary.mismatch == "back":
        faults.append(
            'canary.mismatch = "back" with [[shadow.rule]]: a gateway compares bytes and knows no rules, so '
            'differences that are agreed on would end it; set canary.mismatch = "tell"'
        )
    served = {name for instance in plan.twins[plan.candidate].instances for name in instance.serves}
    if not any(entry.name in served and entry.weight > 0 for entry in plan.workload):
        faults.append(f"twins.{plan.candidate}: serves no workload entry with weight, so nothing could be judged")
    if faults:
        raise BadEnvironment("\n".join(faults))


def _admin(context: Context, plan: Plan) -> Admin:
    """Return the gateway's admin interface: of one that `canary run` started, else of the one before a live service."""
    try:
        return running_admin(plan, context.root, folders=(FOLDER, CANARY_FOLDER))
    except BadEnvironment:
        raise BadEnvironment(
            "no gateway runs here: `twinload canary run` starts one with traffic; before a live service "
            "`twinload canary config` writes its files"
        ) from None


def _finish(context: Context, finished: Finished) -> int:
    """Draw the page, seal the folder, tell the outcome, and return the exit code."""
    result = finished.result
    page = write_canary_report(finished.folder)
    seal(finished.folder)
    if context.as_json:
        context.talk.out.print_json(json.dumps({**msgspec.to_builtins(result), "run": finished.folder.name}))
    else:
        for line in _outcome(result):
            context.talk.out.print(line, markup=False)
        context.talk.say(f"report: {page}")
    if finished.ended is not None:
        finished.ended.add_note(f"what happened until then is in {finished.folder}; {result.left}")
        raise finished.ended
    return 0 if result.outcome == DONE else 1


def _outcome(result: Result) -> Iterator[str]:
    yield f"{result.outcome}: {'; '.join(result.reasons)}"
    yield f"reached {percent(result.reached_share)} of the users in {result.length_s:,.0f} s; {result.left}"
    if result.callers is not None:
        causes: dict[str, int] = result.callers["failed"]
        why = f" ({', '.join(f'{cause} {count:,}' for cause, count in causes.items())})" if causes else ""
        failed, dropped = sum(causes.values()), result.callers["dropped"]
        yield f"callers: {result.callers['done']:,} requests, {failed:,} failed{why}, {dropped:,} dropped"


def _show(context: Context, plan: Plan, admin: Admin) -> None:
    """Print the status once."""
    found = admin.status()
    canary = section_of(found)
    newest = max(context.runs.glob(f"*-canary*/{POLLS}"), default=None)
    line = last_poll(newest.parent) if newest is not None and has_controller(context.root) else None
    if context.as_json:
        controller = None if line is None else {"step": line.step, "waits": line.waits, "utc": line.utc}
        context.talk.out.print_json(json.dumps({**found, "controller": controller}))
        return
    taken = " (taken back by an operator or a controller)" if canary.latched else ""
    head = f"mode {found.get('mode')} · {percent(canary.share)} of the users{taken} · {canary.whitelist:,} whitelisted"
    told = ("controller: none runs here",) if line is None else poll_lines(line)
    for text in (head, *status_lines(canary, sides_of(plan)), *told):
        context.talk.out.print(text, markup=False)

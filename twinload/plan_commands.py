"""`twinload init` and `twinload check`."""

from __future__ import annotations

import argparse
import json
from importlib.resources import files
from pathlib import Path

from records.errors import PlanError
from records.plan_file import plan_digest, plan_tree
from twinload.context import Context
from twinload.errors import BadEnvironment


def init(context: Context, options: argparse.Namespace) -> int:
    """Write a commented plan; a plan that is there already is never overwritten."""
    path = Path(options.dir) / "twinload.toml"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write((files("twinload") / "templates" / "plan.toml").read_text(encoding="utf-8"))
    except FileExistsError:
        raise BadEnvironment(f"{path} is there already; give another folder, or remove it first") from None
    except OSError as error:
        raise BadEnvironment(f"{path} cannot be written: {error.strerror}; give a folder you can write to") from None
    context.talk.out.print(f"{path} is written. Change what is marked <-, then: twinload check --plan {path}")
    return 0


def check(context: Context, _options: argparse.Namespace) -> int:
    """Report every fault of the plan at once, or say what the plan will do."""
    try:
        plan = context.fitting_plan()
    except PlanError as error:
        if context.as_json:
            faults = [{"path": f.path, "value": f.value, "remedy": f.remedy} for f in error.faults]
            context.talk.out.print_json(json.dumps({"faults": faults}))
        raise
    if context.as_json:
        context.talk.out.print_json(json.dumps({"faults": [], "digest": plan_digest(plan), "plan": plan_tree(plan)}))
        return 0
    twins = " against ".join(
        f"{name} ({len(twin.instances)} instances, {twin.start})" for name, twin in plan.twins.items()
    )
    context.talk.out.print(f"{context.plan_path}: no faults")
    context.talk.out.print(
        f"  {twins}; sweeps of {', '.join(plan.sweeps)}; {plan.pool.users:,} users in {plan.seats} seats"
    )
    return 0

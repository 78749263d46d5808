"""`twinload compose`: write the compose file that the plan describes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from clusters.compose_file import compose_text
from records.errors import PlanError
from records.plan_compose import as_containers, faults_of_compose
from twinload.context import Context
from twinload.errors import BadEnvironment


def compose(context: Context, options: argparse.Namespace) -> int:
    """Write the file for the plan's twins as containers, also where the plan starts them as processes."""
    plan = as_containers(context.plan())
    faults = tuple(faults_of_compose(plan))
    if faults:
        raise PlanError(f"{context.plan_path} for containers", faults)
    if all(twin.start == "external" for twin in plan.twins.values()):
        raise BadEnvironment(f'{context.plan_path}: all twins are "external", none is started here; nothing to write')
    text = compose_text(plan)
    if options.out == "-":
        context.talk.out.out(text, end="", highlight=False)
        return 0
    path = Path(options.out) if options.out else context.root / plan.compose.file
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadEnvironment(f"{path} cannot be written: {error.strerror}; give another place by --out FILE") from None
    if context.as_json:
        context.talk.out.print_json(json.dumps({"file": str(path)}))
        return 0
    context.talk.out.print(f"{path} is written")
    return 0

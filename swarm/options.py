"""The swarm's own options: on Locust's command line, and as fields of the start form in its web UI.

A field holds what the plan says; what a person changes there overrides the plan for that run. Options that stand in no
field are read from the command line alone.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from records.errors import RecordError
from records.plan import Plan
from records.plan_file import read_plan
from records.plan_load import StagesPlan, SwarmPlan
from swarm.schedule import Scope
from swarm.targets import SwarmError

PLAN_VARIABLE: Final = "TWINLOAD_PLAN"
KINDS: Final = list(get_args(StagesPlan.model_fields["kind"].annotation))
SENDERS: Final = list(get_args(SwarmPlan.model_fields["sender"].annotation))
_IN_FORM: Final = "include_in_web_ui"
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Choice:
    """What shall be driven: the plan with its overrides, and the part of it that was chosen."""

    path: Path
    plan: Plan
    scope: Scope

    @property
    def root(self) -> Path:
        """The folder that the plan's paths refer to."""
        return self.path.resolve().parent


@dataclass(frozen=True, slots=True)
class Source:
    """Which plan is meant, and which keys of it are overridden on the command line."""

    path: Path
    sets: tuple[str, ...] = ()


def plan_source(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> Source:
    """Return `--plan`, else TWINLOAD_PLAN, else twinload.toml in this folder; and every `--set`."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--plan")
    parser.add_argument("--set", action="append", default=[])
    known, _ = parser.parse_known_args(list(argv))
    return Source(Path(known.plan or environ.get(PLAN_VARIABLE) or "twinload.toml"), tuple(known.set))


def add_options(parser: argparse.ArgumentParser, source: Source) -> None:
    """Add the group `twinload`; the plan's own values are the defaults, where the plan can be read."""
    plan = _readable(source)
    group = parser.add_argument_group("twinload", "what of the plan is driven; what is not given stands in the plan")
    group.add_argument("--plan", default=str(source.path), metavar="FILE", help="the plan (default: twinload.toml)")
    set_help = "override a key of the plan, such as slo.p99_ms=50"
    group.add_argument("--set", dest="plan_sets", action="append", default=[], metavar="KEY=VALUE", help=set_help)
    numbers = {
        "--warmup-s": (plan.stages.warmup_s if plan else 1, "warm-up of each stage, seconds"),
        "--measure-s": (plan.stages.measure_s if plan else 2, "measured part of each stage, seconds"),
        "--pairs": (plan.search.pairs if plan else 2, "pairs of blocks, one block per twin"),
        "--seats": (plan.seats if plan else 800, "seats a process; together they carry all pool users"),
    }
    texts = {
        "--twins": (",".join(plan.twins) if plan else "", "twins to drive, by comma", None),
        "--endpoints": (",".join(plan.sweeps) if plan else "", "endpoints to sweep, by comma; mix for the mix", None),
        "--stages-kind": (plan.stages.kind if plan else "probe", "how the load steps", KINDS),
        "--rates": ("", "requests a second of each stage, by comma; makes the kind steps", None),
        "--sender": (plan.swarm.sender if plan else SENDERS[0], "who sends: the engine, or Locust users", SENDERS),
    }
    shown = [
        *(group.add_argument(name, default=value, help=text, choices=c) for name, (value, text, c) in texts.items()),
        *(group.add_argument(name, type=int, default=value, help=text) for name, (value, text) in numbers.items()),
    ]
    for action in shown:  # a group knows nothing of forms: this attribute is what Locust looks at
        setattr(action, _IN_FORM, True)


def bind_to_loopback(parser: argparse.ArgumentParser, argv: Sequence[str], free_port: Callable[[], int]) -> None:
    """Let web UI and master listen on this machine alone, where Locust listens on every address unless told otherwise.

    The workers of `--processes` get a port of their own, so that two runs on one machine do not meet.
    """
    parser.set_defaults(web_host=LOOPBACK, master_bind_host=LOOPBACK)
    if any(word.startswith("--processes") for word in argv) and not any(word.startswith("--master") for word in argv):
        port = free_port()
        parser.set_defaults(master_bind_port=port, master_port=port)


def choose(options: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Choice:
    """Return what options and plan say together.

    Raises: PlanError with all faults of the plan as overridden; SwarmError for a twin or endpoint that it lacks.
    """
    path = Path(str(options["plan"]))
    base = read_plan(path, sets=options.get("plan_sets") or (), environ=environ)
    sets = [*(options.get("plan_sets") or ()), *_changed(options, base)]
    endpoints = _listed(options.get("endpoints"), base.sweeps)
    if "mix" in endpoints and not base.stages.mix:
        sets.append("stages.mix=true")
    for name in endpoints:
        if name != "mix" and name not in {entry.name for entry in base.workload}:
            raise SwarmError(
                f"--endpoints {name}: no workload entry has this name; there are: {', '.join(base.sweeps)}"
            )
    twins = _listed(options.get("twins"), tuple(base.twins))
    for name in twins:
        if name not in base.twins:
            raise SwarmError(f"--twins {name}: the plan has no such twin; there are: {', '.join(base.twins)}")
    plan = read_plan(path, sets=sets, environ=environ) if sets else base
    return Choice(path, plan, Scope(twins, endpoints))


def _changed(options: Mapping[str, Any], base: Plan) -> list[str]:
    """Return the fields that differ from the plan, as overrides of it."""
    sets = []
    rates = _listed(options.get("rates"), ())
    if rates:
        sets += ['stages.kind="steps"', f"stages.rates_rps=[{', '.join(_number(rate) for rate in rates)}]"]
    elif (kind := options.get("stages_kind")) and kind != base.stages.kind:
        sets.append(f'stages.kind="{kind}"')
    if (sender := options.get("sender")) and sender != base.swarm.sender:
        sets.append(f'swarm.sender="{sender}"')
    fields = {
        "warmup_s": ("stages.warmup_s", base.stages.warmup_s), "measure_s": ("stages.measure_s", base.stages.measure_s),
        "pairs": ("search.pairs", base.search.pairs), "seats": ("swarm.seats", base.seats),
    }  # fmt: skip
    for option, (key, planned) in fields.items():
        value = options.get(option)
        if value is not None and value != planned:
            sets.append(f"{key}={value}")
    return sets


def _number(text: str) -> str:
    try:
        return repr(float(text))
    except ValueError:
        raise SwarmError(f"--rates {text}: is no number; give rates by comma, such as 200,400,800") from None


def _listed(value: Any, default: tuple[str, ...]) -> tuple[str, ...]:
    found = tuple(part.strip() for part in str(value or "").split(",") if part.strip())
    return found or default


def _readable(source: Source) -> Plan | None:
    try:
        return read_plan(source.path, sets=source.sets)
    except RecordError:
        return None

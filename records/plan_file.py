"""Reading a plan: a TOML file, then the environment, then `--set`; every fault is reported at once.

`TWINLOAD_SWARM__SEATS=400` and `--set swarm.seats=400` both set one key. A value is read as TOML (`400`, `true`,
`[0, 1]`, `"text"`); what is no TOML value is taken as text. Lists are addressed by position: `workload.0.weight=2`.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from records.errors import Fault, PlanError
from records.plan import Plan
from records.plan_rules import faults_between_sections
from records.plan_salvage import Place, SectionFault, salvage
from records.plan_secrets import MASK, masked_setting, may_hide

PREFIX = "TWINLOAD_"
SETS_VARIABLE = "TWINLOAD_SETS"  # a JSON list of KEY=VALUE: how a campaign hands its --set to its generator
_RETIRED = {"search.asked": "is verdict.ask now, which says both what decides and what a search goes on for"}
_SET = ("--set", "--se", "--s")  # argparse takes an option by its beginning too


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: the plan as far as it holds (None when nothing does), every fault, and the keys left out."""

    plan: Plan | None
    faults: tuple[Fault, ...]
    guessed: tuple[Place, ...] = ()

    def is_guessed(self, path: str) -> bool:
        """Say whether what stands at a fault's path is a default in place of a faulty key, in whole or in part."""
        places = [".".join(str(part) for part in place) + "." for place in self.guessed]
        return any(place.startswith(f"{path}.") or f"{path}.".startswith(place) for place in places)


def read_plan(path: Path, *, sets: Iterable[str] = (), environ: Mapping[str, str] = os.environ) -> Plan:
    """Read, override and check a plan.

    Raises: PlanError with every fault found: in the file, the environment, `sets`, each section and between sections.
    """
    return _plan_of(inspect_plan(path, sets=sets, environ=environ), str(path))


def inspect_plan(path: Path, *, sets: Iterable[str] = (), environ: Mapping[str, str] = os.environ) -> Reading:
    """Read and override a plan and return it with its faults, for a caller that has more to hold it against.

    Raises: PlanError when there is no such file or it is no TOML.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PlanError(str(path), (Fault("file", "", "does not exist; `twinload init` writes one"),)) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PlanError(str(path), (Fault("file", "", f"cannot be read as TOML: {error}"),)) from error
    inherited = json.loads(environ.get(SETS_VARIABLE, "[]"))
    faults = [
        *_override_all(tree, _from_environment(environ)),
        *_override_all(tree, _from_sets((*inherited, *sets))),
    ]
    reading = _inspect(tree)
    return Reading(reading.plan, (*faults, *reading.faults), reading.guessed)


def check_plan(tree: dict[str, Any], source: str) -> Plan:
    """Return the plan that a tree of plain values makes, or raise PlanError with every fault."""
    return _plan_of(_inspect(tree), source)


def masked_argv(argv: Sequence[str]) -> tuple[str, ...]:
    """Return arguments as they may be recorded: a secret in `--set KEY=VALUE` or `--set=KEY=VALUE` becomes `***`."""
    masked: list[str] = []
    for word, before in zip(argv, ("", *argv), strict=False):
        option, equals, setting = word.partition("=")
        if before in _SET:
            masked.append(masked_setting(word))
        elif equals and option in _SET:
            masked.append(f"{option}={masked_setting(setting)}")
        else:
            masked.append(word)
    return tuple(masked)


def plan_tree(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain values, every default filled in (what the manifest holds)."""
    tree: dict[str, Any] = plan.model_dump(mode="json", by_alias=True)
    return tree


def plan_digest(plan: Plan) -> str:
    """Return the SHA-256 of a plan's values: equal plans, however written, have equal digests."""
    return hashlib.sha256(json.dumps(plan_tree(plan), sort_keys=True).encode()).hexdigest()


def _inspect(tree: dict[str, Any]) -> Reading:
    saved = salvage(tree)
    between = faults_between_sections(saved.plan, saved.guessed) if saved.plan is not None else ()
    return Reading(saved.plan, (*(_fault(fault) for fault in saved.faults), *between), saved.guessed)


def _plan_of(reading: Reading, source: str) -> Plan:
    if reading.plan is None or reading.faults:
        raise PlanError(source, reading.faults)
    return reading.plan


def _fault(fault: SectionFault) -> Fault:
    parts = [str(part) for part in fault.place]
    shown = "" if isinstance(fault.value, dict | list) or fault.kind == "missing" else repr(fault.value)
    message = {"extra_forbidden": "is no key of a plan; see twinload.toml for all keys", "missing": "is required"}
    path = ".".join(parts)
    return Fault(
        path or "plan",
        MASK if shown and may_hide(parts, str(fault.value)) else shown,
        _RETIRED.get(path) or message.get(fault.kind, fault.message.removeprefix("Value error, ")),
    )


def _from_environment(environ: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [
        (f"${name}", name.removeprefix(PREFIX).lower().replace("__", "."), value)
        for name, value in sorted(environ.items())
        if name.startswith(PREFIX) and "__" in name
    ]


def _from_sets(sets: Iterable[str]) -> list[tuple[str, str, str]]:
    return [(f"--set {masked_setting(text)}", *_split(text)) for text in sets]


def _split(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    key = key.strip()
    return (key, value) if equals and not any(c.isspace() for c in key) else ("", text)


def _override_all(tree: dict[str, Any], overrides: list[tuple[str, str, str]]) -> list[Fault]:
    faults = []
    for source, key, text in overrides:
        remedy = _override(tree, key, _value(text)) if key else "give KEY=VALUE, such as swarm.seats=400"
        if remedy:
            faults.append(Fault(source, "", remedy))
    return faults


def _override(tree: dict[str, Any], key: str, value: Any) -> str | None:
    """Set one key in place; return what is wrong with the key, or None."""
    *parents, last = key.split(".")
    node: Any = tree
    for part in parents:
        if isinstance(node, list):
            if not part.isdigit() or int(part) >= len(node):
                return f"{part} is no position in a list of {len(node)}"
            node = node[int(part)]
        elif isinstance(node, dict):
            node = node.setdefault(part, {})
        else:
            return f"{part} stands below a value, not a section"
    if isinstance(node, list):
        if not last.isdigit() or int(last) >= len(node):
            return f"{last} is no position in a list of {len(node)}"
        node[int(last)] = value
        return None
    if not isinstance(node, dict):
        return f"{last} stands below a value, not a section"
    node[last] = value
    return None


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text

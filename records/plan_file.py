"""Reading a plan: a TOML file, then the environment, then `--set`; every fault is reported at once.

`TWINLOAD_SWARM__SEATS=400` and `--set swarm.seats=400` both set one key. A value is read as TOML (`400`, `true`,
`[0, 1]`, `"text"`); what is no TOML value is taken as text. Lists are addressed by position: `workload.0.weight=2`.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from records.errors import Fault, PlanError
from records.plan import Plan
from records.plan_rules import faults_between_sections

PREFIX = "TWINLOAD_"
SETS_VARIABLE = "TWINLOAD_SETS"  # a JSON list of KEY=VALUE: how a campaign hands its --set to its generator


def read_plan(path: Path, *, sets: Iterable[str] = (), environ: Mapping[str, str] = os.environ) -> Plan:
    """Read, override and check a plan.

    Raises: PlanError with every fault found: in the file, the environment, `sets`, each section and between sections.
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
    try:
        plan = check_plan(tree, str(path))
    except PlanError as error:
        raise PlanError(str(path), (*faults, *error.faults)) from None
    if faults:
        raise PlanError(str(path), tuple(faults))
    return plan


def check_plan(tree: dict[str, Any], source: str) -> Plan:
    """Return the plan that a tree of plain values makes, or raise PlanError with every fault."""
    try:
        plan = Plan.model_validate(tree)
    except ValidationError as error:
        raise PlanError(source, tuple(_fault(entry) for entry in error.errors(include_url=False))) from None
    faults = faults_between_sections(plan)
    if faults:
        raise PlanError(source, faults)
    return plan


def plan_tree(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain values, every default filled in (what the manifest holds)."""
    tree: dict[str, Any] = plan.model_dump(mode="json", by_alias=True)
    return tree


def plan_digest(plan: Plan) -> str:
    """Return the SHA-256 of a plan's values: equal plans, however written, have equal digests."""
    return hashlib.sha256(json.dumps(plan_tree(plan), sort_keys=True).encode()).hexdigest()


def _fault(entry: Any) -> Fault:
    path = ".".join(str(part) for part in entry["loc"]) or "plan"
    value = entry.get("input")
    shown = "" if isinstance(value, dict | list) or entry["type"] == "missing" else repr(value)
    message = {"extra_forbidden": "is no key of a plan; see twinload.toml for all keys", "missing": "is required"}
    return Fault(path, shown, message.get(entry["type"], entry["msg"].removeprefix("Value error, ")))


def _from_environment(environ: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [
        (f"${name}", name.removeprefix(PREFIX).lower().replace("__", "."), value)
        for name, value in sorted(environ.items())
        if name.startswith(PREFIX) and "__" in name
    ]


def _from_sets(sets: Iterable[str]) -> list[tuple[str, str, str]]:
    return [(f"--set {text}", *_split(text)) for text in sets]


def _split(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    return (key.strip(), value) if equals else ("", text)


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

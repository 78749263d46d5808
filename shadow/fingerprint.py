"""The gate's key: what was compared. Equal keys, equal twins, workload, pool and programs: the record holds.

Of a twin that is started here its programs count, by SHA-256; of a script that an interpreter runs the script too and
the sources beside it (clusters.program); of a container its image. Of an external twin the addresses count, and what
its `version` path answers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.image import files_of_image
from clusters.program import Files, files_of
from records.instance import Instance
from records.plan import InstancePlan, Plan, TwinPlan
from records.plan_compose import image_of, program_of
from records.plan_file import plan_tree
from shadow.answer import Unanswered
from shadow.errors import TargetError
from shadow.wire import Request, Wire, targets_of

FORMAT: Final = 3


@dataclass(frozen=True, slots=True)
class Program:
    """The files that an instance runs, each with its SHA-256: the program, then its script and sources."""

    files: Files

    @property
    def digest(self) -> str:
        """One SHA-256 for all of it: the program's own when there is no script."""
        if len(self.files) == 1:
            return self.files[0][1]
        return hashlib.sha256("\n".join(f"{sha} {name}" for name, sha in self.files).encode()).hexdigest()


def programs_of(plan: Plan, root: Path, environ: Mapping[str, str] = os.environ) -> dict[str, Program]:
    """Return what each instance that is started here runs, by the instance's name.

    Raises: TargetError when a program does not exist or cannot be read.
    """
    hashes: dict[Path, str] = {}
    return {
        instance.name: _program(name, twin, instance, root, environ, hashes)
        for name, twin in plan.twins.items()
        if twin.start != "external"
        for instance in twin.instances
    }


def versions_of(
    plan: Plan, instances: Sequence[Instance], root: Path, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the SHA-256 of what each external instance whose twin has a `version` path says there, by name.

    Raises: TargetError when an instance that should say it does not answer 200.
    """
    wire = Wire(timeout_s=plan.swarm.timeout_s, environ=environ)
    found: dict[str, str] = {}
    try:
        for target in targets_of(plan, instances, root):
            twin = plan.twins[target.twin]
            if twin.start != "external" or twin.version is None:
                continue
            reply = wire.ask(target, Request("GET", twin.version))
            if isinstance(reply, Unanswered) or reply.status != 200:
                said = reply.cause if isinstance(reply, Unanswered) else str(reply.status)
                raise TargetError(f"{target.name}: {twin.version} answered {said}; correct twins.{target.twin}.version")
            found[target.name] = hashlib.sha256(reply.body).hexdigest()
    finally:
        wire.close()
    return found


def key_from(plan: Plan, pool_digest: str, programs: Mapping[str, Program], versions: Mapping[str, str]) -> str:
    """Return the key of a gate, 64 hexadecimal digits. Pure.

    Args:
        plan: its twins, workload and `[shadow]` without the gateway count, and which ids are sent.
        pool_digest: what names the pool's content.
        programs: from `programs_of`.
        versions: from `versions_of`; empty when no twin is external.
    """
    tree = plan_tree(plan)
    compared = {
        "format": FORMAT,
        "twins": list(tree["twins"].items()),  # a list: which twin is the baseline counts
        "workload": tree["workload"],
        "shadow": {key: value for key, value in tree["shadow"].items() if key != "gateway"},
        "send": plan.pool.send,
        "seed": plan.pool.seed,
        "pool": pool_digest,
        "programs": {name: program.files for name, program in programs.items()},
        "versions": dict(versions),
    }
    return hashlib.sha256(json.dumps(compared, sort_keys=True).encode()).hexdigest()


def is_external(plan: Plan) -> bool:
    """Say whether a twin can change without our seeing it, so that a record of it grows old."""
    return any(twin.start == "external" for twin in plan.twins.values())


def _program(
    name: str, twin: TwinPlan, instance: InstancePlan, root: Path, environ: Mapping[str, str], hashes: dict[Path, str]
) -> Program:
    argv = instance.command or twin.command or []
    try:
        if twin.start == "compose":
            image = image_of(program_of(twin, instance) or "")
            argv, files = [image], files_of_image(image)
        else:
            files = files_of(argv, root, environ.get("PATH"), hashes)
    except OSError as error:
        raise TargetError(
            f"twins.{name}, {instance.name}: {error.filename} cannot be read: {error.strerror}"
        ) from error
    if files is None:
        shown = argv[0] if argv else "(no command)"
        raise TargetError(f"twins.{name}, {instance.name}: {shown} does not exist; build it or correct the command")
    return Program(files)

"""What runs through a gateway share: the twins that stand behind it, the run's folder with its manifest, its seal."""

from __future__ import annotations

import hashlib
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from clusters import check_current, recorded, start_clusters
from records import provenance
from records.clock import Clock
from records.errors import RunFolderError
from records.instance import Instance
from records.manifest import SCHEMA, Manifest, PoolFacts
from records.plan import Plan
from records.plan_file import masked_argv, plan_digest, plan_tree
from records.run_folder import MANIFEST, SEAL, run_id
from shadow.fingerprint import programs_of
from shadow.record import write_whole
from twinload.context import Context
from twinload.errors import BadEnvironment
from twinload.pool_step import pool_facts
from userpool import Pool

NO_POOL = PoolFacts(users=0, seed=None, entries=None, digest="", imported=False)
"""Of a run that drew no users: its callers were there."""


@contextmanager
def standing_twins(context: Context, plan: Plan) -> Iterator[Sequence[Instance]]:
    """Give the twins that are up, else start them and end them again."""
    up = recorded(context.root, plan)
    if {one.twin for one in up} >= set(plan.twins):
        check_current(plan, context.root, up)
        yield up
        return
    with start_clusters(plan, context.root, say=context.talk.say) as clusters:
        yield clusters.instances


def begin_folder(
    context: Context, plan: Plan, kind: str, instances: Sequence[Instance], pool: Pool | None
) -> tuple[Path, Manifest]:
    """Make a run's folder, named by its `kind`, with its manifest, before the first request.

    Raises: BadEnvironment when it cannot be made.
    """
    clock = Clock.now()
    folder = context.runs / run_id(f"{plan.label}-{kind}", clock)
    if folder.exists():
        folder = folder.with_name(f"{folder.name}-{secrets.token_hex(2)}")
    commit, dirty = provenance.commit()
    manifest = Manifest(
        schema=SCHEMA, run_id=folder.name, label=plan.label, utc=clock.utc(clock.mono_ns), mono_ns=clock.mono_ns,
        wall_ns=clock.wall_ns, argv=masked_argv(sys.argv[1:]), commit=commit, dirty=dirty,
        versions=provenance.versions(),
        binaries={name: program.digest for name, program in programs_of(plan, context.root).items()},
        host=provenance.host_facts(), plan=plan_tree(plan), plan_digest=plan_digest(plan),
        pool=NO_POOL if pool is None else pool_facts(pool), gate=None, instances=tuple(instances), seats=plan.seats,
        sender="native-schedule",
    )  # fmt: skip
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise BadEnvironment(f"{folder}: cannot be made ({error.strerror}); give another by --runs DIR") from None
    write_whole(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    context.talk.say(f"run folder: {folder}")
    return folder, manifest


def check_unchanged(folder: Path, raw: Sequence[str]) -> None:
    """Raise BadEnvironment when raw files are not what the folder's seal says; without a seal nothing can be said."""
    broken = _broken(folder, raw)
    if broken:
        raise BadEnvironment(f"{folder}: changed since it was sealed: {', '.join(broken)}; it is not to be trusted")


def _broken(folder: Path, raw: Sequence[str]) -> tuple[str, ...]:
    path = folder / SEAL
    if not path.is_file():
        return ()
    try:
        hashes = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except msgspec.DecodeError as error:
        raise RunFolderError(f"{path}: {error}; the seal is damaged and vouches for nothing") from error
    files = {name: folder / name for name in raw if name in hashes}
    return tuple(
        name
        for name, file in files.items()
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != hashes[name]
    )

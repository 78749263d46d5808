"""The pool step: the users that a plan asks for, made or imported once and kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from records.manifest import PoolFacts
from records.plan import Plan
from twinload.errors import BadEnvironment
from userpool import Pool, PoolError, import_pool, make_pool, read_pool
from userpool.record import read_record


def ensure_pool(plan: Plan, root: Path, say: Callable[[str], None]) -> Pool:
    """Return the plan's pool, made when it is not there yet; the columns that the workload names are checked.

    Raises: PoolError when it cannot be made, imported or read.
    """
    folder = root / plan.pool.folder
    _keep_imported_users(plan, folder)
    if plan.pool.import_file is not None and plan.pool.key_file is not None:
        import_pool(root / plan.pool.import_file, root / plan.pool.key_file, folder, progress=say)
    else:
        make_pool(plan.pool.users, plan.pool.seed, folder, ledgers=plan.pool.ledgers, progress=say)
    return read_pool(folder)


def _keep_imported_users(plan: Plan, folder: Path) -> None:
    """Refuse to put generated users where imported ones stand: the plan must name what it imports."""
    if plan.pool.import_file is not None:
        return
    try:
        record = read_record(folder)
    except PoolError:
        return  # nothing that could be lost stands there; making the pool tells what is wrong
    if record.recipe.source is not None:
        raise BadEnvironment(
            f"{folder} holds imported users, but the plan's [pool] names no import: "
            "add import_file and key_file to it, or name another folder"
        )


def pool_facts(pool: Pool) -> PoolFacts:
    """Return what the manifest says of a pool."""
    recipe = pool.record.recipe
    entries = None if pool.entries is None else int(pool.entries.sum())
    return PoolFacts(len(pool), recipe.seed, entries, pool.digest, imported=recipe.source is not None)

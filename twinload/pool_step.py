"""The pool step: the users that a plan asks for, made or imported once and kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from records.manifest import PoolFacts
from records.plan import Plan
from userpool import Pool, import_pool, make_pool, read_pool


def ensure_pool(plan: Plan, root: Path, say: Callable[[str], None]) -> Pool:
    """Return the plan's pool, made or imported when it is not there yet.

    Raises: PoolError when it cannot be made, imported or read.
    """
    folder = root / plan.pool.folder
    if plan.pool.import_file is not None and plan.pool.key_file is not None:
        import_pool(root / plan.pool.import_file, root / plan.pool.key_file, folder, progress=say)
    else:
        make_pool(plan.pool.users, plan.pool.seed, folder, ledgers=plan.pool.ledgers, progress=say)
    return read_pool(folder)


def pool_facts(pool: Pool) -> PoolFacts:
    """Return what the manifest says of a pool."""
    recipe = pool.record.recipe
    entries = None if pool.entries is None else int(pool.entries.sum())
    return PoolFacts(len(pool), recipe.seed, entries, pool.digest, imported=recipe.source is not None)

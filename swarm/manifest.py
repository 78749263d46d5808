"""The manifest of a run by hand: what is known before its first request."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from records import provenance
from records.clock import Clock
from records.instance import Instance
from records.manifest import SCHEMA, Manifest, PoolFacts
from records.plan_file import masked_argv, plan_digest, plan_tree
from records.run_folder import run_id
from swarm.options import Choice
from userpool.reading import Pool


def manifest(
    choice: Choice, pool: Pool, instances: Sequence[Instance], *, label: str, seats: int, clock: Clock
) -> Manifest:
    """Return the manifest; what a run by hand does not know (binaries, gate) is left empty."""
    commit, dirty = provenance.commit()
    return Manifest(
        schema=SCHEMA, run_id=run_id(label, clock), label=label, utc=clock.utc(clock.mono_ns), mono_ns=clock.mono_ns,
        wall_ns=clock.wall_ns, argv=masked_argv(sys.argv), commit=commit, dirty=dirty, versions=provenance.versions(),
        binaries={}, host=provenance.host_facts(), plan=plan_tree(choice.plan), plan_digest=plan_digest(choice.plan),
        pool=PoolFacts(len(pool), pool.record.recipe.seed, pool.record.entries, pool.digest, pool.record.imported),
        gate=None, instances=tuple(instances), seats=seats, sender=choice.plan.swarm.sender,
        limits={"time_limit_s": choice.plan.search.time_limit_s},
    )  # fmt: skip

"""The example of live comparison while others write: the shipped pair, over one store."""

from __future__ import annotations

from pathlib import Path

from records.plan import WorkloadEntry
from records.plan_file import read_plan
from shadow.mirrored import live_endpoints

ROOT = Path(__file__).parents[2]
PLAN = read_plan(ROOT / "examples" / "live-writes" / "twinload.toml")
SHIPPED = read_plan(ROOT / "twinload.toml")


def asked(entry: WorkloadEntry) -> tuple[str, str]:
    return entry.method, entry.path


def test_its_twins_are_the_shipped_ones_over_a_store_that_the_run_starts() -> None:
    assert PLAN.store.is_started
    assert (PLAN.pool.users, PLAN.pool.seed) == (SHIPPED.pool.users, SHIPPED.pool.seed)
    for name, twin in SHIPPED.twins.items():
        own = PLAN.twins[name]
        assert [one.name for one in own.instances] == [one.name for one in twin.instances]
        assert [word.removeprefix("../../") for word in own.command or ()] == twin.command
        assert own.env == twin.env


def test_it_asks_for_what_the_shipped_plan_asks_for_and_writes_too() -> None:
    reads = [entry for entry in PLAN.workload if entry.method == "GET"]
    assert [asked(entry) for entry in reads] == [asked(entry) for entry in SHIPPED.workload]
    assert live_endpoints(PLAN) == ("balance", "statistics", "transactions")
    written = sum(entry.weight for entry in PLAN.workload if entry.method == "POST")
    assert written / sum(entry.weight for entry in PLAN.workload) == 0.03

"""What plan and instances say about a stage."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from analysis import setting
from analysis.findings import Findings

FindDrawn = Callable[..., Findings]


def test_the_instances_that_serve_are_found_by_endpoint(find_drawn: FindDrawn) -> None:
    run = find_drawn().run
    instances = run.manifest.instances
    assert setting.serving(instances, "go", "balance", run.plan) == (0, 1)
    assert setting.serving(instances, "rust", "transactions", run.plan) == (5,)
    assert setting.serving(instances, "rust", "mix", run.plan) == (3, 4, 5)
    assert setting.of_twin(instances, "go") == (0, 1, 2)
    assert setting.generators(instances) == (6,)


def test_the_allotment_is_the_twins_and_counted_once(find_drawn: FindDrawn) -> None:
    run = find_drawn().run
    assert setting.twin_cores(run.manifest.instances, (0, 1), run.plan, "go") == 1.0
    assert setting.twin_memory_bytes(run.manifest.instances, (0, 1), run.plan, "go") == 2 << 30


def test_without_a_plan_for_it_the_instances_own_limits_count(find_drawn: FindDrawn) -> None:
    run = find_drawn().run
    bare = tuple(replace(one, cpu_set=(), cpus=0.5, memory_limit_bytes=1 << 30) for one in run.manifest.instances)
    assert setting.twin_cores(bare, (0, 1), run.plan, "other") == 1.0
    assert setting.twin_memory_bytes(bare, (0, 1), run.plan, "other") == 2 << 30
    unknown = (replace(bare[0], cpus=None, memory_limit_bytes=None), bare[1])
    assert setting.twin_cores(unknown, (0, 1), run.plan, "other") is None
    assert setting.twin_memory_bytes(unknown, (0, 1), run.plan, "other") is None
    pinned = (replace(bare[0], cpu_set=(0, 1)), replace(bare[1], cpu_set=(1, 2)))
    assert setting.twin_cores(pinned, (0, 1), run.plan, "other") == 3.0


@pytest.mark.parametrize(
    ("processes", "cpus", "cores"), [(1, (1,), 1.0), (1, (1, 2), 1.0), (2, (1,), 1.0), (2, (1, 2), 2.0)]
)
def test_a_sender_process_can_use_one_core(
    find_drawn: FindDrawn, processes: int, cpus: tuple[int, ...], cores: float
) -> None:
    run = find_drawn().run
    plan = run.plan.model_copy(update={"swarm": run.plan.swarm.model_copy(update={"processes": processes})})
    generator = replace(run.manifest.instances[6], cpu_set=cpus)
    assert setting.generator_cores((generator,), plan) == cores


def test_containers_that_serve_have_what_their_own_limits_give_them_and_no_more_than_the_twin(
    find_drawn: FindDrawn,
) -> None:
    run = find_drawn(order=("go",)).run

    def shared(cpus: float, count: int) -> tuple[float | None, float | None]:
        own = [replace(one, watch="container", cpus=cpus, memory_limit_bytes=1 << 29) for one in run.manifest.instances]
        positions = tuple(range(count))
        return (
            setting.twin_cores(own, positions, run.plan, "go"),
            setting.twin_memory_bytes(own, positions, run.plan, "go"),
        )

    # the plan gives the twin 1.0 core; three containers with a third each, of which two serve
    assert shared(1 / 3, 2) == (pytest.approx(2 / 3, abs=1e-5), 1 << 30)
    assert shared(1 / 3, 3) == (pytest.approx(1.0), 3 << 29)
    assert shared(1.0, 2) == (1.0, 1 << 30)

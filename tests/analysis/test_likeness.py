"""What makes two runs unlike, and what of it may be waived."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from drawn_run import Drawn, manifest_for

from analysis.likeness import programs_changed, standing, unlike
from records.manifest import Manifest

BASE = manifest_for(Drawn())


def with_plan(**sections: dict[str, Any]) -> Manifest:
    plan = copy.deepcopy(BASE.plan)
    for name, keys in sections.items():
        plan[name] |= keys
    return replace(BASE, plan=plan)


def test_a_run_is_like_itself() -> None:
    assert unlike(BASE, BASE) == ()


@pytest.mark.parametrize(
    ("other", "kind", "text"),
    [
        (with_plan(stages={"measure_s": 3}), "plan", "plan.stages.measure_s: 2 against 3"),
        (replace(BASE, pool=replace(BASE.pool, digest="dd")), "pool", "pool: digest cc against digest dd"),
        (replace(BASE, host=replace(BASE.host, cpu_model="other")), "machine", "CPU: a CPU <&> against other"),
        (replace(BASE, host=replace(BASE.host, cpus=4)), "machine", "CPUs: 2 against 4"),
        (
            replace(BASE, host=replace(BASE.host, memory_bytes=16 << 30)),
            "machine",
            "memory: 8192 MiB against 16384 MiB",
        ),
        (replace(BASE, host=replace(BASE.host, hostname="crate")), "hostname", "hostname: box against crate"),
        (replace(BASE, host=replace(BASE.host, kernel="6.2")), "kernel", "kernel: 6.1 against 6.2"),
        (replace(BASE, commit="4567"), "commit", "commit of twinload: 0123abcd against 4567"),
        (replace(BASE, dirty=True), "commit", "commit of twinload: 0123abcd against 0123abcd with changes"),
        (replace(BASE, versions={}), "versions", "version of twinload: 0.1.0 against none"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_difference_is_named_with_both_values(other: Manifest, kind: str, text: str) -> None:
    (found,) = unlike(BASE, other)
    assert (found.kind, str(found)) == (kind, text)
    waivable = kind in ("commit", "versions", "hostname", "kernel")
    assert found.waivable is waivable
    assert standing([found], [kind]) == (() if waivable else (found,))
    assert standing([found], []) == (found,)


def test_names_prices_thresholds_and_places_change_nothing_that_is_measured() -> None:
    other = with_plan(cost={"head_room": 0.5}, compare={"memory": 2.0}, pool={"folder": "elsewhere"})
    other = replace(other, plan=other.plan | {"label": "other"}, label="other")
    assert unlike(BASE, other) == ()


def test_a_plan_written_before_a_section_existed_has_its_defaults() -> None:
    plan = {key: value for key, value in BASE.plan.items() if key not in ("cost", "compare", "shadow")}
    assert unlike(BASE, replace(BASE, plan=plan)) == ()


def test_twins_in_another_order_are_other_twins() -> None:
    turned = dict(reversed(list(BASE.plan["twins"].items())))
    (found,) = unlike(BASE, replace(BASE, plan=BASE.plan | {"twins": turned}))
    assert str(found) == "plan.twins, in order: go, rust against rust, go"


def test_a_machine_whose_kernel_keeps_a_little_more_memory_is_the_same() -> None:
    assert unlike(BASE, replace(BASE, host=replace(BASE.host, memory_bytes=(8 << 30) - (20 << 20)))) == ()


def test_programs_may_differ_for_they_are_compared() -> None:
    other = replace(BASE, binaries={"go-1": "aa", "rust-1": "cc", "rust-2": "dd"})
    assert unlike(BASE, other) == ()
    assert programs_changed(BASE, other) == ("rust-1", "rust-2")

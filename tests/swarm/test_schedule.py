"""The order of a run: probes, pairs, balance, time limit; with a clock that the test moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swarm_cases import make_plan

from records.plan import Plan
from records.stage import StageLine
from swarm.schedule import (
    Note,
    ScheduleError,
    Scope,
    Sweep,
    campaign,
    fitting_pairs,
    pair_orders,
    pair_seconds,
)
from swarm.stages import overhead_s

LIMITS = {("one", "front"): 300, ("two", "front"): 600, ("one", "back"): 900, ("two", "back"): 450}


def drive(
    plan: Plan,
    limits: dict[tuple[str, str], int] = LIMITS,
    slowness: float = 1.0,
    is_gone: Callable[[str, int], bool] = lambda *_: False,
) -> tuple[list[Sweep], list[Note]]:
    """Drive a campaign whose probes find the given limits; each sweep takes what it should, times the slowness.

    `is_gone` is asked with the number of sweeps driven so far.
    """
    notes: list[Note] = []
    now_s = [1000.0]
    sweeps: list[Sweep] = []
    run = campaign(
        plan, Scope.of(plan), clock=lambda: now_s[0], tell=notes.append, is_gone=lambda t: is_gone(t, len(sweeps))
    )
    sweep = next(run, None)
    while sweep is not None:
        sweeps.append(sweep)
        now_s[0] += (sum(stage.length_s for stage in sweep) + overhead_s(plan)) * slowness
        lines = tuple(
            StageLine(0, "", s, "fasthttp", 20, 0, None, 0, limits.get((s.twin, s.endpoint), 0) * s.measure_s)
            for s in sweep
        )
        try:
            sweep = run.send(lines)
        except StopIteration:
            break
    return sweeps, notes


def test_probes_come_first_one_for_each_endpoint_and_twin() -> None:
    sweeps, notes = drive(make_plan())
    assert [(s[0].endpoint, s[0].twin, s[0].kind) for s in sweeps[:4]] == [
        ("front", "one", "probe"), ("front", "two", "probe"), ("back", "one", "probe"), ("back", "two", "probe"),
    ]  # fmt: skip
    assert [(n.kind, n.figures["limit_rps"]) for n in notes] == [
        ("probe", 300),
        ("probe", 600),
        ("probe", 900),
        ("probe", 450),
    ]
    assert all(stage.kind == "measure" for sweep in sweeps[4:] for stage in sweep)


def test_both_twins_get_the_same_rates_fractions_of_the_larger_limit() -> None:
    sweeps, _ = drive(make_plan(stages={"fractions": [0.5, 1.0]}))
    found = {(s[0].endpoint, s[0].twin): [stage.rate_rps for stage in s] for s in sweeps[4:]}
    assert found["front", "one"] == found["front", "two"] == [300, 600]
    assert found["back", "one"] == found["back", "two"] == [450, 900]


def test_a_block_is_one_twin_through_all_endpoints_and_stage_ids_never_repeat() -> None:
    sweeps, _ = drive(make_plan(search={"pairs": 2, "time_limit_s": 1e6}))
    blocks: dict[int, list[Sweep]] = {}
    for sweep in sweeps[4:]:
        blocks.setdefault(sweep[0].block, []).append(sweep)
    assert sorted(blocks) == [0, 1, 2, 3]
    for block, inside in blocks.items():
        assert [sweep[0].endpoint for sweep in inside] == ["front", "back"]
        assert len({sweep[0].twin for sweep in inside}) == 1
        assert {sweep[0].pair for sweep in inside} == {block // 2}
    ids = [stage.id for sweep in sweeps for stage in sweep]
    assert ids == list(range(len(ids)))


@given(pairs=st.integers(1, 60), seed=st.integers(0, 2**40))
def test_orders_within_pairs_are_balanced_and_repeatable(pairs: int, seed: int) -> None:
    orders = pair_orders(("a", "b"), pairs, seed)
    counts = Counter(orders)
    assert orders == pair_orders(("a", "b"), pairs, seed)
    assert abs(counts["a", "b"] - counts["b", "a"]) <= 1
    assert sum(counts.values()) == pairs


def test_the_seed_decides_who_begins() -> None:
    assert len({pair_orders(("a", "b"), 6, seed) for seed in range(30)}) > 5


def test_a_pair_takes_its_stages_and_drains_of_both_twins() -> None:
    # Two endpoints, each 2 stages of 1 + 2 s and one overhead of 2 s, for two twins: 2 x 2 x (6 + 2).
    plan = make_plan(stages={"kind": "steps", "rates_rps": [1.0, 2.0]})
    assert pair_seconds(plan, ("front", "back"), twins=2, limits_rps={}) == 32


@pytest.mark.parametrize(("left_s", "pairs"), [(1000.0, 5), (179.9, 4), (36.0, 1), (10.0, 1), (-5.0, 1)])
def test_as_many_pairs_as_fit_and_always_one(left_s: float, pairs: int) -> None:
    assert fitting_pairs(5, 36.0, left_s) == pairs


def test_pairs_that_do_not_fit_are_left_out_and_told() -> None:
    plan = make_plan(stages={"kind": "steps", "rates_rps": [1.0, 2.0]}, search={"pairs": 5, "time_limit_s": 80.0})
    sweeps, notes = drive(plan)
    assert {sweep[0].pair for sweep in sweeps} == {0, 1}
    assert [note.kind for note in notes] == ["schedule-cut"]
    assert "2 of 5 pairs" in notes[0].text
    assert notes[0].figures == {"pairs": 2, "wanted": 5, "pair_s": 32}


def test_a_run_that_is_slower_than_planned_ends_at_its_time_limit() -> None:
    plan = make_plan(stages={"kind": "steps", "rates_rps": [1.0, 2.0]}, search={"pairs": 4, "time_limit_s": 130.0})
    sweeps, notes = drive(plan, slowness=1.7)
    assert {sweep[0].pair for sweep in sweeps} == {0, 1}
    assert [note.kind for note in notes] == ["schedule-cut"]


def test_an_endpoint_without_a_good_answer_is_left_out_and_told() -> None:
    sweeps, notes = drive(make_plan(), limits={("one", "back"): 10})
    assert {sweep[0].endpoint for sweep in sweeps[4:]} == {"back"}
    assert next(note.text for note in notes if note.kind == "failed").startswith("front: no good answer")


def test_with_no_good_answer_at_all_the_schedule_ends_with_an_error_after_the_probes() -> None:
    with pytest.raises(
        ScheduleError, match=r"^front, back: no good answer to any probe of one or two, .*logs.*`expect`"
    ):
        drive(make_plan(), limits={})


STEPS = {"kind": "steps", "rates_rps": [1.0, 2.0]}


def twins_of(sweeps: list[Sweep]) -> list[str]:
    return [sweep[0].twin for sweep in sweeps]


def test_a_twin_that_is_gone_gets_no_more_sweeps_and_the_other_goes_on() -> None:
    plan = make_plan(stages=STEPS, search={"pairs": 3, "time_limit_s": 1e6})
    whole, _ = drive(plan)
    first = whole[0][0].twin
    sweeps, notes = drive(plan, is_gone=lambda twin, driven: twin == first and driven >= 1)
    other = [sweep for sweep in whole if sweep[0].twin != first]
    places = [(s[0].endpoint, s[0].pair, s[0].block) for s in sweeps]
    assert places == [(s[0].endpoint, s[0].pair, s[0].block) for s in (whole[0], *other)]
    # two endpoints in each of three pairs are six sweeps, of which one was driven
    assert [(n.kind, n.text, n.figures) for n in notes] == [
        ("schedule-cut", f"5 sweeps of {first} left out: an instance of it was gone", {"sweeps": 5})
    ]
    ids = [stage.id for sweep in sweeps for stage in sweep]
    assert ids == list(range(len(ids)))


def test_a_twin_that_is_back_is_driven_again() -> None:
    plan = make_plan(stages=STEPS, search={"pairs": 3, "time_limit_s": 1e6})
    first = twins_of(drive(plan)[0])[0]
    sweeps, notes = drive(plan, is_gone=lambda twin, driven: twin == first and 1 <= driven < 3)
    assert Counter(twins_of(sweeps))[first] == 5
    assert notes[0].text == f"1 sweep of {first} left out: an instance of it was gone"


def test_a_twin_gone_before_its_probe_leaves_the_rates_to_the_other() -> None:
    sweeps, notes = drive(make_plan(stages={"fractions": [0.5]}), is_gone=lambda twin, _: twin == "two")
    assert set(twins_of(sweeps)) == {"one"}
    assert [s[0].rate_rps for s in sweeps if s[0].kind == "measure"][:2] == [150, 450]
    assert notes[-1].kind == "schedule-cut"


def test_with_both_twins_gone_the_schedule_ends() -> None:
    sweeps, notes = drive(make_plan(stages=STEPS), is_gone=lambda _, driven: driven >= 1)
    assert len(sweeps) == 1
    assert {note.kind for note in notes} == {"schedule-cut"}

"""What containers showed in a stage: throttling, network, pids, limits; what the judge and the report make of it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.containers import ContainerFigures, containers_in, merged_containers
from analysis.findings import Findings
from analysis.report.words import stage_rows, throttled_text
from analysis.sampling import Sampling
from analysis.summary import notes_of, resolution_texts, summarise
from analysis.validity import StageFigures, figures_of, judge, past_saturation
from records.clock import NS
from records.event import Event
from records.instance import Instance
from records.plan_file import check_plan
from records.stage import Stage, StageLine
from records.usage import ContainerUsage, HostUsage, UsageLine

HOST = HostUsage(0.0, 0.0, (0.0,), 0)
ONE = Instance("go-1", "target", "go", watch="container", cpus=1.0, memory_limit_bytes=512 << 20)
OTHER = Instance("generator", "generator", watch="process")
FindDrawn = Callable[..., Findings]


def line(second: int, shown: ContainerUsage | None, *, sampled_s: float | None = None) -> UsageLine:
    sampled = () if sampled_s is None else (round(sampled_s * NS), None)
    return UsageLine(
        second * NS, "", second, (0.5 * second, 0.1), (1, 1), (None,) * 2, (None,) * 2, HOST, sampled, (shown, None)
    )


def test_figures_of_a_window_are_differences_of_what_was_counted() -> None:
    # in two seconds 20 periods, 15 of them throttled, for 0.6 s; 3 kB came in, 8 kB went out
    lines = [
        line(100, ContainerUsage(1_000, 500, 20.0, 0.5, None, 7, 10_000, 20_000)),
        line(101, ContainerUsage(1_010, 510, 20.5, 0.5, None, 9, 11_000, 24_000)),
        line(102, ContainerUsage(1_020, 515, 20.6, 0.5, None, 8, 13_000, 28_000)),
    ]
    found = containers_in(lines, (ONE, OTHER), 100 * NS, 102 * NS)
    assert found[1] is None
    assert found[0] == ContainerFigures(
        0.75, pytest.approx(0.3), 1_500.0, 4_000.0, 9, cpu_limit_cores=0.5, memory_limit_bytes=512 << 20
    )  # type: ignore[arg-type]


def test_what_is_not_known_is_none_and_limits_are_then_the_planned_ones() -> None:
    none = ContainerFigures(cpu_limit_cores=1.0, memory_limit_bytes=512 << 20)
    assert containers_in([], (ONE, OTHER), 0, 2 * NS) == (none, None)
    assert containers_in([line(i, None) for i in range(3)], (ONE, OTHER), 0, 2 * NS) == (none, None)


def test_several_stages_give_means_and_the_most_pids() -> None:
    first = ContainerFigures(0.2, 0.1, None, None, 7, 1.0, 5)
    second = ContainerFigures(0.4, None, 10.0, 20.0, 9, 0.5, 5)
    assert merged_containers([first, None, second]) == ContainerFigures(pytest.approx(0.3), 0.1, 10.0, 20.0, 9, 0.5, 5)  # type: ignore[arg-type]
    assert merged_containers([None]) is None


STAGE = Stage(1, "steps-1", "measure", "go", "balance", 0, 0, 1_000.0, 1, 2)
SHORT = StageLine(103 * NS, "", STAGE, "fasthttp", 800, 100, 2_000.0, 1_000, 1_000)
QUOTA = StageFigures(500.0, 500.0, 50.0, 60.0, 0.6, 62.0, 0.0, (0.6,), (1e8,))


@pytest.mark.parametrize(("ratio", "held"), [(None, False), (0.49, False), (0.5, True), (1.0, True)])
def test_a_twin_held_back_by_a_quota_is_at_its_limit_whatever_its_mean(ratio: float | None, held: bool) -> None:
    figures = replace(QUOTA, throttled_ratio=ratio)
    assert past_saturation(SHORT, figures) is held
    assert bool(judge(SHORT, figures)) is not held  # else the generator would be blamed: the twin's CPU stood at 60 %


def test_throttling_is_said_in_words_of_the_periods() -> None:
    assert throttled_text({"go-1": 0.973, "go-2": 0.004}) == "throttled: go-1 in 97 % of its periods"
    assert throttled_text({"go-1": 0.97, "go-2": 0.5}) == "throttled: go-1 in 97 %, go-2 in 50 % of its periods"
    assert throttled_text({"go-1": 0.009}) == throttled_text({}) == ""


def test_a_report_of_containers_says_what_each_showed(find_drawn: FindDrawn) -> None:
    findings = find_drawn(container_cores=0.5, held=frozenset({6}), order=("go", "rust"))
    summary = summarise(findings)
    stage = summary.twins["go"]["balance"].stages[-1]
    assert stage.throttled_ratio == {"go-1": pytest.approx(0.9), "go-2": pytest.approx(0.9), "go-rest": 0.0}
    assert stage.pids == {"go-1": 7, "go-2": 7, "go-rest": 7}
    network = stage.network_bytes_per_s
    assert network["go-rest"] is None
    assert network["go-1"] is not None
    assert (network["go-1"].received, network["go-1"].sent) == (pytest.approx(1_000), pytest.approx(2_000))
    assert stage.valid
    assert summary.run.twins["go"].limits["go-1"].cpu_cores == 0.5
    # two containers of half a core serve, so 1.0 of the allotment of 1.0; half of a GiB each
    assert findings.same_load["balance"] is not None
    judged = [row.judgement for row in stage_rows(findings) if "throttled" in row.judgement]
    assert judged == ["past saturation; throttled: go-1 in 90 %, go-2 in 90 % of its periods"]


def test_a_process_shows_nothing_of_a_container(find_drawn: FindDrawn) -> None:
    summary = summarise(find_drawn(order=("go", "rust")))
    stage = summary.twins["go"]["balance"].stages[0]
    none = dict.fromkeys(("go-1", "go-2", "go-rest"))
    assert (stage.throttled_ratio, stage.network_bytes_per_s, stage.pids) == (none, none, none)
    assert summary.run.twins["go"].limits == {}
    assert summary.run.resolution_s == {}


def test_the_distance_of_scraped_samples_is_their_median_and_repeats_do_not_count() -> None:
    sampling = Sampling()
    for second, sampled in enumerate((0.5, 0.5, 15.5, 15.5, 15.5, 30.6, 75.5)):
        sampling.add(line(second, None, sampled_s=sampled))
    assert sampling.resolution_s(("go-1", "generator")) == {"go-1": 15.1}
    assert resolution_texts({"go-1": 15.1, "go-2": 15.1, "rust-1": 5.0}) == [
        "CPU and memory of rust-1 come from samples 5 s apart: a stage's CPU is no finer than that",
        "CPU and memory of go-1, go-2 come from samples 15.1 s apart: a stage's CPU is no finer than that",
    ]


@given(st.lists(st.integers(1, 60_000), min_size=1, max_size=50))
def test_the_median_of_the_distances_is_one_of_them(distances_ms: list[int]) -> None:
    sampling, at_s = Sampling(), 0.0
    for distance in (0, *distances_ms):
        at_s += distance / 1000
        sampling.add(line(1, None, sampled_s=at_s))
    ordered = sorted(distances_ms)
    found = sampling.resolution_s(("go-1",))["go-1"]
    assert found == pytest.approx(ordered[(len(ordered) - 1) // 2] / 1000, abs=0.0051)


def figures_after(*events: tuple[str, int]) -> StageFigures:
    """Return the figures of a stage measured in [101 s, 103 s) after events of go-1."""
    twin = {"start": "process", "command": ["x"], "cpu_set": [0]}
    served = {name: [{"name": f"{name}-1", "address": f"127.0.0.1:{port}", "serves": ["balance"]}]
              for port, name in enumerate(("go", "rust"), start=1)}  # fmt: skip
    twins = {name: {**twin, "instances": instances} for name, instances in served.items()}
    workload = [{"name": "balance", "path": "/b/{user_id}", "hot": True}]
    plan = check_plan({"schema": 1, "twins": twins, "workload": workload}, "test")
    told = [Event(at_s * NS, "", kind, "", instance="go-1") for kind, at_s in events]  # type: ignore[arg-type]
    return figures_of(SHORT, [], (replace(ONE, serves=("balance",)),), plan, events=told)


@pytest.mark.parametrize(
    ("events", "died"),
    [
        ((("instance-died", 90),), True),
        ((("instance-died", 90), ("instance-restarted", 95)), False),
        ((("instance-died", 90), ("instance-restarted", 102)), True),  # back, but not for the whole of it
        ((("instance-died", 90), ("instance-restarted", 95), ("instance-died", 102)), True),
        ((("instance-died", 104),), False),
    ],
)
def test_an_instance_that_runs_again_is_dead_no_more(events: tuple[tuple[str, int], ...], died: bool) -> None:
    assert figures_after(*events).died == (("go-1",) if died else ())


def test_deaths_oom_kills_and_restarts_are_notes_of_the_report(find_drawn: FindDrawn) -> None:
    findings = find_drawn()
    kinds = ("instance-died", "instance-oom", "instance-restarted", "counters")
    events = tuple(Event(0, "", kind, f"go-1 told {kind}\n  | its log", instance="go-1") for kind in kinds)  # type: ignore[arg-type]
    notes = notes_of(replace(findings, run=replace(findings.run, events=events)))
    assert [note for note in notes if "go-1" in note] == [f"instance go-1 told {kind}" for kind in kinds[:3]]

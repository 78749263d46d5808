"""A gray release's folder read back: windows, ticks, stretches, outages and how long a way back took."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gray_folder import write_lines

from analysis.canary import CanaryRun, Window, read_canary
from analysis.canary_series import (
    Outage,
    caller_spans,
    latency_spans,
    outages,
    poll_s,
    retreats,
    step_success,
    stretches,
    success_spans,
)
from records.clock import NS
from records.errors import RunFolderError
from shadow.gray.counts import Failures, RouteCounts, SideCounts


def poll(at_s: float, share: float, base: int, cand: int, failed: int = 0, **more: Any) -> dict[str, Any]:
    """Return a line: requests and failures so far; what failed fell back."""
    side = {"requests": cand, "failed": {"reset": failed}, "fell_back": failed, "caller_failed": 0, "latency": []}
    routes = {"balance": {"baseline": {"requests": base}, "candidate": side, "compared": {"match": cand - failed}}}
    return {"t_s": at_s, "share": share, "step": 0, "routes": routes, **more}


def event(at_s: float, kind: str, by: str = "judge", **more: Any) -> dict[str, Any]:
    return {"t_s": at_s, "kind": kind, "by": by, **more}


def opened(at_s: float, to: str = "open") -> dict[str, Any]:
    return event(at_s, "breaker", "gateway", reasons=["failures"], figures={"from": "closed", "to": to})


def read(folder: Path, polls: list[dict[str, Any]], events: list[dict[str, Any]] | None = None) -> CanaryRun:
    return read_canary(write_lines(folder / "run", polls, events or []))


WITH_FAULT = [
    poll(0.0, 0.1, 0, 0), poll(0.5, 0.1, 90, 10), poll(1.0, 0.5, 150, 50), poll(1.5, 0.5, 200, 100),
    poll(2.0, 0.5, 250, 140, 20), poll(2.5, 0.5, 345, 145, 25), poll(3.0, 0.0, 445, 145, 25),
    poll(3.5, 0.0, 545, 145, 25), poll(4.0, 0.0, 645, 145, 25),
]  # fmt: skip


def test_polls_become_windows_of_a_second_cut_where_the_share_changes(tmp_path: Path) -> None:
    run = read(tmp_path, WITH_FAULT)
    assert [(one.from_s, one.to_s, one.share) for one in run.windows] == [
        (0.0, 0.5, 0.1), (0.5, 1.0, 0.5), (1.0, 2.0, 0.5), (2.0, 3.0, 0.5), (3.0, 4.0, 0.0),
    ]  # fmt: skip
    assert [one.counts.candidate.requests for one in run.windows] == [10, 40, 90, 5, 0]
    assert [one.counts.candidate.fell_back for one in run.windows] == [0, 0, 20, 5, 0]
    assert run.routes["balance"].baseline.requests == 645
    assert (run.reached, run.end_s, run.outcome) == (0.5, 4.0, None)


def test_the_first_poll_is_zero_and_a_restarted_gateway_loses_nothing(tmp_path: Path) -> None:
    run = read(tmp_path, [poll(0, 0.1, 1000, 100), poll(1, 0.1, 1090, 110), poll(2, 0.1, 9, 1), poll(3, 0.1, 18, 2)])
    assert list(run.ticks.requests) == [0, 10, 11, 12]
    assert run.routes["balance"].baseline.requests == 90 + 9 + 9


def test_stretches_are_told_by_the_decision_nearest_to_their_end(tmp_path: Path) -> None:
    events = [event(0.02, "step", "controller"), event(0.6, "step"), opened(1.8), event(2.6, "back", "breaker")]
    run = read(tmp_path, WITH_FAULT, events)
    found = stretches(run)
    assert [(one.window.share, one.window.from_s, one.window.to_s) for one in found] == [
        (0.1, 0.0, 0.5), (0.5, 0.5, 3.0), (0.0, 3.0, 4.0),
    ]  # fmt: skip
    assert [one.ended.t_s if one.ended else None for one in found] == [0.6, 2.6, None]
    assert found[1].window.counts.candidate.failed.total == 25


def test_the_last_share_is_told_by_its_end_however_long_the_traffic_went_on(tmp_path: Path) -> None:
    polls = [poll(float(at), 1.0, 0, 10 * at) for at in range(20)]
    (found,) = stretches(read(tmp_path, polls, [event(0.1, "step"), event(6.0, "done"), event(6.1, "share")]))
    assert found.ended is not None
    assert found.ended.kind == "done"


def test_a_way_back_is_told_as_at_most_the_poll_after_the_last_request(tmp_path: Path) -> None:
    run = read(tmp_path, WITH_FAULT, [opened(1.8), event(2.6, "back", "breaker")])
    (found,) = retreats(run)  # the decision is the opening's own: nobody was left to take back
    assert found.cause.t_s == 1.8
    assert (found.least_s, found.most_s) == pytest.approx((0.2, 0.7))
    assert found.first_failure_s == (1.5, 2.0)


def test_a_way_back_after_which_nobody_was_sent_is_at_once(tmp_path: Path) -> None:
    run = read(tmp_path, WITH_FAULT, [event(3.1, "back", "operator")])
    (found,) = retreats(run)
    assert (found.least_s, found.most_s) == (0.0, 0.0)


def test_a_second_fault_after_a_new_start_is_a_way_back_of_its_own(tmp_path: Path) -> None:
    more = [poll(4.5, 0.1, 735, 155, 25), poll(5.0, 0.1, 800, 160, 26), poll(5.5, 0.0, 900, 160, 26)]
    run = read(tmp_path, [*WITH_FAULT, *more], [opened(1.8), event(2.6, "back"), event(4.6, "back", "operator")])
    assert [one.cause.t_s for one in retreats(run)] == [1.8, 4.6]


def test_a_way_back_without_a_poll_after_it_is_not_told(tmp_path: Path) -> None:
    assert retreats(read(tmp_path, WITH_FAULT, [opened(4.2)])) == ()
    assert retreats(read(tmp_path, WITH_FAULT[:4], [opened(1.2)])) == ()  # the candidate went on being asked


def test_an_outage_lasts_until_the_breakers_next_turn_or_the_end(tmp_path: Path) -> None:
    run = read(tmp_path, WITH_FAULT, [opened(1.8), opened(3.0, "half-open"), opened(3.2, "closed"), opened(3.9)])
    assert outages(run) == (Outage(1.8, 3.0, "open"), Outage(3.0, 3.2, "half-open"), Outage(3.9, 4.0, "open"))
    assert outages(read(tmp_path / "none", WITH_FAULT)) == ()


def test_an_event_with_the_gateways_own_clock_stands_on_the_runs(tmp_path: Path) -> None:
    run = read(tmp_path, WITH_FAULT, [{"kind": "breaker", "t_ns": 5 * NS + NS // 2, "n": 3, "figures": {"to": "open"}}])
    assert (run.happenings[0].t_s, run.happenings[0].by, run.happenings[0].breaker_to) == (0.5, "gateway", "open")


def test_success_is_cut_into_parts_of_100_requests_within_a_share() -> None:
    def window(at_s: float, requests: int, failed: int, share: float = 0.5) -> Window:
        side = SideCounts(requests, Failures(late=failed))
        return Window(at_s, at_s + 1, share, RouteCounts(SideCounts(), side))

    windows = [window(0, 60, 0), window(1, 60, 12), window(2, 150, 0), window(3, 30, 15), window(4, 20, 0, 1.0)]
    found = success_spans(windows, "candidate")
    assert [(one.from_s, one.to_s) for one in found] == [(0, 2), (2, 4), (4, 5)]
    assert [one.value for one in found] == pytest.approx([0.9, 165 / 180, 1.0])
    assert success_spans(windows, "baseline") == ()


def test_the_interval_of_a_whole_share_needs_100_requests(tmp_path: Path) -> None:
    found = step_success(read(tmp_path, WITH_FAULT), "candidate")
    assert [(one.from_s, one.to_s) for one in found] == [(0.5, 3.0)]
    assert found[0].value == pytest.approx(110 / 135)


def test_a_quantile_has_no_part_without_its_samples() -> None:
    def window(at_s: float, count: int) -> Window:
        return Window(at_s, at_s + 1, 1.0, RouteCounts(SideCounts(), SideCounts(count, latency=((2000, count),))))

    windows = [window(0, 600), window(1, 600), window(2, 900)]
    assert [(one.from_s, one.to_s, one.value) for one in latency_spans(windows, "candidate", 0.99)] == [(0, 3, 2.0)]
    assert len(latency_spans(windows, "candidate", 0.5)) == 3
    assert latency_spans(windows[:1], "candidate", 0.99) == ()


def test_callers_failures_are_their_own_count(tmp_path: Path) -> None:
    def seen(done: int, failed: int) -> dict[str, Any]:
        return {"sent": done, "done": done, "dropped": 0, "failed": {"status": failed}}

    polls = [poll(at, 0.1, 90 * at, 10 * at, callers=seen(200 * at, 2 * max(at - 1, 0))) for at in range(4)]
    run = read(tmp_path, polls)
    assert [one.value for one in caller_spans(run.windows)] == pytest.approx([1.0, 0.99, 0.99])
    assert run.callers is not None
    assert (run.callers.done, run.callers.failures) == (600, 4)
    assert caller_spans(read(tmp_path / "none", WITH_FAULT).windows) == ()


def test_a_long_run_has_no_more_windows_than_a_picture_has_room_for(tmp_path: Path) -> None:
    run = read(tmp_path, [poll(10.0 * at, 0.1, 9 * at, at) for at in range(2001)])
    assert len(run.windows) == 667  # 20,000 s in windows of 30 s, the last one short
    assert poll_s(run.ticks) == 10.0
    assert sum(one.counts.candidate.requests for one in run.windows) == 2000


def test_a_last_line_cut_by_a_crash_is_left_out_and_another_damaged_one_is_told(tmp_path: Path) -> None:
    folder = write_lines(tmp_path / "run", WITH_FAULT[:3], [])
    with (folder / "canary.jsonl").open("a") as file:
        file.write('{"t_s": 1.5, "sh')
    assert read_canary(folder).end_s == 1.0
    with (folder / "canary.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(RunFolderError, match=r"canary\.jsonl, line 4"):
        read_canary(folder)


def test_a_folder_without_polls_is_no_gray_release(tmp_path: Path) -> None:
    folder = write_lines(tmp_path / "run", [], [])
    assert read_canary(folder).windows == ()
    (folder / "canary.jsonl").unlink()
    with pytest.raises(RunFolderError, match="is no gray release"):
        read_canary(folder)

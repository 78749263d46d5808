"""The page and the picture of a gray release: what an operator must find on them, whole or cut short."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import pytest
from gray_folder import Gray, write_gray, write_lines
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from analysis.canary import read_canary
from analysis.canary_story import event_rows, figures_text, kinds_text, step_rows, story
from analysis.plots import canary, style
from analysis.report.canary_page import canary_page, write_canary_report
from records.errors import RunFolderError

SHORT = Gray(steps=(0.01, 0.05, 0.25), step_s=6.0, rate_rps=300)
FAULT = Gray(steps=(0.01, 0.05, 0.25), step_s=6.0, rate_rps=300, fault_s=14.3, fault_told=True)


@pytest.fixture(scope="module")
def fault_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gray(tmp_path_factory.mktemp("gray") / "run", FAULT)


def drawn(folder: Path) -> Figure:
    with mpl.rc_context(style.SETTINGS):
        figure = canary.draw(read_canary(folder))
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()
    return figure


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_a_report_is_a_page_with_its_picture_inside_and_beside_it(fault_folder: Path) -> None:
    page = write_canary_report(fault_folder)
    assert page == fault_folder / "report" / "index.html"
    text, picture = page.read_text(), (fault_folder / "report" / "canary.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert base64.b64encode(picture).decode() in text
    assert "<script" not in text
    assert "http" not in text


def test_the_page_tells_the_step_the_cause_the_time_back_and_that_no_caller_saw_it(fault_folder: Path) -> None:
    page = canary_page(read_canary(fault_folder), b"")
    for part in (
        "Went back to Go; Rust had reached 25 %", "No caller saw a fault",
        "Rust was given 1 %, 5 % and 25 % of the users",
        "At 14.53 s, 2.53 s into 25 %, the breaker opened (failures): all traffic was on Go within 470 ms",
        "That is 700 ms at most after the fault was injected", "(counts are read every 500 ms)",
        "of its requests were answered by Go instead", "breaker closed → open",
        "step by the judge: not worse in failures, p50 and p99 by the margins", "failed 31, requests 40",
        "back by the breaker: the breaker opened (failures)", "7,800 requests ended, 0 failed",
        "It ended as back: the breaker opened (failures).", "all users are with Go",
    ):  # fmt: skip
        assert part in page, part


def test_faults_that_callers_saw_are_told_first(tmp_path: Path) -> None:
    def poll(at_s: float, count: int, faults: int) -> dict[str, object]:
        side = {"requests": count, "failed": {"late": faults}, "fell_back": 0, "caller_failed": faults, "latency": []}
        return {"t_s": at_s, "share": 0.5, "routes": {"<balance>": {"baseline": side, "candidate": side}}}

    page = canary_page(read_canary(write_lines(tmp_path / "run", [poll(0, 0, 0), poll(1, 500, 2)], [])), b"")
    assert "4 callers saw a fault, of 1,000 requests" in page
    assert "4 of 1,000 requests (2 on Rust" in page
    assert "&lt;balance&gt;" in page


def test_a_killed_run_is_marked_partial_on_page_and_picture(tmp_path: Path) -> None:
    folder = write_gray(tmp_path / "run", Gray(steps=(0.01, 0.05), step_s=5.0, rate_rps=100, killed=True))
    page = write_canary_report(folder).read_text()
    assert "partial: the run was cut short" in page
    assert "It was cut short while it waited: 12 of 30 s soaked." in page
    assert "PARTIAL RUN: cut short, Rust had reached 5 %" in words(drawn(folder))


def test_a_run_killed_before_its_first_poll_has_a_page_that_says_so(tmp_path: Path) -> None:
    page = write_canary_report(write_lines(tmp_path / "run", [], [])).read_text()
    for part in ("No request was counted", "No poll of the gateway was written", "Nobody was given to Rust"):
        assert part in page, part


def test_a_damaged_result_is_told_with_what_to_do(fault_folder: Path, tmp_path: Path) -> None:
    folder = write_lines(tmp_path / "run", [], [])
    (folder / "canary.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"canary\.json cannot be read.*cut short"):
        read_canary(folder)


def test_the_picture_marks_every_decision_and_the_way_back(fault_folder: Path) -> None:
    figure = drawn(fault_folder)
    shown = words(figure)
    for part in ("all on Go within 470 ms\nafter the breaker opened", "25 %", "4–6", "breaker open", "fault injected"):
        assert part in shown, part
    assert "share of requests that Rust got" in shown


@pytest.mark.parametrize("gray", [SHORT, FAULT, Gray(steps=(0.01,), step_s=3.0, rate_rps=4, killed=True)])
def test_nothing_written_on_the_picture_is_cut_or_lies_on_another(gray: Gray, tmp_path: Path) -> None:
    figure = drawn(write_gray(tmp_path / "run", gray))
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    width, height = figure.bbox.width, figure.bbox.height
    legend = figure.legends[0].get_window_extent(renderer)
    assert legend.x0 >= 0
    assert legend.x1 <= width
    for axes in figure.axes:
        box = axes.get_tightbbox(renderer)
        assert box is not None
        assert (box.x0 >= 0, box.x1 <= width + 2, box.y1 <= height) == (True, True, True)
    strip = [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    assert all(one.x1 < two.x0 for one, two in pairwise(strip))


def test_a_clean_release_says_that_nothing_failed(tmp_path: Path) -> None:
    folder = write_gray(tmp_path / "run", SHORT)
    assert "none: no answer failed, fell back or differed" in words(drawn(folder))
    rows = step_rows(read_canary(folder))
    assert [row.share for row in rows] == ["1 %", "5 %", "25 %"]
    assert rows[-1].ended == "done by the judge: the last step passed"


def test_events_carry_the_numbers_of_the_picture(fault_folder: Path) -> None:
    with (fault_folder / "events.jsonl").open("a") as file:
        file.write(json.dumps({"t_s": 1.0, "by": "gateway", "kind": "instance", "figures": {"healthy": True}}) + "\n")
        file.write(
            json.dumps({"t_s": 1.1, "by": "gateway", "kind": "share", "figures": {"from": 0.01, "to": 0.05}}) + "\n"
        )
    rows = event_rows(read_canary(fault_folder))
    assert [(row.number, row.what) for row in rows][:4] == [
        ("1", "step"), ("", "instance"), ("", "share 1 % → 5 %"), ("2", "step"),
    ]  # fmt: skip


def test_figures_and_kinds_are_told_in_words() -> None:
    figures = {"p99": {"ratio": 1.25}, "n": 1200, "why": "late", "x": None, "latched": True}
    assert figures_text(figures) == "p99.ratio 1.25, n 1,200, why late, x –, latched yes"
    lists = {"metrics": [{"name": "failures", "wealth": 0.5}, {"q": 0.99, "ms": 4}], "figures": {"failed": 5}}
    assert figures_text(lists) == "metrics.failures.wealth 0.5, metrics.0.99.ms 4, failed 5"
    assert kinds_text({"late": 2, "refused": 1300, "reset": 0}) == "1,302 (refused 1,300, late 2)"
    assert kinds_text({}) == "0"


def test_a_story_without_compared_answers_says_so(tmp_path: Path) -> None:
    polls = [
        {"t_s": at, "share": 0.1, "routes": {"a": {"baseline": {"requests": 9 * at}, "candidate": {"requests": at}}}}
        for at in range(3)
    ]
    assert "No answers were compared." in story(read_canary(write_lines(tmp_path / "run", polls, [])))

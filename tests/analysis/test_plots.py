"""The pictures, read by their labels, ranges and artists."""

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from picture_texts import check_texts, texts_of

from analysis import plots
from analysis.findings import Findings
from analysis.plots import spectrum, style
from analysis.plots.timeline import MOST_POINTS, thinned
from records.hdr import Histogram

FindDrawn = Callable[..., Findings]
ALL = tuple(plots.PICTURES)
SWEPT = ("saturation.png", "latency.png", "cpu.png", "memory.png")
CASES: dict[str, dict[str, object]] = {
    "whole": {},
    "empty": {"order": (), "ends": ("interrupted",)},
    "one block": {"order": ("go",), "ends": ("interrupted",)},
    "invalid": {"idle_cpu": frozenset({3, 10}), "busy_generator": frozenset(range(15, 21))},
    "gaps": {"gap_stages": frozenset(range(60))},
    "dead": {"dead": "rust-1", "dead_from_stage": 16},
    "one endpoint": {"endpoints": ("search",), "knees_rps": {("go", "search"): 500.0, ("rust", "search"): 900.0}},
    "bounds": {"rates_rps": (200.0, 400.0, 1_000.0)},
    "no saturation": {"rates_rps": (200.0, 400.0)},
    "open loop": {
        "loop": "open",
        "queue_limit_s": 4,
        "coalesce_us": 200,
        "late_stages": frozenset({4}),
        "few_connections": frozenset({17}),
    },
    "users": {"user_stages": True},
    "live": {"loop": "open", "live_users": 1_200, "rates_rps": (700.0,)},
    "open, one endpoint": {
        "loop": "open",
        "endpoints": ("search",),
        "knees_rps": {("go", "search"): 500.0, ("rust", "search"): 900.0},
    },
    "containers": {"container_cores": 0.5, "held": frozenset({6, 13, 20}), "memory_mib": {"go": 400, "rust": 300}},
    "containers far below their limits": {"container_cores": 4.0},
    "three pairs": {"order": ("go", "rust") * 3, "factors": (1.0, 1.0, 1.1, 1.2, 1.0, 0.9)},
}


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in texts_of(figure))


@pytest.mark.parametrize("case", CASES)
def test_no_text_overlaps_another_or_leaves_the_picture(find_drawn: FindDrawn, case: str) -> None:
    findings = find_drawn(**CASES[case])
    for name in ALL:
        check_texts(plots.draw_picture(name, findings), f"{name} ({case})")


@pytest.mark.parametrize("name", ALL)
def test_a_picture_is_1600_pixels_wide_with_type_of_12_points_or_more(find_drawn: FindDrawn, name: str) -> None:
    figure = plots.draw_picture(name, find_drawn())
    assert round(figure.get_figwidth() * figure.dpi) == 1_600
    assert all(text.get_fontsize() >= 12 for text in texts_of(figure))


@pytest.mark.parametrize(
    "name", ["saturation.png", "latency.png", "cpu.png", "memory.png", "timeline.png", "spectrum.png"]
)
def test_a_twin_has_the_same_colour_in_every_picture(find_drawn: FindDrawn, name: str) -> None:
    legend = plots.draw_picture(name, find_drawn()).legends[0]
    colours = {
        text.get_text().split(":")[0]: handle
        for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
    }
    for label, colour in (("Go", style.BLUE), ("Rust", style.VERMILLION)):
        handle = colours[label]
        assert handle is not None
        assert to_hex(handle.get_color()) == to_hex(colour)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [
        ("saturation.png", "offered rate (requests/s)", "achieved: good answers (requests/s)"),
        ("latency.png", "offered rate (requests/s)", "service time (ms, log scale)"),
        ("cpu.png", "offered rate (requests/s)", "CPU (cores)"),
        ("memory.png", "offered rate (requests/s)", "working set (MiB)"),
        ("spectrum.png", "percentile", "time (ms, log scale)"),
    ],
)
def test_axes_name_their_units(find_drawn: FindDrawn, name: str, x: str, y: str) -> None:
    figure = plots.draw_picture(name, find_drawn())
    assert {(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes} == {(x, y)}


@pytest.mark.parametrize("name", ALL)
def test_a_picture_says_which_way_is_good_and_which_run_it_is(find_drawn: FindDrawn, name: str) -> None:
    text = words(plots.draw_picture(name, find_drawn()))
    assert "is better" in text
    assert "20260101T000000Z-drawn" in text
    assert "closed loop" in text


@pytest.mark.parametrize("name", ["latency.png", "spectrum.png", "timeline.png"])
def test_a_picture_of_times_says_what_they_count_from(find_drawn: FindDrawn, name: str) -> None:
    assert "closed loop: service time" in words(plots.draw_picture(name, find_drawn()))


def test_an_open_loop_is_said_too(find_drawn: FindDrawn) -> None:
    text = words(plots.draw_picture("latency.png", find_drawn(loop="open")))
    assert "open loop: latency, from the intended start" in text


@pytest.mark.parametrize("name", SWEPT)
def test_endpoints_are_panels_with_the_letters_of_the_case(find_drawn: FindDrawn, name: str) -> None:
    titles = [axes.get_title("left") for axes in plots.draw_picture(name, find_drawn()).axes]
    assert titles == ["A · balance", "B · statistics"]


@pytest.mark.parametrize("name", SWEPT)
def test_invalid_stages_are_hollow_crossed_and_in_the_legend(find_drawn: FindDrawn, name: str) -> None:
    findings = find_drawn(busy_generator=frozenset({4}))  # 700 rps, balance, go, block 0
    figure = plots.draw_picture(name, findings)
    marks = [line for axes in figure.axes for line in axes.lines if line.get_gid() == "invalid"]
    assert [list(np.asarray(mark.get_xdata())) for mark in marks] == [[700.0]]
    assert marks[0].get_markerfacecolor() == "white"
    assert "invalid stage, not counted" in words(figure)


def test_a_legend_without_invalid_stages_does_not_name_them(find_drawn: FindDrawn) -> None:
    assert "invalid" not in words(plots.draw_picture("saturation.png", find_drawn()))


def test_the_spread_over_blocks_is_a_band_with_faint_points(find_drawn: FindDrawn) -> None:
    axes = plots.draw_picture("saturation.png", find_drawn()).axes[0]
    assert len(axes.collections) == 2  # a band a twin
    faint = [
        line for line in axes.lines if line.get_alpha() == 0.35 and list(np.asarray(line.get_xdata())) == [2_000.0] * 2
    ]
    drawn = sorted(float(y) for line in faint for y in np.asarray(line.get_ydata()))
    assert drawn == [800.0, 800.0, 1_600.0, 1_760.0]


def test_the_promise_and_the_allotment_are_lines(find_drawn: FindDrawn) -> None:
    findings = find_drawn()
    levels = {
        name: [float(np.asarray(line.get_ydata())[0]) for line in plots.draw_picture(name, findings).axes[0].lines
               if to_hex(line.get_color()) == to_hex(style.GREEN)]
        for name in ("latency.png", "cpu.png", "memory.png")
    }  # fmt: skip
    assert levels == {"latency.png": [100.0], "cpu.png": [1.0], "memory.png": []}
    memory = words(plots.draw_picture("memory.png", findings))
    assert "limit (MiB) of Go and Rust: 2,048 (above this axis)" in memory
    assert memory.count("limit (MiB)") == len(findings.endpoints)  # what no line shows is in no legend


def test_an_allotment_that_containers_have_as_their_own_limit_is_drawn_with_it_however_little_was_used(
    find_drawn: FindDrawn,
) -> None:
    cpu = plots.draw_picture("cpu.png", find_drawn(container_cores=1.0, rates_rps=(300.0,)))
    levels = {str(line.get_gid()): float(np.asarray(line.get_ydata())[0]) for line in cpu.axes[0].lines}
    assert levels["own limit (cores)"] == levels["allotment (cores)"] == 1.0
    assert "above this axis" not in words(cpu)


def test_a_containers_own_limits_are_dashed_lines_and_throttled_instances_are_marked(find_drawn: FindDrawn) -> None:
    # stage 6 is go's 2,000/s on balance in block 0, of which block 3 was not held back: 0.9 and 0.0 make 0.45
    findings = find_drawn(container_cores=0.5, held=frozenset({6, 48}), memory_mib={"go": 400, "rust": 300})
    cpu, memory = plots.draw_picture("cpu.png", findings), plots.draw_picture("memory.png", findings)
    own = {
        line.get_gid(): float(np.asarray(line.get_ydata())[0])
        for line in (*cpu.axes[0].lines, *memory.axes[0].lines)
        if str(line.get_gid()).startswith("own limit")
    }
    assert own == {"own limit (cores)": 0.5, "own limit (MiB)": 512.0}
    marks = [line for line in cpu.axes[0].lines if line.get_gid() == "marked"]
    assert [list(np.asarray(line.get_xdata())) for line in marks] == [[2_000.0], [2_000.0]]
    assert "throttled in 50% of its periods or more" in words(cpu)
    assert "throttled" not in words(memory)


def test_the_headline_puts_the_published_figure_beside_the_measured_one(find_drawn: FindDrawn) -> None:
    figure = plots.draw_picture("headline.png", find_drawn())
    text = words(figure)
    assert "measured 2.10× (2.00 to 2.20, range of 2 pairs)  800 → 1,680 /s" in text
    assert "published 1.76× (this endpoint)  85,000 → 150,000 QPS" in text
    assert "published 0.24× (whole cluster: p99 latency)  19.87 → 4.79 ms" in text
    low, high = figure.axes[0].get_xlim()
    assert low < 0.24
    assert high > 2.62


def test_a_twin_that_was_never_saturated_gives_at_least(find_drawn: FindDrawn) -> None:
    text = words(plots.draw_picture("saturation.png", find_drawn(rates_rps=(200.0, 400.0, 1_000.0))))
    assert "Go saturates at 800 /s (800 to 800, range of 2 blocks)" in text
    assert "Rust gives at least 1,000 /s (1,000 to 1,000, range of 2 blocks)" in text
    headline = words(plots.draw_picture("headline.png", find_drawn(rates_rps=(200.0, 400.0, 1_000.0))))
    assert "measured ≥ 1.25× (1.25 to 1.25, range of 2 pairs)  800 → ≥ 1,000 /s" in headline


def test_one_pair_has_no_range(find_drawn: FindDrawn) -> None:
    findings = find_drawn(order=("go", "rust"), factors=(1.0, 1.0))
    assert "Go saturates at 800 /s (1 block)" in words(plots.draw_picture("saturation.png", findings))
    assert "measured 2.00× (1 pair)  800 → 1,600 /s" in words(plots.draw_picture("headline.png", findings))


def test_a_pair_of_ones_own_is_not_measured_against_the_case(find_drawn: FindDrawn) -> None:
    text = words(plots.draw_picture("headline.png", find_drawn(**CASES["one endpoint"])))
    assert "no published figure" in text
    assert "105,000" not in text


def test_the_timeline_shades_each_twins_turns(find_drawn: FindDrawn) -> None:
    figure = plots.draw_picture("timeline.png", find_drawn())
    shades = [to_hex(patch.get_facecolor()) for patch in figure.axes[0].patches]
    go, rust = to_hex(style.BLUE), to_hex(style.VERMILLION)
    assert shades == [go, go, rust, rust, rust, rust, go, go]
    assert [axes.get_ylabel().split("\n")[0] for axes in figure.axes] == [
        "requests/s",
        "p99 (ms, log scale)",
        "CPU (cores)",
    ]


def test_a_day_is_thinned_to_a_point_a_pixel() -> None:
    at = np.arange(86_400.0)
    values = np.where(at < 43_200, 1.0, np.nan)
    thin_at, thin = thinned(at, values)
    assert len(thin_at) == len(thin) <= MOST_POINTS
    assert np.nanmean(thin) == 1.0
    assert np.isnan(thin).sum() == pytest.approx(len(thin) / 2, abs=1)
    assert thinned(at[:5], values[:5])[0].tolist() == [0, 1, 2, 3, 4]


def test_a_spectrum_ends_ten_samples_before_the_end() -> None:
    histogram = Histogram()
    for value in range(1, 1_001):
        histogram.record(value)
    x, ms = spectrum.spectrum_of(histogram.sparse())
    assert (x[0], ms[0]) == (1.0, 0.001)
    assert (x[-1], ms[-1]) == (pytest.approx(100.0), 0.99)
    assert np.all(np.diff(ms) >= 0)
    assert ms[np.searchsorted(x, 2.0)] == pytest.approx(0.5, abs=0.01)
    assert spectrum.spectrum_of(())[0].size == 0


def test_equal_findings_give_equal_bytes_without_a_date(find_drawn: FindDrawn) -> None:
    findings = find_drawn()
    one, two = plots.png_of("headline.png", findings), plots.png_of("headline.png", findings)
    assert one == two
    assert one.startswith(b"\x89PNG")
    assert not any(key in one for key in (b"tEXt", b"tIME"))


def test_empty_panels_say_what_is_missing(find_drawn: FindDrawn) -> None:
    findings = find_drawn(order=(), ends=("interrupted",))
    expected = {
        "saturation.png": "no measured stage",
        "timeline.png": "no second was counted",
        "spectrum.png": "no rate that both twins carry",
        "headline.png": "not measured",
    }
    for name, text in expected.items():
        figure = plots.draw_picture(name, findings)
        assert text in words(figure)
        assert "PARTIAL RUN" in words(figure)


def test_twins_that_were_never_saturated_have_no_ratio(find_drawn: FindDrawn) -> None:
    text = words(plots.draw_picture("headline.png", find_drawn(rates_rps=(200.0, 400.0))))
    assert "no ratio can be formed  ≥ 400 → ≥ 400 /s" in text


@pytest.mark.parametrize("name", ALL)
def test_every_picture_says_that_the_loop_was_open_and_answers_came_in_batches(
    find_drawn: FindDrawn, name: str
) -> None:
    text = words(plots.draw_picture(name, find_drawn(**CASES["open loop"])))
    assert "open loop (Poisson arrivals)" in text
    assert "received in batches of 200 µs; times from the kernel" in text


def test_latency_past_saturation_of_an_open_loop_is_hollow_and_not_joined(find_drawn: FindDrawn) -> None:
    figure = plots.draw_picture("latency.png", find_drawn(loop="open"))
    top = figure.axes[0]
    hollow = {float(x) for line in top.lines if line.get_gid() == "hollow" for x in np.asarray(line.get_xdata())}
    assert hollow == {1_000.0, 2_000.0}  # Go's two, and Rust's last
    joined = [
        line for line in top.lines if line.get_linestyle() == "-" and to_hex(line.get_color()) == to_hex(style.BLUE)
    ]
    assert max(float(x) for line in joined for x in np.asarray(line.get_xdata())) == 700.0
    assert "past saturation: grows as the stage goes on" in words(figure)


def test_the_lag_of_an_open_loop_has_panels_with_its_limit(find_drawn: FindDrawn) -> None:
    figure = plots.draw_picture("latency.png", find_drawn(loop="open"))
    assert len(figure.axes) == 4
    below = figure.axes[1]
    levels = [float(np.asarray(line.get_ydata())[0]) for line in below.lines
              if to_hex(line.get_color()) == to_hex(style.PURPLE)]  # fmt: skip
    assert levels == [5.0]
    assert below.get_ylim()[0] < 0.02


def test_the_timeline_of_an_open_loop_shows_who_waited_and_who_was_dropped(find_drawn: FindDrawn) -> None:
    figure = plots.draw_picture("timeline.png", find_drawn(loop="open", queue_limit_s=4))
    panel = figure.axes[2]
    assert panel.get_ylabel().startswith("arrivals waiting")
    highest = max(
        float(np.nanmax(np.asarray(line.get_ydata()))) for line in panel.lines if len(np.asarray(line.get_ydata()))
    )
    assert highest == 5_700.0  # Go's statistics: 300 + 1,200 + 4,200
    assert any(line.get_gid() == "dropped" for line in panel.lines)


def test_rates_that_nobody_planned_are_called_achieved(find_drawn: FindDrawn) -> None:
    figure = plots.draw_picture("latency.png", find_drawn(user_stages=True))
    assert {axes.get_xlabel() for axes in figure.axes} == {"achieved rate (requests/s)"}

"""The eleven files: whole, well-formed, self-contained, also for runs that hold little or nothing."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from defusedxml import ElementTree

from analysis import plots
from analysis.report import write_report
from analysis.report.markdown import escape, table
from records.errors import RunFolderError
from records.event import Event
from records.run_folder import REPORT_FILES, broken_seals, seal

WriteDrawn = Callable[..., Path]
CASES: dict[str, dict[str, object]] = {
    "whole": {},
    "no stage": {"order": (), "ends": ("interrupted",)},
    "one stage": {"cut_after": 2, "ends": ()},
    "one block": {"order": ("go",), "ends": ("interrupted",)},
    "all invalid": {"busy_generator": frozenset(range(100))},
    "gaps": {"gap_stages": frozenset(range(100))},
    "dead instance": {"dead": "go-1", "dead_from_stage": 3, "ends": ("failed",)},
    "no gate": {"gate": False},
    "open loop": {"loop": "open"},
    "live": {"loop": "open", "live_users": 1_200, "rates_rps": (700.0,)},
    "users": {"user_stages": True},
}


@pytest.fixture
def blank_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing: for tests that look at the other files."""
    monkeypatch.setattr(plots, "png_of", lambda name, _: b"\x89PNG" + name.encode() * 50)


@pytest.mark.parametrize("case", ["whole", "no stage"])
def test_pictures_are_written_as_png(write_drawn: WriteDrawn, case: str) -> None:
    run = write_drawn(**CASES[case])
    write_report(run)
    for name in plots.PICTURES:
        assert (run / "report" / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.usefixtures("blank_pictures")
def test_a_ratio_of_one_pair_has_no_spread(write_drawn: WriteDrawn) -> None:
    run = write_drawn(order=("go", "rust"), factors=(1.0, 1.0))
    write_report(run)
    lines = (run / "report" / "summary.md").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("| A · balance: maximum throughput"))
    assert line.split(" | ")[1:5] == ["**2.00×**", "–", "1", "800 → 1,600 /s"]


@pytest.mark.usefixtures("blank_pictures")
@pytest.mark.parametrize("case", CASES)
def test_every_run_gets_all_eleven_files(write_drawn: WriteDrawn, case: str) -> None:
    run = write_drawn(**CASES[case])
    write_report(run)
    assert sorted(p.name for p in (run / "report").iterdir()) == sorted(REPORT_FILES)
    assert sorted(p.name for p in run.iterdir() if p.name.startswith(".")) == []
    for name in REPORT_FILES:
        assert (run / "report" / name).stat().st_size > 200
    json.loads((run / "report" / "summary.json").read_text())
    ElementTree.parse(run / "report" / "junit.xml")
    _needs_nothing_else((run / "report" / "index.html").read_text())


def _needs_nothing_else(page: str) -> None:
    sources = re.findall(r"""(?:src|href|action|data)\s*=\s*["']([^"']*)""", page)
    assert len(sources) == 7
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"<script|<link|<iframe|@import|url\(|https?:", page, re.IGNORECASE)


@pytest.mark.usefixtures("blank_pictures")
def test_the_page_tells_the_ratio_its_pairs_and_the_published_one(write_drawn: WriteDrawn) -> None:
    run = write_drawn(idle_cpu=frozenset({3}))
    write_report(run)
    page = (run / "report" / "index.html").read_text()
    for text in ("2.10×", "2.00 to 2.20", "1.76×", "whole cluster", "too few for an interval", "past saturation"):
        assert text in page
    assert "answered 300 of 600 requests a second offered" in page
    assert "a CPU &lt;&amp;&gt;" in page  # escaped: the host's name is data


@pytest.mark.usefixtures("blank_pictures")
def test_the_markdown_fits_a_pull_request(write_drawn: WriteDrawn) -> None:
    run = write_drawn()
    write_report(run)
    text = (run / "report" / "summary.md").read_text()
    assert text.startswith("# Rust against Go: 20260101T000000Z-drawn\n")
    assert (
        "| A · balance: maximum throughput (higher is better) | **2.10×** | 2.00 to 2.20 | 2 | 800 → 1,680 /s |" in text
    )
    assert len(text) < 20_000
    for block in text.split("\n\n"):
        if block.startswith("|"):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_text_cannot_break_a_table() -> None:
    assert escape("a|b\n<c>") == "a\\|b &lt;c>"
    assert table(("x",), [("a|b",)]) == "| x |\n| --- |\n| a\\|b |"
    assert table(("x",), []) == ""


@pytest.mark.usefixtures("blank_pictures")
def test_junit_has_a_case_a_stage_and_one_for_the_gate(write_drawn: WriteDrawn) -> None:
    run = write_drawn(busy_generator=frozenset({1, 2}))
    write_report(run)
    root = ElementTree.parse(run / "report" / "junit.xml").getroot()
    gate, verdict, stages = root.findall("testsuite")
    assert [case.find("failure") is not None for case in verdict] == [True] * 4  # two pairs have no interval
    assert [case.get("name") for case in gate] == ["both twins answer alike"]
    assert len(stages) == 4 * 2 * 7 == int(stages.get("tests"))
    assert (stages.get("failures"), stages.get("skipped")) == ("2", "8")
    failed = [case for case in stages if case.find("failure") is not None]
    assert [case.get("name") for case in failed] == [
        "block 0 stage 1 steps-1: 200 rps",
        "block 0 stage 2 steps-2: 400 rps",
    ]
    assert failed[0].get("classname") == "go.balance"
    assert "the generator was the limit" in failed[0].find("failure").get("message")


@pytest.mark.usefixtures("blank_pictures")
def test_junit_survives_text_that_xml_forbids(write_drawn: WriteDrawn) -> None:
    run = write_drawn(cut_after=2, ends=())
    event = Event(1, "t", "interrupted", "bad \x00\x1b[31m \ufffe <&>")
    with (run / "events.jsonl").open("ab") as file:
        file.write(msgspec.json.encode(event) + b"\n")
    write_report(run)
    message = ElementTree.parse(run / "report" / "junit.xml").getroot().find(".//failure").get("message")
    assert message == "interrupted: bad \ufffd\ufffd[31m \ufffd <&>"


@pytest.mark.usefixtures("blank_pictures")
def test_a_partial_run_says_so_everywhere(write_drawn: WriteDrawn) -> None:
    run = write_drawn(order=(), ends=("interrupted",))
    summary = write_report(run)
    assert summary.run.partial
    for name in ("index.html", "summary.md"):
        text = (run / "report" / name).read_text()
        assert "Partial run: interrupted" in text
        assert "No stage was measured" in text
    assert "came to its end" in (run / "report" / "junit.xml").read_text()


@pytest.mark.usefixtures("blank_pictures")
def test_a_report_drawn_again_is_the_same_to_the_byte(write_drawn: WriteDrawn) -> None:
    run = write_drawn(cut_after=8)
    write_report(run)
    first = {p.name: p.read_bytes() for p in (run / "report").iterdir()}
    seal(run)
    (run / "report" / "stray.txt").write_text("left by hand")
    write_report(run)
    assert {p.name: p.read_bytes() for p in (run / "report").iterdir()} == first
    assert broken_seals(run) == ()


@pytest.mark.usefixtures("blank_pictures")
def test_what_a_killed_writer_left_is_cleared(write_drawn: WriteDrawn) -> None:
    run = write_drawn(cut_after=3)
    (run / ".report.part").mkdir()
    (run / ".report.part" / "half.png").write_text("half")
    write_report(run)
    assert sorted(p.name for p in run.iterdir() if p.is_dir()) == ["report"]


@pytest.mark.usefixtures("blank_pictures")
def test_an_older_report_stays_when_a_new_one_cannot_be_made(write_drawn: WriteDrawn) -> None:
    run = write_drawn(cut_after=3)
    write_report(run)
    before = (run / "report" / "summary.md").read_text()
    (run / "stages.jsonl").write_text("{}\n")
    with pytest.raises(RunFolderError, match=r"stages\.jsonl, line 1"):
        write_report(run)
    assert (run / "report" / "summary.md").read_text() == before


@pytest.mark.usefixtures("blank_pictures")
def test_a_report_that_cannot_be_written_is_an_error_with_a_remedy(
    write_drawn: WriteDrawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_drawn(cut_after=3)
    write_report(run)
    before = (run / "report" / "summary.md").read_text()

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RunFolderError, match="No space left on device; the run folder needs room"):
        write_report(run)
    assert (run / "report" / "summary.md").read_text() == before
    assert [p.name for p in run.iterdir() if p.name.startswith(".")] == []


@pytest.mark.usefixtures("blank_pictures")
@pytest.mark.parametrize("name", ["index.html", "summary.md"])
def test_the_generators_own_proof_has_a_section(write_drawn: WriteDrawn, name: str) -> None:
    run = write_drawn(loop="open", late_stages=frozenset({4}), coalesce_us=200, checked_ratio=0.1)
    write_report(run)
    text = (run / "report" / name).read_text()
    for told in (
        "The generator's own proof",
        "send lag p99 8 ms (limit 5 ms: engine.send_lag_p99_ms)",
        "send lag p99 exceeds 5 ms",
        "busiest thread %",
        "connections opened",
        "4,200",  # the backlog of Go past saturation
        "valid in 1 of 2 blocks",
        "valid, the twin past saturation",
        "Past saturation an open loop goes on offering",
        "bodies compared with the gate",
    ):
        assert told in text.replace("&#39;", "'"), told
    assert text.count("received in batches of 200 µs; times from the kernel") >= 3  # in every table's heading


@pytest.mark.usefixtures("blank_pictures")
def test_a_sender_that_tells_nothing_of_itself_is_said_to(write_drawn: WriteDrawn) -> None:
    run = write_drawn(cut_after=8)
    write_report(run)
    assert "tells no send lag, backlog or connections" in (run / "report" / "summary.md").read_text()

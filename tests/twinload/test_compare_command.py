"""`twinload compare`, and `run --baseline`: exit codes, refusals that name what differs, files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from defusedxml import ElementTree
from drawn_folder import write_run
from drawn_run import Drawn
from live_pair import Pair

from records.run_folder import seal
from twinload.cli import main
from twinload.compare_command import FILES

Draw = Callable[..., str]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Write a drawn run of three pairs and return its folder."""

    def write(name: str, **changes: Any) -> str:
        drawn = Drawn(**{"order": ("go", "rust") * 3, "factors": (1.0,) * 6, "endpoints": ("balance",), **changes})
        folder = write_run(tmp_path / name, drawn)
        seal(folder)
        return str(folder)

    return write


def test_a_run_as_good_passes_and_a_slower_one_fails(draw: Draw, capsys: pytest.CaptureFixture[str]) -> None:
    base, same, slower = draw("base"), draw("same"), draw("slower", factors=(1.0, 0.5) * 3)
    assert main(["compare", base, same]) == 0
    assert "# PASS: " in capsys.readouterr().out
    assert main(["compare", base, same, slower]) == 1
    out = capsys.readouterr().out
    assert "# PASS: " in out
    assert "# FAIL: " in out


def test_what_nobody_can_decide_does_not_pass(draw: Draw) -> None:
    few = {"order": ("go", "rust") * 2, "factors": (1.0,) * 4}
    assert main(["compare", draw("base", **few), draw("new", **few)]) == 1


def test_unlike_runs_are_refused_with_all_that_differs(draw: Draw, capsys: pytest.CaptureFixture[str]) -> None:
    base, other = draw("base"), draw("other", rates_rps=(200.0, 2_000.0))
    assert main(["compare", base, other]) == 2
    said = capsys.readouterr().err
    assert "plan.stages.rates_rps: [200.0, 400.0, 600.0, 700.0, 1000.0, 2000.0] against [200.0, 2000.0]" in said
    assert "(cannot be waived)" in said


def test_a_harmless_difference_is_waived_by_name(draw: Draw, capsys: pytest.CaptureFixture[str]) -> None:
    base, new = draw("base"), draw("new")
    manifest = Path(new) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"commit": "0123abcd"', '"commit": "4567"'))
    seal(Path(new))
    assert main(["compare", base, new]) == 2
    assert "where that changes nothing that is measured: --anyway commit" in capsys.readouterr().err
    assert main(["compare", base, new, "--anyway", "commit"]) == 0
    assert "Waived: commit of twinload: 0123abcd against 4567." in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        main(["compare", base, new, "--anyway", "plan"])
    assert end.value.code == 2


def test_files_and_json_hold_the_same(draw: Draw, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = draw("base")
    assert main(["compare", base, base, "--json", "--out", str(tmp_path / "out")]) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(FILES)
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads((tmp_path / "out" / "compare.json").read_text())
    assert (document["verdict"], len(document["comparisons"][0]["rows"])) == ("pass", 15)
    assert ElementTree.parse(tmp_path / "out" / "junit.xml").getroot() is not None


def test_changed_lines_are_not_compared(draw: Draw, capsys: pytest.CaptureFixture[str]) -> None:
    base, new = draw("base"), draw("new")
    with (Path(new) / "events.jsonl").open("a") as file:
        file.write("\n")
    assert main(["compare", base, new]) == 2
    assert "changed since the run was sealed: events.jsonl" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_is_held_against_an_earlier_one(finished: Pair) -> None:
    earlier = str(finished.latest)
    unlike = finished.call("run", "--baseline", earlier, "--anyway", "commit", "--set", "stages.measure_s=3")
    assert unlike.returncode == 2
    assert "plan.stages.measure_s: 2 against 3 (cannot be waived)" in unlike.stderr
    assert str(finished.latest) == earlier  # refused before anything was started
    done = finished.call("run", "--baseline", earlier, "--anyway", "commit", "--check")
    assert done.returncode == 1, done.stderr  # one pair of blocks decides nothing
    assert "# INCONCLUSIVE: " in done.stdout
    assert sorted(p.name for p in (finished.latest / "compare").iterdir()) == sorted(FILES)
    assert finished.call("audit", str(finished.latest)).returncode == 0

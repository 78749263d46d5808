"""`twinload audit` from the command line: exit codes, and what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from drawn_folder import write_run
from drawn_run import Drawn

from analysis import plots
from analysis.report import write_report
from records.run_folder import seal
from twinload.cli import main


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(plots, "png_of", lambda name, _: b"\x89PNG" + name.encode())
    folder = write_run(tmp_path / "run", Drawn(endpoints=("balance",), rates_rps=(200.0, 2_000.0)))
    write_report(folder)
    seal(folder)
    return folder


def test_a_run_as_sealed_passes(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(run)]) == 0
    assert "PASS: run: 16 files as sealed" in capsys.readouterr().out


def test_a_changed_file_fails_and_is_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "report" / "cpu.png").write_bytes(b"other")
    assert main(["audit", str(run)]) == 1
    out = capsys.readouterr().out
    assert "report/cpu.png: was changed since it was sealed" in out
    assert "FAIL: run: 1 thing against it" in out


def test_json_names_the_figure_and_both_values(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = run / "report" / "summary.json"
    tree = json.loads(summary.read_text())
    tree["ratios"]["balance"]["saturation"]["value"] = 9.5
    summary.write_text(json.dumps(tree))
    seal(run)
    assert main(["audit", str(run), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    (finding,) = document["findings"]
    assert document["passed"] is False
    assert (finding["figure"], finding["recorded"]) == ("ratios.balance.saturation.value", 9.5)
    assert finding["derived"] == pytest.approx(4.4**0.5)


def test_a_folder_that_is_no_run_is_bad_usage(tmp_path: Path) -> None:
    assert main(["audit", str(tmp_path)]) == 2

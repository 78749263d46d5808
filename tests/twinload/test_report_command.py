"""The end of `run` and `report`: the page that was written is named by its true path, whatever folder it is in."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from records.run_folder import REPORT
from twinload import report_command
from twinload.context import Context
from twinload.talk import Talk


def stand_in_report(run: Path) -> None:
    """Write what a report's end reads."""
    (run / REPORT).mkdir(parents=True, exist_ok=True)
    (run / REPORT / "summary.md").write_text("# summary\n")
    (run / REPORT / "summary.json").write_text("{}\n")


@pytest.mark.parametrize("as_json", [False, True])
def test_the_report_is_named_by_its_true_path(as_json: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_command, "write_report", stand_in_report)
    monkeypatch.chdir(tmp_path)
    out, err = io.StringIO(), io.StringIO()
    talk = Talk(out=Console(file=out, soft_wrap=True), err=Console(file=err, soft_wrap=True))
    folder = Path("elsewhere") / "20260101T000000Z-mine"
    folder.mkdir(parents=True)
    context = Context(tmp_path / "twinload.toml", tmp_path / "elsewhere", (), as_json, talk)
    report_command.finish_report(context, folder)
    assert err.getvalue() == f"report: {tmp_path.resolve() / folder / REPORT / 'index.html'}\n"
    assert "report:" not in out.getvalue()


def test_make_names_no_folder_of_its_own_after_a_run() -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    assert 'echo "Open' not in makefile

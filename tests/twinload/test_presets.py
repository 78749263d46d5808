"""Settings that an option of `twinload run` lays over the plan."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from records.plan_file import check_plan, read_plan
from twinload.cli import parser
from twinload.presets import QUICK, thorough

SHIPPED = Path(__file__).parents[2] / "twinload.toml"


def test_a_thorough_run_asks_for_two_percent_and_gives_each_sweep_half_an_hour() -> None:
    plan = read_plan(SHIPPED, environ={})
    found = read_plan(SHIPPED, sets=thorough(plan), environ={})
    assert (found.search.mode, found.search.ratio_width) == ("capacity", 0.02)
    assert found.search.time_limit_s == 3_600  # balance and statistics
    one = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    one["workload"][0]["hot"] = False
    del one["cost"]
    assert "search.time_limit_s=1800.0" in thorough(check_plan(one, "one endpoint"))


def test_what_a_person_sets_wins_over_a_preset() -> None:
    plan = read_plan(SHIPPED, environ={})
    found = read_plan(SHIPPED, sets=(*thorough(plan), "search.time_limit_s=900.0"), environ={})
    assert found.search.time_limit_s == 900


def test_a_quick_run_is_one_pair_of_the_curve() -> None:
    found = read_plan(SHIPPED, sets=QUICK, environ={})
    assert (found.search.mode, found.search.pairs) == ("curve", 1)


def test_quick_and_thorough_together_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert parser().parse_args(["run", "--thorough"]).thorough
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["run", "--thorough", "--quick"])
    assert ended.value.code == 2
    assert "not allowed with argument" in capsys.readouterr().err

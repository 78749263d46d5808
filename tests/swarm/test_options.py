"""What options and plan say together: fields override the plan, faults are all named."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest
from swarm_cases import PLAN

from records.errors import PlanError
from swarm.options import bind_to_loopback, choose, plan_source
from swarm.targets import SwarmError


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "twinload.toml"
    path.write_text(PLAN.format(one=18001, two=18002))
    return {
        "plan": str(path), "plan_sets": [], "twins": "one,two", "endpoints": "front", "stages_kind": "steps",
        "rates": "", "warmup_s": 1, "measure_s": 1, "pairs": 1, "seats": 20,
    }  # fmt: skip


def listening(*argv: str) -> list[Any]:
    parser = ArgumentParser()
    for name in ("--web-host", "--master-bind-host"):
        parser.add_argument(name, default="*")
    for name in ("--master-bind-port", "--master-port", "--processes"):
        parser.add_argument(name, type=int, default=5557)
    parser.add_argument("--master", action="store_true")
    bind_to_loopback(parser, argv, lambda: 40_000)
    found = parser.parse_args(argv)
    return [found.web_host, found.master_bind_host, found.master_bind_port, found.master_port]


def test_web_ui_and_master_listen_on_loopback_unless_told_otherwise() -> None:
    assert listening() == ["127.0.0.1", "127.0.0.1", 5557, 5557]
    assert listening("--master", "--master-bind-host", "0.0.0.0") == ["127.0.0.1", "0.0.0.0", 5557, 5557]
    assert listening("--web-host", "::") == ["::", "127.0.0.1", 5557, 5557]


def test_worker_processes_get_a_port_of_their_own() -> None:
    assert listening("--processes", "2")[2:] == [40_000, 40_000]
    assert listening("--processes=2")[2:] == [40_000, 40_000]
    assert listening("--processes", "2", "--master-bind-port", "7000", "--master-port", "7000")[2:] == [7000, 7000]


def test_fields_as_the_plan_has_them_change_nothing(options: dict[str, Any]) -> None:
    choice = choose(options, {})
    assert (choice.plan.stages.rates_rps, choice.plan.swarm.seats) == ([50, 100], 20)
    assert (choice.scope.twins, choice.scope.endpoints) == (("one", "two"), ("front",))
    assert choice.root == Path(options["plan"]).parent


def test_changed_fields_override_the_plan(options: dict[str, Any]) -> None:
    options |= {"rates": "10, 20.5", "measure_s": 7, "warmup_s": "2", "pairs": 3, "seats": 44, "twins": "two"}
    choice = choose(options, {})
    assert (choice.plan.stages.kind, choice.plan.stages.rates_rps) == ("steps", [10, 20.5])
    assert (choice.plan.stages.measure_s, choice.plan.stages.warmup_s, choice.plan.search.pairs) == (7, 2, 3)
    assert (choice.plan.swarm.seats, choice.scope.twins) == (44, ("two",))


def test_another_sender_can_be_chosen(options: dict[str, Any]) -> None:
    assert choose(options | {"sender": "fasthttp"}, {}).plan.swarm.sender == "fasthttp"
    assert choose(options | {"sender": "native-schedule"}, {}).plan.swarm.sender == "native-schedule"


def test_a_kind_of_its_own_needs_its_keys_and_says_so(options: dict[str, Any]) -> None:
    options["stages_kind"] = "soak"
    with pytest.raises(PlanError, match='kind = "soak" needs rate_rps'):
        choose(options, {})


def test_asking_for_the_mix_switches_it_on(options: dict[str, Any]) -> None:
    options["endpoints"] = "mix"
    assert choose(options, {}).plan.sweeps == ("front", "mix")
    assert choose(options, {}).scope.endpoints == ("mix",)


@pytest.mark.parametrize(
    ("field", "value"), [("twins", "one,three"), ("endpoints", "front,side"), ("rates", "10,many")]
)
def test_what_does_not_exist_is_named(options: dict[str, Any], field: str, value: str) -> None:
    options[field] = value
    with pytest.raises(SwarmError, match=value.split(",")[1]):
        choose(options, {})


def test_the_command_line_comes_before_the_environment() -> None:
    argv = ["-f", "x.py", "--headless", "--plan", "a.toml", "--set", "slo.p99_ms=5", "--set=search.pairs=2"]
    found = plan_source(argv, {"TWINLOAD_PLAN": "b.toml"})
    assert (found.path, found.sets) == (Path("a.toml"), ("slo.p99_ms=5", "search.pairs=2"))
    assert plan_source([], {"TWINLOAD_PLAN": "b.toml"}).path == Path("b.toml")
    assert plan_source([], {}).path == Path("twinload.toml")

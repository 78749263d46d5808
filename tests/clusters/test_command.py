from __future__ import annotations

from pathlib import Path

from clusters.command import fill, fill_variables, launches, split_address
from records.plan import Plan
from records.plan_file import check_plan


def test_a_command_gets_its_address_name_and_pool_and_keeps_other_braces() -> None:
    filled = fill("{name} {host}|{port}|{address} {pool} {other} {{}}", "go-1", "[::1]:80", Path("/p"))
    assert filled == "go-1 ::1|80|[::1]:80 /p {other} {{}}"


def test_an_address_splits_at_its_last_colon() -> None:
    assert split_address("127.0.0.1:18101") == ("127.0.0.1", 18101)
    assert split_address("[::1]:80") == ("::1", 80)


def test_variables_are_filled_and_the_missing_ones_named() -> None:
    assert fill_variables("a ${B}-${C}", {"B": "b"}) == ("a b-", ("C",))
    assert fill_variables("$B {B}", {"B": "b"}) == ("$B {B}", ())


def test_an_instance_sees_little_of_the_starters_environment_and_its_own_wins_over_the_twins(tree) -> None:
    values = tree(env={"GOMAXPROCS": "1", "KEY": "${SECRET}"})
    values["twins"]["go"]["instances"][1]["env"] = {"GOMAXPROCS": "2"}
    environ = {"PATH": "/bin", "AWS_SECRET": "no", "SECRET": "s"}
    one, two = launches(check_plan(values, "test"), Path("/plan"), ("go",), environ)
    assert dict(one.env) == {"PATH": "/bin", "GOMAXPROCS": "1", "KEY": "s"}
    assert dict(two.env) == {"PATH": "/bin", "GOMAXPROCS": "2", "KEY": "s"}


def test_a_launch_knows_the_instance_as_the_records_want_it(plan: Plan) -> None:
    launch = launches(plan, Path("/plan"), ("go", "rust"), {})[2]
    instance = launch.instance
    assert (instance.name, instance.role, instance.twin, instance.serves) == ("rust-1", "target", "rust", ("balance",))
    assert (instance.cpus, instance.watch, instance.log) == (1.0, "process", ".twinload/logs/rust-1.log")
    assert instance.pid is None


def test_an_external_instance_has_no_command_and_is_not_watched(tree) -> None:
    values = tree(start="external")
    launch = launches(check_plan(values, "test"), Path("/plan"), ("go",), {})[0]
    assert launch.argv == ()
    assert (launch.instance.watch, launch.instance.log, launch.log) == ("none", None, None)

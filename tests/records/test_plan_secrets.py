"""Secrets stand in no plan, and what was written literally all the same is repeated nowhere."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.errors import PlanError
from records.plan_file import check_plan, masked_argv, read_plan
from records.plan_secrets import is_secret_name, masked_setting

SHIPPED = Path(__file__).parents[2] / "twinload.toml"
SECRET = "s3cr3t-v4lue"  # noqa: S105


def tree() -> dict[str, Any]:
    return tomllib.loads(SHIPPED.read_text(encoding="utf-8"))


def refused(changed: dict[str, Any]) -> str:
    with pytest.raises(PlanError) as caught:
        check_plan(changed, "plan")
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "secret"),
    [("Authorization", True), ("Proxy-Authorization", True), ("cookie", True), ("X-Auth-Token", True),
     ("CLIENT_SECRET", True), ("DB_PASSWORD", True), ("x-api-key", True), ("APIKEY", True), ("SIGNING_KEY", True),
     ("Idempotency-Key", False), ("IDEMPOTENCY_KEY", False), ("X-Idempotency-Key", False), ("Accept", False),
     ("GOMAXPROCS", False), ("KEYBOARD", False), ("cookie-consent", False)],
)  # fmt: skip
def test_a_secret_is_known_by_the_name_of_its_header_or_variable(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


def test_a_literal_secret_is_a_fault_wherever_it_stands_and_is_not_repeated() -> None:
    changed = tree()
    changed["twins"]["go"]["headers"] = {"Authorization": f"Bearer {SECRET}"}
    changed["twins"]["go"]["env"]["DB_PASSWORD"] = SECRET
    changed["twins"]["rust"]["instances"][0]["env"] = {"SIGNING_KEY": SECRET}
    changed["workload"][1]["headers"] = {"X-Api-Key": SECRET}
    text = refused(changed)
    assert SECRET not in text
    for path in (
        "twins.go.headers.Authorization", "twins.go.env.DB_PASSWORD", "twins.rust.instances.rust-1.env.SIGNING_KEY",
        "workload.statistics.headers.X-Api-Key",
    ):  # fmt: skip
        assert f"{path} = ***: a secret never stands in a plan: write ${{NAME}} and export NAME" in text


def test_a_variable_alone_or_behind_a_prefix_and_a_users_own_column_are_accepted() -> None:
    changed = tree()
    changed["twins"]["go"]["headers"] = {"Authorization": "Bearer ${TOKEN}", "Idempotency-Key": "fixed"}
    changed["twins"]["go"]["env"]["DB_PASSWORD"] = "${DB_PASSWORD}"  # noqa: S105
    changed["workload"][0]["headers"] = {"X-User-Token": "{user_id}"}
    assert check_plan(changed, "plan").twins["go"].headers["Authorization"] == "Bearer ${TOKEN}"


@pytest.mark.parametrize(
    "setting",
    [
        f"twins.go.headers.Authorization=Bearer {SECRET}",
        f"twins.go.headers.Authorization.deeper={SECRET}",
        f'twins.go.headers={{ Authorization = "Bearer {SECRET}" }}',
        f"twins.go.headers=Authorization: Bearer {SECRET}",
        f'twins.go.env=["API_TOKEN={SECRET}"]',
        f"twins.go.env.API_TOKEN=[1, '{SECRET}']",
        f"twins.go.instances.0.env.API_TOKEN={SECRET}",
        f"twins.go.instances.9.env.API_TOKEN={SECRET}",
        f"twins.go.authorization={SECRET}",
        f"workload.0.headers.x-api-key={SECRET}",
        f"swarm.token={SECRET}",
        f"twins.go.headers.Authorization: Bearer {SECRET}",
        f"Authorization: Bearer {SECRET}==",
    ],
)
def test_no_fault_of_a_setting_repeats_a_secret(setting: str) -> None:
    with pytest.raises(PlanError) as caught:
        read_plan(SHIPPED, sets=(setting, "swarm.seats=0"), environ={})
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.faults)
    assert "swarm.seats = 0" in str(caught.value)


def test_no_fault_of_the_environment_repeats_a_secret() -> None:
    with pytest.raises(PlanError) as caught:
        read_plan(
            SHIPPED, environ={"TWINLOAD_TWINS__GO__HEADERS__AUTHORIZATION": SECRET, "TWINLOAD_SWARM__TOKEN": SECRET}
        )
    assert SECRET not in str(caught.value)
    assert "twins.go.headers.authorization = ***" in str(caught.value)


def test_a_recorded_command_line_holds_no_secret_and_loses_nothing_else() -> None:
    argv = [
        "twinload", "run", "--set", f"twins.go.headers.Authorization=Bearer {SECRET}", "--set=swarm.seats=400",
        f"--set=twins.go.env.API_TOKEN={SECRET}", "--se", f"workload.0.headers.Cookie={SECRET}", "--quick",
        "--set", 'twins.go.env={ GOMAXPROCS = "1" }', "--set", f'twins.go.env={{ API_KEY = "{SECRET}" }}', "--set",
    ]  # fmt: skip
    assert masked_argv(argv) == (
        "twinload", "run", "--set", "twins.go.headers.Authorization=***", "--set=swarm.seats=400",
        "--set=twins.go.env.API_TOKEN=***", "--se", "workload.0.headers.Cookie=***", "--quick",
        "--set", 'twins.go.env={ GOMAXPROCS = "1" }', "--set", "twins.go.env=***", "--set",
    )  # fmt: skip


def test_a_twin_named_like_a_secret_hides_nothing_of_its_own() -> None:
    assert masked_setting("twins.token-service.cpus=2.0") == "twins.token-service.cpus=2.0"


@given(st.lists(st.text(max_size=12), max_size=6))
def test_arguments_without_set_stay_as_they_are(words: list[str]) -> None:
    plain = [word for word in words if not word.startswith("--s")]
    assert masked_argv(plain) == tuple(plain)


@given(st.sampled_from(["Authorization", "X-Token", "a-key"]), st.text(min_size=1))
def test_a_masked_setting_says_the_key_alone(name: str, value: str) -> None:
    assert masked_setting(f"twins.go.headers.{name}={value}") == f"twins.go.headers.{name}=***"

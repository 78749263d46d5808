"""The shipped plan shows every key: those it needs with their values, the others as comments that hold."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from records.plan import InstancePlan, Plan, TwinPlan
from records.plan_file import check_plan
from records.plan_load import StagesPlan
from records.plan_shadow import ShadowPlan

TEXT = (Path(__file__).parents[2] / "twinload.toml").read_text(encoding="utf-8")
COMMENTED = re.compile(r"^# (?=(?:[a-z0-9_]+ = |\[\[))", re.MULTILINE)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def every_model(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for inner in models_in(field.annotation):
            yield from every_model(inner)


def keys_of(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def uncommented() -> dict[str, Any]:
    return tomllib.loads(COMMENTED.sub("", TEXT))


@pytest.mark.parametrize("model", dict.fromkeys(every_model(Plan)), ids=lambda model: model.__name__)
def test_every_key_of_every_section_is_shown(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        key = field.alias or name
        header = rf"\[+([a-z]+\.)*{key}(\.[a-z]+)*\]+"
        assert re.search(rf"^(# )?({key} = |{header})|[{{,] {key} = ", TEXT, re.MULTILINE), f"{model.__name__}: {key}"


def test_every_key_is_shown_in_its_own_section() -> None:
    tree = uncommented()
    assert set(tree) == keys_of(Plan)
    assert set(tree["twins"]["go"]) == keys_of(TwinPlan)
    assert set(tree["twins"]["go"]["instances"][0]) == keys_of(InstancePlan)
    assert set(tree["stages"]) == keys_of(StagesPlan)
    for section in ("pool", "watch", "swarm", "slo", "search", "cost", "compare", "shadow", "canary"):
        (model,) = models_in(Plan.model_fields[section].annotation)
        assert set(tree[section]) == keys_of(model), section
    lists = {
        "workload": (tree["workload"], Plan.model_fields["workload"]),
        "case": (tree["shadow"]["case"], ShadowPlan.model_fields["case"]),
        "rule": (tree["shadow"]["rule"], ShadowPlan.model_fields["rule"]),
        "gateway": ([tree["shadow"]["gateway"]], ShadowPlan.model_fields["gateway"]),
        "list": (tree["stages"]["list"], StagesPlan.model_fields["list_"]),
    }
    for name, (shown, field) in lists.items():
        (model,) = models_in(field.annotation)
        assert {key for entry in shown for key in entry} == keys_of(model), name


@pytest.mark.parametrize("kind", ["probe", "ramp", "steps", "spike", "soak", "list"])
def test_all_comments_taken_together_make_a_plan_without_faults(kind: str) -> None:
    tree = uncommented()
    tree["stages"]["kind"] = kind
    assert check_plan(tree, "uncommented").stages.kind == kind


def test_the_fills_of_a_command_are_shown() -> None:
    assert all(f"{{{name}}}" in TEXT for name in ("address", "host", "port", "name", "pool"))

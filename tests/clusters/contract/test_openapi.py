"""The contract is a valid OpenAPI 3.1 document and its schemas fit what the oracle answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from openapi_spec_validator import validate

from clusters.contract import oracle
from clusters.contract.golden.ledger import golden_ledger
from clusters.contract.golden.vectors import Vector, read_vectors
from clusters.contract.oracle import Window

OPENAPI_FILE = Path(oracle.__file__).with_name("openapi.yaml")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(OPENAPI_FILE.read_text(encoding="utf-8"))
    return loaded


def check(document: dict[str, Any], schema: str, value: object) -> None:
    whole = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    jsonschema.Draft202012Validator(whole).validate(value)


def schema_of(vector: Vector) -> str:
    if vector.answer.status == 400:
        return "ParameterProblem"
    if vector.answer.status >= 400:
        return "Problem"
    names = {"/balance": "Balance", "/statistics": "Statistics", "/transactions": "Transactions", "/fib": "Fibonacci"}
    path = vector.request.target.partition("?")[0]
    return next((name for end, name in names.items() if path.endswith(end)), "")


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")


def test_every_body_of_the_golden_vectors_fits_its_schema(document: dict[str, Any]) -> None:
    checked = 0
    for vector in read_vectors():
        schema = schema_of(vector)
        if schema and vector.answer.body:
            check(document, schema, yaml.safe_load(vector.answer.body))
            checked += 1
    assert checked > 200


def ordered_keys(value: object) -> object:
    if isinstance(value, dict):
        return [(key, ordered_keys(item)) for key, item in value.items()]
    return [ordered_keys(item) for item in value] if isinstance(value, list) else value


def test_the_examples_are_answers_of_the_oracle_in_its_order(document: dict[str, Any]) -> None:
    golden = golden_ledger()
    examples = document["components"]["examples"]
    diamonds, ties = golden.index_of("diamonds-edge"), golden.index_of("ties")
    assert diamonds is not None
    assert ties is not None
    balance = yaml.safe_load(oracle.balance(golden, diamonds, golden.now_ms))
    window = Window(1_749_859_200_000, 1_749_988_800_000, "day")
    statistics = yaml.safe_load(oracle.statistics(golden, ties, window))
    assert ordered_keys(examples["Balance"]["value"]) == ordered_keys(balance)
    assert ordered_keys(examples["Statistics"]["value"]) == ordered_keys(statistics)


def test_the_required_members_of_a_schema_are_its_properties_in_order(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        if "properties" in schema:
            assert schema["required"] == list(schema["properties"]), name
            assert schema["additionalProperties"] is False, name


def test_every_operation_names_its_answers_and_every_object_is_closed(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method == "parameters":
                continue
            assert operation["operationId"], path
            assert {"200", "201"} & set(operation["responses"]), path
            if method == "post":
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                assert schema["additionalProperties"] is False
                assert schema["required"] == list(schema["properties"])
                assert {"400", "404", "413", "415", "422", "503"} <= set(operation["responses"])

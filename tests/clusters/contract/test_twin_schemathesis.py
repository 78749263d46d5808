"""Requests generated from the OpenAPI document, bounded and from a fixed seed: every answer is one it describes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from clusters.contract import answers
from clusters.contract.answers import Serve
from clusters.contract.instance import Instance, Twin
from clusters.contract.ledger import Ledger
from clusters.contract.random_ledger import random_ledger
from clusters.contract.wallet import DAY_MS

pytestmark = pytest.mark.slow

OPENAPI_FILE = Path(answers.__file__).with_name("openapi.yaml")
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,unsupported_method"
)
SEED = "20250615"


def likely_document(ledger: Ledger) -> dict[str, Any]:
    """The contract with ids and times of a ledger named as likely values, so that generated requests get far."""
    document: dict[str, Any] = yaml.safe_load(OPENAPI_FILE.read_text(encoding="utf-8"))
    schemas = document["components"]["schemas"]
    day_ms = ledger.now_ms // DAY_MS * DAY_MS
    likely = {
        "UserId": list(ledger.user_ids),
        "TimeParameter": [0, 1, *range(day_ms - 5 * DAY_MS, day_ms + DAY_MS, DAY_MS), ledger.now_ms],
    }
    for name, values in likely.items():
        schemas[name] = {"anyOf": [{"enum": values}, schemas[name]]}
    return document


@pytest.mark.parametrize(("twin", "serve"), [("go", "hot"), ("rust", "hot"), ("go", "all")])
def test_generated_requests_get_described_answers(
    start: Callable[..., Instance], tmp_path: Path, twin: Twin, serve: Serve
) -> None:
    ledger = random_ledger(Random(5), users=6, steps=300)
    document = tmp_path / "openapi.yaml"
    document.write_text(yaml.safe_dump(likely_document(ledger), sort_keys=False), encoding="utf-8")
    instance = start(twin, ledger, serve)
    tags = ["hot", "operations"] if serve == "hot" else ["rest"]
    host, port = instance.address
    done = subprocess.run(
        [
            str(SCHEMATHESIS),
            "run",
            str(document),
            f"--url=http://{host}:{port}",
            *(f"--include-tag={tag}" for tag in tags),
            "--exclude-operation-id=profile",
            "--exclude-operation-id=fib",  # fib(45) takes seconds by intent; test_twins.py draws its queries
            f"--checks={CHECKS}",
            "--phases=examples,coverage,fuzzing",
            "--max-examples=25",
            f"--seed={SEED}",
            "--generation-database=none",
            "--max-failures=5",
            "--request-timeout=10",
            "--no-color",
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        cwd=tmp_path,
    )
    print(done.stdout[-6000:], done.stderr[-2000:])
    assert done.returncode == 0
    assert instance.process.poll() is None

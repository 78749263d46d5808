"""Locust's own tests of FastHttpUser hold for NativeHttpUser; run where a clone of Locust's repository is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "support/fasthttp_conformance.py"


@pytest.mark.slow
def test_locusts_own_tests_of_fasthttpuser_hold() -> None:
    folder = os.environ.get("TWINLOAD_LOCUST_REPOSITORY")
    if folder is None:
        pytest.skip("TWINLOAD_LOCUST_REPOSITORY names no clone of Locust's repository (its packages hold no tests)")
    ran = subprocess.run(
        [sys.executable, str(SCRIPT), folder], capture_output=True, text=True, timeout=200, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " 0 failed" in ran.stdout

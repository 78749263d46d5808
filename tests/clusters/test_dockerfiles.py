"""The files that build the twins in containers get all that a build with the lock file wants."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEMBERS = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["members"]


def folders(lines: list[str]) -> set[str]:
    return {line.strip("!/") for line in lines}


@pytest.mark.parametrize("member", MEMBERS)
def test_every_crate_of_the_workspace_goes_into_the_build(member: str) -> None:
    copied = [
        line.split()[1]
        for line in (ROOT / "clusters/rust/Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
    ]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    parents = {str(part) for part in (Path(member), *Path(member).parents)}
    assert parents & folders(copied)
    assert parents & folders([line for line in ignored if line.startswith("!")])

"""The gate's key changes with everything that was compared, and with nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from shadow.errors import TargetError
from shadow.fingerprint import Program, is_external, key_from, programs_of, versions_of

PROGRAM = {"old-1": Program((("a", "1" * 64),))}


def test_the_key_is_the_same_for_the_same_things(plan_of) -> None:
    assert key_from(plan_of(), "pool", PROGRAM, {}) == key_from(plan_of(), "pool", PROGRAM, {})


@pytest.mark.parametrize(
    "section",
    [{"search": {"pairs": 9}}, {"label": "other"}, {"swarm": {"seats": 3}}, {"slo": {"p99_ms": 5.0}}],
)
def test_what_is_not_compared_leaves_the_key(plan_of, section) -> None:
    assert key_from(plan_of(), "pool", PROGRAM, {}) == key_from(plan_of(**section), "pool", PROGRAM, {})


def test_all_that_is_compared_changes_the_key(plan_of) -> None:
    plan = plan_of()
    keys = {
        key_from(plan, "pool", PROGRAM, {}),
        key_from(plan, "other pool", PROGRAM, {}),
        key_from(plan, "pool", {"old-1": Program((("a", "2" * 64),))}, {}),
        key_from(plan, "pool", {"old-2": Program((("a", "1" * 64),))}, {}),
        key_from(plan, "pool", PROGRAM, {"new-1": "v"}),
        key_from(plan_of(("127.0.0.1:9",)), "pool", PROGRAM, {}),
        key_from(plan_of(bound=0.02), "pool", PROGRAM, {}),
        key_from(plan_of(shadow={"headers": []}), "pool", PROGRAM, {}),
        key_from(plan_of(pool={"seed": 1}), "pool", PROGRAM, {}),
        key_from(plan_of(old={"headers": {"a": "b"}}), "pool", PROGRAM, {}),
    }
    assert len(keys) == 10


def test_which_twin_is_the_baseline_changes_the_key(plan_of) -> None:
    plan = plan_of()
    turned = plan.model_copy(update={"twins": dict(reversed(plan.twins.items()))})
    assert key_from(plan, "pool", PROGRAM, {}) != key_from(turned, "pool", PROGRAM, {})


def test_a_binary_is_known_by_its_hash(plan_of, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/app").write_bytes(b"abc")
    programs = programs_of(plan_of(command=["bin/app", "--listen", "{address}"]), tmp_path)
    assert programs["old-1"].digest == hashlib.sha256(b"abc").hexdigest()
    assert set(programs) == {"old-1", "new-1"}


def test_a_script_counts_beside_its_interpreter(plan_of, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").write_bytes(b"interpreter")
    plan = plan_of(command=["python", "-u", "server.py", "--port", "{port}"])
    digests = set()
    (tmp_path / "bin/python").chmod(0o755)
    for text in ("one", "two"):
        (tmp_path / "server.py").write_text(text)
        digests.add(programs_of(plan, tmp_path, {"PATH": str(tmp_path / "bin")})["old-1"].digest)
    assert len(digests) == 2


def test_a_module_beside_a_script_counts_too(plan_of, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").write_bytes(b"interpreter")
    (tmp_path / "bin/python").chmod(0o755)
    (tmp_path / "server.py").write_text("import rules")
    plan, keys = plan_of(command=["python", "server.py"]), set()
    for text in ("one", "two"):
        (tmp_path / "rules.py").write_text(text)
        keys.add(key_from(plan, "pool", programs_of(plan, tmp_path, {"PATH": str(tmp_path / "bin")}), {}))
    assert len(keys) == 2


def test_a_missing_binary_is_named(plan_of, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"old-1: bin/app does not exist; build it"):
        programs_of(plan_of(command=["bin/app"]), tmp_path)


def test_an_external_twin_is_known_by_its_version(plan_of, serve, reply_type, instances_of, tmp_path: Path) -> None:
    said = {"version": b"1"}
    twins = [serve(lambda _m, _t: reply_type(body=said["version"])).address for _ in range(2)]
    plan = plan_of(twins[:1], twins[1:], new={"version": "/version"})
    assert is_external(plan)
    one = versions_of(plan, instances_of(plan), tmp_path, {})
    said["version"] = b"2"
    two = versions_of(plan, instances_of(plan), tmp_path, {})
    assert set(one) == {"new-1"}
    assert one != two


def test_an_external_twin_that_does_not_tell_its_version_is_named(plan_of, serve, instances_of, tmp_path: Path) -> None:
    plan = plan_of((serve().address,), ("127.0.0.1:2",), old={"version": "/version"})
    with pytest.raises(TargetError, match=r"old-1: /version answered 404"):
        versions_of(plan, instances_of(plan), tmp_path, {})

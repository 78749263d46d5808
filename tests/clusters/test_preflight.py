from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil
import pytest

from clusters import preflight
from clusters.command import launches
from clusters.errors import AddressUnusable, BinaryMissing, CoresMissing, FolderUnwritable, PortTaken, VariableMissing
from clusters.preflight import faults_before_start, port_owner
from records.plan import Plan


def faults(values, root: Path):
    what = launches(Plan.model_validate(values), root, ("go", "rust"), {"PATH": os.environ["PATH"]})
    return faults_before_start(what, root)


def test_a_good_plan_has_no_faults_and_leaves_only_the_folder_of_the_logs(tree, root: Path) -> None:
    assert faults(tree(), root) == ()
    assert sorted(p.name for p in root.rglob("*")) == [".twinload", "logs", "server.py"]


def test_a_taken_port_is_told_with_the_instance_and_the_owner(tree, ports, root: Path) -> None:
    with socket.create_server(("127.0.0.1", ports[1])):
        (fault,) = faults(tree(), root)
    assert isinstance(fault, PortTaken)
    name = psutil.Process().name()
    assert str(fault).startswith(f"go-2: port {ports[1]} at 127.0.0.1 is taken by process {os.getpid()} ({name})")


def test_a_port_that_all_addresses_have_is_taken_too(tree, ports, root: Path) -> None:
    with socket.create_server(("0.0.0.0", ports[0])):
        (fault,) = faults(tree(), root)
    assert isinstance(fault, PortTaken)


def test_an_owner_that_cannot_be_seen_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.psutil, "net_connections", lambda _: [])
    assert port_owner(18101) == "an unknown process (another user's)"


def test_a_missing_program_of_the_reference_pair_is_built_by_make_setup(tree, root: Path) -> None:
    values = tree()
    values["twins"]["go"]["command"] = [".twinload/bin/wallet-go"]
    first, second = faults(values, root)
    assert isinstance(first, BinaryMissing)
    assert str(first) == "go-1: .twinload/bin/wallet-go does not exist; `make setup` builds it"
    assert str(second).startswith("go-2: ")


def test_a_program_that_may_not_be_executed_is_told_apart_from_a_missing_one(tree, root: Path) -> None:
    values = tree()
    values["twins"]["go"]["command"] = ["./server.py"]
    values["twins"]["rust"]["command"] = ["no-such-program"]
    texts = [str(fault) for fault in faults(values, root)]
    assert texts[0] == "go-1: ./server.py may not be executed; check `command` in the plan"
    assert texts[2] == "rust-1: no-such-program is not found in PATH; check `command` in the plan"


def test_cores_that_are_not_there_are_named_with_those_that_are(tree, root: Path) -> None:
    (fault, _) = faults(tree(cpu_set=[0, 4095]), root)
    assert isinstance(fault, CoresMissing)
    there = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
    assert "twins.go.cpu_set names core 4095, but there are only core" in str(fault)
    assert there in str(fault)


def test_a_missing_variable_an_address_of_another_machine_and_a_read_only_folder_are_told(tree, root: Path) -> None:
    (root / ".twinload").write_text("a file where a folder should be")
    values = tree()
    values["twins"]["go"]["env"] = {"KEY": "${NO_SUCH}"}
    values["twins"]["rust"]["instances"][0]["address"] = "192.0.2.1:80"
    kinds = [type(fault) for fault in faults(values, root)]
    assert kinds == [FolderUnwritable, VariableMissing, VariableMissing, AddressUnusable]

"""Records of gates: kept, found, grown old, never passing by accident."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from records.manifest import GateRecord
from shadow.answer import Answer, Case, Pair
from shadow.errors import StoreError
from shadow.finding import Finding
from shadow.record import find, folder_of, forget, save, write_findings
from shadow.report import GateReport
from shadow.scrub import Scrubber
from shadow.tally import Tally

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PASSED = GateRecord("k", "2026-01-02T00:00:00Z", True, {"balance": 3_000}, {"balance": 0}, {"balance": 0.001})


def report_with_difference() -> GateReport:
    tally = Tally(wanted={"balance": 1}, needs=(), headers=(), scrubber=Scrubber([]))
    case = Case(0, "balance", "valid", "", "fan", "GET", "/u/1", "/u/1")
    tally.add(Pair(case, "old-1", "new-1", Answer(200, (), b'{"a":1}'), Answer(200, (), b'{"a":2}')))
    return tally.report(utc="2026-01-02T00:00:00Z", baseline="old", candidate="new")


def test_a_passed_gate_is_found_again_under_its_key_alone(tmp_path: Path) -> None:
    save(tmp_path, PASSED, now=NOW)
    assert find(tmp_path, "k", NOW + timedelta(days=900)) == PASSED
    assert find(tmp_path, "other", NOW) is None


def test_a_record_of_external_twins_grows_old(tmp_path: Path) -> None:
    save(tmp_path, PASSED, now=NOW, max_age_h=24)
    assert find(tmp_path, "k", NOW + timedelta(hours=24)) == PASSED
    assert find(tmp_path, "k", NOW + timedelta(hours=24, seconds=1)) is None


@pytest.mark.parametrize("record", [replace(PASSED, passed=False), replace(PASSED, skipped=True)])
def test_a_failed_or_skipped_gate_is_no_record_to_go_by(tmp_path: Path, record: GateRecord) -> None:
    save(tmp_path, record, now=NOW)
    assert find(tmp_path, "k", NOW) is None


def test_a_failed_gate_takes_the_place_of_a_passed_one(tmp_path: Path) -> None:
    save(tmp_path, PASSED, now=NOW)
    save(tmp_path, replace(PASSED, passed=False), now=NOW)
    assert find(tmp_path, "k", NOW) is None


@pytest.mark.parametrize("damage", [b"", b"{", b'{"record":1}', b'{"record":{"key":"k","utc":"","passed":"yes"}}'])
def test_a_damaged_record_is_none(tmp_path: Path, damage: bytes) -> None:
    save(tmp_path, PASSED, now=NOW).write_bytes(damage)
    assert find(tmp_path, "k", NOW) is None


def test_a_record_under_the_wrong_name_is_none(tmp_path: Path) -> None:
    save(tmp_path, PASSED, now=NOW).rename(folder_of(tmp_path) / "z.json")
    assert find(tmp_path, "z", NOW) is None


def test_findings_are_written_as_lines_and_as_text_and_read_back(tmp_path: Path) -> None:
    report = report_with_difference()
    written = write_findings(tmp_path / "gate", "k", report)
    assert written is not None
    lines = written[0].read_bytes().splitlines()
    assert tuple(msgspec.json.decode(line, type=Finding) for line in lines) == report.findings
    text = written[1].read_text()
    assert "$.a: 1 != 2" in text
    assert "GET /u/1" in text


def test_no_findings_leave_no_file(tmp_path: Path) -> None:
    assert write_findings(tmp_path, "k", replace(report_with_difference(), findings=())) is None
    assert list(tmp_path.iterdir()) == []


def test_forgetting_takes_the_record_and_its_differences_away(tmp_path: Path) -> None:
    save(tmp_path, PASSED, now=NOW)
    write_findings(folder_of(tmp_path), "k", report_with_difference())
    forget(tmp_path, "k")
    forget(tmp_path, "k")
    assert list(folder_of(tmp_path).iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / ".twinload").write_text("a file stands here")
    with pytest.raises(StoreError, match=r"cannot write .*k\.json: .*; give it room"):
        save(tmp_path, PASSED, now=NOW)

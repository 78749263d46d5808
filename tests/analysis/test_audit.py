"""A whole drawn run, sealed: any byte that changes is found, and any figure that the lines do not give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from drawn_folder import write_run
from drawn_run import Drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from searched_run import Searched, write_searched

from analysis.audit import audit_run, differences, leaves
from analysis.report import write_report
from records.errors import RunFolderError
from records.run_folder import MANIFEST, RAW, REPORT_FILES, SEAL, RunReader, seal

FILES = (MANIFEST, *RAW, SEAL, *(f"report/{name}" for name in REPORT_FILES))
SMALL = Drawn(endpoints=("balance",), rates_rps=(200.0, 2_000.0))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed run folder with its report; tests put back what they change."""
    run = write_run(tmp_path_factory.mktemp("audit") / "run", SMALL)
    write_report(run)
    seal(run)
    return run


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed run that searched a capacity, with its report; tests put back what they change."""
    run = write_searched(tmp_path_factory.mktemp("audit") / "searched", Searched(time_limit_s=300.0))
    write_report(run)
    seal(run)
    return run


@pytest.fixture
def kept(whole: Path) -> Any:
    """The same folder, put back to the byte when the test is over."""
    before = {name: (whole / name).read_bytes() for name in FILES}
    yield whole
    for name, text in before.items():
        (whole / name).write_bytes(text)


def test_a_folder_as_written_passes_with_every_figure_counted(whole: Path) -> None:
    audit = audit_run(whole)
    assert audit.findings == ()
    assert audit.passed
    assert audit.files == len(FILES) - 1
    recorded = json.loads((whole / "report" / "summary.json").read_bytes())
    assert audit.figures == len(list(leaves(recorded))) > 200


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_flipped_byte_is_found_and_its_file_named(whole: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(FILES))
    text = (whole / name).read_bytes()
    at = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.integers(1, 255))
    (whole / name).write_bytes(text[:at] + bytes([text[at] ^ byte]) + text[at + 1 :])
    try:
        found = audit_run(whole)
    finally:
        (whole / name).write_bytes(text)
    assert not found.passed
    assert name in {finding.file for finding in found.findings}


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_flipped_byte_of_a_run_that_searched_a_capacity_is_found(searched: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(FILES))
    text = (searched / name).read_bytes()
    at = data.draw(st.integers(0, len(text) - 1))
    (searched / name).write_bytes(text[:at] + bytes([text[at] ^ data.draw(st.integers(1, 255))]) + text[at + 1 :])
    try:
        found = audit_run(searched)
    finally:
        (searched / name).write_bytes(text)
    assert name in {finding.file for finding in found.findings}


def test_a_late_answer_taken_from_a_trial_changes_figures_of_the_capacity(searched: Path) -> None:
    path, sealed = searched / "seconds.jsonl", (searched / SEAL).read_bytes()
    lines = path.read_bytes()
    tried = {line.stage.id for line in RunReader(searched).stages() if line.stage.kind == "trial"}
    kept = [line for line in lines.splitlines(keepends=True) if json.loads(line)["stage"] not in set(list(tried)[::2])]
    path.write_bytes(b"".join(kept))
    seal(searched)
    try:
        figures = {finding.figure or "" for finding in audit_run(searched).findings}
    finally:
        path.write_bytes(lines)
        (searched / SEAL).write_bytes(sealed)
    for part in ("capacity_rps", "ratios.balance.capacity", "opinions.little", "at_capacity"):
        assert any(part in figure for figure in figures), part


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_an_edited_figure_is_found_though_the_seal_was_renewed(whole: Path, data: st.DataObject) -> None:
    path, sealed = whole / "report" / "summary.json", (whole / SEAL).read_bytes()
    text = path.read_bytes()
    tree = json.loads(text)
    figures = [place for place, value in leaves(tree) if isinstance(value, int | float) and not isinstance(value, bool)]
    place = data.draw(st.sampled_from(figures))
    parent, key = _parent(tree, place)
    before = parent[key]
    parent[key] = before + data.draw(st.sampled_from([1, -1, 0.001])) * max(abs(before), 1)
    path.write_text(json.dumps(tree))
    seal(whole)
    try:
        (finding,) = audit_run(whole).findings
    finally:
        path.write_bytes(text)
        (whole / SEAL).write_bytes(sealed)
    assert (finding.file, finding.figure) == ("report/summary.json", place)
    assert (finding.recorded, finding.derived) == (parent[key], before)


def _parent(tree: Any, place: str) -> tuple[Any, Any]:
    keys: list[Any] = []
    for part in place.split("."):
        name, *positions = part.replace("]", "").split("[")
        keys += [name, *map(int, positions)]
    for key in keys[:-1]:
        tree = tree[key]
    return tree, keys[-1]


def test_a_changed_line_names_its_file_and_the_figures_that_no_longer_follow(kept: Path) -> None:
    seconds = kept / "seconds.jsonl"
    text = seconds.read_text()
    at = text.index('"2xx":{"done":', text.index('"phase":"measure"')) + len('"2xx":{"done":')
    seconds.write_text(text[:at] + ("1" if text[at] != "1" else "2") + text[at + 1 :])
    found = audit_run(kept).findings
    assert found[0].file == "seconds.jsonl"
    figures = {finding.figure: finding for finding in found}
    stage = figures["twins.go.balance.stages[0].achieved_rps"]
    assert (stage.recorded, stage.derived) == (200.0, 175.0)  # 100 for 200 in one second of 2 s, one block of 2


def test_lines_that_cannot_be_read_are_named_with_their_number(kept: Path) -> None:
    stages = kept / "stages.jsonl"
    lines = stages.read_text().splitlines(keepends=True)
    stages.write_text("".join([lines[0], lines[1][1:], *lines[2:]]))
    seal(kept)
    (finding,) = audit_run(kept).findings
    assert finding.file == "stages.jsonl"
    assert "line 2" in finding.text


def test_texts_beside_the_summary_are_made_again_too(kept: Path) -> None:
    for name in ("summary.md", "junit.xml", "index.html"):
        path = kept / "report" / name
        path.write_text(path.read_text(encoding="utf-8").replace("balance", "balanse", 1), encoding="utf-8")
    seal(kept)
    found = audit_run(kept).findings
    assert {finding.file for finding in found} == {"report/summary.md", "report/junit.xml", "report/index.html"}
    assert all("balanse" in finding.text for finding in found if finding.file != "report/index.html")


def test_a_plan_edited_in_the_manifest_contradicts_its_digest(kept: Path) -> None:
    path = kept / MANIFEST
    path.write_text(path.read_text().replace('"measure_s": 2', '"measure_s": 3'))
    seal(kept)
    assert "plan_digest" in {finding.figure for finding in audit_run(kept).findings}


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="is no run folder"):
        audit_run(tmp_path)


def figures(recorded: Any, derived: Any) -> list[str | None]:
    return [finding.figure for finding in differences(recorded, derived)]


def test_values_are_compared_by_path_type_and_size() -> None:
    assert figures({"a": [1, {"b": 2.0}]}, {"a": [1, {"b": 2.0}]}) == []
    assert figures({"a": [1, {"b": 2.0}]}, {"a": [1, {"b": 2.5}]}) == ["a[1].b"]
    assert figures({"a": 1.0}, {"a": 1.0 + 1e-12}) == []  # what another machine may round otherwise
    assert figures({"a": 1}, {"a": True}) == ["a"]
    assert figures({"a": None}, {"a": 0}) == ["a"]
    assert figures({"a": 1, "b": 2}, {"b": 2}) == ["a"]
    assert figures({"b": 2}, {"a": 1, "b": 2}) == ["a"]
    assert figures({"a": []}, {"a": {}}) == ["a"]

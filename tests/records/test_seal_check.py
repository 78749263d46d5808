"""A sealed folder of three small files, changed in every way a folder can be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from records.run_folder import seal
from records.seal_check import seal_faults


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "report").mkdir()
    for name in ("manifest.json", "stages.jsonl", "report/summary.md"):
        (tmp_path / name).write_text(f"text of {name}\n")
    seal(tmp_path)
    return tmp_path


def files(folder: Path) -> list[str]:
    return [fault.file for fault in seal_faults(folder)]


def test_a_folder_as_sealed_has_no_fault(folder: Path) -> None:
    assert seal_faults(folder) == ()


def test_a_changed_a_missing_and_an_added_file_are_named(folder: Path) -> None:
    (folder / "stages.jsonl").write_text("other\n")
    (folder / "report" / "summary.md").unlink()
    (folder / "more.part").write_text("")
    assert [str(fault.text) for fault in seal_faults(folder)] == [
        "is missing",
        "was changed since it was sealed",
        "is not in the seal: it was added later",
    ]
    assert files(folder) == ["report/summary.md", "stages.jsonl", "more.part"]


def test_a_file_that_was_renamed_is_the_seals_word_against_the_folder(folder: Path) -> None:
    (folder / "stages.jsonl").rename(folder / "stagez.jsonl")
    assert files(folder) == ["seal.json", "stagez.jsonl"]


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "white space": lambda text: text.replace(b"\n }", b"\n  }").replace(b"\n", b"\n\n", 1),
    "a digit of a hash": lambda text: text[:-5] + (b"0" if text[-5:-4] != b"0" else b"1") + text[-4:],
    "no JSON": lambda text: text[1:],
    "no UTF-8": lambda text: text.replace(b"manifest", b"manif\xffst"),
    "hashes that are no text": lambda _: b'{"manifest.json": 1}',
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_seal_is_named_itself(folder: Path, change: str) -> None:
    text = (folder / "seal.json").read_bytes()
    (folder / "seal.json").write_bytes(CHANGES[change](text))
    assert (folder / "seal.json").read_bytes() != text
    assert files(folder) == ["seal.json"]


def test_without_a_seal_nothing_vouches(folder: Path) -> None:
    (folder / "seal.json").unlink()
    (fault,) = seal_faults(folder)
    assert fault.file == "seal.json"
    assert "nothing vouches" in fault.text


def test_a_sealed_name_never_leads_out_of_the_folder(folder: Path) -> None:
    hashes = json.loads((folder / "seal.json").read_text())
    (folder / "seal.json").write_text(json.dumps({**hashes, "../secret": "0" * 64}))
    assert "../secret" in files(folder)  # missing here, whatever lies there

"""The golden files as a whole: made by the recipe, every sentence of the contract shown somewhere."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from clusters.contract import answers, ledger
from clusters.contract.golden.__main__ import main
from clusters.contract.golden.cases import CORRUPT, NOW_MS
from clusters.contract.golden.ledger import golden_ledger
from clusters.contract.golden.vectors import VECTORS_FILE, encode_vectors, make_vectors, read_vectors
from clusters.contract.rules import columns_violations, violations

OPENAPI_FILE = Path(answers.__file__).with_name("openapi.yaml")

SHOWN_ELSEWHERE = {
    "D2": "test_rules.py: columns of broken layout; test_twins.py: bad data are refused with exit code 2",
    "D3": "test_rules.py: kinds, parties and holds",
    **dict.fromkeys(("W0", "W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8"), "test_twin_writes.py"),
    "S1": "test_store.py",
    **dict.fromkeys(("S2", "S3", "S4"), "test_store_gone.py"),
    **dict.fromkeys(("O2", "O3", "O4", "O5", "P1", "P2"), "test_twin_operations.py"),
}
"""Sentences that no golden vector can show, and the tests that do."""


def sentence_ids() -> list[str]:
    text = OPENAPI_FILE.read_text(encoding="utf-8")
    return re.findall(r"^\s*\[([A-Z]\d)\] ", text, flags=re.MULTILINE)


def test_every_sentence_stands_in_the_contract_once() -> None:
    found = Counter(sentence_ids())
    repeated = {sentence for sentence, count in found.items() if count > 1 and sentence != "W0"}
    assert repeated == set()
    for group, count in {"A": 6, "B": 7, "D": 4, "E": 6, "F": 7, "N": 1, "O": 5, "P": 2, "T": 2}.items():
        assert {f"{group}{number}" for number in range(1, count + 1)} <= set(found)
    assert {f"W{number}" for number in range(9)} <= set(found)


def test_every_sentence_is_shown_by_a_vector_or_a_named_test() -> None:
    shown = {sentence for vector in read_vectors() for sentence in vector.sentences}
    assert set(sentence_ids()) - shown - set(SHOWN_ELSEWHERE) == set()


def test_vectors_name_only_sentences_of_the_contract() -> None:
    shown = {sentence for vector in read_vectors() for sentence in vector.sentences}
    assert shown <= set(sentence_ids())


def test_there_are_many_vectors_and_each_has_a_name_of_its_own() -> None:
    names = [vector.name for vector in read_vectors()]
    assert len(names) >= 150
    assert len(set(names)) == len(names)


def test_the_file_is_what_the_recipe_makes() -> None:
    assert VECTORS_FILE.read_text(encoding="ascii") == encode_vectors(make_vectors())


def test_vectors_survive_writing_and_reading() -> None:
    assert read_vectors() == make_vectors()


def test_the_golden_ledger_survives_its_data_directory(tmp_path: Path) -> None:
    golden = golden_ledger()
    assert ledger.load_data_dir(ledger.write_data_dir(golden, tmp_path)) == golden


def test_now_and_as_of_are_those_of_the_highest_seq() -> None:
    golden = golden_ledger()
    assert (golden.now_ms, golden.as_of) == (NOW_MS, 4_000_000_000)
    empty = ledger.Ledger(("a",), ((),))
    assert (empty.now_ms, empty.as_of) == (0, 0)


@pytest.mark.parametrize("user_id", golden_ledger().user_ids)
def test_only_the_corrupt_users_break_rules(user_id: str) -> None:
    golden = golden_ledger()
    user = golden.index_of(user_id)
    assert user is not None
    corrupt = user_id in {f"corrupt-{name}" for name in CORRUPT}
    assert bool(violations(golden.entries[user])) == corrupt


def test_the_golden_ledger_breaks_no_rule_between_users(tmp_path: Path) -> None:
    golden = golden_ledger()
    columns = ledger.load_columns(ledger.write_data_dir(golden, tmp_path))
    assert columns_violations(columns, len(golden.user_ids)) == []


def test_the_command_checks_the_file_and_writes_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "vectors agree with the oracle" in capsys.readouterr().out
    assert main(["--data", str(tmp_path / "data")]) == 0
    assert (tmp_path / "data" / "ledger" / "party.npy").is_file()


def test_the_slugs_of_the_contract_are_those_of_the_oracle() -> None:
    document = yaml.safe_load(OPENAPI_FILE.read_text(encoding="utf-8"))
    described = str(document["components"]["responses"])
    assert all(f"/problems/{slug}" in described for slug in answers.PROBLEMS)

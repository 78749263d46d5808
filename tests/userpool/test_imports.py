"""Real ids become pseudonyms; every fault is named by its line, no raw id ever leaves memory."""

from __future__ import annotations

import hashlib
import hmac
import traceback
from base64 import b32encode
from pathlib import Path

import pytest

from userpool import (
    ImportFault,
    KeyFault,
    PoolError,
    PoolSummary,
    PoolTaken,
    import_pool,
    make_pool,
    raw_ids,
    read_pool,
)

RAW = [f"customer-{number}@example.org" for number in range(40)]


def write_ids(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "ids.csv"
    path.write_bytes(data)
    return path


def imported(tmp_path: Path, key_file: Path, data: bytes) -> PoolSummary:
    return import_pool(write_ids(tmp_path, data), key_file, tmp_path / "pool")


def faults_of(tmp_path: Path, key_file: Path, data: bytes) -> list[str]:
    """Return the faults of an import file; fails when it is taken or a pool is left behind."""
    with pytest.raises(ImportFault) as caught:
        imported(tmp_path, key_file, data)
    assert not (tmp_path / "pool").exists()
    return [str(fault) for fault in caught.value.faults]


def test_an_id_becomes_the_first_26_letters_of_its_keyed_hash(tmp_path: Path, key_file: Path) -> None:
    pool = read_pool(imported(tmp_path, key_file, b"id\nanna\n").folder)
    digest = hmac.new(bytes(range(32)), b"anna", hashlib.sha256).digest()
    assert pool.ids == (b32encode(digest).decode().lower()[:26],)
    assert pool.tiers == ("imported",)
    assert pool.activity.tolist() == [1]
    assert pool.entries is None
    assert pool.record.imported


def test_further_columns_are_kept_in_order_for_the_templates(tmp_path: Path, key_file: Path) -> None:
    data = "account,region,activity,shop,tier\r\nanna,südwest,7,12,gold\r\nbert,ost,9,13,\r\n".encode()
    pool = read_pool(imported(tmp_path, key_file, data).folder)
    assert list(pool.columns) == ["user_id", "tier", "activity", "region", "shop"]
    assert pool.columns["region"] == ("südwest", "ost")
    assert pool.columns["shop"] == ("12", "13")
    assert pool.tiers == ("gold", "imported")
    assert pool.activity.tolist() == [7, 9]


def test_pseudonyms_are_stable_under_a_key_and_differ_under_another(tmp_path: Path, key_file: Path) -> None:
    ids = write_ids(tmp_path, ("id\n" + "\n".join(RAW)).encode())
    other_key = tmp_path / "other.key"
    other_key.write_bytes(b"k" * 16)
    other_key.chmod(0o600)
    one = read_pool(import_pool(ids, key_file, tmp_path / "one").folder)
    same = read_pool(import_pool(ids, key_file, tmp_path / "same").folder)
    other = read_pool(import_pool(ids, other_key, tmp_path / "other").folder)
    assert one.ids == same.ids
    assert one.digest == same.digest
    assert set(one.ids) & set(other.ids) == set()


def test_a_line_end_after_the_key_is_no_part_of_it(tmp_path: Path, key_file: Path) -> None:
    ids = write_ids(tmp_path, b"id\nanna\n")
    before = raw_ids(ids, key_file)
    key_file.write_bytes(key_file.read_bytes() + b"\n")
    assert raw_ids(ids, key_file) == before


def test_raw_ids_come_back_by_pseudonym(tmp_path: Path, key_file: Path) -> None:
    ids = write_ids(tmp_path, ("id,tier\n" + "\n".join(f"{raw},x" for raw in RAW)).encode())
    pool = read_pool(import_pool(ids, key_file, tmp_path / "pool").folder)
    known = raw_ids(ids, key_file)
    assert [known[pseudonym] for pseudonym in pool.ids] == RAW


def test_an_import_is_kept_until_file_or_key_change(tmp_path: Path, key_file: Path) -> None:
    assert not imported(tmp_path, key_file, b"id\nanna\n").kept
    assert imported(tmp_path, key_file, b"id\nanna\n").kept
    assert not imported(tmp_path, key_file, b"id\nberta\n").kept
    key_file.write_bytes(b"z" * 32)
    assert not imported(tmp_path, key_file, b"id\nberta\n").kept


@pytest.mark.parametrize(
    ("data", "faults"),
    [
        (b"id\nanna\nbert\nanna\n", ["line 4: the id of line 2 again: every user once"]),
        (b"id\nanna\n\nbert\n", ["line 3: the id is empty"]),
        (b"id,shop\n,4\n", ["line 2: the id is empty"]),
        (b"id\n" + b"x" * 256 + b"\n", []),
        (b"id\n" + b"x" * 257 + b"\n", ["line 2: the id is longer than 256 bytes"]),
        (b"id\n" + "ä".encode() * 129 + b"\n", ["line 2: the id is longer than 256 bytes"]),
        (b"id,shop,age\nanna,4\n", ["line 2: a column is missing: 2 of 3"]),
        (b"id,shop\nanna,4,5\n", ["line 2: 3 columns, the header names 2: a value must not hold a comma"]),
        (b"id\nanna\nb\xffrt\n", ["line 3: byte 2 of the line is not UTF-8: save the file as UTF-8"]),
        (
            b'id,shop\nanna,"4"\n',
            ["line 2: a value holds a quote, a line end or another control character: write plain values"],
        ),
        (
            b"id,shop\nan\rna,4\n",
            ["line 2: a value holds a quote, a line end or another control character: write plain values"],
        ),
        (b"id,activity\nanna,0\n", ["line 2: activity is not an integer from 1 to 1000000000"]),
        (b"id,activity\nanna,1e3\n", ["line 2: activity is not an integer from 1 to 1000000000"]),
        (b"id,copy\nanna,anna\nbert,bert\n", ["line 1: column 2 repeats the id on every line: leave it out"]),
        (b"id\n", ["line 1: no user follows the header: one user a line"]),
        (
            b"4711,7\n4712,8\n",
            [
                f"line 1: column {place} has no name of letters, digits and _: the first line names the columns"
                for place in (1, 2)
            ],
        ),
        (
            b"id,shop,shop\nanna,1,2\n",
            ["line 1: a column is named twice: give each its own name, user_id to the first alone"],
        ),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path: Path, key_file: Path, data: bytes, faults: list[str]) -> None:
    if faults:
        assert faults_of(tmp_path, key_file, data) == faults
    else:
        assert imported(tmp_path, key_file, data).users == 1


def test_all_faults_come_at_once_the_first_twenty_shown_and_all_counted(tmp_path: Path, key_file: Path) -> None:
    with pytest.raises(ImportFault) as caught:
        imported(tmp_path, key_file, b"id,shop\nanna,1\nbert\n" + b",1\n" * 30)
    assert caught.value.count == 31
    assert len(caught.value.faults) == 20
    message = str(caught.value)
    assert "31 faults" in message
    assert "line 3: a column is missing: 1 of 2" in message
    assert message.endswith("and 11 more")


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path, key_file: Path) -> None:
    assert imported(tmp_path, key_file, b"\xef\xbb\xbfid\nanna\n").users == 1


def test_no_raw_id_is_in_any_file_message_or_trace(
    tmp_path: Path, key_file: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = write_ids(tmp_path, ("id,tier\n" + "\n".join(f"{raw},x" for raw in RAW)).encode())
    told: list[str] = []
    summary = import_pool(ids, key_file, tmp_path / "pool", progress=told.append)
    pool = read_pool(summary.folder)
    seen = [*told, repr(summary), repr(pool), repr(pool.record), caplog.text, *capsys.readouterr()]
    seen += [path.read_text("utf-8") for path in summary.folder.rglob("*") if path.is_file()]
    broken = ids.read_bytes() + f"\n{RAW[3]},x\n{RAW[4]}\n{RAW[5]}\xff,y\n{RAW[6]},a,b\n".encode("latin-1")
    for data in (broken, broken.replace(b"id,tier", RAW[0].encode())):
        with pytest.raises(ImportFault) as caught:
            import_pool(write_ids(tmp_path, data), key_file, tmp_path / "other")
        seen += traceback.format_exception(caught.value)
    assert not [raw for raw in RAW for text in seen if raw in text]


def test_a_key_that_others_may_read_is_refused_with_the_remedy(tmp_path: Path, key_file: Path) -> None:
    for mode in (0o640, 0o604, 0o660):
        key_file.chmod(mode)
        with pytest.raises(KeyFault, match="chmod 600"):
            imported(tmp_path, key_file, b"id\nanna\n")


def test_a_short_or_missing_key_is_refused_with_the_remedy(tmp_path: Path, key_file: Path) -> None:
    key_file.write_bytes(b"fifteen bytes..\n")
    with pytest.raises(KeyFault, match=r"has 15 bytes, at least 16 are needed; make one with"):
        imported(tmp_path, key_file, b"id\nanna\n")
    with pytest.raises(KeyFault, match="No such file"):
        imported(tmp_path, tmp_path / "none.key", b"id\nanna\n")


def test_a_missing_import_file_is_named(tmp_path: Path, key_file: Path) -> None:
    with pytest.raises(PoolError, match="ids cannot be read"):
        import_pool(tmp_path / "none.csv", key_file, tmp_path / "pool")


def test_generated_users_never_take_the_place_of_imported_ones(tmp_path: Path, key_file: Path) -> None:
    standing = imported(tmp_path, key_file, b"id\nanna\nbert\n")
    with pytest.raises(PoolTaken, match="add import_file and key_file"):
        make_pool(50, 1, standing.folder, ledgers=False)
    assert read_pool(standing.folder).digest == standing.digest

"""Holding a run folder against its seal: every file, to the byte, and the seal's own text. Reads, writes nothing.

The seal is written in one form (sorted names, indented by one), so a byte changed in its white space shows too. A hash
that differs from the file's in a digit or two is a changed seal, not a changed file: two files' hashes agree in about 4
of 64 digits.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from records.run_folder import SEAL

_FEW_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class SealFault:
    """One thing in which a folder is not what its seal says: the file's name relative to the folder, and what."""

    file: str
    text: str


def seal_faults(folder: Path) -> tuple[SealFault, ...]:
    """Return every difference between a run folder and its seal; () when each byte is as sealed.

    A missing or unreadable seal is a fault as well: nothing vouches for the folder then.
    """
    try:
        text = (folder / SEAL).read_bytes()
        sealed = msgspec.json.decode(text, type=dict[str, str])
    except OSError as error:
        return (SealFault(SEAL, f"cannot be read ({error.strerror or error}): nothing vouches for this folder"),)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return (SealFault(SEAL, f"was changed: {error}"),)
    found, unread = _hashes(folder)
    faults = [*unread, *_differences(sealed, found, {fault.file for fault in unread})]
    if text != _canonical(sealed):
        faults.append(SealFault(SEAL, "was changed: its text is not as it was written"))
    return tuple(faults)


def sealed_files(folder: Path) -> tuple[str, ...]:
    """Return the names of all files below a folder but the seal itself, sorted."""
    files = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return tuple(sorted(name for path in files if (name := path.relative_to(folder).as_posix()) != SEAL))


def _hashes(folder: Path) -> tuple[dict[str, str], list[SealFault]]:
    hashes, unread = {}, []
    for name in sealed_files(folder):
        try:
            with (folder / name).open("rb") as file:
                hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            unread.append(SealFault(name, f"cannot be read: {error.strerror or error}"))
    return hashes, unread


def _differences(sealed: dict[str, str], found: dict[str, str], unread: set[str]) -> list[SealFault]:
    faults = []
    unsealed = [name for name in found if name not in sealed]
    for name, digest in sealed.items():
        if name in unread:
            continue
        if name not in found:
            other = next((one for one in unsealed if found[one] == digest), None)
            moved = SealFault(SEAL, f"names {name!r}, which is not there; {other} has that hash")
            faults.append(SealFault(name, "is missing") if other is None else moved)
        elif found[name] != digest:
            few = _digits_apart(found[name], digest)
            changed_seal = SealFault(SEAL, f"was changed: {few} of 64 digits of its hash of {name} are not the file's")
            faults.append(changed_seal if few <= _FEW_DIGITS else SealFault(name, "was changed since it was sealed"))
    faults += [SealFault(name, "is not in the seal: it was added later") for name in unsealed]
    return faults


def _digits_apart(one: str, two: str) -> int:
    return sum(a != b for a, b in zip(one, two, strict=False)) + abs(len(one) - len(two))


def _canonical(sealed: dict[str, str]) -> bytes:
    """Return the seal as `seal` writes it: the order of its names is that of paths, as it stands."""
    return msgspec.json.format(msgspec.json.encode(sealed), indent=1) + b"\n"

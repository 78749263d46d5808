"""What an instance runs, by content: the files of its command, each with its SHA-256.

| command | files |
|---|---|
| `bin/app …` | the program |
| `python server.py …`, `python -m server …` | the interpreter, the script, the sources beside the script |
| `./server.py …` | the script, the sources beside it |

Sources beside a script are the files of its folder with its suffix: what it may import. Folders below are not read, nor
is what is installed elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

Files = tuple[tuple[str, str], ...]
"""(file name, SHA-256) of the program first, then of the script, then of the sources beside it by name."""

MOST_SOURCES: Final = 200
"""So many sources beside a script are read; of the others size and time of change count."""
SOURCES: Final = frozenset(
    {".class", ".cjs", ".exs", ".jar", ".jl", ".js", ".lua", ".mjs", ".php", ".pl", ".py", ".r", ".rb", ".sh", ".ts"}
)
_CHUNK_BYTES: Final = 1 << 20


def files_of(argv: Sequence[str], folder: Path, path: str | None, hashes: dict[Path, str]) -> Files | None:
    """Return the files that a command runs; None when its program does not exist.

    Args:
        argv: the command.
        folder: the working folder, which relative paths refer to.
        path: where a bare name is looked for, as $PATH says it.
        hashes: what was read already; what is read now is added.
    """
    program = _program(argv[0], folder, path) if argv else None
    if program is None:
        return None
    script = program if program.suffix in SOURCES else _script(argv[1:], folder)
    found = [program] if script in {None, program} else [program, script]
    read = [(file.name, _sha256(file, hashes)) for file in found if file is not None]
    if script is None or script.suffix not in SOURCES:
        return tuple(read)
    beside = sorted(p for p in script.parent.iterdir() if p.suffix == script.suffix and p != script and p.is_file())
    read += [(file.name, _sha256(file, hashes)) for file in beside[:MOST_SOURCES]]
    return (*read, *((file.name, _looks(file)) for file in beside[MOST_SOURCES:]))


def _program(name: str, folder: Path, path: str | None) -> Path | None:
    if "/" in name:
        found = folder / name
        return found.resolve() if found.is_file() else None
    where = shutil.which(name, path=path if path is not None else os.defpath)
    return Path(where).resolve() if where else None


def _script(words: Sequence[str], folder: Path) -> Path | None:
    """Return what an interpreter runs: the first source file named, else the first word that is no option."""
    for before, word in zip(("", *words), words, strict=False):
        for candidate in _module(folder, word) if before == "-m" else (folder / word,):
            if candidate.suffix in SOURCES and candidate.is_file():
                return candidate.resolve()
    first = next((word for word in words if not word.startswith("-")), None)
    return (folder / first).resolve() if first is not None and (folder / first).is_file() else None


def _module(folder: Path, name: str) -> tuple[Path, ...]:
    """Return where the module that `python -m` names may stand, below the working folder."""
    base = folder.joinpath(*name.split("."))
    return base.with_name(f"{base.name}.py"), base / "__main__.py"


def _sha256(file: Path, hashes: dict[Path, str]) -> str:
    if file not in hashes:
        digest = hashlib.sha256()
        with file.open("rb") as content:
            while chunk := content.read(_CHUNK_BYTES):
                digest.update(chunk)
        hashes[file] = digest.hexdigest()
    return hashes[file]


def _looks(file: Path) -> str:
    state = file.stat()
    return f"{state.st_size}:{state.st_mtime_ns}"

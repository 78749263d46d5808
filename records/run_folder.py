"""The run folder: `runs/<UTC time>-<label>/`, append-only JSON lines, flushed line by line.

A crash loses at most the line under way. Everything a report says can be computed from these files again:
manifest.json, stages.jsonl, seconds.jsonl, usage.jsonl, events.jsonl (and segments.jsonl, where a run was resumed);
then report/, and last seal.json, the hashes of all the rest.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO, TypeVar

import msgspec

from records.clock import Clock
from records.errors import RunFolderError
from records.event import Event
from records.manifest import Manifest
from records.second import Second
from records.second_table import SecondTable
from records.segment import Segment, moved
from records.stage import StageLine
from records.usage import UsageLine

MANIFEST: Final = "manifest.json"
SEAL: Final = "seal.json"
RAW: Final = ("stages.jsonl", "seconds.jsonl", "usage.jsonl", "events.jsonl")
SEGMENTS: Final = "segments.jsonl"
SET_ASIDE: Final = "set-aside"  # folder of half-written lines that a crash left
REPORT: Final = "report"
REPORT_FILES: Final = (
    "saturation.png", "latency.png", "cpu.png", "memory.png", "timeline.png", "spectrum.png", "headline.png",
    "index.html", "summary.json", "summary.md", "junit.xml",
)  # fmt: skip

Line = StageLine | Second | UsageLine | Event | Segment
_FILE_OF: Final[dict[type, str]] = {
    StageLine: "stages.jsonl",
    Second: "seconds.jsonl",
    UsageLine: "usage.jsonl",
    Event: "events.jsonl",
    Segment: SEGMENTS,
}
_STEP_BYTES: Final = 1 << 16
T = TypeVar("T")


class RunWriter:
    """The one writer of a run folder; a failed write raises RunFolderError and says which file and why.

    Args:
        path: the folder.
        manifest: of a new run; None goes on with the folder of an earlier one.
        shift_s: what is added to the monotonic times of all lines, so that they stand on the run's clock.
    """

    def __init__(self, path: Path, manifest: Manifest | None, *, shift_s: int = 0) -> None:
        self.path = path
        self.shift_s = shift_s
        self._files: dict[str, TextIO] = {}
        try:
            if manifest is not None:
                path.mkdir(parents=True, exist_ok=False)
                (path / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
            for name in RAW if manifest is not None else (*RAW, SEGMENTS):
                self._files[name] = (path / name).open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            self.close()
            raise _cannot("make", path, error) from error

    def write(self, line: Line) -> None:
        """Append one line and flush it."""
        name = _FILE_OF[type(line)]
        told = line if isinstance(line, Segment) else moved(line, self.shift_s)
        try:
            self._files[name].write(msgspec.json.encode(told).decode() + "\n")
            self._files[name].flush()
        except OSError as error:
            raise _cannot("write", self.path / name, error) from error

    def close(self) -> None:
        """Close every file; what was written stays. The first failure is raised, once all are closed."""
        failed: OSError | None = None
        for file in self._files.values():
            try:
                file.close()
            except OSError as error:
                failed = failed or error
        if failed is not None:
            raise _cannot("close", self.path, failed) from failed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class RunReader:
    """Reads a run folder back; a last line cut short by a crash is left out, any other broken line is an error."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / MANIFEST).is_file():
            raise RunFolderError(f"{path} is no run folder: it has no {MANIFEST}; give a folder below runs/")

    def manifest(self) -> Manifest:
        """Return the manifest."""
        try:
            return msgspec.json.decode((self.path / MANIFEST).read_bytes(), type=Manifest)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _cannot("read", self.path / MANIFEST, error) from error

    def stages(self) -> tuple[StageLine, ...]:
        """Return the finished stages in order."""
        return tuple(self._lines("stages.jsonl", StageLine))

    def seconds(self) -> Iterator[Second]:
        """Yield the seconds in order of writing."""
        return self._lines("seconds.jsonl", Second)

    def second_tables(self) -> Iterator[SecondTable]:
        """Yield the seconds in order of writing, their histograms as tables that are read when asked for."""
        return self._lines("seconds.jsonl", SecondTable)

    def usage(self) -> Iterator[UsageLine]:
        """Yield the usage samples in order."""
        return self._lines("usage.jsonl", UsageLine)

    def events(self) -> tuple[Event, ...]:
        """Return the events in order."""
        return tuple(self._lines("events.jsonl", Event))

    def segments(self) -> tuple[Segment, ...]:
        """Return the segments after the first, in order; () for a run that was never resumed."""
        return tuple(self._lines(SEGMENTS, Segment)) if (self.path / SEGMENTS).is_file() else ()

    def _lines(self, name: str, kind: type[T]) -> Iterator[T]:
        decoder = msgspec.json.Decoder(kind)
        path = self.path / name
        if not path.is_file():
            raise RunFolderError(f"{path} is missing: the run folder is not whole")
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return  # the crash that cut this line also ended the file
                try:
                    yield decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise RunFolderError(
                        f"{path}, line {number}: {error}; the file was changed or is damaged"
                    ) from error


def run_id(label: str, clock: Clock) -> str:
    """Return the name of a run's folder: when, to the second of UTC, and what."""
    moment = clock.utc(clock.mono_ns)[:19].replace(":", "").replace("-", "")
    return f"{moment}Z-{label}"


def seal(path: Path) -> dict[str, str]:
    """Hash every file of a finished run folder into seal.json, atomically, and return the hashes by relative name."""
    files = sorted(p for p in path.rglob("*") if p.is_file() and p.name != SEAL and not p.name.endswith(".part"))
    hashes = {str(p.relative_to(path)): _digest(p) for p in files}
    part = path / (SEAL + ".part")
    try:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(hashes), indent=1) + b"\n")
        part.replace(path / SEAL)
    except OSError as error:
        raise _cannot("write", path / SEAL, error) from error
    return hashes


def broken_seals(path: Path) -> tuple[str, ...]:
    """Return the raw files (manifest and lines) that are not what the seal says; () also when there is no seal.

    Raises: RunFolderError when the seal itself cannot be read.
    """
    sealed = path / SEAL
    if not sealed.is_file():
        return ()
    try:
        hashes = msgspec.json.decode(sealed.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RunFolderError(
            f"{sealed}: {error}; the seal is damaged and vouches for nothing: put back a copy of the run folder, "
            f"or remove {SEAL} to go on unsealed"
        ) from error
    return tuple(
        name
        for name in (MANIFEST, *RAW, SEGMENTS)
        if name in hashes and (not (path / name).is_file() or _digest(path / name) != hashes[name])
    )


def set_torn_aside(path: Path) -> dict[str, str]:
    """Move the half-written last line of each raw file, if a crash left one, into a file of its own, kept beside.

    Returns: by raw file where its half line is now, relative to the folder.
    """
    found = {}
    for name in (*RAW, SEGMENTS):
        try:
            tail = _torn(path / name)
            if tail:
                kept = _free(path / SET_ASIDE / name)
                kept.parent.mkdir(exist_ok=True)
                kept.write_bytes(tail)
                os.truncate(path / name, (path / name).stat().st_size - len(tail))
                found[name] = str(kept.relative_to(path))
        except OSError as error:
            raise _cannot("mend", path / name, error) from error
    return found


def _torn(path: Path) -> bytes:
    """Return what stands behind the last line end of a file; b"" when it is whole or there is none."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        tail = b""
        while len(tail) < size:
            step = min(_STEP_BYTES, size - len(tail))
            file.seek(size - len(tail) - step)
            block = file.read(step)
            cut = block.rfind(b"\n")
            if cut >= 0:
                return block[cut + 1 :] + tail
            tail = block + tail
        return tail


def _free(path: Path) -> Path:
    """Return the path, with a number where that is taken: a run may be killed more than once."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}.{number}")
    return free


def _digest(path: Path) -> str:
    """Return a file's hash, read part by part: lines of a day are half a gigabyte."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def point_latest(runs: Path, run: Path) -> None:
    """Point `<runs>/latest` to a run, replacing the link at once."""
    link, part = runs / "latest", runs / f".latest.{os.getpid()}"
    try:
        part.unlink(missing_ok=True)
        part.symlink_to(run.name)
        part.replace(link)
    except OSError as error:
        raise _cannot("write", link, error) from error


def _cannot(verb: str, path: Path, error: Exception) -> RunFolderError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return RunFolderError(f"cannot {verb} {path}: {why}; give a folder with room and write permission by --runs DIR")

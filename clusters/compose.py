"""The compose program: found, asked its version, and run without a shell. Its output goes to a log of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.child import Child, Exit, Program, last_lines
from clusters.command import LOGS
from clusters.errors import ClusterError, ComposeMissing, EngineTooOld

LOG: Final = f"{LOGS}/compose.log"
FILE: Final = ".twinload/docker-compose.yml"  # as the plan is now, its overrides included
LEAST: Final = (1, 27)  # the first that takes a file without `version`
_VERSION = re.compile(r"(\d+)\.(\d+)")
_STEP_S: Final = 0.02
_SHOWN: Final = 8


def find_compose(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the words that run compose: `docker compose` where it is installed, else `docker-compose`.

    Raises: ComposeMissing; EngineTooOld.
    """
    path, seen = environ.get("PATH", os.defpath), ""
    for words in (("docker", "compose"), ("docker-compose",)):
        program = shutil.which(words[0], path=path)
        version = _version((program, *words[1:]), environ) if program else None
        if program and version is not None:
            if version >= LEAST:
                return (program, *words[1:])
            seen = f"{' '.join(words)} is {version[0]}.{version[1]}"
    if seen:
        raise EngineTooOld(f"{seen}: install compose {LEAST[0]}.{LEAST[1]} or newer")
    raise ComposeMissing("neither `docker compose` nor `docker-compose` is installed: install one of them")


def _version(words: Sequence[str], environ: Mapping[str, str]) -> tuple[int, int] | None:
    try:
        asked = subprocess.run(
            [*words, "version", "--short"],
            env=_environment(environ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(asked.stdout)
    return (int(match[1]), int(match[2])) if asked.returncode == 0 and match else None


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what speaks to our interpreter: compose 1 is a program of another one."""
    return {name: value for name, value in environ.items() if not name.startswith("PYTHON")}


@dataclass(frozen=True, slots=True)
class Compose:
    """The compose program on one project, in the plan's folder."""

    words: tuple[str, ...]
    project: str
    folder: Path

    def write(self, text: str) -> None:
        """Write the file that every call reads."""
        try:
            (self.folder / FILE).write_text(text, encoding="utf-8")
        except OSError as error:
            raise ClusterError(f"cannot write {self.folder / FILE}: {error.strerror}; give it permission") from error

    def build(self, service: str) -> str | None:
        """Build the image of a service; return the end of its log when that failed, else None."""
        return self._run("build", service)

    def up(self, services: Sequence[str]) -> str | None:
        """Create and start services of which every image is there; return the end of its log when that failed."""
        return self._run("up", "-d", "--no-build", "--no-color", "--no-deps", *services)

    def _run(self, *words: str) -> str | None:
        """Run compose to its end. It ends with this process, and with an exception here."""
        own = ("-f", str(self.folder / FILE), "-p", self.project, "--project-directory", str(self.folder))
        log = self.folder / LOG
        argv = (*self.words, *own, *words)
        child = Child.start(Program(self.words[0], argv, _environment(os.environ), self.folder, (), log))
        try:
            while (ended := child.poll()) is None:
                time.sleep(_STEP_S)
        finally:
            child.collect()
        if ended == Exit(0, None):
            return None
        return "\n".join([f"compose {ended}; the end of {LOG}:", *(f"  | {line}" for line in last_lines(log, _SHOWN))])

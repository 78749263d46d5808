"""`before_block`: the plan's commands that put a twin's state back before a block is driven.

Each command is a process that ends with this one (`clusters.child`), without a shell, in the plan's folder and with
this process's environment. What it prints goes to `.twinload/logs/hook.log` and, once it ended, into the run folder's
`logs/`, with secrets masked: the values of the variables that the command names, and of those whose names say so.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.child import Child, Exit, Program, last_lines, stop_all
from clusters.command import fill_variables
from records.errors import Fault
from records.plan import Plan
from records.plan_secrets import MASK, is_secret_name
from records.stage import Stage
from twinload.errors import BadEnvironment, HookFailed

LOGS: Final = "logs"  # folder in a run's folder
_POLL_S: Final = 0.05
_GRACE_S: Final = 2.0
_SHOWN_LINES: Final = 10
_KEPT_BYTES: Final = 4 << 20
_LEAST_SECRET: Final = 4  # characters: shorter values stand everywhere
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PLACE = re.compile(r"\{(twin|pair|block)\}")


@dataclass(frozen=True, slots=True)
class Hook:
    """One command for one block: its words as they may be shown, variables as their names."""

    twin: str
    pair: int
    block: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"before_block of {self.twin} (pair {self.pair}, block {self.block}): {' '.join(self.words)}"


@dataclass(frozen=True, slots=True)
class Ran:
    """A hook that ended well: how long it took, and where its output is, relative to the run folder."""

    hook: Hook
    seconds: float
    log: str


class Hooks:
    """Runs what the plan asks before a block.

    Args:
        plan, root: the plan and its folder.
        run_folder: where the output is kept.
        heed_end: raises when the end of the run is wanted; asked while a command runs.
        environ: of the commands.
    """

    def __init__(
        self,
        plan: Plan,
        root: Path,
        run_folder: Path,
        heed_end: Callable[[], None],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._plan = plan
        self._root = root
        self._run_folder = run_folder
        self._heed_end = heed_end
        self._environ = dict(environ)

    def before(self, stage: Stage) -> Iterator[Ran]:
        """Run the commands before the block of a stage, one after the other.

        Raises: HookFailed when one fails or takes too long; what `heed_end` raises.
        """
        for number, hook in enumerate(hooks_of(self._plan, stage), start=1):
            began = time.monotonic()
            log = f"{LOGS}/before-block-{stage.block}-{number}.log"
            raw = self._root / ".twinload" / LOGS / "hook.log"
            how = self._run(hook, raw)
            self._keep(raw, self._run_folder / log, hook)
            seconds = time.monotonic() - began
            if how is None or how.code != 0:
                limit = f"took longer than hooks.timeout_s = {self._plan.hooks.timeout_s:g} s"
                tail = [f"  | {line}" for line in last_lines(self._run_folder / log, _SHOWN_LINES)]
                said = f"{hook} {limit if how is None else how}; its output: {self._run_folder / log}"
                raise HookFailed("\n".join([said, *tail]))
            yield Ran(hook, seconds, log)

    def _run(self, hook: Hook, log: Path) -> Exit | None:
        """Return how a command ended, None when it took too long."""
        argv = tuple(fill_variables(word, self._environ)[0] for word in hook.words)
        path = _program(hook.words[0], self._root)
        if path is None:
            raise HookFailed(f"{hook}: there is no such program any more")
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_bytes(b"")
            log.chmod(0o600)
            child = Child.start(Program(path, argv, self._environ, self._root, (), log))
        except OSError as error:
            raise HookFailed(f"{hook} cannot be started: {error.strerror}") from error
        until = time.monotonic() + self._plan.hooks.timeout_s
        try:
            while (how := child.poll()) is None and time.monotonic() < until:
                self._heed_end()
                time.sleep(_POLL_S)
            return how
        finally:
            stop_all((child,), _GRACE_S)

    def _keep(self, raw: Path, log: Path, hook: Hook) -> None:
        """Add a command's output to the run folder, its end where it is long, without secrets."""
        try:
            text = raw.read_bytes()[-_KEPT_BYTES:]
            for secret in _secrets(hook, self._environ):
                text = text.replace(secret.encode(), MASK.encode())
            log.parent.mkdir(exist_ok=True)
            with log.open("ab") as file:  # a block that is resumed is prepared again
                file.write(text)
            raw.unlink()
        except OSError as error:
            raise BadEnvironment(f"cannot keep the output of {hook}: {error.strerror}") from error


def hooks_of(plan: Plan, stage: Stage) -> tuple[Hook, ...]:
    """Return the commands before a stage's block, everybody's first; () before a probe, which belongs to none."""
    if stage.block < 0:
        return ()
    values = {"twin": stage.twin, "pair": str(stage.pair), "block": str(stage.block)}
    commands = (*plan.hooks.before_block, *plan.twins[stage.twin].before_block)
    filled = (tuple(_PLACE.sub(lambda at: values[at[1]], word) for word in command) for command in commands)
    return tuple(Hook(stage.twin, stage.pair, stage.block, words) for words in filled)


def missing_parts(plan: Plan, root: Path, environ: Mapping[str, str] = os.environ) -> Iterator[Fault]:
    """Yield what the plan's commands lack on this machine: programs, variables."""
    for path, commands in plan.hook_commands.items():
        for number, command in enumerate(commands):
            if _program(command[0], root) is None:
                where = "beside the plan" if "/" in command[0] else "in PATH"
                yield Fault(f"{path}[{number}]", command[0], f"is no program that can be run {where}")
            for name in (name for word in command for name in _VARIABLE.findall(word)):
                if name not in environ:
                    yield Fault(f"{path}[{number}]", f"${{{name}}}", f"export {name}: it is not set")


def _program(name: str, root: Path) -> str | None:
    if "/" in name:
        path = root / name
        return str(path) if path.is_file() and os.access(path, os.X_OK) else None
    return shutil.which(name)


def _secrets(hook: Hook, environ: Mapping[str, str]) -> list[str]:
    """Return what must not be shown, longest first: one may hold another."""
    named = {name for word in hook.words for name in _VARIABLE.findall(word)}
    found = {value for name, value in environ.items() if name in named or is_secret_name(name)}
    return sorted((value for value in found if len(value) >= _LEAST_SECRET), key=len, reverse=True)

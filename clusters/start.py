"""Starting the clusters: both twins up at once, ready, recorded, and gone when the block ends, however it ends.

lock -> leftovers of a dead owner -> every fault at once -> containers, processes, each recorded as it starts -> ready.
Nothing is left behind by an exception (KeyboardInterrupt and SystemExit are two); of an owner that was killed itself
the kernel kills the processes and a guardian removes the containers. Signals are the caller's business; so is the
thread: instances die with the one that starts them.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

from clusters.ask import Asker
from clusters.child import Child, Exit, Program, last_lines, stop_all
from clusters.command import LOGS, MARK, Launch, launches
from clusters.container_start import ContainerHost, StartedContainers
from clusters.containers import ContainerExit
from clusters.errors import CannotStart, ClusterError, FolderUnwritable, Held, UnknownTwin
from clusters.ports import free_ports
from clusters.preflight import faults_before_start, program_path
from clusters.program import Files, files_of
from clusters.ready import Say, Waiting, wait_ready
from clusters.record import Entry, Lock, read_entries, write_entries
from clusters.standing import clean_leftovers, is_alive, what_runs
from clusters.store import NAME as STORE
from clusters.store import faults_of_store, recorded_store, store_program, wait_store
from records.instance import Instance
from records.plan import Plan
from records.plan_store import store_url

GRACE_S: Final = 5.0  # between SIGTERM and SIGKILL


@dataclass(frozen=True, slots=True)
class Death:
    """An instance that ended while it should run: how, and the last lines of its log."""

    name: str
    how: str
    log_tail: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([f"{self.name} {self.how}", *(f"  | {line}" for line in self.log_tail)])


class Clusters:
    """Running instances; a context manager that stops them, unless they were started to stay."""

    def __init__(self, folder: Path, lock: Lock, standing: tuple[Entry, ...], *, detach: bool) -> None:
        self._folder = folder
        self._lock = lock
        self._standing = standing
        self._detach = detach
        self._mark = secrets.token_hex(8)
        self._children: dict[str, Child] = {}
        self._entries: list[Entry] = []
        self._reported: set[str] = set()
        self._recorded = False
        self._hashes: dict[Path, str] = {}
        self._containers: StartedContainers | None = None

    @property
    def instances(self) -> tuple[Instance, ...]:
        """What was started (or found, for external twins), in the plan's order; also after it was stopped.

        The store that they share is none of them.
        """
        return tuple(entry.instance for entry in self._entries if entry.instance.role != STORE)

    def deaths(self) -> tuple[Death, ...]:
        """Return the instances that ended since this was last asked; each is told once."""
        new = []
        for instance in (entry.instance for entry in self._entries):
            ended = self._ended(instance) if instance.name not in self._reported else None
            if ended is not None:
                self._reported.add(instance.name)
                log = self._folder / instance.log if instance.log else None
                new.append(Death(instance.name, str(ended), last_lines(log)))
        return tuple(new)

    def _ended(self, instance: Instance) -> Exit | ContainerExit | None:
        """Return how an instance ended, None while it runs; of a container its log is then in its file."""
        if instance.container is not None and self._containers is not None:
            how = self._containers.watched.ended(instance.name)
            if how is not None:
                self._save_logs(instance)
            return how
        child = self._children.get(instance.name)
        return child.poll() if child is not None else None

    def _save_logs(self, *instances: Instance) -> None:
        if self._containers is not None:
            for one in instances:
                if one.container is not None and one.log is not None:
                    self._containers.watched.save_log(one.name, self._folder / one.log)

    def stop(self, grace_s: float = GRACE_S) -> None:
        """End every instance and its children; again, or half-started, does no harm."""
        try:
            try:
                self._stop_containers(grace_s)
            finally:
                stop_all(tuple(self._children.values()), grace_s)
            self._children.clear()
            self._forget()
        finally:
            self._lock.release()

    def _stop_containers(self, grace_s: float) -> None:
        if self._containers is not None:
            self._save_logs(*self.instances)
            self._containers.stop(grace_s)
            self._containers = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if not self._detach:
            self.stop()

    def bring_store(self, plan: Plan, address: str, say: Say) -> None:
        """Start and record the store that the instances will share, and come back when it answers.

        Raises: ClusterError; what was started by then is for `stop`.
        """
        instance, program = store_program(plan, self._folder, address, self._mark)
        child = self._run(STORE, program)
        instance = replace(instance, pid=child.pid, started=_create_time(child.pid))
        self._entries.append(Entry(instance, "", program.argv, child.token, self._mark))
        self._write()
        wait_store(child, instance, self._folder)
        say(f"{STORE}: {what_runs(instance)} at {address}")

    def _run(self, name: str, program: Program) -> Child:
        _rotate(program.log)
        try:
            child = Child.start(program, outlive=self._detach)
        except OSError as error:
            raise ClusterError(f"{name} cannot be started: {error.strerror}") from error
        self._children[name] = child
        return child

    def bring_up(self, what: Sequence[Launch], host: ContainerHost | None, say: Say) -> None:
        """Start and record what a plan names, and come back when all of it is ready.

        Raises: ClusterError; what was started by then is for `stop`.
        """
        if host is not None:
            for launch in what:
                _make_log(launch)
            self._containers = host.up([launch for launch in what if launch.image is not None], self._mark, say)
        for launch in what:
            self._start(launch)
            say(f"{launch.name}: {what_runs(self._entries[-1].instance)} at {launch.address}")
        with ExitStack() as stack:
            wait_ready([self._waiting(launch, stack) for launch in what], say)
        if self._detach:
            self._entries = [replace(entry, kept=True) for entry in self._entries]
            self._write()
            if self._containers is not None:
                self._containers.let_go()
                self._containers = None
            self._lock.release()

    def _start(self, launch: Launch) -> None:
        instance, token, mark, files = launch.instance, "", "", self._files(launch)
        if launch.image is not None and self._containers is not None:
            found = self._containers.watched.found[launch.name]
            instance = replace(instance, container=found.id, pid=found.pid, started=found.started)
            token, mark = found.token, self._mark
        elif launch.argv and launch.log is not None:
            child = self._run(launch.name, _program(launch, self._mark))
            token, mark = child.token, self._mark
            instance = replace(instance, pid=child.pid, started=_create_time(child.pid))
        self._entries.append(
            Entry(instance, launch.twin.ready, launch.argv, token, mark, files=files, variables=launch.variables)
        )
        self._write()

    def _files(self, launch: Launch) -> Files:
        """Return what an instance that stays is about to run: read before its start, so that no later change hides."""
        if not self._detach or not launch.argv:
            return ()
        if launch.image is not None:
            return self._containers.host.files(launch) if self._containers is not None else ()
        try:
            return files_of(launch.argv, launch.folder, launch.env.get("PATH"), self._hashes) or ()
        except OSError as error:
            raise ClusterError(f"{launch.name}: {error.filename} cannot be read: {error.strerror}") from error

    def _waiting(self, launch: Launch, stack: ExitStack) -> Waiting:
        asker = stack.enter_context(Asker(launch.twin, launch.address, self._folder))
        instance = next(one for one in self.instances if one.name == launch.name)
        return Waiting(
            name=launch.name,
            path=launch.twin.ready,
            timeout_s=launch.twin.ready_timeout_s,
            ask=lambda: asker.ask(launch.twin.ready),
            ended=lambda: self._ended(instance),
            save_log=lambda: self._save_logs(instance),
            log=launch.log,
        )

    def _forget(self) -> None:
        if self._recorded:
            if not self._lock.held:
                self._lock = Lock(self._folder)
            entries = (entry for entry in read_entries(self._folder) if entry not in self._entries)
            write_entries(self._folder, tuple(entries))
            self._recorded = False

    def _write(self) -> None:
        self._recorded = True
        write_entries(self._folder, (*self._standing, *self._entries))


def start_clusters(
    plan: Plan, root: Path, *, twins: Sequence[str] | None = None, detach: bool = False, say: Say
) -> Clusters:
    """Start the instances of a plan and return them ready.

    Args:
        plan: what to start; twins with start = "external" are only waited for.
        root: the plan's folder; commands, logs and records stand below it.
        twins: names of twins, all when None.
        detach: the instances stay when the block and this process end; `stop_recorded` ends them.
        say: takes one line of progress at a time.
    Raises: CannotStart with every fault there is; Held; NotReady; nothing runs after any of them.
    """
    folder = root.resolve()
    lock = Lock(folder)
    try:
        standing = clean_leftovers(folder, say)
        running = recorded_store(standing)
        address = _store_address(plan, running)
        what, host = _checked(plan, folder, twins, standing, address)
        if host is not None:
            host.clean([one.instance.container for one in standing if one.instance.container is not None], say)
    except BaseException:
        lock.release()
        raise
    clusters = Clusters(folder, lock, standing, detach=detach)
    try:
        if address is not None and running is None:
            clusters.bring_store(plan, address, say)
        clusters.bring_up(what, host, say)
    except BaseException:
        clusters.stop(grace_s=1.0)
        raise
    return clusters


def _store_address(plan: Plan, running: Entry | None) -> str | None:
    """Return where the store of a start is or will be: that of the twins which stand already, or a free address."""
    if not plan.store.is_started:
        return None
    return running.instance.address if running is not None else f"127.0.0.1:{free_ports(1)[0]}"


def _checked(
    plan: Plan, folder: Path, twins: Sequence[str] | None, standing: tuple[Entry, ...], store: str | None
) -> tuple[tuple[Launch, ...], ContainerHost | None]:
    chosen = tuple(plan.twins) if twins is None else tuple(twins)
    unknown = tuple(
        UnknownTwin(f"{name} is no twin of the plan; there are: {', '.join(plan.twins)}")
        for name in chosen
        if name not in plan.twins
    )
    what = launches(plan, folder, chosen, os.environ, store=store_url(store) if store is not None else None)
    names = {launch.name for launch in what}
    up = [entry.instance.name for entry in standing if entry.instance.name in names and is_alive(entry)]
    if up:
        raise Held(f"{', '.join(up)} up already, since `twinload up`; `twinload down` stops them")
    containers = [launch for launch in what if launch.image is not None]
    faults: list[ClusterError] = [*unknown, *faults_of_store(plan), *faults_before_start(what, folder)]
    host = None
    try:
        host = ContainerHost.open(plan, folder) if containers else None
    except CannotStart as error:
        faults += error.faults
    if host is not None:
        faults += host.faults(containers)
    if faults:
        raise CannotStart(tuple(faults))
    return what, host


def _program(launch: Launch, mark: str) -> Program:
    path = program_path(launch)
    if path is None or launch.log is None:
        raise ClusterError(f"{launch.name}: {launch.argv[0]} is gone; check `command` in the plan")
    return Program(path, launch.argv, {**launch.env, MARK: mark}, launch.folder, launch.instance.cpu_set, launch.log)


def _make_log(launch: Launch) -> None:
    """Begin a container's log, which it has once it ended."""
    if launch.image is not None and launch.log is not None:
        _rotate(launch.log)


def _rotate(log: Path) -> None:
    """Begin a new log; the one before is kept beside it."""
    try:
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        log.touch()
    except OSError as error:
        raise FolderUnwritable(f"cannot write {log}: {error.strerror}; give {LOGS} write permission") from error


def _create_time(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None

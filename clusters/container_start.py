"""Starting the twins that run as containers: engine and compose checked -> images -> up -> found by label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clusters.command import Launch
from clusters.compose import Compose, find_compose
from clusters.compose_file import MARK, compose_text
from clusters.containers import Watched, discover, leftovers, remove, remove_marked
from clusters.engine import Engine, connect, limits_missing
from clusters.errors import CannotStart, ClusterError, Held
from clusters.guardian import Guard
from clusters.image import build_missing, image_id
from clusters.preflight import unreachable
from clusters.program import Files
from records.plan import Plan

LOG = ".twinload/logs/guardian.log"
_WORKING_FOLDER = "com.docker.compose.project.working_dir"


@dataclass(frozen=True, slots=True)
class ContainerHost:
    """Where containers are started: an engine that answers and a compose program that works."""

    engine: Engine
    compose: Compose
    plan: Plan
    folder: Path

    @classmethod
    def open(cls, plan: Plan, folder: Path) -> ContainerHost:
        """Return it for a plan.

        Raises: CannotStart with what is missing: the engine, the permission, the compose program, or several.
        """
        faults: list[ClusterError] = []
        try:
            words = find_compose()
        except ClusterError as fault:
            faults.append(fault)
        try:
            engine = connect()
        except ClusterError as fault:
            faults.append(fault)
        if faults:
            raise CannotStart(tuple(faults))
        return cls(engine, Compose(words, plan.compose.project, folder), plan, folder)

    def faults(self, launches: Sequence[Launch]) -> Iterator[ClusterError]:
        """Yield what speaks against starting these containers."""
        yield from limits_missing(self.engine.client.info(), launches)
        if self.engine.local:
            yield from unreachable(launches)

    def clean(self, standing: Sequence[str], say: Callable[[str], None]) -> None:
        """Remove what an earlier start left of this project.

        Args:
            standing: ids of containers that `twinload up` keeps.
            say: takes a line of progress.
        Raises: Held when the project is another folder's.
        """
        project = self.plan.compose.project
        left = leftovers(self.engine.client, project, standing)
        foreign = sorted({str(one.labels.get(_WORKING_FOLDER)) for one in left} - {str(self.folder)})
        if foreign:
            raise Held(
                f"the compose project {project} is in use by {', '.join(foreign)}: "
                "end it there by `twinload down`, or set another compose.project in the plan"
            )
        for one in left:
            say(f"container {one.name} was left over; it is removed")
        remove(self.engine.client, left, 0.0)

    def up(self, launches: Sequence[Launch], mark: str, say: Callable[[str], None]) -> StartedContainers:
        """Build what is missing and start containers; from here on a guardian removes them when this process ends.

        Raises: CannotStart, ClusterError; nothing runs after any of them.
        """
        self.compose.write(compose_text(self.plan, mark))
        faults = build_missing(self.engine.client, self.compose, launches, say)
        if faults:
            raise CannotStart(faults)
        try:
            guard = Guard(mark, self.folder / LOG)
        except OSError as error:
            raise ClusterError(f"the guardian of the containers cannot be started: {error.strerror}") from error
        try:
            why = self.compose.up([launch.name for launch in launches])
            if why is not None:
                raise ClusterError(f"the containers cannot be started: {why}")
            found = discover(self.engine.client, {MARK: mark}, local=self.engine.local)
            absent = [launch.name for launch in launches if launch.name not in found]
            if absent:
                raise ClusterError(f"compose started no container for {', '.join(absent)}; see `docker ps -a`")
        except BaseException:
            remove_marked(mark, 0.0)
            guard.release()
            raise
        return StartedContainers(self, guard, Watched(self.engine, found), mark)

    def files(self, launch: Launch) -> Files:
        """Return an image as what an instance runs."""
        found = image_id(self.engine.client, launch.image or "")
        return () if found is None else ((launch.image or "", found),)

    def close(self) -> None:
        """Close the connection to the engine."""
        self.engine.close()


@dataclass(frozen=True, slots=True)
class StartedContainers:
    """Containers that run, with their guardian."""

    host: ContainerHost
    guard: Guard
    watched: Watched
    mark: str

    def stop(self, grace_s: float) -> None:
        """End and remove all of them; when that fails the guardian tries it after this process."""
        remove_marked(self.mark, grace_s)
        self.let_go()

    def let_go(self) -> None:
        """Leave them running, without a guardian."""
        self.guard.release()
        self.host.close()

"""`twinload run --resume RUN`: reads what stands of a run, refuses what cannot go on, and opens the folder again.

Nothing of the folder is touched before the clusters are up, whose lock says that no run is under way. Then the seal is
taken off (the folder is sealed again at its end), half lines are set aside, and a line of `segments.jsonl` and events
say who goes on from what. A kill amid that leaves one more run to resume.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from analysis.audit import leaves
from analysis.likeness import WAIVABLE, standing, unlike
from analysis.run import partial_reason, read_run
from analysis.segments import aborted_stages
from analysis.setting import plan_of
from analysis.standing import load_costs
from records.clock import NS, Clock
from records.errors import RunFolderError
from records.event import Event, EventKind
from records.manifest import Manifest
from records.run_folder import RAW, SEAL, RunReader, RunWriter, broken_seals, set_torn_aside
from records.second import Second
from records.segment import Segment, shift_after
from records.stage import StageLine
from swarm.trials import TrialBook
from twinload.errors import BadEnvironment
from twinload.past import Past, finished, past_of

_DIGITS: Final = 12  # of a digest, for a person


@dataclass(frozen=True, slots=True)
class Aborted:
    """A stage that began and is not done: what its seconds hold."""

    stage: int
    twin: str
    endpoint: str
    sent: int = 0
    done: int = 0

    def __str__(self) -> str:
        return f"stage {self.stage} ({self.twin} {self.endpoint}): {self.sent} sent, {self.done} answered until then"


@dataclass(frozen=True, slots=True)
class CutShort:
    """A run that can go on: what stands of it, its last moment on its own clock, and how long its files were."""

    folder: Path
    manifest: Manifest
    past: Past
    aborted: tuple[Aborted, ...]
    segments: int
    last_ns: int
    sizes: tuple[int, ...]


def read_cut_short(folder: Path) -> CutShort:
    """Read a run that was cut short.

    Raises: RunFolderError when it is none or damaged; BadEnvironment when it is complete or was changed after its seal.
    """
    reader, sizes = RunReader(folder), _sizes(folder)
    broken = broken_seals(folder)
    if broken:
        raise BadEnvironment(f"{folder}: changed since the run was sealed: {', '.join(broken)}; it cannot be resumed")
    manifest, lines, events, segments = reader.manifest(), reader.stages(), reader.events(), reader.segments()
    if partial_reason(events) is None:
        missing = "" if (folder / SEAL).is_file() else f"; `twinload report {folder}` draws its report"
        raise BadEnvironment(f"{folder}: the run is complete, there is nothing to resume{missing}")
    done = finished(lines, events)
    tried = {line.stage.id for line in done if line.stage.kind == "trial"}
    book, begun = TrialBook(plan_of(manifest)), dict[int, Aborted]()
    last_ns = max([manifest.mono_ns, *(line.t_ns for line in lines), *(event.t_ns for event in events)])
    for second in reader.seconds():
        last_ns = max(last_ns, second.t_ns + NS)
        begun[second.stage] = _with(begun.get(second.stage), second)
        if second.stage in tried:
            book.add(second)
    last_ns = max(last_ns, max((sample.t_ns for sample in reader.usage()), default=0))
    known = {line.stage.id for line in done} | aborted_stages(events)
    counts = {line.stage.id: book.counts(line) for line in done if line.stage.id in tried}
    next_id = 1 + max(_ids(begun, lines, events), default=-1)
    costs_at = {one.line.stage.id: load_costs(one.line, one.figures) for one in read_run(reader).stages}
    past = past_of(lines, events, segments, counts, next_id=next_id, costs_at=costs_at)
    left = tuple(one for one in _begun(begun, lines) if one.stage not in known)
    return CutShort(folder, manifest, past, left, 1 + len(segments), last_ns, sizes)


def refuse_unlike_parts(run: CutShort, new: Manifest, anyway: Sequence[str]) -> None:
    """Raise BadEnvironment with everything in which this machine, plan or programs are unlike the run's so far."""
    old = run.manifest
    plans = [f"plan.{what}" for what in _differences(old.plan, new.plan)] if old.plan_digest != new.plan_digest else []
    ours, theirs = ({name: d[:_DIGITS] for name, d in one.binaries.items()} for one in (old, new))
    others = [one for one in standing(unlike(old, new), anyway) if one.kind != "plan"]
    lines = [*plans, *(f"program of {what}" for what in _differences(ours, theirs))]
    lines = [f"  {line} (cannot be waived)" for line in lines]
    lines += [f"  {one}{'' if one.waivable else ' (cannot be waived)'}" for one in others]
    if not lines:
        return
    waivers = " ".join(f"--anyway {kind}" for kind in WAIVABLE if kind in {one.kind for one in others})
    begun = f"the run was begun by: twinload {' '.join(old.argv)}"
    hints = [begun, *([f"where that changes nothing that is measured: {waivers}"] if waivers else [])]
    said = f"{run.folder.name} cannot go on; what it was begun with, against now:"
    raise BadEnvironment("\n".join([said, *lines, *hints]))


def reopen(run: CutShort, new: Manifest, clock: Clock) -> RunWriter:
    """Open the folder as the run's next segment and tell what it goes on from.

    Args:
        run: what stands of it; its clusters' lock is held.
        new: what the manifest would be if the run began now.
        clock: this process's.
    Raises: BadEnvironment when the folder changed since it was read, RunFolderError when it cannot be written.
    """
    if _sizes(run.folder) != run.sizes:
        raise BadEnvironment(f"{run.folder}: grew while it was read: the run is under way, or someone else resumed it")
    if [one.name for one in run.manifest.instances] != [one.name for one in new.instances]:
        raise BadEnvironment(f"{run.folder}: its instances are others than the plan's")
    try:
        (run.folder / SEAL).unlink(missing_ok=True)
    except OSError as error:
        raise RunFolderError(f"cannot remove {run.folder / SEAL}: {error.strerror}") from error
    set_aside = set_torn_aside(run.folder)
    shift_s, number = shift_after(run.last_ns, clock.mono_ns), run.segments + 1
    aborted = tuple(one.stage for one in run.aborted)
    segment = Segment(
        number, clock.mono_ns + shift_s * NS, clock.utc(clock.mono_ns), clock.mono_ns, clock.wall_ns, shift_s,
        new.argv, new.commit, new.dirty, new.versions, new.host, new.instances, aborted, set_aside,
    )  # fmt: skip
    with ExitStack() as stack:
        writer = stack.enter_context(RunWriter(run.folder, None, shift_s=shift_s))
        writer.write(segment)
        for event in _events(run, set_aside, clock):
            writer.write(event)
        stack.pop_all()  # from here on the caller closes it
    return writer


def _events(run: CutShort, set_aside: dict[str, str], clock: Clock) -> Iterator[Event]:
    def now(kind: EventKind, text: str) -> Event:
        return Event(clock.mono_ns, clock.utc(clock.mono_ns), kind, text)

    stood = f"{run.past.stages} finished stages stand"
    yield now("resumed", f"segment {run.segments + 1} begins: {stood}, {len(run.aborted)} aborted")
    for name, kept in set_aside.items():
        yield now("set-aside", f"{name} ended in half a line, which is now in {kept}")
    for one in run.aborted:
        figures = {"sent": float(one.sent), "done": float(one.done)}
        yield replace(now("stage-aborted", f"{one}; in no figure"), stage=one.stage, figures=figures)


def _with(known: Aborted | None, second: Second) -> Aborted:
    known = known or Aborted(second.stage, second.twin, second.endpoint)
    return replace(known, sent=known.sent + second.sent, done=known.done + second.done)


def _begun(begun: dict[int, Aborted], lines: Sequence[StageLine]) -> Iterator[Aborted]:
    """Yield every stage that began, also one that has a line and no second."""
    yield from begun.values()
    for line in lines:
        if line.stage.id not in begun:
            yield Aborted(line.stage.id, line.stage.twin, line.stage.endpoint)


def _ids(begun: Iterable[int], lines: Sequence[StageLine], events: Sequence[Event]) -> list[int]:
    return [*begun, *(line.stage.id for line in lines), *(one.stage for one in events if one.stage is not None)]


def _differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    ours, theirs = dict(leaves(old)), dict(leaves(new))
    for key in dict.fromkeys((*ours, *theirs)):
        one, two = ours.get(key, "absent"), theirs.get(key, "absent")
        if one != two:
            yield f"{key}: {one} against {two}"


def _sizes(folder: Path) -> tuple[int, ...]:
    return tuple((folder / name).stat().st_size if (folder / name).is_file() else 0 for name in RAW)

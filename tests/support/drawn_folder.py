"""Writes a drawn run through the one writer of run folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from drawn_flow import Flow
from drawn_run import INSTANCES, MIB, ZERO_S, Drawn, achieved, cores, manifest_for, schedule, sender_of, times

from records.clock import NS, Clock
from records.event import Event
from records.run_folder import RunWriter
from records.second import Second, StatusCount
from records.stage import Stage, StageLine
from records.usage import ContainerUsage, HostUsage, UsageLine


def write_run(path: Path, drawn: Drawn) -> Path:
    """Write a drawn run and return its folder."""
    manifest = manifest_for(drawn)
    clock = Clock(manifest.mono_ns, manifest.wall_ns)
    planned = schedule(drawn)
    flow = Flow(drawn, planned) if drawn.loop == "open" else None
    with RunWriter(path, manifest) as writer:
        _write_usage(writer, drawn, planned, flow, clock)
        for start, stage in planned:
            for second in () if flow is None else flow.seconds(clock, start):
                writer.write(second)
            if flow is None or stage.kind == "probe":
                _write_stage(writer, drawn, start, stage, clock)
            else:
                writer.write(flow.line(start, stage, clock))
        for second in () if flow is None else flow.seconds(clock, 1 << 60):
            writer.write(second)
        end_ns = (planned[-1][0] + planned[-1][1].length_s if planned else ZERO_S + 2) * NS
        if drawn.dead is not None:
            start = next(at for at, stage in planned if stage.id == drawn.dead_from_stage)
            at_ns = (start + 1) * NS
            text = f"{drawn.dead} died: killed by signal 9"
            writer.write(Event(at_ns, clock.utc(at_ns), "instance-died", text, drawn.dead_from_stage, drawn.dead))
        if drawn.counters_s is not None:
            at_ns = drawn.counters_s * NS
            writer.write(Event(at_ns, clock.utc(at_ns), "counters", "before the load"))
        for kind in drawn.ends:
            writer.write(Event(end_ns, clock.utc(end_ns), kind, f"the run {kind}"))  # type: ignore[arg-type]
    return path


def _write_stage(writer: RunWriter, drawn: Drawn, start: int, stage: Stage, clock: Clock) -> None:
    rate = achieved(drawn, stage)
    count = round(rate)
    failed = round(count * drawn.fail_ratio)
    for offset in range(stage.length_s):
        phase = "probe" if stage.kind == "probe" else "warmup" if offset < stage.warmup_s else "measure"
        at_ns = (start + offset) * NS
        histogram = times(drawn, stage.twin, count)
        status = {"2xx": StatusCount(count, {"status": failed} if failed else {}, histogram)}
        second = Second(
            at_ns, clock.utc(at_ns), start + offset, stage.id, stage.twin, stage.endpoint, phase,  # type: ignore[arg-type]
            stage.rate_rps, count, status=status,
        )  # fmt: skip
        writer.write(second)
    done = count * stage.measure_s
    end_ns = (start + stage.length_s) * NS
    line = StageLine(
        end_ns, clock.utc(end_ns), stage, sender_of(drawn), drawn.live_users or 800, start,
        None if stage.rate_rps is None else stage.rate_rps * stage.measure_s, done, done,
        {"status": failed * stage.measure_s} if failed else {}, complete=stage.id not in drawn.short_stages,
    )  # fmt: skip
    writer.write(replace(line, valid=True) if drawn.judged else line)


def _write_usage(
    writer: RunWriter, drawn: Drawn, planned: list[tuple[int, Stage]], flow: Flow | None, clock: Clock
) -> None:
    by_second = {start + i: stage for start, stage in planned for i in range(stage.length_s)}
    cpu = dict.fromkeys(INSTANCES, 0.0)
    held = dict.fromkeys(INSTANCES, 0)
    busy = [0.0, 0.0]
    last = max(by_second, default=ZERO_S + 1) + (2 if flow is None else 2 + drawn.drain_s)
    dies = next((start for start, stage in planned if stage.id == drawn.dead_from_stage), None)
    for second in range(ZERO_S, last + 1):
        stage = by_second.get(second)
        unread = _unread(drawn, stage) | ({drawn.dead} if dies is not None and second > dies else set())
        writer.write(
            UsageLine(
                second * NS, clock.utc(second * NS), second,
                tuple(None if name in unread else cpu[name] for name in INSTANCES),
                tuple(None if name in unread else _memory(drawn, name, second) for name in INSTANCES),
                (None,) * 7, (None,) * 7, HostUsage(sum(busy), 0.0, (busy[0], busy[1]), 1 << 30),
                containers=_containers(drawn, held, unread, second),
            )
        )  # fmt: skip
        if flow is not None and second in flow.answered:
            stage, used = flow.answered[second][0], flow.cores(second)
        elif stage is None:
            continue
        else:
            used = cores(drawn, stage)
        sent_with = 0.95 if stage.id in drawn.busy_generator else drawn.generator_cores
        for number in (1, 2):
            cpu[f"{stage.twin}-{number}"] += used / 2
            held[f"{stage.twin}-{number}"] += 9 if stage.id in drawn.held else 0
        cpu["generator"] += sent_with
        busy[0] += used
        busy[1] += sent_with


def _containers(drawn: Drawn, held: dict[str, int], unread: set[str], second: int) -> tuple[ContainerUsage | None, ...]:
    """Return what containers show: ten periods a second, 7 processes, 1 kB/s in, 2 kB/s out, of the rest none."""
    if drawn.container_cores is None:
        return ()
    periods = 10 * (second - ZERO_S)

    def shown(name: str) -> ContainerUsage | None:
        if name == "generator" or name in unread:
            return None
        own = (None, None) if name.endswith("-rest") else (1_000 * second, 2_000 * second)
        return ContainerUsage(periods, held[name], held[name] / 20, drawn.container_cores, 1 << 29, 7, *own)

    return tuple(shown(name) for name in INSTANCES)


def _unread(drawn: Drawn, stage: Stage | None) -> set[str]:
    """Return the instances that cannot be sampled while a stage is under way."""
    if stage is None or stage.id not in drawn.gap_stages:
        return set()
    return {name for name in INSTANCES if name.startswith(stage.twin)}


def _memory(drawn: Drawn, name: str, second: int) -> int:
    grown = sum(second >= at for at in drawn.memory_grows_s) if name.startswith("go") else 0
    return _drawn_memory(drawn, name) + grown * MIB


def _drawn_memory(drawn: Drawn, name: str) -> int:
    if name == "generator" or name.endswith("-rest"):
        return 50 * MIB
    return drawn.memory_mib[name.split("-", maxsplit=1)[0]] * MIB

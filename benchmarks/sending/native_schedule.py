"""The native schedule as a sender: the suite's own Locust process, driven over its channel as a campaign drives it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from types import TracebackType

from benchmarks.sending.target import Target
from records.channel import Counted, Ready, StageDone, Sweep, SweepDone, ToCampaign
from records.plan_file import read_plan
from records.second import Second
from records.stage import Stage, StageLine
from twinload.generator import Generator
from userpool import make_pool

USERS = 2_000
_DONE_S = 60.0

PLAN = """\
schema = 1
label = "senders"

[pool]
users = {users}
ledgers = false

[[workload]]
name = "answer"
path = "/u/{{user_id}}"
hot = true

[swarm]
sender = "native-schedule"
seats = 64
cpu_set = [{core}]

[engine]
loop = "closed"
arrivals = "constant"
connections = {connections}
coalesce_us = {coalesce_us}

[stages]
kind = "live"
"""

TWIN = """
[twins.{name}]
start = "external"

[[twins.{name}.instances]]
name = "{name}-1"
address = "{address}"
serves = ["answer"]
"""


class NativeSchedule(AbstractContextManager["NativeSchedule"]):
    """One Locust process of the suite with the engine inside; `targets` are its two twins.

    Args:
        folder: an empty folder for its plan, pool and log.
        targets: by the twin's name, two of them.
        core, connections, coalesce_us: where and how it sends.
    """

    def __init__(
        self, folder: Path, targets: dict[str, Target], *, core: int, connections: int, coalesce_us: int = 0
    ) -> None:
        self._twins = {target.address: name for name, target in targets.items()}
        text = PLAN.format(users=USERS, core=core, connections=connections, coalesce_us=coalesce_us)
        text += "".join(TWIN.format(name=name, address=one.address) for name, one in targets.items())
        folder.mkdir(parents=True)
        path = folder / "twinload.toml"
        path.write_text(text, encoding="utf-8")
        plan = read_plan(path)
        make_pool(USERS, plan.pool.seed, folder / plan.pool.folder, ledgers=False)
        self._users = connections
        self._ids = count()
        self._generator = Generator(plan, path, folder)
        self.pid = self._ready(self._generator)

    def begin(self, target: Target) -> None:
        """Let as many closed-loop users send as there are connections, until `end`."""
        self._generator.sweep(Sweep((self._stage(target, None, self._users, seconds=600),)))

    def end(self) -> None:
        """End the sweep under way and wait until nothing of it is left."""
        self._generator.stop_sweep()
        self._until_done()

    def drive(self, target: Target, rates_rps: Sequence[float], seconds: int) -> tuple[list[Second], list[StageLine]]:
        """Drive open-loop stages of constant rate, and return all their seconds and lines."""
        stages = tuple(self._stage(target, rate, None, seconds=seconds) for rate in rates_rps)
        self._generator.sweep(Sweep(stages))
        told = self._until_done(sum(stage.length_s for stage in stages))
        seconds_told = [message.second for message in told if isinstance(message, Counted)]
        return seconds_told, [message.line for message in told if isinstance(message, StageDone)]

    def _stage(self, target: Target, rate_rps: float | None, users: int | None, *, seconds: int) -> Stage:
        return Stage(
            id=next(self._ids), name="bench", kind="measure", twin=self._twins[target.address], endpoint="answer",
            pair=0, block=0, rate_rps=rate_rps, warmup_s=1, measure_s=seconds,
            loop="open" if users is None else "closed", users=users,
        )  # fmt: skip

    def _until_done(self, length_s: float = 0.0) -> list[ToCampaign]:
        told: list[ToCampaign] = []
        until_s = time.monotonic() + length_s + _DONE_S
        while time.monotonic() < until_s:
            for message in self._generator.messages(timeout_s=0.2):
                if isinstance(message, SweepDone):
                    return told
                told.append(message)
        raise RuntimeError(f"the sweep did not end:\n{self._generator.last_lines()}")

    @staticmethod
    def _ready(generator: Generator) -> int:
        ready: Ready = generator.wait_ready()
        return ready.pids[0]

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._generator.close()

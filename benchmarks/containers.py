"""Does it matter for the ratio whether the twins are processes or containers? One hot instance each, interleaved.

    .venv/bin/python -m benchmarks.containers [--rounds 6] [--measure 4] [--out benchmarks/out]
    .venv/bin/python -m benchmarks.containers --forms containers bridge      # what the bridge costs

In each round every form is measured once by `twinload run`: the twins are started anew, and both hot endpoints get one
stage of a closed loop without pause over 64 connections, so that what is answered is the saturation, where the twin was
at its CPU limit. Beside it stands what a CPU-second of the twin answers, which other programs on the machine disturb
less. The order of the forms and that of the twins turn from round to round. All forms run the same static binaries,
those in the images, on the same core with the same limits of threads. A round is the unit: candidate ÷ baseline is one
ratio a round and form, and forms are compared within rounds. What does not count is left out with its round, and told.

Needs a Docker engine, and the images of `make images`. Writes containers.json and prints its tables as Markdown; exit
code 2 when something is missing. A run takes 40 to 60 s, so that six rounds of two forms take ten minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count, product
from pathlib import Path
from typing import Final

from docker import DockerClient

from analysis.intervals import Interval, ratio_interval
from benchmarks.engine import machine
from clusters.compose import find_compose
from clusters.engine import connect
from clusters.errors import ClusterError
from clusters.image import image_id
from records.plan import Plan
from records.plan_compose import image_of
from records.plan_file import read_plan
from swarm.schedule import pair_orders

ROOT: Final = Path(__file__).resolve().parents[1]
IMAGES: Final = ROOT / ".twinload" / "images"
USERS: Final = 64
SATURATION: Final = "saturation"
MEASURES: Final = {SATURATION: "requests a second, saturated", "per_cpu": "requests per CPU-second"}
FORMS: Final = {
    "processes": ("process", "host"),
    "containers": ("compose", "host"),
    "bridge": ("compose", "bridge"),
}
"""How the twins are started, and a container's network."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one twin answered at one endpoint in one round, and the cores that it used for it; None is not known.

    `saturated`: it was at its CPU limit. `why` is what the run had against the stage.
    """

    round: int
    form: str
    twin: str
    endpoint: str
    rps: float
    cores: float | None
    saturated: bool
    why: tuple[str, ...] = ()

    def value(self, measure: str) -> float | None:
        """Return what counts of a measure, None where nothing does."""
        if self.why:
            return None
        if measure == SATURATION:
            return self.rps if self.saturated else None
        return self.rps / self.cores if self.cores else None


@dataclass(frozen=True, slots=True)
class Table:
    """All readings, and what they are compared by."""

    readings: tuple[Reading, ...]
    baseline: str
    candidate: str

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The endpoints, in the order in which they came."""
        return tuple(dict.fromkeys(one.endpoint for one in self.readings))

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms, in the order in which they came."""
        return tuple(form for form in FORMS if any(one.form == form for one in self.readings))

    def good(self, measure: str, form: str, twin: str, endpoint: str) -> dict[int, float]:
        """Return what counts, by round."""
        key = (form, twin, endpoint)
        found = ((r.round, r.value(measure)) for r in self.readings if (r.form, r.twin, r.endpoint) == key)
        return {number: value for number, value in found if value is not None}

    def by_round(self, measure: str, form: str, endpoint: str) -> dict[int, float]:
        """Return candidate ÷ baseline by round."""
        below, above = (self.good(measure, form, twin, endpoint) for twin in (self.baseline, self.candidate))
        return {number: above[number] / below[number] for number in sorted(below.keys() & above.keys())}

    def ratio(self, measure: str, form: str, endpoint: str) -> Interval | None:
        """Return candidate ÷ baseline over the rounds."""
        return ratio_interval([(1.0, ratio) for ratio in self.by_round(measure, form, endpoint).values()])

    def between(self, measure: str, form: str, endpoint: str) -> Interval | None:
        """Return a form's ratio ÷ the first form's, within rounds: 1 when the form does not matter."""
        return _paired(self.by_round(measure, self.forms[0], endpoint), self.by_round(measure, form, endpoint))

    def kept(self, measure: str, form: str, twin: str, endpoint: str) -> Interval | None:
        """Return what a twin answers in a form ÷ in the first form, within rounds."""
        return _paired(*(self.good(measure, one, twin, endpoint) for one in (self.forms[0], form)))


def _paired(base: dict[int, float], other: dict[int, float]) -> Interval | None:
    return ratio_interval([(base[number], other[number]) for number in sorted(base.keys() & other.keys())])


def words_of(form: str, number: int, measure_s: int, plan: Plan) -> Iterator[str]:
    """Yield what one run overrides in the shipped plan: its form, one hot instance a twin, one stage, the order."""
    start, network = FORMS[form]
    hot = [entry.name for entry in plan.workload if entry.hot]
    yield f'compose.network="{network}"'
    for (name, twin), port in zip(plan.twins.items(), (18401, 18501), strict=True):
        program = (twin.command or [""])[0].rsplit("/", 1)[-1]
        command = json.dumps([f".twinload/images/{program}", *(twin.command or [])[1:]])
        # The other entries are nobody's to ask for: the sweeps are of the hot ones.
        serves = json.dumps([*hot, *(entry.name for entry in plan.workload if not entry.hot)])
        yield f'twins.{name}.start="{start}"'
        yield f"twins.{name}.command={command}"
        yield f'twins.{name}.instances=[{{name="{name}-1",address="127.0.0.1:{port}",serves={serves}}}]'
    yield 'engine.loop="closed"'
    yield f"engine.connections={USERS}"
    yield 'stages.kind="list"'
    yield f'stages.list=[{{name="full",users={USERS},warmup_s=1,measure_s={measure_s}}}]'
    yield from ('search.mode="curve"', "search.pairs=1")
    twins = tuple(plan.twins)
    first = twins[number // 2 % 2]
    yield f"search.seed={next(seed for seed in count(1) if pair_orders(twins, 1, seed)[0][0] == first)}"


def measure(form: str, number: int, measure_s: int, plan: Plan) -> list[Reading]:
    """Run once and return what each twin answered.

    Raises: CalledProcessError when the run failed.
    """
    with tempfile.TemporaryDirectory(prefix="twinload-bench-") as runs:
        words = [word for text in words_of(form, number, measure_s, plan) for word in ("--set", text)]
        argv = [sys.executable, "-m", "twinload.cli", "run", "-q", "--no-gate", "--runs", runs, *words]
        environ = {**os.environ, "TWIN_DOCKERFILE": "Dockerfile.prebuilt"}
        subprocess.run(argv, cwd=ROOT, env=environ, check=True, stdout=subprocess.DEVNULL)
        text = (Path(runs) / "latest" / "report" / "summary.json").read_text(encoding="utf-8")
    return [
        Reading(
            number, form, twin, endpoint, stage["achieved_rps"], stage["cpu_cores"][f"{twin}-1"],
            stage["past_saturation"], tuple(stage["why"]),
        )
        for twin, endpoints in json.loads(text)["twins"].items()
        for endpoint, found in endpoints.items()
        for stage in found["stages"]
    ]  # fmt: skip


def unusable(plan: Plan) -> str | None:
    """Return why nothing can be measured here, or None."""
    try:
        find_compose()
        engine = connect()
    except ClusterError as fault:
        return f"needs a Docker engine and compose: {fault}"
    try:
        for twin in plan.twins.values():
            program = (twin.command or [""])[0].rsplit("/", 1)[-1]
            if not (IMAGES / program).is_file() or image_id(engine.client, image_of(program)) is None:
                return f"{image_of(program)} is not there: `make images` builds it"
            here = hashlib.sha256((IMAGES / program).read_bytes()).hexdigest()
            if _digest_in_image(engine.client, program) != here:
                return f"{image_of(program)} does not hold .twinload/images/{program}: `make images` builds it anew"
    finally:
        engine.close()
    return None


def _digest_in_image(client: DockerClient, program: str) -> str:
    """Return the SHA-256 of the program in its image; its container is made, never started, and removed."""
    container = client.containers.create(image_of(program))
    try:
        chunks, _ = container.get_archive(f"/{program}")
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as packed:
            file = packed.extractfile(program)
            return hashlib.sha256(file.read()).hexdigest() if file is not None else ""
    finally:
        container.remove()


def shown(interval: Interval | None) -> str:
    """Return an interval as a table's cell."""
    if interval is None:
        return "unknown"
    kind = f"{interval.count} rounds" if interval.kind == "t95" else f"range of {interval.count}"
    return f"{interval.value:.3f} ({interval.lo:.3f} to {interval.hi:.3f}, {kind})"


def tables(found: Table, labels: dict[str, str]) -> Iterator[str]:
    """Yield the lines of the Markdown tables."""
    forms, others = found.forms, found.forms[1:]
    heads = [*forms, *(f"{form} ÷ {forms[0]}" for form in others)]
    yield from _head([f"{labels[found.candidate]} ÷ {labels[found.baseline]}", *heads])
    for measure, endpoint in product(MEASURES, found.endpoints):
        cells = [shown(found.ratio(measure, form, endpoint)) for form in forms]
        cells += [shown(found.between(measure, form, endpoint)) for form in others]
        yield f"| {endpoint}: {MEASURES[measure]} | {' | '.join(cells)} |"
    yield ""
    yield from _head(["", *heads])
    for measure, endpoint, twin in product(MEASURES, found.endpoints, (found.baseline, found.candidate)):
        cells = [_range(found.good(measure, form, twin, endpoint)) for form in forms]
        cells += [shown(found.kept(measure, form, twin, endpoint)) for form in others]
        yield f"| {labels[twin]} {endpoint}: {MEASURES[measure]} | {' | '.join(cells)} |"
    yield ""
    left_out = [one for one in found.readings if one.value(SATURATION) is None]
    yield f"{len(left_out)} of {len(found.readings)} stages show no saturation"
    for one in left_out:
        cores = "unknown" if one.cores is None else f"{one.cores:.2f}"
        why = "; ".join(one.why) or f"the twin was not at its limit: it had {cores} cores"
        yield f"- round {one.round + 1}, {one.form}, {one.twin} {one.endpoint}: {why}"


def _head(cells: Sequence[str]) -> Iterator[str]:
    yield f"| {' | '.join(cells)} |"
    yield "|---" * len(cells) + "|"


def _range(values: dict[int, float]) -> str:
    return f"{min(values.values()):,.0f} to {max(values.values()):,.0f}" if values else "unknown"


def tree(found: Table, measure_s: int) -> dict[str, object]:
    """Return what is written as JSON."""
    pairs = list(product(MEASURES, found.endpoints))
    return {
        "machine": machine(),
        "measure_s": measure_s,
        "connections": USERS,
        "baseline": found.baseline,
        "candidate": found.candidate,
        "ratio": {f"{m} {e}": {f: _tree(found.ratio(m, f, e)) for f in found.forms} for m, e in pairs},
        "between_forms": {f"{m} {e}": {f: _tree(found.between(m, f, e)) for f in found.forms[1:]} for m, e in pairs},
        "readings": [asdict(one) for one in found.readings],
    }


def _tree(interval: Interval | None) -> dict[str, object] | None:
    return None if interval is None else asdict(interval)


def main(argv: list[str]) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6, help="3 or more for intervals, fewer for ranges")
    parser.add_argument("--measure", type=int, default=4, metavar="S", help="measured seconds of each stage")
    parser.add_argument("--forms", nargs="+", choices=list(FORMS), default=["processes", "containers"])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "out")
    options = parser.parse_args(argv)
    plan = read_plan(ROOT / "twinload.toml")
    if options.rounds < 1 or options.measure < 1 or (fault := unusable(plan)):
        wrong = options.rounds < 1 or options.measure < 1
        print("give at least one round of one second" if wrong else f"not measured: {fault}", file=sys.stderr)
        return 2
    began_s, readings = time.monotonic(), list[Reading]()
    for number in range(options.rounds):
        for form in options.forms[:: -1 if number % 2 else 1]:
            try:
                readings += measure(form, number, options.measure, plan)
            except subprocess.CalledProcessError as error:
                print(f"a run of {form} failed with exit code {error.returncode}", file=sys.stderr)
                return 2
            print(f"round {number + 1} of {options.rounds}, {form}: {time.monotonic() - began_s:.0f} s", flush=True)
    baseline, candidate = plan.twins
    found = Table(tuple(readings), baseline, candidate)
    options.out.mkdir(parents=True, exist_ok=True)
    written = options.out / "containers.json"
    written.write_text(json.dumps(tree(found, options.measure), indent=1) + "\n", encoding="utf-8")
    print("\n".join(tables(found, {name: twin.label or name for name, twin in plan.twins.items()})))
    print(f"{written}, after {time.monotonic() - began_s:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

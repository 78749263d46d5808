"""Draws a flame graph from `perf script`: what of a CPU profile lies below which function.

    perf record -e cpu-clock -F 499 -g -p PID -- sleep 6        (Rust: --call-graph dwarf,16384)
    perf script | .venv/bin/python -m benchmarks.flamegraph --title "Go, balance" --root ServeHTTP go-balance.png

Width is share of samples, height is depth, children stand on their caller, alphabetically. `--root` leaves out what
stands below the first frame that contains the text (runtime and framework), and shows the rest of the samples at its
side. Source of the idea: B. Gregg, "The Flame Graph", CACM 59(6), 2016.
"""

from __future__ import annotations

import argparse
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

LEAST_SHARE = 0.002  # narrower frames are not drawn
_FRAME = re.compile(r"^\s+[0-9a-f]+ (.+?)(?:\+0x[0-9a-f]+)? \((.+)\)$")


@dataclass(slots=True)
class Frame:
    """A function below one caller, with the samples that passed it."""

    name: str
    samples: int = 0
    children: dict[str, Frame] = field(default_factory=dict)

    def add(self, stack: Iterable[str]) -> None:
        """Count one sample whose stack, caller first, goes on from here."""
        frame = self
        frame.samples += 1
        for name in stack:
            frame = frame.children.setdefault(name, Frame(name))
            frame.samples += 1


def stacks(lines: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Yield each sample's stack, caller first, from the text of `perf script`."""
    frames: list[str] = []
    for line in lines:
        match = _FRAME.match(line)
        if match:
            frames.append(readable(match[1]))
        elif frames and not line.strip():
            yield tuple(reversed(frames))
            frames = []
    if frames:
        yield tuple(reversed(frames))


def readable(symbol: str) -> str:
    """Return a symbol without its crate or module path, its hash and its generic arguments."""
    symbol = re.sub(r"::h[0-9a-f]{16}$", "", symbol)
    while (bare := re.sub(r"<[^<>]*>", "", symbol)) != symbol:
        symbol = bare
    symbol = symbol.rsplit("/", 1)[-1]
    return "::".join(part for part in symbol.split("::")[-2:] if part) or symbol


def from_root(stack: tuple[str, ...], root: str) -> tuple[str, ...]:
    """Return the stack from the first frame that contains `root`; samples without it are one frame, "other"."""
    for depth, name in enumerate(stack):
        if root in name:
            return stack[depth:]
    return ("other",) if root else stack


def draw(top: Frame, title: str, path: Path) -> None:
    """Draw the graph as a PNG; widths are shares of all samples."""
    boxes = list(_boxes(top, 0.0, 0, top.samples))
    depth = max(level for _, _, level, _ in boxes) + 1
    figure = Figure(figsize=(16, 1.6 + 0.34 * depth), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    for left, width, level, frame in boxes:
        shade = zlib.crc32(frame.name.encode()) % 100 / 100
        axes.barh(level, width, left=left, height=0.94, color=(0.96, 0.55 + 0.32 * shade, 0.30 + 0.2 * shade))
        room = int(width * 150)
        if room >= 4:
            text = f"{frame.name} {100 * width:.0f} %"
            shown = text if len(text) <= room else frame.name[: room - 1] + "…"
            axes.text(left + 0.002, level, shown, va="center", fontsize=10.5, clip_on=True)
    axes.set(xlim=(0, 1), ylim=(-0.6, depth - 0.4), yticks=[], xlabel="share of CPU samples")
    axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    axes.set_title(f"{title} ({top.samples:,} samples; wider is more CPU)", loc="left", fontsize=14)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, metadata={"Software": None})


def _boxes(frame: Frame, left: float, level: int, whole: int) -> Iterator[tuple[float, float, int, Frame]]:
    """Yield (left, width, level, frame) of what stands on a frame; positions are shares of the whole."""
    for child in sorted(frame.children.values(), key=lambda one: one.name):
        width = child.samples / whole
        if width >= LEAST_SHARE:
            yield left, width, level, child
            yield from _boxes(child, left, level + 1, whole)
        left += width


def main() -> int:
    """Read `perf script` from stdin and draw."""
    parser = argparse.ArgumentParser(description="flame graph of `perf script` on stdin")
    parser.add_argument("--title", default="CPU profile")
    parser.add_argument("--root", default="", help="text of the frame to begin at")
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    top = Frame("all")
    for stack in stacks(sys.stdin):
        top.add(from_root(stack, options.root))
    if not top.samples:
        print("no samples on stdin: pipe `perf script` into this", file=sys.stderr)
        return 2
    draw(top, options.title, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

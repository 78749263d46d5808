"""The folder of a shadow run: what was mirrored, what the traffic was, and the gate's report made of both again.

manifest.json   the plan and where the run comes from, written before the first request
pairs.jsonl, pairs.jsonl.coverage   what the gateway wrote, real ids replaced by pseudonyms
live.json       the traffic as its callers saw it, how it ended, the gateway's last status
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from records.errors import RunFolderError
from records.manifest import Manifest
from records.plan import Plan
from records.plan_file import check_plan
from records.run_folder import MANIFEST, RunReader
from shadow.errors import StoreError
from shadow.mirrored import COVERAGE, PAIRS, Mirrored, read_mirrored, report_of, scrubbed, words_of
from shadow.record import write_whole
from shadow.report import GateReport
from shadow.scrub import Scrubber

LIVE: Final = "live.json"
RAW: Final = (MANIFEST, PAIRS, COVERAGE, LIVE)
"""What a report is made of."""


@dataclass(frozen=True, slots=True)
class Live:
    """What is known of the traffic when it has ended.

    `wanted`: pairs to compare of each endpoint. `stopped`: why it ended early, empty when it did not. `tiers`: of the
    users that stored pairs name. `traffic` and `gateway` are what the sender and the gateway counted.
    """

    utc: str
    wanted: int
    stopped: str
    tiers: dict[str, str]
    traffic: dict[str, Any]
    gateway: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class ShadowRun:
    """A shadow run, read back."""

    manifest: Manifest
    plan: Plan
    live: Live
    mirrored: Mirrored

    @property
    def report(self) -> GateReport:
        """The gate's report."""
        live = self.live
        return report_of(
            self.mirrored, self.plan, tiers=live.tiers, utc=live.utc, wanted=live.wanted, stopped=live.stopped
        )


def keep(folder: Path, mirrored: Mirrored, scrubber: Scrubber) -> Mirrored:
    """Write what a gateway wrote into a run's folder, without real ids, and return it as written.

    Raises: StoreError when it cannot be written.
    """
    pairs = tuple(scrubbed(line, scrubber) for line in mirrored.pairs) if scrubber else mirrored.pairs
    write_whole(folder / PAIRS, _lines(pairs))
    write_whole(folder / COVERAGE, _lines(mirrored.coverage))
    return Mirrored(pairs, mirrored.coverage)


def tiers_in(mirrored: Mirrored, ids: Sequence[str], tiers: Sequence[str]) -> dict[str, str]:
    """Return the tiers of the users that pairs name."""
    named = {word for line in mirrored.pairs for word in words_of(line.target)}
    return {user: tier for user, tier in zip(ids, tiers, strict=True) if user in named}


def write_live(folder: Path, live: Live) -> None:
    """Write `live.json`; StoreError when it cannot be written."""
    write_whole(folder / LIVE, msgspec.json.format(msgspec.json.encode(live), indent=1) + b"\n")


def read_run(folder: Path) -> ShadowRun:
    """Read a shadow run's folder.

    Raises: RunFolderError when it is none or is damaged, StoreError when a line is none of the gateway's.
    """
    manifest = RunReader(folder).manifest()
    path = folder / LIVE
    if not path.is_file():
        raise RunFolderError(f"{folder} is no shadow run: it has no {LIVE}; `twinload report` is for the others")
    try:
        live = msgspec.json.decode(path.read_bytes(), type=Live)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
    plan: Mapping[str, Any] = manifest.plan
    return ShadowRun(manifest, check_plan(dict(plan), str(folder / MANIFEST)), live, read_mirrored(folder))


def _lines(records: Sequence[Any]) -> bytes:
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)

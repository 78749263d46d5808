"""Are two runs alike enough to be compared? What differs between their manifests, and what of it may be waived. Pure.

The programs under test may differ: they are what is compared. The plan may not (but for names, places and what is only
judged or priced by), nor the users, nor the machine. What may differ without changing what is measured can be waived by
name, since only a person knows: the suite's commit, versions of packages, the host's name and kernel.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from analysis import setting
from records.manifest import Manifest
from records.plan_file import plan_tree

WAIVABLE: Final = ("commit", "versions", "hostname", "kernel")
_MEMORY_RATIO: Final = 0.02  # a machine's total varies by what its kernel keeps
_FREE_SECTIONS: Final = ("label", "compare", "cost", "verdict")
_FREE_KEYS: Final = ("pool.folder", "pool.import_file", "pool.key_file")


@dataclass(frozen=True, slots=True)
class Unlike:
    """One thing in which two runs differ; `kind` is the word that waives it, where it is one of `WAIVABLE`."""

    kind: str
    what: str
    base: str
    new: str

    @property
    def waivable(self) -> bool:
        """Whether it may be waived by its name."""
        return self.kind in WAIVABLE

    def __str__(self) -> str:
        return f"{self.what}: {self.base} against {self.new}"


def unlike(base: Manifest, new: Manifest) -> tuple[Unlike, ...]:
    """Return everything in which two runs differ and should not; () for like runs.

    Raises: RunFolderError when a manifest holds no plan that can be read.
    """
    return (*_plans(base, new), *_places(base, new), *_software(base, new))


def standing(found: Sequence[Unlike], waived: Sequence[str]) -> tuple[Unlike, ...]:
    """Return the differences that nobody waived."""
    return tuple(one for one in found if not (one.waivable and one.kind in waived))


def programs_changed(base: Manifest, new: Manifest) -> tuple[str, ...]:
    """Return the instances whose program is another: what a comparison is about."""
    names = sorted(base.binaries.keys() | new.binaries.keys())
    return tuple(name for name in names if base.binaries.get(name) != new.binaries.get(name))


def _plans(base: Manifest, new: Manifest) -> Iterator[Unlike]:
    ours, theirs = (dict(_values(plan_tree(setting.plan_of(one)))) for one in (base, new))
    for key in dict.fromkeys((*ours, *theirs)):
        if ours.get(key, "absent") != theirs.get(key, "absent") and not _is_free(key):
            yield Unlike("plan", f"plan.{key}", ours.get(key, "absent"), theirs.get(key, "absent"))
    if list(setting.plan_of(base).twins) != list(setting.plan_of(new).twins):
        yield Unlike("plan", "plan.twins, in order", ", ".join(base.plan["twins"]), ", ".join(new.plan["twins"]))


def _is_free(key: str) -> bool:
    """Say whether a key of the plan changes nothing that is measured: names, places, thresholds, prices."""
    parts = key.split(".")
    return parts[0] in _FREE_SECTIONS or key in _FREE_KEYS or (parts[0] == "twins" and parts[2:] == ["label"])


def _values(tree: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from _values(value, f"{path}.{key}" if path else key)
    else:
        yield path, json.dumps(tree, sort_keys=True)


def _places(base: Manifest, new: Manifest) -> Iterator[Unlike]:
    ours, theirs = base.host, new.host
    if base.pool.digest != new.pool.digest:
        yield Unlike("pool", "pool", f"digest {base.pool.digest[:12]}", f"digest {new.pool.digest[:12]}")
    if ours.cpu_model != theirs.cpu_model:
        yield Unlike("machine", "CPU", ours.cpu_model, theirs.cpu_model)
    if ours.cpus != theirs.cpus:
        yield Unlike("machine", "CPUs", str(ours.cpus), str(theirs.cpus))
    if abs(ours.memory_bytes - theirs.memory_bytes) > _MEMORY_RATIO * ours.memory_bytes:
        yield Unlike("machine", "memory", f"{ours.memory_bytes >> 20} MiB", f"{theirs.memory_bytes >> 20} MiB")
    if ours.hostname != theirs.hostname:
        yield Unlike("hostname", "hostname", ours.hostname, theirs.hostname)
    if ours.kernel != theirs.kernel:
        yield Unlike("kernel", "kernel", ours.kernel, theirs.kernel)


def _software(base: Manifest, new: Manifest) -> Iterator[Unlike]:
    ours, theirs = _commit(base), _commit(new)
    if ours != theirs or base.dirty or new.dirty:
        yield Unlike("commit", "commit of twinload", ours, theirs)
    for name in dict.fromkeys((*base.versions, *new.versions)):
        one, two = base.versions.get(name, "none"), new.versions.get(name, "none")
        if one != two:
            yield Unlike("versions", f"version of {name}", one, two)


def _commit(manifest: Manifest) -> str:
    if manifest.commit is None:
        return "unknown"
    return f"{manifest.commit[:12]}{' with changes' if manifest.dirty else ''}"

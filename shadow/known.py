"""Known answers: what both twins answered alike in a passed gate, as one hash per endpoint and pool user.

A sender under load compares a share of the bodies with them, so that an answer that turns wrong only under load is
seen. `.twinload/gate/<key>.known.npz` holds one array per endpoint, shape (users,), 0 where the gate did not ask.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import twinload_engine

from shadow.answer import Answer, Pair, raced
from shadow.cases import VALID
from shadow.errors import StoreError
from shadow.record import folder_of, write_whole

Hashes = npt.NDArray[np.uint64]
SUFFIX: Final = ".known.npz"


class KnownAnswers:
    """Collects the hashes of equal answers to valid requests; `users` is the pool's size."""

    def __init__(self, endpoints: Sequence[str], users: int) -> None:
        self._hashes = {name: np.zeros(users, dtype=np.uint64) for name in endpoints}

    def add(self, pair: Pair) -> None:
        """Keep what both answered alike to a valid request; anything else is passed over."""
        one, two, case = pair.baseline, pair.candidate, pair.case
        if not isinstance(one, Answer) or not isinstance(two, Answer) or case.kind != VALID or case.user is None:
            return
        if (one.status, one.body) == (two.status, two.body) and not raced(one, two):
            self._hashes[case.endpoint][case.user] = twinload_engine.body_hash(one.body)

    @property
    def hashes(self) -> Mapping[str, Hashes]:
        """The hashes by endpoint."""
        return self._hashes


def save_known(root: Path, key: str, known: KnownAnswers) -> Path:
    """Write them beside the gate's record.

    Raises: StoreError when they cannot be written.
    """
    data = io.BytesIO()
    np.savez_compressed(data, allow_pickle=False, **dict(known.hashes))
    return write_whole(folder_of(root) / f"{key}{SUFFIX}", data.getvalue())


def load_known(root: Path, key: str, endpoints: Sequence[str], users: int) -> Mapping[str, Hashes]:
    """Read them back.

    Raises: StoreError when there are none of this gate, or they are of other endpoints or users.
    """
    path = folder_of(root) / f"{key}{SUFFIX}"
    remedy = "make the gate again with `twinload gate`, or set engine.check_ratio = 0"
    if not os.access(path, os.R_OK):
        raise StoreError(f"no answers of a passed gate to compare with ({path.name} is missing): {remedy}")
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = {name: np.asarray(stored[name], dtype=np.uint64) for name in endpoints}
    except (OSError, KeyError, ValueError, EOFError) as error:
        raise StoreError(f"{path.name} cannot be used ({error}): {remedy}") from error
    for name, hashes in found.items():
        if hashes.shape != (users,):
            raise StoreError(f"{path.name}: {name} has {hashes.shape[0]} users, the pool {users}: {remedy}")
    return found

"""Outlives the owner of containers by as long as it takes to remove them: the engine does not know whose they are.

    python -I -S guardian.py MARK

Until then it is a script with the standard library alone, so that waiting costs next to nothing. Its standard input is
a pipe whose other end the owner alone holds, so it closes when the owner ends, however. A byte before that says that
the owner has seen to its containers itself; without it all that carries MARK is removed. What is still being made at
that moment is waited for.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_LOOKS: Final = 3  # so often in a row there must be nothing left
_PAUSE_S: Final = 0.5
_RELEASE: Final = b"r"


class Guard:
    """The owner's end: from here on what carries the mark goes when this process does."""

    def __init__(self, mark: str, log: Path) -> None:
        """Start the guardian.

        Raises: OSError when no process can be made or the log cannot be written.
        """
        theirs, self._ours = os.pipe()
        paths = os.pathsep.join(path for path in sys.path if path)
        try:
            with log.open("ab") as out:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", __file__, mark], stdin=theirs, stdout=out, stderr=out, cwd="/",
                    env={**os.environ, "PYTHONPATH": paths}, start_new_session=True,
                )  # fmt: skip
        except OSError:
            os.close(self._ours)
            raise
        finally:
            os.close(theirs)

    def release(self) -> None:
        """Let the guardian go without a deed; again does nothing."""
        if self._ours < 0:
            return
        try:
            os.write(self._ours, _RELEASE)
        except BrokenPipeError:
            pass  # someone ended it; there is nothing left to release
        finally:
            os.close(self._ours)
            self._ours = -1
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.release()


def main(argv: list[str]) -> int:
    """Wait for the owner's end, then become what removes what it left."""
    mark, *now = argv
    if not now:
        if os.read(0, 1) != _RELEASE:
            os.execv(sys.executable, [sys.executable, "-m", "clusters.guardian", mark, "now"])  # noqa: S606  no shell
        return 0
    from clusters.containers import remove_marked

    empty = 0
    while empty < _LOOKS:
        empty = 0 if remove_marked(mark, 0.0) else empty + 1
        time.sleep(_PAUSE_S)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

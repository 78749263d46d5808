"""Becomes an instance: runs between the start of a process and its program, as a script of its own.

    python -I -S launch.py PARENT CORES FOLDER PROGRAM ARGV0 ARGS...

PARENT is the pid whose death ends the instance, 0 for an instance that outlives its starter; CORES is "0,1" or "-";
FOLDER is the working folder. Environment, session, standard streams and signal mask are set by the starter. What fails
here is one line in the instance's log and exit code 126. Imports the standard library alone and nothing of ours: it
stands in every instance's start-up time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

FAILED = 126
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, also when that happened before it was asked."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def leave_behind() -> None:
    """Drop what the program should not inherit: open files, and the signals that Python ignores for itself."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  pathlib would double this script's start-up
        if int(name) > 2:
            with contextlib.suppress(OSError):
                os.close(int(name))


def main(argv: list[str]) -> int:
    """Set up this process and become the program; comes back only when that failed."""
    parent, cores, folder, program, *command = argv
    try:
        if int(parent):
            die_with(int(parent))
        if cores != "-":
            os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
        os.chdir(folder)
        leave_behind()
        os.execv(program, command)  # noqa: S606  no shell is wanted
    except OSError as error:
        sys.stderr.write(f"cannot become {program}: {error}\n")
    return FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

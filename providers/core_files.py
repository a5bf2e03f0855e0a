"""What is in memory stays there: no core file of this process is written, and no stranger looks into it."""

import ctypes
import resource

PR_SET_DUMPABLE = 4  # prctl(2)


def forbid_core_files() -> None:
    """Neither by the limit, which children inherit, nor by a program that core files are piped to (core(5)).

    Another process of the same user can't trace this one any more, or read its memory and its environment; root can.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")

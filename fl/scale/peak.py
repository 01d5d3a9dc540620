"""The most memory this process ever held."""

import resource
import sys
from pathlib import Path

__all__ = ["peak_mib"]


def peak_mib() -> int:
    """Resident memory at its highest, in MiB.

    Linux hands the figure of `getrusage` on to whatever a process starts; the one in /proc is the process's own.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        for line in lines:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) >> 10
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit

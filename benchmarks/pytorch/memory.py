"""Peak memory of a script, for those that need no torch too."""

import pathlib
import re
import resource


def own_peak_mib():
    """What Linux calls maxrss begins with the memory of whoever started the process; the mark in /proc does not."""
    status = pathlib.Path("/proc/self/status")
    mark = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE) if status.exists() else None
    return (int(mark[1]) if mark else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024

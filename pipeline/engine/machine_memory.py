"""Memory of this machine: its limit, what is used of it, how often the kernel has ended a process for lack of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import psutil

SHORTAGE: Final = 0.9
"""Share of the limit in use from which memory is short: Ray ends workers at 0.95, the kernel at 1."""

_LIMITS: Final = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_USES: Final = ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes")
_STATISTICS: Final = ("/sys/fs/cgroup/memory.stat", "/sys/fs/cgroup/memory/memory.stat")
_RECLAIMABLE: Final = ("inactive_file", "total_inactive_file")  # bytes of files that the kernel drops when it needs to


def memory_limit() -> int:
    """Returns the memory limit of this process in bytes: the machine's, or less where its control group has one."""
    return min(int(psutil.virtual_memory().total), *(_number(file) or 1 << 62 for file in _LIMITS))


def memory_shortage() -> str:
    """Returns e.g. ``15.2 of 16.0 GB in use, 12.1 by this process`` where memory is short, else ""."""
    machine = psutil.virtual_memory()
    uses = [(int(machine.total - machine.available), int(machine.total))]
    for limit, use, statistics in zip(_LIMITS, _USES, _STATISTICS, strict=True):
        bound, used = _number(limit), _number(use)
        if bound and used and bound < machine.total:
            uses.append((used - max(_field(statistics, name) for name in _RECLAIMABLE), bound))
    used, bound = max(uses, key=lambda pair: pair[0] / pair[1])
    if used < SHORTAGE * bound:
        return ""
    own = psutil.Process().memory_info().rss
    return f"{used / 2**30:.1f} of {bound / 2**30:.1f} GB in use, {own / 2**30:.1f} by this process"


def kernel_kills() -> int:
    """Returns how many processes this machine's kernel has ended for lack of memory since it started; 0: unknown."""
    return _field("/proc/vmstat", "oom_kill")


def _number(file: str) -> int | None:
    """Returns the only number of a file; None: no such file, or no limit ("max")."""
    try:
        return int(Path(file).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _field(file: str, name: str) -> int:
    """Returns the number after a name in a file of ``name number`` lines, 0 where there is none."""
    try:
        found = re.search(rf"^{name} (\d+)$", Path(file).read_text(encoding="ascii"), re.MULTILINE)
    except (OSError, ValueError):
        return 0
    return int(found[1]) if found else 0

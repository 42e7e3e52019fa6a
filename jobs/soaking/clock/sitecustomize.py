"""Moves the clock of Python processes: `time.time` is off by the seconds in the file that `WIDER8K_CLOCK` names.

Python imports a module of this name by itself when it starts, where its folder is in `PYTHONPATH`. The file is read at
every call, so that the clock of a running process can be moved. Clocks that only count on (`time.monotonic`), those of
libraries in other languages and the times of files stay right: moving the machine's own clock would move that of
everything else on it.
"""

from __future__ import annotations

import mmap
import os
import struct
import time

FORMAT = struct.Struct("d")


def _move(path: str) -> None:
    with open(path, "rb") as file:
        shared = mmap.mmap(file.fileno(), FORMAT.size, access=mmap.ACCESS_READ)
    right, right_ns = time.time, time.time_ns

    def moved() -> float:
        return right() + float(FORMAT.unpack_from(shared)[0])

    def moved_ns() -> int:
        return right_ns() + int(FORMAT.unpack_from(shared)[0] * 1e9)

    for name, function in (("time", moved), ("time_ns", moved_ns)):
        # By this name it is pickled, and is the clock of the process that unpickles it.
        function.__module__, function.__name__, function.__qualname__ = "time", name, name
        setattr(time, name, function)


if _path := os.environ.get("WIDER8K_CLOCK"):
    _move(_path)

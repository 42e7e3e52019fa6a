"""The content of a lock file: of a run on another machine, and of a process of this one that has ended."""

from __future__ import annotations

import json
import os

from pipeline.engine.lock import machine


def of(owner: str, beat: int = 0, where: str = "elsewhere", pid: int = 7) -> bytes:
    fields = {
        "owner": owner,
        "host": "elsewhere",
        "machine": where,
        "pid": pid,
        "started": 0,
        "purpose": owner,
        "since_boot": -1,
    }
    return json.dumps(fields | {"beat": beat}).encode()


def dead() -> bytes:
    """Of a process of this machine that has another start time than the one there is."""
    return of("dead", where=machine(), pid=os.getpid())


def alive(owner: str = "other") -> bytes:
    return of(owner)

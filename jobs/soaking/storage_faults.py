"""Faults of storage: a full disk, an S3 that refuses or is slow, a bit that is another one."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import ClassVar, Final

from jobs.benchmarks.slow_s3 import wait
from jobs.soaking.faults import Fault
from jobs.soaking.scene import Scene, is_output
from pipeline.engine.storage import Store

BALLAST: Final = "ballast"
REFUSED_SHARE: Final = 0.5
SECONDS_OF_A_REQUEST: Final = 1.0


class DiskFull(Fault):
    """The file system of the store is full to the last byte."""

    name: ClassVar[str] = "disk-full"
    lasts: ClassVar[tuple[float, float]] = (3.0, 12.0)
    may_end_run: ClassVar[bool] = True  # a node that cannot write fails, and its next run goes on

    def missing(self, scene: Scene) -> str:
        """Where no small file system could be made."""
        return "" if scene.disk else scene.no_disk

    def possible(self, scene: Scene) -> bool:
        """In a pass with a local store."""
        return scene.store.local and scene.disk is not None

    def begin(self, scene: Scene) -> str:
        """Fills it with a file beside the stores."""
        assert scene.disk is not None
        return f"{fill(scene.disk / BALLAST) / 1e6:.0f} MB written beside the store"

    def end(self, scene: Scene) -> None:
        """Deletes that file."""
        assert scene.disk is not None
        (scene.disk / BALLAST).unlink()


class S3Refuses(Fault):
    """Half of all requests are answered by 503."""

    name: ClassVar[str] = "s3-503"
    lasts: ClassVar[tuple[float, float]] = (5.0, 15.0)

    def possible(self, scene: Scene) -> bool:
        """In a pass with a store on S3."""
        return not scene.store.local

    def begin(self, scene: Scene) -> str:
        """From now on."""
        wait(scene.s3, 0, REFUSED_SHARE)
        return f"{REFUSED_SHARE:.0%} of all requests"

    def end(self, scene: Scene) -> None:
        """As before."""
        wait(scene.s3, 0)


class S3Slow(S3Refuses):
    """Every request takes long."""

    name: ClassVar[str] = "s3-slow"

    def begin(self, scene: Scene) -> str:
        """From now on."""
        wait(scene.s3, SECONDS_OF_A_REQUEST)
        return f"{SECONDS_OF_A_REQUEST:g} s for every request"


class BitFlipped(Fault):
    """One bit of a shard, record, list of rows, manifest or checkpoint."""

    name: ClassVar[str] = "bit-flipped"

    def begin(self, scene: Scene) -> str:
        """Flips it, in a file drawn from all there are."""
        names = sorted(name for name, size in scene.store.below("").items() if size and is_output(name))
        if not names:
            return ""
        name = scene.chance.choice(names)
        place = flip(scene.store, name, scene.chance.random(), scene.chance.randrange(8))
        return "" if place is None else f"byte {place} of {name}"


def fill(file: Path) -> int:
    """Writes a file until its file system is full; returns its bytes."""
    size = 0
    with file.open("wb", buffering=0) as ballast:
        for step in (2**20, 2**12, 1):
            try:
                while True:
                    size += ballast.write(bytes(step))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    return size


def flip(store: Store, name: str, part: float, bit: int) -> int | None:
    """Changes one bit of a file at a part of its length; returns which byte, None where the file is gone or empty.

    A local file is changed in place, as when a disk rots.
    """
    data = bytearray(store.read_or_none(name) or b"")
    if not data:
        return None
    place = int(part * len(data))
    data[place] ^= 1 << bit
    if not store.local:
        store.write(name, bytes(data))
        return place
    try:
        with Path(store.path(name)).open("r+b") as file:
            file.seek(place)
            file.write(data[place : place + 1])
    except FileNotFoundError:
        return None
    return place

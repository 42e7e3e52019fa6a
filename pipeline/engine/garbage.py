"""Which stored files a config does not use any more, and what killed runs left lying about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pipeline.engine.local_files import TEMPORARY
from pipeline.engine.lock import LOCK_FILE
from pipeline.engine.manifest import Manifest, load_manifest
from pipeline.engine.plan import Decision, NodePlan
from pipeline.engine.shard_record import DAMAGED, WHOLE
from pipeline.engine.storage import Store

_CANDIDATE = re.compile(re.escape(LOCK_FILE) + r"\.[0-9a-f]{32}")  # of a lock that an earlier version was taking


def unused_files(store: Store, plans: Mapping[str, NodePlan]) -> Iterator[tuple[str, int]]:
    """Yields (folder or file, bytes) of everything that the planned outputs do not need; nothing may run meanwhile.

    Other recipes of a node go as whole folders. In the folder of the present recipe, once its output is finished, other
    manifests go, and shards that no row is taken from. Unfinished outputs keep every shard: they may still serve. What
    a kill in the middle of a write has left goes everywhere, see `left_over`. Of a node that waits for another one
    (`undecided`) nothing else goes.

    Raises:
        ValueError: if a node cannot run as configured, since then nothing can be told.
    """
    for name, planned in plans.items():
        if planned.row_fingerprint is None and planned.decision is Decision.BLOCKED:
            raise ValueError(f"cannot tell what {name} uses: {planned.reason}; nothing was deleted")
    for folder in ("", "runs"):
        yield from _half_written(store, folder)
    for name, planned in plans.items():
        yield from _half_written(store, name)
        for row_fingerprint in store.folders(name):
            folder = f"{name}/{row_fingerprint}"
            if planned.row_fingerprint not in (None, row_fingerprint):
                yield folder, store.weight(folder)
                continue
            found = dict(left_over(store, folder))
            yield from found.items()
            if planned.row_fingerprint and (
                manifest := load_manifest(store, name, row_fingerprint, str(planned.fingerprint))
            ):
                yield from (each for each in _superseded(store, folder, manifest) if each[0] not in found)


def undecided(plans: Mapping[str, NodePlan]) -> list[str]:
    """Returns the nodes of which cannot be told yet what they use: their inputs are not finished."""
    return [name for name, planned in plans.items() if planned.row_fingerprint is None]


def left_over(store: Store, folder: str) -> Iterator[tuple[str, int]]:
    """Yields (path, bytes) of what killed runs left in the folder of a recipe that serves nobody any more.

    Half-written files, notes of workers that were at work, one half of a shard whose other half was never written, and
    the bookkeeping of a training's processes. What a training goes on from stays.
    """
    yield from _half_written(store, folder)
    sizes = store.sizes(folder)
    for file, size in sorted(sizes.items()):
        name, dot, end = file.rpartition(".")
        if file.startswith(("shard-", f"{WHOLE}.")) and end in ("parquet", "json"):
            other = "json" if end == "parquet" else "parquet"
            if f"{name}{dot}{other}" not in sizes:
                yield f"{folder}/{file}", size
    for part in ("_inflight", "work/ray"):
        if part.rpartition("/")[2] in store.folders(f"{folder}/{part}".rpartition("/")[0]):
            yield f"{folder}/{part}", store.weight(f"{folder}/{part}")
    for part in ("work", "work/log"):
        yield from _half_written(store, f"{folder}/{part}")


def _half_written(store: Store, folder: str) -> Iterator[tuple[str, int]]:
    for file, size in sorted(store.sizes(folder).items()):
        if file.startswith(TEMPORARY) or (not folder and _CANDIDATE.fullmatch(file)):
            yield f"{folder}/{file}".lstrip("/"), size


def _superseded(store: Store, folder: str, manifest: Manifest) -> Iterator[tuple[str, int]]:
    needed = {f"manifest-{manifest.fingerprint}.json"}
    needed |= {f"{shard.name}{end}" for shard in manifest.shards for end in (".parquet", ".json", DAMAGED)}
    for file, size in sorted(store.sizes(folder).items()):
        if file not in needed:
            yield f"{folder}/{file}", size

"""Stored files that a config does not use any more, and what killed runs left behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline.engine.local_files import TEMPORARY
from pipeline.engine.manifest import load_manifest
from pipeline.engine.plan import Decision, NodePlan
from pipeline.engine.shard_record import DAMAGED, WHOLE
from pipeline.engine.storage import Store


def unused_files(store: Store, plans: Mapping[str, NodePlan]) -> Iterator[tuple[str, int]]:
    """Yields (folder or file, bytes) of everything that the planned outputs do not need; nothing may run meanwhile.

    * Folders of other row fingerprints of a node.
    * Beside a finished output, other manifests and shards that no row is taken from. An unfinished output keeps every
      shard: it may still be reused.
    * Everywhere, what kills in the middle of a write left, see `left_over`. Of a node whose inputs are not finished,
      so that it has no row fingerprint yet, nothing else.

    Raises ValueError if a node cannot run as configured, since what it uses is then unknown.
    """
    for name, planned in plans.items():
        if planned.row_fingerprint is None and planned.decision is Decision.BLOCKED:
            raise ValueError(f"it is unknown what {name} uses: {planned.reason}; nothing was deleted")
    for folder in ("", "runs", *plans):
        yield from _half_written(store, folder)
    for name, planned in plans.items():
        for row_fingerprint in store.folders(name):
            folder = f"{name}/{row_fingerprint}"
            if planned.row_fingerprint not in (None, row_fingerprint):
                yield folder, store.weight(folder)
                continue
            found = dict(left_over(store, folder))
            yield from found.items()
            manifest = load_manifest(store, name, row_fingerprint, planned.fingerprint or "")
            if planned.row_fingerprint and manifest:
                needed = {f"manifest-{manifest.fingerprint}.json"}
                if rows := manifest.row_list:
                    needed |= {f"{rows.name}.parquet", f"{rows.name}{DAMAGED}"}
                needed |= {f"{shard.name}{end}" for shard in manifest.shards for end in (".parquet", ".json", DAMAGED)}
                for file, size in sorted(store.sizes(folder).items()):
                    if file not in needed and f"{folder}/{file}" not in found:
                        yield f"{folder}/{file}", size


def left_over(store: Store, folder: str) -> Iterator[tuple[str, int]]:
    """Yields (path, bytes) of what killed runs left in the folder of a row fingerprint and no run needs.

    Half-written files, markers of workers, one half of a shard without the other, and the bookkeeping of a training's
    processes. The checkpoints of a training stay.
    """
    yield from _half_written(store, folder)
    sizes = store.sizes(folder)
    for file, size in sorted(sizes.items()):
        name, _, end = file.rpartition(".")
        other = {"parquet": "json", "json": "parquet"}.get(end)
        if other and file.startswith(("shard-", f"{WHOLE}.")) and f"{name}.{other}" not in sizes:
            yield f"{folder}/{file}", size
    for parent, part in ((folder, "_inflight"), (f"{folder}/work", "ray")):
        if part in store.folders(parent):
            yield f"{parent}/{part}", store.weight(f"{parent}/{part}")
    for part in ("work", "work/log"):
        yield from _half_written(store, f"{folder}/{part}")


def _half_written(store: Store, folder: str) -> Iterator[tuple[str, int]]:
    for file, size in sorted(store.sizes(folder).items()):
        if file.startswith(TEMPORARY):
            yield f"{folder}/{file}".lstrip("/"), size

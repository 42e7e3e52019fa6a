"""Stored files that a config does not use any more, and what killed runs left behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline.engine.local_files import TEMPORARY
from pipeline.engine.manifest import load_manifest
from pipeline.engine.plan import Decision, NodePlan
from pipeline.engine.row_list import ROWS
from pipeline.engine.shard_record import DAMAGED, WHOLE
from pipeline.engine.storage import Store


def unused_files(store: Store, plans: Mapping[str, NodePlan]) -> Iterator[tuple[str, int]]:
    """Yields (folder or file, bytes) of everything that the planned outputs do not need; nothing may run meanwhile.

    * Folders of other row fingerprints of a node.
    * Beside a finished output, other manifests, lists of rows, and shards that no row is taken from. An unfinished
      output keeps every shard: it may still be reused.
    * Everywhere, what kills in the middle of a write left, see `left_over`. Of a node whose inputs are not finished,
      so that it has no row fingerprint yet, nothing else.

    Raises ValueError if a node cannot run as configured, since what it uses is then unknown.
    """
    for name, planned in plans.items():
        if planned.row_fingerprint is None and planned.decision is Decision.BLOCKED:
            raise ValueError(f"it is unknown what {name} uses: {planned.reason}; nothing was deleted")
    for folder in ("", "runs"):
        yield from ((_path(folder, file), size) for file, size in _half_written(store.sizes(folder)))
    for name, planned in plans.items():
        files = store.below(name)
        yield from ((f"{name}/{file}", size) for file, size in _half_written(_inside(files, "")))
        for row_fingerprint in sorted({file.partition("/")[0] for file in files if "/" in file}):
            folder, parts = f"{name}/{row_fingerprint}", _below(files, row_fingerprint)
            if planned.row_fingerprint not in (None, row_fingerprint):
                yield folder, sum(parts.values())
            else:
                yield from ((f"{folder}/{file}", size) for file, size in _unused(store, planned, folder, parts))


def _unused(store: Store, planned: NodePlan, folder: str, files: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Yields what is not needed in the folder of the planned row fingerprint, or of one of a node without a plan."""
    found = dict(left_over(files))
    yield from found.items()
    name, _, row_fingerprint = folder.partition("/")
    manifest = load_manifest(store, name, row_fingerprint, planned.fingerprint or "")
    if planned.row_fingerprint and manifest:
        needed = {f"manifest-{manifest.fingerprint}.json"}
        needed |= {f"{shard.name}{end}" for shard in manifest.shards for end in (".parquet", ".json", DAMAGED)}
        if rows := manifest.row_list:
            needed |= {f"{rows.name}.parquet", f"{rows.name}{DAMAGED}"}
        inside = sorted(_inside(files, "").items())
        yield from ((file, size) for file, size in inside if file not in needed and file not in found)


def left_over(files: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Yields (path, bytes) of what killed runs left in the folder of a row fingerprint and no run needs.

    Half-written files, markers of workers, one half of a shard without the other, a list of rows without its manifest,
    and the bookkeeping of a training's processes. The checkpoints of a training stay. `files` are path -> bytes of all
    files in and below the folder; paths are relative to it.
    """
    yield from _half_written(_inside(files, ""))
    for file, size in sorted(_inside(files, "").items()):
        name, _, end = file.rpartition(".")
        other = {"parquet": "json", "json": "parquet"}.get(end)
        half = other and file.startswith(("shard-", f"{WHOLE}.")) and f"{name}.{other}" not in files
        fingerprint = name.removeprefix(ROWS)
        if half or (file == f"{ROWS}{fingerprint}.parquet" and f"manifest-{fingerprint}.json" not in files):
            yield file, size
    for part in ("_inflight", "work/ray"):
        if below := _below(files, part):
            yield part, sum(below.values())
    for part in ("work", "work/log"):
        yield from ((f"{part}/{file}", size) for file, size in _half_written(_inside(files, part)))


def _half_written(sizes: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    return ((file, size) for file, size in sorted(sizes.items()) if file.startswith(TEMPORARY))


def _below(files: Mapping[str, int], folder: str) -> dict[str, int]:
    """Returns the files below a folder, by their paths relative to it."""
    start = f"{folder}/" if folder else ""
    return {file.removeprefix(start): size for file, size in files.items() if file.startswith(start)}


def _inside(files: Mapping[str, int], folder: str) -> dict[str, int]:
    """Returns the files right inside a folder."""
    return {file: size for file, size in _below(files, folder).items() if "/" not in file}


def _path(folder: str, file: str) -> str:
    return f"{folder}/{file}".lstrip("/")

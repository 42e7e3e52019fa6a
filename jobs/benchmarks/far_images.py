"""Index and dump of images in a store whose every request takes its time, against the same images on a disk."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

from jobs.benchmarks.detecting import BOXES, IMAGES, Bench, bench_of, detecting_graph
from jobs.benchmarks.prerequisites import compute, in_new_process, require_success
from jobs.benchmarks.results import Measured, Section, more_is_better
from jobs.benchmarks.slow_s3 import BUCKET, slow_s3, wait
from pipeline.engine.graph import Graph
from pipeline.engine.manifest import stored_manifests
from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.stage import Resources
from pipeline.engine.storage import Store

NODES: Final = (IMAGES, BOXES)
ADDRESS: Final = f"s3://{BUCKET}/images"


def far_images_section(images: int, canvas: str, shared: Path | None, delay_ms: float, rounds: int) -> Section:
    """Returns the images/s of one worker of one core, its images in a store (ours) and on a disk (peer).

    Args:
        images: how many.
        canvas: as in `Predict`.
        shared: folder of real data, or None for drawn images.
        delay_ms: that every answer of the store takes.
        rounds: measurements of either side, in turn; medians count.
    """
    with ExitStack() as open_:
        bench, server = open_.enter_context(bench_of(images, canvas, shared)), open_.enter_context(slow_s3())
        for file in bench.files:
            Store(ADDRESS).write(file.name, file.read_bytes())
        wait(server, delay_ms / 1000)
        found: dict[str, list[tuple[float, float]]] = {node: [] for node in NODES}
        requests: dict[str, int] = {}
        for _ in range(rounds):
            pairs = {node: list[float]() for node in NODES}
            for root in (ADDRESS, str(bench.folder)):
                for node in NODES:
                    wait(server, delay_ms / 1000)
                    pairs[node].append(_rate(bench, root, node))
                    requests[node] = max(requests.get(node, 0), wait(server, delay_ms / 1000))
            for node, (far, near) in pairs.items():
                found[node].append((far, near))
    return Section("far-images", _rows(found, requests, images), [
        f"{bench.origin}, {bench.network}, canvas {canvas}; {delay_ms:g} ms a request, {rounds} rounds in turn",
        "one worker of one core; ours: images in the store, fetched ahead; peer: the same files on this machine's disk",
        f"one request after the other, {delay_ms:g} ms each, allows {1000 / delay_ms:.0f} images/s",
    ])  # fmt: skip


def _rows(found: Mapping[str, list[tuple[float, float]]], requests: Mapping[str, int], images: int) -> list[Measured]:
    names = {IMAGES: "index", BOXES: "dump"}
    rows = []
    for node, rates in found.items():
        far, near = (median(each) for each in zip(*rates, strict=True))
        rows.append(more_is_better(f"{names[node]} of images in a store, images/s", far, near))
        rows.append(Measured(f"{names[node]} of images in a store, requests/image", requests[node] / images))
    return rows


def _rate(bench: Bench, root: str, node: str) -> float:
    """Returns the images/s of a node in a process of its own, without the start and the opening of the network."""
    store = Store(f"{bench.place}/store-{'far' if root == ADDRESS else 'near'}")
    store.delete_folder(node)
    graph: Graph = detecting_graph(bench.model, root, Resources(shard_rows=50))
    require_success(in_new_process(compute, graph, frozenset(NODES[: NODES.index(node) + 1]), store))
    (manifest,) = stored_manifests(store, node)
    if manifest.errors:
        raise RuntimeError(f"{len(manifest.errors)} images could not be read: {manifest.errors[0]}")
    records = [ShardRecord.from_json(store.read(name)) for name in _records(store, manifest.folder)]
    return manifest.rows / sum(record.seconds for record in records if record)


def _records(store: Store, folder: str) -> list[str]:
    return [f"{folder}/{name}" for name in store.sizes(folder) if name.startswith("shard-") and name.endswith(".json")]

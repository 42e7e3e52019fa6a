"""Which stored files a config does not use any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline.engine.manifest import Manifest, load_manifest
from pipeline.engine.plan import NodePlan
from pipeline.engine.storage import Store


def unused(store: Store, plans: Mapping[str, NodePlan]) -> Iterator[tuple[str, int]]:
    """Yields (folder or file, bytes) of everything that the planned outputs do not need.

    Other recipes of a node go as whole folders. In the folder of the present recipe, once its output is finished, other
    manifests go, and shards that no row is taken from. Unfinished outputs keep every shard: they may still serve.

    Raises:
        ValueError: if a node's identity is unknown, since then nothing can be told.
    """
    for name, planned in plans.items():
        if planned.recipe is None:
            raise ValueError(f"cannot tell what {name} uses: {planned.reason}; nothing was deleted")
    for name, planned in plans.items():
        for recipe in store.folders(name):
            folder = f"{name}/{recipe}"
            if recipe != planned.recipe:
                yield folder, sum(store.sizes(folder).values())
            elif manifest := load_manifest(store, name, recipe, str(planned.fingerprint)):
                yield from _superseded(store, folder, manifest)


def _superseded(store: Store, folder: str, manifest: Manifest) -> Iterator[tuple[str, int]]:
    needed = {f"manifest-{manifest.fingerprint}.json"}
    needed |= {f"{shard.name}{end}" for shard in manifest.shards for end in (".parquet", ".json")}
    for file, size in sorted(store.sizes(folder).items()):
        if file not in needed:
            yield f"{folder}/{file}", size
